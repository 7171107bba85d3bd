"""64-bit hashes of any run of characters, and an open-addressing table of them held in numpy.

A run's hash is a polynomial over its folded characters without what parts the words, so
"spider man", "spider-man" and "#SpiderMan" have one key.  Prefix sums give the hash of any run in
constant time: sum(c[i] * B**i) over the run, divided by B**start (B is odd, so it has an inverse).
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_BASE = 0x9E3779B97F4A7C15
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOAD_MAX = 0.45  # of the slots; longer probes cost more than the memory
_LOAD_GROWN_MAX = 0.7
_FILTER_BITS_PER_KEY = 24
_PROBES_MAX = 256


@functools.cache
def _powers(count: int) -> tuple[UInt64s, UInt64s]:
    base = np.full(count, _BASE, dtype=np.uint64)
    inverse = np.full(count, pow(_BASE, -1, 1 << 64), dtype=np.uint64)
    base[0] = inverse[0] = 1
    return np.cumprod(base), np.cumprod(inverse)


def prefix_sums(chars: npt.NDArray[np.uint32]) -> UInt64s:
    """Prefix sums of a stream of folded characters, one longer than the stream."""
    powers, _ = _powers(_room(len(chars)))
    value = chars.astype(np.uint64)
    value += np.uint64(1)
    value *= _MIX_2
    value ^= value >> np.uint64(29)
    value *= powers[: len(value)]
    sums = np.zeros(len(value) + 1, dtype=np.uint64)
    np.cumsum(value, out=sums[1:])
    return sums


def run_hashes(sums: UInt64s, start: Ints, end: Ints) -> UInt64s:
    """The keys of the runs [start, end) of the stream behind `sums`."""
    _, inverses = _powers(_room(len(sums)))
    key = sums[end]
    key -= sums[start]
    key *= inverses[start]
    key ^= key >> np.uint64(31)
    key *= _MIX_1
    key ^= key >> np.uint64(29)
    return key


def _room(length: int) -> int:
    return 1 << max(12, (length + 1).bit_length())


def hash_text(folded: str) -> int:
    """The key of one folded string without separators (the slow twin of `run_hashes`)."""
    chars = np.array([ord(c) for c in folded], dtype=np.uint32)
    sums = prefix_sums(chars)
    return int(run_hashes(sums, np.array([0]), np.array([len(chars)]))[0])


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Distinct keys in the order they were given; `find` says which one a query is, or -1.

    `keys` holds the keys by number; `slots` holds number + 1 by hash (0: free), `filter` a bit per
    hash that refuses most absent keys with one look-up of a small array.
    """

    keys: UInt64s
    slots: npt.NDArray[np.uint32]
    filter: npt.NDArray[np.uint8]

    @classmethod
    def build(cls, keys: UInt64s) -> "KeyTable":
        size = 1 << max(4, int(len(keys) / _LOAD_MAX).bit_length())
        slots = np.zeros(size, dtype=np.uint32)
        mask = np.uint64(size - 1)
        shift = np.uint64(20)
        place = ((keys >> shift) & mask).astype(np.int64)
        waiting = np.arange(len(keys))
        while len(waiting):
            free = slots[place[waiting]] == 0
            slots[place[waiting[free]]] = waiting[free] + 1  # several may want one slot: the last wins
            lost = slots[place[waiting]] != waiting + 1
            waiting = waiting[lost]
            place[waiting] = (place[waiting] + 1) & int(mask)
        bits = 1 << max(10, (len(keys) * _FILTER_BITS_PER_KEY).bit_length() - 1)
        filter_ = np.zeros(bits >> 3, dtype=np.uint8)
        mark_keys(filter_, keys)
        return cls(keys, slots, filter_)

    def with_keys(self, added: UInt64s) -> "KeyTable":
        """The table with more keys, numbered on from the last; an old key now finds its new number."""
        if (len(self.keys) + len(added)) > _LOAD_GROWN_MAX * len(self.slots):
            return self._rebuilt(added)
        slots, filter_ = self.slots.copy(), self.filter.copy()
        mask = len(slots) - 1
        for number, key in enumerate(added.tolist(), len(self.keys) + 1):
            place = (key >> 20) & mask
            while slots[place] and self._key_of(int(slots[place]) - 1, added) != key:
                place = (place + 1) & mask
            slots[place] = number
        mark_keys(filter_, added)
        return KeyTable(np.concatenate((self.keys, added)), slots, filter_)

    def _key_of(self, number: int, added: UInt64s) -> int:
        return int(self.keys[number] if number < len(self.keys) else added[number - len(self.keys)])

    def _rebuilt(self, added: UInt64s) -> "KeyTable":
        """A larger table of the same numbers; only the newest number of a key has a slot."""
        keys = np.concatenate((self.keys, added))
        _, newest = np.unique(keys[::-1], return_index=True)
        newest = len(keys) - 1 - newest
        table = KeyTable.build(keys[newest])
        slots = table.slots.copy()
        held = np.flatnonzero(slots)
        slots[held] = newest[slots[held].astype(np.int64) - 1] + 1
        return KeyTable(keys, slots, table.filter)

    def may_hold(self, queries: UInt64s) -> npt.NDArray[np.bool_]:
        at = queries & np.uint64(len(self.filter) * 8 - 1)
        found = self.filter[(at >> np.uint64(3)).view(np.int64)]
        found &= _bit(at)
        return found != 0

    def find(self, queries: UInt64s) -> Ints:
        number = np.full(len(queries), -1, dtype=np.int64)
        if not len(self.keys):
            return number
        left = np.flatnonzero(self.may_hold(queries))
        asked = queries[left]
        mask = len(self.slots) - 1
        place = ((asked >> np.uint64(20)) & np.uint64(mask)).astype(np.int64)
        for _ in range(_PROBES_MAX):
            held = self.slots[place].astype(np.int64) - 1
            taken = held >= 0
            same = taken & (self.keys[held] == asked)
            number[left[same]] = held[same]
            going = taken & ~same
            if not going.any():
                break
            left, asked, place = left[going], asked[going], (place[going] + 1) & mask
        return number


def mark_keys(filter_: npt.NDArray[np.uint8], keys: UInt64s) -> None:
    """Set the bits of these keys in a filter."""
    at = keys & np.uint64(len(filter_) * 8 - 1)
    np.bitwise_or.at(filter_, (at >> np.uint64(3)).astype(np.int64), _bit(at))


def _bit(at: UInt64s) -> npt.NDArray[np.uint8]:
    return np.left_shift(np.uint8(1), (at & np.uint64(7)).astype(np.uint8))
