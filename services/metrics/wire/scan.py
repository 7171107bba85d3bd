"""Events read from their serialised bytes, field by field for all events at once: no Python object an event.

Protobuf writes known fields in order of their numbers, so each event has one place at which its next field can begin.
`columns` moves those places through the fields together. It reads what protobuf itself just wrote and gives up (None)
on whatever is unusual: unknown fields, strings of a kilobyte, numbers past a byte, times before 1970. The caller then
reads the messages one by one, and a test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.metrics import digest, texts
from services.metrics.columns import Coded, RawEvents
from services.metrics.domain import I64, U8, U64, Bools
from services.metrics.texts import Texts

LENGTH, VARINT, KIND = 2, 0, 7
MORE = 0x80  # set on all bytes of a number but its last
SEVEN = 0x7F
# Bytes past the end that a look ahead may touch.
MARGIN = 16
SECONDS_MAX = 10**11
ALL_MORE, ALL_SEVEN = np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F)
SQUEEZE = tuple(
    (np.uint64(kept), np.uint64(kept << 8 * size), np.uint64(size))
    for kept, size in ((0x007F007F007F007F, 1), (0x00003FFF00003FFF, 2), (0x000000000FFFFFFF, 4))
)
# As long as the longest string that is accepted, a user agent of 512 characters, may be, hashtags aside.
STRING_BYTES_MAX = 1_024
EVENTS_TAG = 1 << 3 | LENGTH


class Unusual(Exception):
    """These bytes are not read here."""


@dataclass(slots=True)
class Cursor:
    """Where each event's next field begins."""

    data: U8
    words: U64  # the 8 bytes from each byte on
    at: I64

    @classmethod
    def of(cls, data: U8, at: I64) -> "Cursor":
        return cls(data, np.ndarray((len(data) - digest.WORD_BYTES + 1,), "<u8", data, strides=(1,)), at)

    def has(self, number: int, kind: int) -> Bools:
        """Which events have that field next; the place moves past its tag."""
        tag = number << 3 | kind
        if tag < MORE:
            found: Bools = self.data[self.at] == tag
            self.at = self.at + found
            return found
        found = (self.data[self.at] == (tag & SEVEN | MORE)) & (self.data[self.at + 1] == tag >> 7)
        self.at = self.at + 2 * found
        return found

    def small(self, number: int) -> I64:
        """A number of one byte."""
        found = self.has(number, VARINT)
        values = self.data[self.at] * found
        if (values >= MORE).any():
            raise Unusual
        self.at = self.at + found
        return values.astype(np.int64)

    def length(self, found: Bools) -> I64:
        """How long what follows is, of the events that have it; one or two bytes."""
        low = (self.data[self.at] * found).astype(np.int64)
        if not (low >= MORE).any():
            self.at = self.at + found
            return low
        high = self.data[self.at + 1]
        two = low >= MORE
        if (high[two] >= MORE).any():
            raise Unusual
        self.at = self.at + found + two
        return np.where(two, low & SEVEN | high.astype(np.int64) << 7, low)

    def text(self, number: int) -> Texts:
        lengths = self.length(self.has(number, LENGTH))
        starts, self.at = self.at, self.at + lengths
        return Texts(self.data, starts, lengths)

    def texts(self, number: int) -> Texts:
        """A list of strings, as it is on the wire."""
        starts = self.at
        while (more := self.has(number, LENGTH)).any():
            lengths = self.length(more)
            self.at = self.at + lengths
        return Texts(self.data, starts, self.at - starts)

    def number(self, found: Bools) -> I64:
        """A number of up to 8 bytes, of the events that have it."""
        word = self.words[self.at]
        last = ~word & ALL_MORE
        last &= ~last + np.uint64(1)  # the flag that is not set in the number's last byte, alone
        upto = (last << np.uint64(1)) - np.uint64(1)
        size = np.bitwise_count(upto).astype(np.int64) >> 3
        if (last[found] == 0).any():
            raise Unusual
        # Eight times seven bits move together: to four times fourteen, twice 28, once 56.
        bits = word & upto & ALL_SEVEN
        for kept, moved, shift in SQUEEZE:
            bits = bits & kept | (bits & moved) >> shift
        self.at = self.at + size * found
        return bits.astype(np.int64) * found

    def time_ms(self, number: int) -> I64:
        inner = self.length(self.has(number, LENGTH))
        end = self.at + inner
        # Inside of an event without a time there is nothing to find.
        held = inner > 0
        if not held.any():
            return inner
        seconds = self.number(self._inner(1, held))
        nanos = self.number(self._inner(2, held & (self.at < end)))
        if (self.at != end).any() or int(seconds.max()) > SECONDS_MAX:
            raise Unusual
        return seconds * 1000 + nanos // 1_000_000

    def _inner(self, number: int, held: Bools) -> Bools:
        found: Bools = held & (self.data[self.at] == (number << 3 | VARINT))
        self.at = self.at + found
        return found


def columns(request: bytes, key: digest.Key) -> RawEvents | None:
    """The events of a serialised request; None where they must be read one by one.

    Strings are told apart by their digests alone: nobody knows the key, so nobody can make two meet.
    """
    data = np.zeros(len(request) + MARGIN, np.uint8)
    data[: len(request)] = np.frombuffer(request, np.uint8)
    try:
        return _columns(data, *(_likely_events(data, len(request)) or _events(request)), key)
    except Unusual:
        return None


