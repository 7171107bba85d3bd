"""Which numbers may be shown, so that none, and no difference of any, stands for fewer than k viewers.

Everything is published as *atoms*: groups of cells that each have at least k distinct viewers. Per event type,

    day ─┬─ its regions and sources, those under k pooled into one rest of at least k
         └─ its hours, those under k pooled likewise ── their minutes, likewise

A day (hour) under k is in no answer at all, not in a longer period either: the only numbers that exist are sums of
atoms, so subtracting answers gives sums and differences of atoms and never a smaller group. Where a rest would stay
under k, the smallest shown cells join it (complementary suppression). Hours are split by region and source only where
the unsplit remainder of every hour of that day has none or at least k viewers, whole columns of the day at a time.
What is not shown of an hour is never told to be empty: an attacker who knew the empty crossings could subtract an hour
and a region that share one small crossing (docs/decisions/privacy-by-atoms.md).
"""

from dataclasses import dataclass

import numpy as np

from services.metrics import sketch
from services.metrics.domain import DAY_MINUTES, F64, I64, Bools
from services.metrics.grid import Grid, grouped, merged_registers, values_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Atoms:
    """Cells and what may be shown of them: `shown` by themselves, `pooled` only as part of their parent's rest."""

    grid: Grid
    shown: Bools
    pooled: Bools


def publish(cells: Grid, parent: I64, is_hidden: Bools, viewers_min: int, registers: int = sketch.REGISTERS) -> Atoms:
    """Splits each parent's cells into shown ones and a rest; cells of hidden parents are neither."""
    viewers = np.rint(cells.viewers(registers))
    open_ = ~is_hidden[parent] if len(parent) else np.zeros(0, bool)
    pooled = open_ & (viewers < viewers_min)
    while True:
        short = _short_rests(cells, parent, pooled, len(is_hidden), viewers_min, registers)
        candidates = open_ & ~pooled & short[parent] if len(parent) else pooled
        if not candidates.any():
            break
        pooled = pooled | _smallest(parent, viewers, candidates)
    return Atoms(grid=cells, shown=open_ & ~pooled, pooled=pooled)


def _short_rests(
    cells: Grid, parent: I64, pooled: Bools, parents: int, viewers_min: int, registers: int = sketch.REGISTERS
) -> Bools:
    """Which parents have a rest that is not empty and under k."""
    rest = cells.take(pooled)
    end, register = merged_registers(np.repeat(parent[pooled], rest.held()), rest.register, parents)
    viewers = np.rint(sketch.estimates(end, values_of(register), registers))
    has_rest = np.bincount(parent[pooled], minlength=parents) > 0
    return has_rest & (viewers < viewers_min)


def _smallest(parent: I64, viewers: F64, candidates: Bools) -> Bools:
    """Each parent's candidate with the fewest viewers."""
    places = np.flatnonzero(candidates)
    order = places[np.lexsort((viewers[places], parent[places]))]
    first = np.ones(len(order), bool)
    first[1:] = parent[order][1:] != parent[order][:-1]
    found = np.zeros(len(candidates), bool)
    found[order[first]] = True
    return found


def shown_totals(cells: Grid, viewers_min: int) -> Atoms:
    """Buckets by type that have k viewers: the roots of the tree."""
    shown = np.rint(cells.viewers()) >= viewers_min
    return Atoms(grid=cells, shown=shown, pooled=np.zeros(len(cells), bool))


def parents_of(children: Grid, parents: Grid, minutes: int) -> I64:
    """For each cell the place of the cell of its type in the longer bucket around it; grids are sorted."""
    start = children.bucket // minutes * minutes
    found = np.searchsorted(_codes(parents.bucket, parents.type), _codes(start, children.type))
    return found.astype(np.int64)


def _codes(bucket: I64, type_: I64, region: I64 | int = 0, source: I64 | int = 0) -> I64:
    """One sortable number for a cell: 4 bits of type, 10 of region, 2 of source."""
    return (((bucket << 4 | type_) << 10) | region) << 2 | source


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The atoms of a title at each level that was asked for."""

    days: Atoms
    splits: Atoms | None = None  # days by region and source
    hours: Atoms | None = None
    hour_splits: Atoms | None = None


def publish_title(
    days: Grid, hours: Grid | None, viewers_min: int, *, with_splits: bool = True, with_hour_splits: bool = True
) -> Published:
    """Days with their splits, and hours with theirs where an hourly grid of the same days is given."""
    totals = shown_totals(days.relabelled(bucket=days.bucket, type_=days.type), viewers_min)
    if not with_splits and hours is None:
        return Published(days=totals)
    splits = None
    if with_splits:
        splits = publish(days, parents_of(days, totals.grid, DAY_MINUTES), ~totals.shown, viewers_min)
    if hours is None:
        return Published(days=totals, splits=splits)
    per_hour = hours.relabelled(bucket=hours.bucket, type_=hours.type)
    hourly = publish(per_hour, parents_of(per_hour, totals.grid, DAY_MINUTES), ~totals.shown, viewers_min)
    hour_splits = None if splits is None or not with_hour_splits else _hour_splits(hours, splits, hourly, viewers_min)
    return Published(days=totals, splits=splits, hours=hourly, hour_splits=hour_splits)


def publish_within(cells: Grid, parents: Atoms, minutes: int, viewers_min: int) -> Atoms:
    """The shorter buckets inside published longer ones."""
    return publish(cells, parents_of(cells, parents.grid, minutes), ~parents.shown, viewers_min)


def _hour_splits(hours: Grid, splits: Atoms, hourly: Atoms, viewers_min: int) -> Atoms:
    """Hours by region and source, for those columns of a day that are safe in every hour of it."""
    day = hours.bucket // DAY_MINUTES * DAY_MINUTES
    column, _ = grouped([day, hours.type, hours.region, hours.source])
    columns = int(column.max()) + 1 if len(column) else 0
    hour = parents_of(hours, hourly.grid, 1)
    viewers = np.rint(hours.viewers())
    unsafe = (viewers < viewers_min) | ~hourly.shown[hour] | ~_is_shown(hours, day, splits)
    split = ~_any_by(column, unsafe, columns)
    while True:
        remainder = ~split[column] if len(column) else np.zeros(0, bool)
        short = _short_rests(hours, hour, remainder, len(hourly.grid), viewers_min)
        candidates = ~remainder & short[hour] if len(hour) else remainder
        if not candidates.any():
            break
        weakest = _smallest(hour, viewers, candidates)
        split &= ~_any_by(column, weakest, columns)
    shown = split[column] if len(column) else np.zeros(0, bool)
    return Atoms(grid=hours, shown=shown, pooled=~shown)


def _any_by(group: I64, mask: Bools, groups: int) -> Bools:
    return np.bincount(group[mask], minlength=groups) > 0


def _is_shown(hours: Grid, day: I64, splits: Atoms) -> Bools:
    """Whether each hourly cell's column is shown for its day."""
    grid = splits.grid.take(splits.shown)
    shown = np.sort(_codes(grid.bucket, grid.type, grid.region, grid.source))
    return np.isin(_codes(day, hours.type, hours.region, hours.source), shown)
