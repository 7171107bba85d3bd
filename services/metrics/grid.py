"""A title's cells with the sketches of their viewers: grouping them, and estimating how many viewers each has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from services.metrics import keys, sketch
from services.metrics.domain import F64, I64, U32, U64, Agent, Bools
from services.metrics.rows import Rows

VALUE_BITS = 6
REGISTER_BITS = sketch.LG_REGISTERS + VALUE_BITS
# A number of a cell and a register of it that fits 32 bits sorts twice as fast.
NARROW_CELLS = 1 << (32 - REGISTER_BITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Cells of people's events; a dimension that was summed over is 0.

    Their registers lie one cell's after another's, `slot << VALUE_BITS | value`; `end` is where each cell's end.
    """

    bucket: I64  # minute since 1970 of the bucket's start
    type: I64
    region: I64
    source: I64
    count: I64
    end: I64
    register: U32

    def __len__(self) -> int:
        return len(self.count)

    @classmethod
    def of(cls, cells: Rows, viewers: Rows) -> Self:
        parts = keys.unpack(cells.a)
        people = parts.agent == Agent.HUMAN
        return cls(
            bucket=parts.minute[people],
            type=parts.type[people],
            region=parts.region[people],
            source=parts.source[people],
            count=cells.v[people],
            end=_ends(viewers.a, cells.a[people]),
            register=packed_registers(viewers.b, viewers.v),
        )

    def viewers(self, registers: int = sketch.REGISTERS) -> F64:
        """Distinct viewers of each cell, estimated."""
        return sketch.estimates(self.end, values_of(self.register), registers)

    def held(self) -> I64:
        """How many registers each cell has."""
        return np.diff(self.end, prepend=0)

    def take(self, mask: Bools) -> "Grid":
        """The chosen cells."""
        if mask.all():
            return self
        held = self.held()
        return Grid(
            bucket=self.bucket[mask],
            type=self.type[mask],
            region=self.region[mask],
            source=self.source[mask],
            count=self.count[mask],
            end=np.cumsum(held[mask]),
            register=self.register[np.repeat(mask, held)],
        )

    def relabelled(
        self,
        *,
        bucket: I64 | None = None,
        type_: I64 | None = None,
        region: I64 | None = None,
        source: I64 | None = None,
    ) -> "Grid":
        """The cells under other labels, equal ones made one; what is not given becomes 0."""
        zero = np.zeros(len(self), np.int64)
        labels = [zero if label is None else label for label in (bucket, type_, region, source)]
        group, first = grouped(labels)
        count = np.bincount(group, self.count, len(first)).astype(np.int64)
        if np.array_equal(group, np.arange(len(self))):
            end, register = self.end, self.register
        else:
            end, register = merged_registers(np.repeat(group, self.held()), self.register, len(first))
        return Grid(
            bucket=labels[0][first],
            type=labels[1][first],
            region=labels[2][first],
            source=labels[3][first],
            count=count,
            end=end,
            register=register,
        )


def _ends(keys_: U64, own: U64) -> I64:
    """Where the rows of each of the cells' own keys end; both are sorted."""
    starts = np.flatnonzero(np.diff(keys_, prepend=keys_[:1] + np.uint64(1)))
    place = np.searchsorted(own, keys_[starts])
    assert np.array_equal(own[np.minimum(place, len(own) - 1)], keys_[starts]), "viewers belong to counted cells"
    held = np.zeros(len(own), np.int64)
    held[place] = np.diff(starts, append=len(keys_))
    return np.cumsum(held)


def packed_registers(slot: U64 | I64, value: I64) -> U32:
    """Register numbers and their values as one number each."""
    return (slot.astype(np.uint32) << np.uint32(VALUE_BITS)) | value.astype(np.uint32)


def values_of(register: U32) -> U32:
    return register & np.uint32((1 << VALUE_BITS) - 1)


def grouped(labels: Sequence[I64]) -> tuple[I64, I64]:
    """For each row the number of its group (groups in sorted order), and for each group one of its rows."""
    if not len(labels[0]):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    code: U64 = np.zeros(len(labels[0]), np.uint64)
    for label in labels:
        low = int(label.min())
        code = code * np.uint64(int(label.max()) - low + 1) + (label - low).astype(np.uint64)
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    return group.astype(np.int64), first.astype(np.int64)


def merged_registers(cell: I64, register: U32, cells: int) -> tuple[I64, U32]:
    """The greatest value of each register of each cell: where each cell's end, and the registers."""
    is_narrow = cells < NARROW_CELLS
    kind: type[np.unsignedinteger] = np.uint32 if is_narrow else np.uint64
    packed = cell.astype(kind) << kind(REGISTER_BITS) | register
    packed.sort()
    slot = packed >> kind(VALUE_BITS)
    last = np.ones(len(packed), bool)
    last[:-1] = slot[1:] != slot[:-1]
    packed = packed[last]
    end = np.searchsorted(packed, np.arange(1, cells + 1, dtype=kind) << kind(REGISTER_BITS))
    return end, (packed & kind((1 << REGISTER_BITS) - 1)).astype(np.uint32)


def joined(parts: Sequence[Grid]) -> Grid:
    """Cells of several grids side by side."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(len(part.register) for part in parts[:-1])])
    return Grid(
        bucket=np.concatenate([part.bucket for part in parts]),
        type=np.concatenate([part.type for part in parts]),
        region=np.concatenate([part.region for part in parts]),
        source=np.concatenate([part.source for part in parts]),
        count=np.concatenate([part.count for part in parts]),
        end=np.concatenate([part.end + offset for part, offset in zip(parts, offsets, strict=True)]),
        register=np.concatenate([part.register for part in parts]),
    )