def _likely_events(data: U8, size: int) -> tuple[I64, I64] | None:
    """Where each event begins and ends, if there is nothing else: told by their first two tags, then proved."""
    tag = data[: size + 1] == EVENTS_TAG  # that of an event's id, too
    at = np.flatnonzero(tag[:-1] & (np.append(tag[2:], False) | np.append(tag[3:], [False, False])))
    low, high = data[at + 1].astype(np.int64), data[at + 2].astype(np.int64)
    starts = at + 2 + (low >= MORE)
    ends = starts + np.where(low >= MORE, low & SEVEN | high << 7, low)
    is_end = np.zeros(size + 1, bool)
    is_end[0] = True
    is_end[ends[ends <= size]] = True
    follows = is_end[at]
    at, starts, ends = at[follows], starts[follows], ends[follows]
    is_chain = len(at) > 0 and at[0] == 0 and ends[-1] == size and np.array_equal(ends[:-1], at[1:])
    return (starts, ends) if is_chain else None


def _events(request: bytes) -> tuple[I64, I64]:
    """Where each event begins and ends, one by one; other fields of the request are passed over."""
    starts, ends, at = [], [], 0
    while at < len(request):
        tag, size, at = request[at], request[at + 1], at + 2
        if tag >= MORE or tag & KIND != LENGTH:
            raise Unusual
        if size >= MORE:
            if request[at] >= MORE:
                raise Unusual
            size, at = size & SEVEN | request[at] << 7, at + 1
        end = at + size
        if tag == EVENTS_TAG:
            starts.append(at)
            ends.append(end)
        at = end
    return np.array(starts, np.int64), np.array(ends, np.int64)


def _columns(data: U8, starts: I64, ends: I64, key: digest.Key) -> RawEvents:
    cursor = Cursor.of(data, starts)
    ids, types, times_ms = cursor.text(1), cursor.small(2), cursor.time_ms(3)
    cursor.time_ms(4)  # received_time: ours to say
    videos, titles, creators, campaigns, offers, regions, viewers = (cursor.text(number) for number in range(5, 12))
    devices, sources, agents = (cursor.small(number) for number in range(12, 15))
    user_agents, arms, lists = cursor.text(15), cursor.small(16), cursor.texts(17)
    if (cursor.at != ends).any():
        raise Unusual
    coded = _coded([videos, titles, creators, campaigns, offers, regions, user_agents, lists], key)
    return RawEvents(
        ids=ids.compact(),
        types=types,
        times_ms=times_ms,
        videos=coded[0],
        titles=coded[1],
        creators=coded[2],
        campaigns=coded[3],
        offers=coded[4],
        regions=coded[5],
        viewers=viewers,
        devices=devices,
        sources=sources,
        agents=agents,
        user_agents=coded[6],
        arms=arms,
        hashtags=coded[7],
    )


def _coded(columns: Sequence[Texts], key: digest.Key) -> list[Coded]:
    """The columns over their distinct strings; the last one's are lists.

    All are found at once: column by column, most of the time would go into beginning small steps.
    """
    whole, count = texts.joined(columns), len(columns[0])
    if int(whole.lengths.max()) > STRING_BYTES_MAX:
        raise Unusual
    filled = np.flatnonzero(whole.lengths)
    strings, column = whole.take(filled), filled // count
    digests = digest.of_words(digest.words_of(strings), strings.lengths, key)
    # Equal strings of two columns are two.
    digests ^= column.astype(np.uint64) * np.uint64(digest.SPREAD)
    first, group = digest.distinct(digests)
    bounds = np.searchsorted(column[first], np.arange(len(columns) + 1))
    named = strings.take(first[: bounds[-2]]).compact()
    names = texts.joined([named, _comma_joined(strings.take(first[bounds[-2] :])), Texts.of(("",))])
    codes = np.zeros(len(whole), np.int64)
    codes[filled] = group - bounds[column] + 1
    own = codes.reshape(len(columns), count)
    return [_column(names, *each) for each in zip(own, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]


def _column(names: Texts, codes: I64, start: int, end: int) -> Coded:
    """A column over its part of the names; code 0 is the empty string, the last of all, where there is one."""
    places = np.arange(start - 1, end)
    places[0] = len(names) - 1
    skipped = int(codes.min() > 0)
    return Coded(names=names.take(places[skipped:]), codes=(codes - skipped).astype(np.uint32))


def _comma_joined(lists: Texts) -> Texts:
    """Lists as they are on the wire, each as one string."""
    data = lists.data.tobytes()
    each = zip(lists.starts.tolist(), lists.lengths.tolist(), strict=True)
    return Texts.of([_joined(data, at, at + size) for at, size in each])


def _joined(data: bytes, at: int, end: int) -> str:
    names = []
    while at < end:
        size, at = data[at + 2], at + 3
        if size >= MORE:
            size, at = size & SEVEN | data[at] << 7, at + 1
        names.append(data[at : at + size])
        at += size
    return b",".join(names).decode()
