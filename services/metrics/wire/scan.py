"""Events read from their serialised bytes, field by field for all events at once: no Python object an event.

Protobuf writes known fields in order of their numbers, so each event has one place at which its next field can begin.
`columns` moves those places through the fields together, and gives up (None) on whatever is unusual: fields in another
order or unknown, strings of a kilobyte, numbers past a byte, times before 1970, bytes that are no message. The caller
then reads the messages one by one, and a test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.metrics import digest
from services.metrics.columns import RawEvents
from services.metrics.domain import I64, U8, U64, Bools
from services.metrics.texts import WORD_BYTES, Texts
from services.metrics.wire import strings
from services.metrics.wire.strings import MORE, SEVEN, Unusual

LENGTH, VARINT = 2, 0
# So many of the columns of strings hold ids.
IDS = 5
# Bytes past the end that a look ahead may touch.
MARGIN = 16
SECONDS_MAX = 10**11
NANOS_MAX = (1 << 31) - 1
ALL_MORE_BITS = 0x8080808080808080
ALL_MORE, ALL_SEVEN = np.uint64(ALL_MORE_BITS), np.uint64(0x7F7F7F7F7F7F7F7F)
SQUEEZE = tuple(
    (np.uint64(kept), np.uint64(kept << 8 * size), np.uint64(size))
    for kept, size in ((0x007F007F007F007F, 1), (0x00003FFF00003FFF, 2), (0x000000000FFFFFFF, 4))
)


@dataclass(slots=True)
class Cursor:
    """Where each event's next field begins."""

    data: U8
    words: U64  # the 8 bytes from each byte on
    at: I64
    # Bytes past 127 that were passed outside of strings.
    high_count: int = 0

    @classmethod
    def of(cls, data: U8, at: I64) -> "Cursor":
        words = np.ndarray((len(data) - WORD_BYTES + 1,), "<u8", data, strides=(1,))
        return cls(data, words, at)

    def field(self, number: int, kind: int) -> tuple[Bools, U8, int]:
        """Which events have that field next, the first byte of what it holds, and whether any has it and how great.

        The place moves past the tag.
        """
        tag = number << 3 | kind
        first = self.data[self.at]
        found: Bools = first == (tag if tag < MORE else tag & SEVEN | MORE)
        if tag >= MORE and np.count_nonzero(found):
            found &= self.data[self.at + 1] == tag >> 7
            self.high_count += int(np.count_nonzero(found))
        if not (count := np.count_nonzero(found)):
            return found, found.view(np.uint8), 0
        size = 1 if tag < MORE else 2
        self.at = self.at + (size if count == len(found) else found * size)
        low = self.data[self.at] if count == len(found) else self.data[self.at] * found
        return found, low, max(int(low.max()), 1)

    def small(self, number: int) -> I64:
        """A number of one byte."""
        found, values, top = self.field(number, VARINT)
        if top >= MORE:
            raise Unusual
        if top:
            self.at = self.at + found
        return values.astype(np.int64)

    def length(self, number: int) -> tuple[Bools, I64]:
        """Which events have that field, and how long it is; one or two bytes tell."""
        found, first, top = self.field(number, LENGTH)
        low = first.astype(np.int64)
        if not top:
            return found, low
        if top < MORE:
            self.at = self.at + found
            return found, low
        high = self.data[self.at + 1]
        two = first >= MORE
        if (high[two] >= MORE).any():
            raise Unusual
        self.at = self.at + found + two
        self.high_count += int(np.count_nonzero(two))
        return found, np.where(two, low & SEVEN | high.astype(np.int64) << 7, low)

    def text(self, number: int) -> Texts:
        _, lengths = self.length(number)
        starts, self.at = self.at, self.at + lengths
        return Texts(self.data, starts, lengths)

    def texts(self, number: int) -> Texts:
        """A list of strings, as it is on the wire."""
        starts = self.at
        while True:
            found, lengths = self.length(number)
            if not found.any():
                return Texts(self.data, starts, self.at - starts)
            self.at = self.at + lengths

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
        size *= found
        self.at = self.at + size
        self.high_count += int(size.sum() - np.count_nonzero(found))
        return bits.astype(np.int64) * found

    def time_ms(self, number: int) -> I64:
        _, inner = self.length(number)
        end = self.at + inner
        # Inside of an event without a time there is nothing to find.
        held = inner > 0
        if not held.any():
            return inner
        seconds = self.number(self._inner(1, held))
        nanos = self.number(self._inner(2, held & (self.at < end)))
        if (self.at != end).any() or int(seconds.max()) > SECONDS_MAX or int(nanos.max()) > NANOS_MAX:
            raise Unusual
        return seconds * 1000 + nanos // 1_000_000

    def _inner(self, number: int, held: Bools) -> Bools:
        found: Bools = held & (self.data[self.at] == (number << 3 | VARINT))
        self.at = self.at + found
        return found


def columns(events: Sequence[bytes], key: digest.Key) -> RawEvents | None:
    """Serialised events; None where they must be read one by one.

    Strings are told apart by their digests alone: nobody knows the key, so nobody can make two meet.
    """
    sizes = np.fromiter(map(len, events), np.int64, len(events))
    data = np.frombuffer(b"".join((*events, bytes(MARGIN))), np.uint8)
    ends = np.cumsum(sizes)
    try:
        return _columns(data, ends - sizes, ends, key)
    except (Unusual, UnicodeDecodeError, IndexError):
        # A length that leads past the end of the last event is out of the index.
        return None


def _columns(data: U8, starts: I64, ends: I64, key: digest.Key) -> RawEvents:
    cursor = Cursor.of(data, starts)
    ids, types, times_ms = cursor.text(1), cursor.small(2), cursor.time_ms(3)
    cursor.time_ms(4)  # received_time: ours to say
    videos, titles, creators, campaigns, offers, regions, viewers = (cursor.text(number) for number in range(5, 12))
    devices, sources, agents = (cursor.small(number) for number in range(12, 15))
    user_agents, arms, lists = cursor.text(15), cursor.small(16), cursor.texts(17)
    if (cursor.at != ends).any():
        raise Unusual
    is_ascii = cursor.high_count == np.count_nonzero(data >= MORE)
    columns = [titles, videos, creators, campaigns, offers, regions, user_agents, lists]
    coded = strings.coded(columns, IDS, key, is_ascii=is_ascii)
    ids = ids.compact()
    if not is_ascii:
        strings.require_text(ids)
        strings.require_text(viewers.compact())
    return RawEvents(
        ids=ids,
        types=types,
        times_ms=times_ms,
        titles=coded[0],
        videos=coded[1],
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
