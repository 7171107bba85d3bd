"""Events read from their serialised bytes, field by field for all events at once: no Python object an event.

Protobuf writes known fields in order of their numbers, so each event has one place at which its next field can begin.
`columns` moves those places through the fields together. It reads what protobuf itself just wrote and gives up (None)
on whatever is unusual: unknown fields, strings of a kilobyte, numbers past a byte, times before 1970. The caller then
reads the messages one by one, and a test compares the two.
"""

from dataclasses import dataclass

import numpy as np

from services.metrics import digest
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
KEY = digest.Key.of(bytes(range(32)))
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


def columns(request: bytes) -> RawEvents | None:
    """The events of a serialised request; None where they must be read one by one."""
    data = np.zeros(len(request) + MARGIN, np.uint8)
    data[: len(request)] = np.frombuffer(request, np.uint8)
    try:
        return _columns(data, *(_likely_events(data, len(request)) or _events(request)))
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


def _columns(data: U8, starts: I64, ends: I64) -> RawEvents:
    cursor = Cursor.of(data, starts)
    ids, types, times_ms = cursor.text(1), cursor.small(2), cursor.time_ms(3)
    cursor.time_ms(4)  # received_time: ours to say
    videos, titles, creators, campaigns, offers, regions, viewers = (cursor.text(number) for number in range(5, 12))
    devices, sources, agents = (cursor.small(number) for number in range(12, 15))
    user_agents, arms = cursor.text(15), cursor.small(16)
    hashtags = _hashtags(cursor)
    if (cursor.at != ends).any():
        raise Unusual
    return RawEvents(
        ids=ids.compact(),
        types=types,
        times_ms=times_ms,
        videos=coded(videos),
        titles=coded(titles),
        creators=coded(creators),
        campaigns=coded(campaigns),
        offers=coded(offers),
        regions=coded(regions),
        viewers=viewers,
        devices=devices,
        sources=sources,
        agents=agents,
        user_agents=coded(user_agents),
        arms=arms,
        hashtags=hashtags,
    )


def coded(values: Texts) -> Coded:
    """The column over its distinct strings."""
    first, group = _distinct(values)
    return Coded(names=values.take(first).compact(), codes=group.astype(np.uint32))


def _distinct(values: Texts) -> tuple[I64, I64]:
    """The first of each group of equal strings, and each string's group."""
    longest = int(values.lengths.max())
    if not longest:
        return np.zeros(1, np.int64), np.zeros(len(values), np.int64)
    if longest > STRING_BYTES_MAX:
        raise Unusual
    words = list(digest.words_of(values))
    first, group = digest.distinct(digest.of_words(words, values.lengths, KEY))
    if len(first) == len(values):
        return first, group
    # Everybody can compute this digest: equal ones must also be equal strings.
    alike = values.lengths == values.lengths[first][group]
    for rows, word in words:
        whole = word
        if rows is not None:
            whole = np.zeros(len(values), np.uint64)
            whole[rows] = word
        alike &= whole == whole[first][group]
    if not alike.all():
        raise Unusual
    return first, group


def _hashtags(cursor: Cursor) -> Coded:
    """The lists, joined by commas; each distinct list is put together once."""
    starts = cursor.at
    while (more := cursor.has(17, LENGTH)).any():
        lengths = cursor.length(more)
        cursor.at = cursor.at + lengths
    lists = Texts(cursor.data, starts, cursor.at - starts)
    first, group = _distinct(lists)
    data, chosen = cursor.data.tobytes(), lists.take(first)
    names = [_joined(data, at, at + size) for at, size in zip(chosen.starts, chosen.lengths, strict=True)]
    return Coded(names=Texts.of(names), codes=group.astype(np.uint32))


def _joined(data: bytes, at: int, end: int) -> str:
    names = []
    while at < end:
        size, at = data[at + 2], at + 3
        if size >= MORE:
            size, at = size & SEVEN | data[at] << 7, at + 1
        names.append(data[at : at + size])
        at += size
    return b",".join(names).decode()
