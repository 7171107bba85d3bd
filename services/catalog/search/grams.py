"""Cuts folded names into grams, as numbers, many names at once.

A gram is any three characters in a row with a space before each word; the first letter of each word; the first
one, two and three characters of the name; and for scripts without spaces also single characters and pairs.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.catalog.search.match import UNSPACED_FROM, Query

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

_SPACE = 0x20
_END = 0x0A  # between names: no folded name has a line break
_START_LENGTH_MAX = 3
# Odd constants of Knuth's multiplicative hashing; the last tells the kinds of gram apart.
_A, _B, _C, _KIND = (np.uint32(number) for number in (2654435761, 2246822519, 3266489917, 668265263))
_WORD, _START, _SINGLE, _PAIR = (np.uint32(number) for number in range(4))


def keys_of(names: Sequence[str]) -> U64:
    """Every (gram, number of the name) once, as gram << 32 | number, sorted."""
    joined = "".join(f" {name}\n" for name in names)
    codes = np.frombuffer(joined.encode("utf-32-le", "replace"), dtype=np.uint32)
    lengths = np.fromiter((len(name) + 2 for name in names), dtype=np.int64, count=len(names))
    owner = np.repeat(np.arange(len(names), dtype=np.uint64), lengths)
    parts = [_keys(grams, owner[places]) for grams, places in _grams(codes, np.cumsum(lengths) - lengths)]
    return np.unique(np.concatenate(parts))


def start_gram(query: Query) -> int:
    """The gram that all names beginning with the query have."""
    codes = _codes(query.text[:_START_LENGTH_MAX])
    padded = np.zeros(_START_LENGTH_MAX, dtype=np.uint32)
    padded[: len(codes)] = codes
    return int(_hash(padded[0:1], padded[1:2], padded[2:3], _START)[0])


def word_grams(query: Query) -> U32:
    """The grams every name with the query's words has, in whatever order; a part of an unspaced word will do."""
    found = [
        grams
        for word in query.words
        for grams, _ in _inner_grams(_codes(word if ord(word[0]) >= UNSPACED_FROM else f" {word}"))
    ]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint32)


def _codes(text: str) -> U32:
    return np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)


def _grams(codes: U32, starts: npt.NDArray[np.int64]) -> list[tuple[U32, npt.NDArray[np.int64]]]:
    """Kinds of grams with the places at which they begin."""
    found = _inner_grams(codes)
    one, two, three = (np.minimum(starts + step, len(codes) - 1) for step in (1, 2, 3))
    first = codes[one]
    second = np.where(first == _END, 0, codes[two])
    third = np.where((first == _END) | (second == _END), 0, codes[three])
    nothing = np.zeros_like(first)
    second_or_none = np.where(second == _END, 0, second)
    third_or_none = np.where(third == _END, 0, third)
    return [
        *found,
        (_hash(first, nothing, nothing, _START), starts),
        (_hash(first, second_or_none, nothing, _START), starts),
        (_hash(first, second_or_none, third_or_none, _START), starts),
    ]


def _inner_grams(codes: U32) -> list[tuple[U32, npt.NDArray[np.int64]]]:
    found = []
    zero = np.uint32(0)
    if len(codes) > 2:  # noqa: PLR2004 - three characters make a gram
        a, b, c = codes[:-2], codes[1:-1], codes[2:]
        places = np.flatnonzero((a != _END) & (b != _END) & (c != _END))
        found.append((_hash(a[places], b[places], c[places], _WORD), places))
    if len(codes) > 1:
        a, b = codes[:-1], codes[1:]
        initials = np.flatnonzero((a == _SPACE) & (b != _END))
        found.append((_hash(a[initials], b[initials], zero, _WORD), initials))
        pairs = np.flatnonzero((a >= UNSPACED_FROM) & (b >= UNSPACED_FROM))
        found.append((_hash(a[pairs], b[pairs], zero, _PAIR), pairs))
    singles = np.flatnonzero(codes >= UNSPACED_FROM)
    found.append((_hash(codes[singles], zero, zero, _SINGLE), singles))
    return found


def _hash(a: U32, b: U32 | np.uint32, c: U32 | np.uint32, kind: np.uint32) -> U32:
    """32 bits a gram; two grams that fall together cost a candidate, never an answer."""
    with np.errstate(over="ignore"):
        mixed = (
            (a * _A) ^ (np.multiply(b, _B) << np.uint32(7)) ^ (np.multiply(c, _C) >> np.uint32(3)) ^ np.multiply(c, _A)
        )
        mixed = (mixed ^ (mixed >> np.uint32(15))) * _B + kind * _KIND
        return np.asarray(mixed ^ (mixed >> np.uint32(13)), dtype=np.uint32)


def _keys(grams: U32, owners: U64) -> U64:
    return (grams.astype(np.uint64) << np.uint64(32)) | owners
