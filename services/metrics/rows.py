"""Rollup rows as sorted columns: two 64-bit keys and a value; rows with equal keys are one, by sum or by maximum.

Merging is associative and commutative because the result is defined by its set of rows alone: sorted by key, equal keys
added up (counts) or the greatest kept (sketch registers). Nothing depends on who merged what first.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from services.metrics.domain import I64, U64, Bools

KEY_BITS = 64
KEYS_END = 1 << KEY_BITS
# Keys from the first on, up to the second, which is greater and no longer one of them.
Span = tuple[int, int]


class Reduce(enum.Enum):
    """What becomes of rows with equal keys."""

    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows sorted by (a, b), no two alike."""

    a: U64
    b: U64
    v: I64

    def __len__(self) -> int:
        return len(self.a)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        return all(
            np.array_equal(mine, theirs) for mine, theirs in ((self.a, other.a), (self.b, other.b), (self.v, other.v))
        )

    __hash__ = None  # type: ignore[assignment]

    def cut(self, spans: "Sequence[Span]") -> "Iterator[Rows]":
        """The rows whose `a` lies in each span."""
        for first, end in zip(*places(self.a, spans), strict=True):
            yield Rows(self.a[first:end], self.b[first:end], self.v[first:end])

    def split(self, key: int) -> "tuple[Rows, Rows]":
        """The rows with a < key, and the others."""
        place = int(np.searchsorted(self.a, np.uint64(key)))
        return (
            Rows(self.a[:place], self.b[:place], self.v[:place]),
            Rows(self.a[place:], self.b[place:], self.v[place:]),
        )

    def where(self, mask: Bools) -> "Rows":
        """The chosen rows."""
        return Rows(self.a[mask], self.b[mask], self.v[mask])

    def nbytes(self) -> int:
        return self.a.nbytes + self.b.nbytes + self.v.nbytes


def places(a: U64, spans: Sequence[Span]) -> tuple[list[int], list[int]]:
    """Where each span begins and ends in sorted keys."""
    lows = np.array([low for low, _ in spans], np.uint64)
    lasts = np.array([high - 1 for _, high in spans], np.uint64)
    return np.searchsorted(a, lows).tolist(), np.searchsorted(a, lasts, "right").tolist()


def empty() -> Rows:
    return Rows(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))


def counted(a: U64) -> Rows:
    """One row for each distinct key, its value how often it occurs; b is zero."""
    keys = np.sort(a)
    starts = _starts(keys)
    ends = np.append(starts[1:], len(keys)) if len(starts) else starts
    return Rows(keys[starts], np.zeros(len(starts), np.uint64), (ends - starts).astype(np.int64))


def reduced(a: U64, b: U64, v: I64, how: Reduce, *, in_runs: bool = False) -> Rows:
    """The rows sorted, with equal keys made one; `in_runs` says that they are a few sorted parts."""
    if len(a) and (narrow := _packed(a, b, v, in_runs=in_runs)) is not None:
        return _grouped(*narrow, how)
    order = np.lexsort((b, a)) if b.any() else np.argsort(a, kind="stable")
    return _grouped(a[order], b[order], v[order], how)


def _packed(a: U64, b: U64, v: I64, *, in_runs: bool) -> tuple[U64, U64, I64] | None:
    """The rows sorted as one number each, where that fits 64 bits: ten times faster than sorting by two keys."""
    varying = int(np.bitwise_or.reduce(a ^ a[0]))
    a_bits, b_bits, v_bits = varying.bit_count(), int(b.max()).bit_length(), int(v.max()).bit_length()
    if a_bits + b_bits + v_bits > KEY_BITS:
        return None
    # A shift by all 64 bits is not defined: then nothing of `a` varies.
    packed = squeezed(a, varying) << np.uint64(b_bits) if b_bits < KEY_BITS else np.zeros(len(a), np.uint64)
    packed |= b
    packed = packed << np.uint64(v_bits) if v_bits < KEY_BITS else np.zeros(len(a), np.uint64)
    packed |= v.astype(np.uint64)
    # Timsort takes sorted parts as they are; on others the vectorised quicksort is ten times faster.
    packed.sort(kind="stable" if in_runs else "quicksort")
    both = packed >> np.uint64(v_bits)
    return (
        spread(both >> np.uint64(b_bits) if b_bits < KEY_BITS else np.zeros_like(both), varying, int(a[0]) & ~varying),
        both & np.uint64((1 << b_bits) - 1),
        (packed & np.uint64((1 << v_bits) - 1)).astype(np.int64),
    )


