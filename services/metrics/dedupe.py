"""Remembers which event ids were seen in the last 24 hours: an open-addressed table of digests in numpy.

Of each 128-bit digest 96 bits are kept: two of ten million ids agree in them with a probability below 1e-14. Ids are
kept by the hour of their log document. An id counts as seen while that hour is at most 24 hours back, so for 24 to 25
hours; which of two equal ids counts depends on their order in the log and on nothing else.
"""

import numpy as np

from services.metrics.domain import I64, U16, U32, U64, Bools

HOURS_KEPT = 24
# Linear probing stays near two probes up to this load; a slot has 14 bytes, so an id costs 21 to 42.
LOAD_MAX = 0.66
CAPACITY_MIN = 1 << 18  # 4 MB
PIECE = 1 << 18  # bounds scratch arrays
EMPTY = 0


class SeenIds:
    """The ids of the last 24 hours."""

    __slots__ = ("_count", "_hi", "_hour", "_lo", "_newest")

    def __init__(self) -> None:
        self._allocate(CAPACITY_MIN)
        self._count = 0
        self._newest = 0

    def __len__(self) -> int:
        return self._count

    def _allocate(self, capacity: int) -> None:
        self._hi: U64 = np.zeros(capacity, np.uint64)
        self._lo: U32 = np.zeros(capacity, np.uint32)
        # 0 is an empty slot; hours are kept modulo 2^16 - 1, seven years, plus one.
        self._hour: U16 = np.zeros(capacity, np.uint16)

    def unseen(self, hi: U64, lo: U64, hour: int) -> Bools:
        """Which rows are neither in the table nor repeat an earlier row; changes nothing."""
        return self._unseen(hi, _upper(lo), hour)

    def _unseen(self, hi: U64, lo: U32, hour: int) -> Bools:
        known = self._find(hi, lo, hour)
        fresh = np.flatnonzero(~known)
        first = _first_of_equals(hi[fresh], lo[fresh])
        result = np.zeros(len(hi), bool)
        result[fresh[first]] = True
        return result

    def add(self, hi: U64, lo: U64, hour: int) -> Bools:
        """Remembers the rows and says which of them are new."""
        upper = _upper(lo)
        fresh = self._unseen(hi, upper, hour)
        self._make_room(int(fresh.sum()), hour)
        self._insert(hi[fresh], upper[fresh], np.full(int(fresh.sum()), _stored(hour), np.uint16))
        return fresh

    def _find(self, hi: U64, lo: U32, hour: int) -> Bools:
        mask = np.uint64(len(self._hi) - 1)
        found = np.zeros(len(hi), bool)
        rows = np.arange(len(hi))
        slots = (hi & mask).astype(np.int64)
        while len(rows):
            taken = self._hour[slots] != EMPTY
            rows, slots = rows[taken], slots[taken]
            same = (self._hi[slots] == hi[rows]) & (self._lo[slots] == lo[rows])
            found[rows[same]] = _is_recent(self._hour[slots[same]], hour)
            # An equal id that is too old is not seen; a younger copy of it may lie further on.
            rest = ~(same & _is_recent(self._hour[slots], hour))
            rows, slots = rows[rest], (slots[rest] + 1) & (len(self._hi) - 1)
        return found

    def _make_room(self, more: int, hour: int) -> None:
        is_old = self._count and hour > self._newest + 1
        if is_old or self._count + more > LOAD_MAX * len(self._hi):
            self._rebuild(more, max(hour, self._newest))
        self._newest = max(hour, self._newest)

    def _rebuild(self, more: int, hour: int) -> None:
        """Forgets what is too old and takes the size the rest needs."""
        old = [(self._hi[at], self._lo[at], self._hour[at]) for at in _pieces(len(self._hi))]
        kept = [(hours != EMPTY) & _is_recent(hours, hour) for _, _, hours in old]
        capacity = CAPACITY_MIN
        while sum(map(np.count_nonzero, kept)) + more > LOAD_MAX * capacity:
            capacity *= 2
        self._allocate(capacity)
        self._count = 0
        for (hi, lo, hours), mask in zip(old, kept, strict=True):
            self._insert(hi[mask], lo[mask], hours[mask])

    def _insert(self, hi: U64, lo: U32, hours: U16) -> None:
        """Puts distinct new rows into free slots."""
        last = len(self._hi) - 1
        slots: I64 = (hi & np.uint64(last)).astype(np.int64)
        self._count += len(hi)
        while len(slots):
            free = np.flatnonzero(self._hour[slots] == EMPTY)
            target = slots[free]
            # Several rows may want one slot: the last written has it, and the others go on.
            self._hi[target], self._lo[target], self._hour[target] = hi[free], lo[free], hours[free]
            left = (self._hi[slots] != hi) | (self._lo[slots] != lo) | (self._hour[slots] != hours)
            hi, lo, hours, slots = hi[left], lo[left], hours[left], (slots[left] + 1) & last


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
    return hour % 65_535 + 1


def _is_recent(stored: U16, hour: int) -> Bools:
    age = (_stored(hour) - stored.astype(np.int32)) % 65_535
    # Hours may run back a little between processes: an id of a later hour is recent too.
    return (age <= HOURS_KEPT) | (age >= 65_535 - HOURS_KEPT)
