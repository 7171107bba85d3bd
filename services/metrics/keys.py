"""The bit layout of rollup keys: one 64-bit number that sorts by title, event type, time, then the other dimensions.

    63        40 39    36 35         13 12     3 2      1 0
    title (24) | type (4) | minute (23) | region | source | agent
                                         (10)     (1)      (2)

Most questions are about one or two types: those lie side by side. Hours and days use the same layout with the minute
cut down to the start of the hour or day. Minutes count from 2024.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.metrics.domain import I64, U64, UNKNOWN_REGION, EventType

TITLE_SHIFT, TYPE_SHIFT, MINUTE_SHIFT, REGION_SHIFT, SOURCE_SHIFT = 40, 36, 13, 3, 2
TITLES_MAX = 1 << 24
MINUTES_MAX = 1 << 23  # from 2024 to December 2039
EPOCH_MINUTE = 28_401_120  # 2024-01-01T00:00Z in minutes since 1970; a whole day
LETTERS = 26


@dataclass(frozen=True, slots=True)
class Parts:
    """The unpacked dimensions of many keys; minutes since 1970."""

    minute: I64
    region: I64
    type: I64
    source: I64
    agent: I64


def pack(
    title: NDArray[np.integer],
    minute: NDArray[np.integer],
    region: NDArray[np.integer],
    type_: NDArray[np.integer],
    source: NDArray[np.integer],
    agent: NDArray[np.integer],
) -> U64:
    """Keys of cells; `minute` since 1970."""

    def part(values: NDArray[np.integer], shift: int) -> U64:
        return values.astype(np.uint64) << np.uint64(shift)

    relative = minute.astype(np.int64) - EPOCH_MINUTE
    return (
        part(title, TITLE_SHIFT)
        | part(type_, TYPE_SHIFT)
        | part(relative, MINUTE_SHIFT)
        | part(region, REGION_SHIFT)
        | part(source - 1, SOURCE_SHIFT)
        | part(agent - 1, 0)
    )


def unpack(keys: U64) -> Parts:
    def part(shift: int, bits: int) -> I64:
        return ((keys >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).astype(np.int64)

    return Parts(
        minute=part(MINUTE_SHIFT, 23) + EPOCH_MINUTE,
        region=part(REGION_SHIFT, 10),
        type=part(TYPE_SHIFT, 4),
        source=part(SOURCE_SHIFT, 1) + 1,
        agent=part(0, 2) + 1,
    )


def titles(keys: U64) -> I64:
    return (keys >> np.uint64(TITLE_SHIFT)).astype(np.int64)


def coarser(keys: U64, minutes: int) -> U64:
    """The same keys with their minute cut down to a multiple of `minutes`."""
    low = keys & np.uint64((1 << MINUTE_SHIFT) - 1)
    high = keys >> np.uint64(TYPE_SHIFT) << np.uint64(TYPE_SHIFT)
    minute = (keys >> np.uint64(MINUTE_SHIFT)) & np.uint64(MINUTES_MAX - 1)
    # EPOCH_MINUTE is a whole day, so cutting relative minutes cuts real ones.
    # Division by a scalar is vectorised, the remainder is not.
    minute = minute // np.uint64(minutes) * np.uint64(minutes)
    found: U64 = high | (minute << np.uint64(MINUTE_SHIFT)) | low
    return found


def spans(title: int, start: int, end: int, types: AbstractSet[EventType] = frozenset()) -> list[tuple[int, int]]:
    """The half-open ranges of keys of a title between two minutes since 1970, one for each type; empty: all types."""
    first = min(max(start - EPOCH_MINUTE, 0), MINUTES_MAX)
    last = min(max(end - EPOCH_MINUTE, 0), MINUTES_MAX)
    if first == last:
        return []
    bases = [(title << TITLE_SHIFT) + (kind << TYPE_SHIFT) for kind in sorted(types or EventType)]
    return [(base + (first << MINUTE_SHIFT), base + (last << MINUTE_SHIFT)) for base in bases]


def region_code(region: str) -> int:
    """A number from 1 for a region of two capital letters, 0 for one not known."""
    if not region or region == UNKNOWN_REGION:
        return 0
    return 1 + (ord(region[0]) - ord("A")) * LETTERS + ord(region[1]) - ord("A")


def region_name(code: int) -> str:
    if not code:
        return UNKNOWN_REGION
    return chr(ord("A") + (code - 1) // LETTERS) + chr(ord("A") + (code - 1) % LETTERS)
