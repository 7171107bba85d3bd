"""The bit layout of rollup keys: one 64-bit number that sorts by title, then time, then the other dimensions.

    63        40 39        17 16      7 6     3 2      1 0
    title (24) | minute (23) | region  | type  | source | agent
                              (10)       (4)     (1)      (2)

Hours and days use the same layout with the minute cut down to the start of the hour or day. Minutes count from 2024.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.metrics.domain import I64, U64, UNKNOWN_REGION, Bools, EventType

TITLE_SHIFT, MINUTE_SHIFT, REGION_SHIFT, TYPE_SHIFT, SOURCE_SHIFT = 40, 17, 7, 3, 2
TITLES_MAX = 1 << 24
TYPES_MAX = 1 << (REGION_SHIFT - TYPE_SHIFT)
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
        | part(relative, MINUTE_SHIFT)
        | part(region, REGION_SHIFT)
        | part(type_, TYPE_SHIFT)
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


def has_type(keys: U64, types: AbstractSet[EventType]) -> Bools:
    """Which keys are of cells of one of the event types."""
    wanted = np.zeros(TYPES_MAX, bool)
    wanted[[int(kind) for kind in types]] = True
    found: Bools = wanted[(keys.astype(np.uint8) >> np.uint8(TYPE_SHIFT)) & np.uint8(TYPES_MAX - 1)]
    return found


def coarser(keys: U64, minutes: int) -> U64:
    """The same keys with their minute cut down to a multiple of `minutes`."""
    low = keys & np.uint64((1 << MINUTE_SHIFT) - 1)
    high = keys >> np.uint64(TITLE_SHIFT) << np.uint64(TITLE_SHIFT)
    minute = (keys >> np.uint64(MINUTE_SHIFT)) & np.uint64(MINUTES_MAX - 1)
    # EPOCH_MINUTE is a whole day, so cutting relative minutes cuts real ones.
    # Division by a scalar is vectorised, the remainder is not.
    minute = minute // np.uint64(minutes) * np.uint64(minutes)
    found: U64 = high | (minute << np.uint64(MINUTE_SHIFT)) | low
    return found


def span(title: int, start: int, end: int) -> tuple[int, int]:
    """The half-open range of keys of a title between two minutes since 1970."""
    first = min(max(start - EPOCH_MINUTE, 0), MINUTES_MAX)
    last = min(max(end - EPOCH_MINUTE, 0), MINUTES_MAX)
    base = title << TITLE_SHIFT
    return base + (first << MINUTE_SHIFT), base + (last << MINUTE_SHIFT)


def region_code(region: str) -> int:
    """A number from 1 for a region of two capital letters, 0 for one not known."""
    if not region or region == UNKNOWN_REGION:
        return 0
    return 1 + (ord(region[0]) - ord("A")) * LETTERS + ord(region[1]) - ord("A")


def region_name(code: int) -> str:
    if not code:
        return UNKNOWN_REGION
    return chr(ord("A") + (code - 1) // LETTERS) + chr(ord("A") + (code - 1) % LETTERS)
