"""The numbers of titles by the digests of their ids: an open-addressed table in numpy, asked by the thousand."""

import numpy as np

from services.metrics.domain import I64, U64

CAPACITY_MIN = 1 << 14
# Linear probing stays near two probes up to this load; a slot has 12 bytes.
LOAD_MAX = 0.66
EMPTY = 0  # the digest of the empty string, which is no title's
UNKNOWN = -1


class Numbers:
    """Digests and their numbers, each once."""

    __slots__ = ("_count", "_digests", "_numbers")

    def __init__(self) -> None:
        self._count = 0
        self._allocate(CAPACITY_MIN)

    def __len__(self) -> int:
        return self._count

    def _allocate(self, capacity: int) -> None:
        self._digests: U64 = np.full(capacity, EMPTY, np.uint64)
        self._numbers = np.zeros(capacity, np.uint32)

    def of(self, digests: U64) -> I64:
        """The number of each digest, UNKNOWN where there is none."""
        found = np.full(len(digests), UNKNOWN, np.int64)
        last = len(self._digests) - 1
        rows, slots = np.arange(len(digests)), (digests & np.uint64(last)).view(np.int64)
        while len(rows):
            held = self._digests[slots]
            same = held == digests[rows]
            found[rows[same]] = self._numbers[slots[same]]
            rest = ~same & (held != EMPTY)
            rows, slots = rows[rest], (slots[rest] + 1) & last
        return found

    def add(self, digests: U64, numbers: I64) -> None:
        """Takes in digests that are distinct and not there yet."""
        if self._count + len(digests) > LOAD_MAX * len(self._digests):
            self._grow(self._count + len(digests))
        self._insert(digests, numbers.astype(np.uint32))

    def _grow(self, count: int) -> None:
        held = self._digests != EMPTY
        digests, numbers = self._digests[held], self._numbers[held]
        capacity = CAPACITY_MIN
        while count > LOAD_MAX * capacity:
            capacity *= 2
        self._allocate(capacity)
        self._count = 0
        self._insert(digests, numbers)

    def _insert(self, digests: U64, numbers: "np.ndarray[tuple[int], np.dtype[np.uint32]]") -> None:
        last = len(self._digests) - 1
        slots = (digests & np.uint64(last)).view(np.int64)
        self._count += len(digests)
        while len(digests):
            free = np.flatnonzero(self._digests[slots] == EMPTY)
            # Several may want one slot: the last written has it, and the others go on.
            self._digests[slots[free]], self._numbers[slots[free]] = digests[free], numbers[free]
            left = self._digests[slots] != digests
            digests, numbers, slots = digests[left], numbers[left], (slots[left] + 1) & last