def _runs(varying: int) -> list[tuple[int, int]]:
    """The runs of set bits, lowest first: where each begins and how long it is."""
    found, bit = [], 0
    while varying >> bit:
        if varying >> bit & 1:
            length = ((varying >> bit) + 1 & ~(varying >> bit)).bit_length() - 1
            found.append((bit, length))
            bit += length
        else:
            bit += 1
    return found


def squeezed(a: U64, varying: int) -> U64:
    """The bits of `varying` side by side; keeps the order of numbers that differ in no other bit."""
    found, at = np.zeros(len(a), np.uint64), 0
    for bit, length in _runs(varying):
        found |= ((a >> np.uint64(bit)) & np.uint64((1 << length) - 1)) << np.uint64(at)
        at += length
    return found


def spread(a: U64, varying: int, fixed: int) -> U64:
    """Undoes `squeezed`."""
    found, at = np.full(len(a), fixed, np.uint64), 0
    for bit, length in _runs(varying):
        found |= ((a >> np.uint64(at)) & np.uint64((1 << length) - 1)) << np.uint64(bit)
        at += length
    return found


def merged(parts: Sequence[Rows], how: Reduce) -> Rows:
    """All parts as one.

    Parts are runs of the log, and of one title's rows each holds most that no other reaches: only where they overlap
    are they sorted together.
    """
    parts = sorted((part for part in parts if len(part)), key=lambda part: int(part.a[0]))
    done: list[Rows] = []
    reached: list[Rows] = []  # what of earlier parts reaches as far as the next
    for part, following in pairwise([*parts, empty()]):
        reached.append(part)
        cuts = [each.split(int(following.a[0])) if len(following) else (each, following) for each in reached]
        done.append(_one([head for head, _ in cuts], how))
        reached = [tail for _, tail in cuts]
    return joined([each for each in done if len(each)])


def _one(parts: Sequence[Rows], how: Reduce) -> Rows:
    """Parts that overlap, as one."""
    parts = [part for part in parts if len(part)]
    if len(parts) <= 1:
        return joined(parts)
    whole = joined(parts)
    return reduced(whole.a, whole.b, whole.v, how, in_runs=True)


def joined(parts: Sequence[Rows]) -> Rows:
    """Parts that follow one another, as one."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    return Rows(*(np.concatenate(columns) for columns in zip(*((p.a, p.b, p.v) for p in parts), strict=True)))


def regrouped(rows: Rows, a: U64, how: Reduce) -> Rows:
    """The same rows under other first keys."""
    return reduced(a, rows.b, rows.v, how)


def _grouped(a: U64, b: U64, v: I64, how: Reduce) -> Rows:
    starts = _starts(a, b)
    if len(starts) == len(a):
        return Rows(a, b, v)
    ufunc = np.add if how is Reduce.SUM else np.maximum
    return Rows(a[starts], b[starts], ufunc.reduceat(v, starts))


def _starts(a: U64, b: U64 | None = None) -> I64:
    """Where each group of equal keys begins."""
    if not len(a):
        return np.zeros(0, np.int64)
    new = np.ones(len(a), bool)
    new[1:] = a[1:] != a[:-1]
    if b is not None:
        new[1:] |= b[1:] != b[:-1]
    return np.flatnonzero(new)
