"""Keyed digests of many strings at once: 128 bits for event ids, 64 for names and viewers.

Multiply-and-fold over 8-byte words in the manner of wyhash, as numpy columns. The key is secret and random for each
deployment, so that nobody outside can make two ids collide; at 10 million ids a day an accidental collision of the
128 bits has a probability below 1e-24, of the 64 bits below 3e-6.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.metrics.domain import I64, U64
from services.metrics.texts import WORD_BYTES, Texts

DIGEST_BITS = 64
MASK = (1 << 64) - 1
# The finaliser of MurmurHash3 (Appleby, public domain): full avalanche of 64 bits.
MIX_1, MIX_2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
# Each word is first spread by an odd constant: the fractional part of the golden ratio.
SPREAD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Key:
    """The secret: two seeds and two odd multipliers."""

    seed_hi: int
    seed_lo: int
    odd_hi: int
    odd_lo: int

    @staticmethod
    def of(secret: bytes) -> "Key":
        assert len(secret) == 4 * WORD_BYTES, "a secret has 32 bytes"
        a, b, c, d = (int.from_bytes(secret[i : i + 8], "little") for i in range(0, 32, 8))
        return Key(a, b, c | 1, d | 1)


def digest128(values: Texts, key: Key) -> tuple[U64, U64]:
    """The high and the low half of each value's digest."""
    words = tuple(values.words())
    return of_words(words, values.lengths, key), _half(words, values.lengths, key.seed_lo, key.odd_lo)


def digest64(values: Texts, key: Key) -> U64:
    """Each value's digest; 0 stands for the empty string and for nothing else."""
    found = of_words(values.words(), values.lengths, key)
    found[found == 0] = 1
    found[values.lengths == 0] = 0
    return found


def of_words(words: Iterable[tuple[I64 | None, U64]], lengths: I64, key: Key) -> U64:
    """The digests of values of which the words are known."""
    return _half(words, lengths, key.seed_hi, key.odd_hi)


def distinct(digests: U64) -> tuple[I64, I64]:
    """The place of the first of each group of equal digests, in order; and for each digest the number of its group.

    Each digest writes its place into a slot that its high bits name, from the last to the first, so that the first of
    equal ones stays. Those that find another digest in their slot go on with lower bits; sorting would take five times
    as long.
    """
    rows, first = np.arange(len(digests) - 1, -1, -1), np.zeros(len(digests), np.int64)
    bits = len(digests).bit_length() + 1
    slots = np.empty(1 << bits, np.int64)
    for shift in range(DIGEST_BITS - bits, 0, -bits):
        own = digests[rows]
        slot = (own >> np.uint64(shift) & np.uint64((1 << bits) - 1)).view(np.int64)
        slots[slot] = rows
        found = slots[slot]
        first[rows] = found
        rows = rows[digests[found] != own]
        if not len(rows):
            break
    else:
        rows = rows[::-1]
        _, firsts, group = np.unique(digests[rows], return_index=True, return_inverse=True)
        first[rows] = rows[firsts[group]]
    is_first = first == np.arange(len(digests))
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[first]


def _half(words: Iterable[tuple[I64 | None, U64]], lengths: I64, seed: int, odd: int) -> U64:
    found = lengths.astype(np.uint64) ^ np.uint64(seed)
    for rows, word in words:
        # A value's digest must not depend on how long its neighbours are.
        mixed = word * np.uint64(SPREAD)
        mixed ^= found if rows is None else found[rows]
        mixed *= np.uint64(odd)
        mixed ^= mixed >> np.uint64(29)
        if rows is None:
            # An empty value has no words.
            found = mixed if lengths.all() else np.where(lengths > 0, mixed, found)
        else:
            found[rows] = mixed
    for multiplier in (MIX_1, MIX_2):
        found ^= found >> np.uint64(33)
        found *= np.uint64(multiplier)
    found ^= found >> np.uint64(33)
    return found
