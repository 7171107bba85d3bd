"""Remembers which event ids were seen in the last 24 hours: an open-addressed table of digests in numpy.

Of each 128-bit digest 80 bits are kept: two of ten million ids agree in them with a probability of 4e-11. Ids are
kept by the hour of their log document. An id counts as seen while that hour is at most 24 hours back, so for 24 to 25
hours; which of two equal ids counts depends on their order in the log and on nothing else.
"""

import numpy as np

from services.metrics.domain import I64, U32, U64, Bools

HOURS_KEPT = 24
# Linear probing stays near two probes up to this load; a slot has 12 bytes, so an id costs 18 to 36.
LOAD_MAX = 0.66
CAPACITY_MIN = 1 << 18  # 3 MB
PIECE = 1 << 18  # bounds scratch arrays
# A slot holds 48 bits of an id with its hour in the low 16, where 0 is an empty slot, so that one look into memory
# tells of both; hours are kept modulo 2^16 - 1, seven years, plus one.
HOURS = (1 << 16) - 1
DIGEST, HOUR = np.uint64((1 << 64) - 1 - HOURS), np.uint64(HOURS)


class SeenIds:
    """The ids of the last 24 hours."""

    __slots__ = ("_count", "_held", "_lo", "_newest", "_shift")

    def __init__(self) -> None:
        self._allocate(CAPACITY_MIN)
        self._count = 0
        self._newest = 0

    def __len__(self) -> int:
        return self._count

    def _allocate(self, capacity: int) -> None:
        self._held: U64 = np.zeros(capacity, np.uint64)
        self._lo: U32 = np.zeros(capacity, np.uint32)
        # The highest bits name the slot: the lowest ones are not kept.
        self._shift = np.uint64(65 - capacity.bit_length())

    def unseen(self, hi: U64, lo: U64, hour: int) -> Bools:
        """Which rows are neither in the table nor repeat an earlier row; changes nothing."""
        return self._unseen(hi & DIGEST, _upper(lo), hour)

    def _unseen(self, hi: U64, lo: U32, hour: int) -> Bools:
        known = self._find(hi, lo, hour)
        fresh = np.flatnonzero(~known)
        first = _first_of_equals(hi[fresh], lo[fresh])
        result = np.zeros(len(hi), bool)
        result[fresh[first]] = True
        return result

    def add(self, hi: U64, lo: U64, hour: int) -> Bools:
        """Remembers the rows and says which of them are new."""
        hi, upper = hi & DIGEST, _upper(lo)
        fresh = self._unseen(hi, upper, hour)
        self._make_room(int(np.count_nonzero(fresh)), hour)
        self._insert(hi[fresh] | np.uint64(_stored(hour)), upper[fresh])
        return fresh

    def _find(self, hi: U64, lo: U32, hour: int) -> Bools:
        found = np.zeros(len(hi), bool)
        rows, slots = np.arange(len(hi)), self._slots(hi)
        while len(rows):
            held = self._held[slots]
            taken = np.flatnonzero(held & HOUR)
            rows, slots, held = rows[taken], slots[taken], held[taken]
            same = ((held ^ hi[rows]) <= HOUR) & (self._lo[slots] == lo[rows])
            # An equal id that is too old is not seen; a younger copy of it may lie further on.
            same[same] = _is_recent(held[same] & HOUR, hour)
            found[rows[same]] = True
            rows, slots = rows[~same], (slots[~same] + 1) & (len(self._held) - 1)
        return found

    def _slots(self, held: U64) -> I64:
        return (held >> self._shift).view(np.int64)

    def _make_room(self, more: int, hour: int) -> None:
        is_old = self._count and hour > self._newest + 1
        if is_old or self._count + more > LOAD_MAX * len(self._held):
            self._rebuild(more, max(hour, self._newest))
        self._newest = max(hour, self._newest)

    def _rebuild(self, more: int, hour: int) -> None:
        """Forgets what is too old and takes the size the rest needs."""
        old = [(self._held[at], self._lo[at]) for at in _pieces(len(self._held))]
        kept = [(held & HOUR != 0) & _is_recent(held & HOUR, hour) for held, _ in old]
        capacity = CAPACITY_MIN
        while sum(map(np.count_nonzero, kept)) + more > LOAD_MAX * capacity:
            capacity *= 2
        self._allocate(capacity)
        self._count = 0
        for (held, lo), mask in zip(old, kept, strict=True):
            self._insert(held[mask], lo[mask])

    def _insert(self, new: U64, lo: U32) -> None:
        """Puts distinct new rows, each with its hour, into free slots."""
        slots = self._slots(new)
        self._count += len(new)
        while len(slots):
            free = np.flatnonzero(self._held[slots] & HOUR == 0)
            target = slots[free]
            # Several rows may want one slot: the last written has it, and the others go on.
            self._held[target], self._lo[target] = new[free], lo[free]
            left = np.flatnonzero((self._held[slots] != new) | (self._lo[slots] != lo))
            new, lo, slots = new[left], lo[left], (slots[left] + 1) & (len(self._held) - 1)


def _first_of_equals(hi: U64, lo: U32) -> I64:
    """The places of the first of each group of equal rows, in order."""
    in_order = np.sort(hi)
    twice = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(twice):
        return np.arange(len(hi))
    # Few rows repeat another: only those that may are sorted with their places.
    some = np.flatnonzero(np.isin(hi, twice))
    order = some[np.lexsort((lo[some], hi[some]))]
    again = (hi[order[1:]] == hi[order[:-1]]) & (lo[order[1:]] == lo[order[:-1]])
    # lexsort is stable: the first of a group is its earliest row.
    kept = np.ones(len(hi), bool)
    kept[order[1:][again]] = False
    return np.flatnonzero(kept)


def _upper(lo: U64) -> U32:
    return (lo >> np.uint64(32)).astype(np.uint32)


def _pieces(length: int) -> list[slice]:
    return [slice(start, start + PIECE) for start in range(0, length, PIECE)]


def _stored(hour: int) -> int:
    return hour % HOURS + 1


def _is_recent(stored: U64, hour: int) -> Bools:
    age = (_stored(hour) - stored.view(np.int64)) % HOURS
    # Hours may run back a little between processes: an id of a later hour is recent too.
    return (age <= HOURS_KEPT) | (age >= HOURS - HOURS_KEPT)
