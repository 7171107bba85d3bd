"""Top videos and creators of a title: exact counts of the days on which each has k viewers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from services.metrics import fold, grid, keys, privacy, sketch
from services.metrics.domain import DAY_MINUTES, I64, U64, Bools, EventType, Period, TopOrder
from services.metrics.grid import Grid
from services.metrics.rows import Rows

# A rising one has at least doubled, and by three standard deviations of a Poisson count.
RISING_SCORE_MIN, RISING_FACTOR_MIN, RISING_VIEWS_MIN = 3.0, 2.0, 30
SORT_TYPE: Mapping[TopOrder, EventType] = {
    TopOrder.VIEWS: EventType.VIDEO_VIEW,
    TopOrder.RISING: EventType.VIDEO_VIEW,
    TopOrder.CLICKS: EventType.ANCHOR_CLICK,
}
EMPTY: Mapping[EventType, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A video or creator and what it brought."""

    id: int
    counts: Mapping[EventType, int] = field(default_factory=dict)
    previous_views: int = 0
    growth: float = 0.0
    view_share: float = 0.0

    def count(self, kind: EventType) -> int:
        return self.counts.get(kind, 0)

    @property
    def is_rising(self) -> bool:
        views = self.count(EventType.VIDEO_VIEW)
        return (
            self.growth >= RISING_SCORE_MIN
            and views >= RISING_VIEWS_MIN
            and views >= RISING_FACTOR_MIN * self.previous_views
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopList:
    """The first heads in order, and how many were left out for having too few viewers."""

    heads: tuple[Head, ...]
    suppressed_count: int


def top(
    counts: Rows, viewers: Rows, totals: Grid, period: Period, order: TopOrder, size: int, viewers_min: int
) -> TopList:
    """The top of a title in a period of whole days; `counts`, `viewers` and `totals` also hold the period before."""
    day, kind, ids, shown = _published(counts, viewers, totals, viewers_min)
    recent = (day >= period.start) & (day < period.end)
    every, head = np.unique(ids, return_inverse=True)

    def summed(mask: Bools) -> I64:
        return np.bincount(head[mask], counts.v[mask], len(every)).astype(np.int64)

    views = summed(shown & recent & (kind == EventType.VIDEO_VIEW))
    previous = summed(shown & ~recent & (kind == EventType.VIDEO_VIEW))
    growth = (views - previous) / np.sqrt(np.maximum(views + previous, 1))
    by_type = {each: summed(shown & recent & (kind == each)) for each in EventType}
    sort_by = growth if order is TopOrder.RISING else by_type[SORT_TYPE[order]]
    held = np.bincount(head[recent], minlength=len(every)) > 0 if len(every) else np.zeros(0, bool)
    # Head 0 is what came without one.
    seen = (sum(by_type.values()) > 0) & (every != 0)
    chosen = np.lexsort((every, -views, -sort_by))
    chosen = chosen[seen[chosen]][:size]
    all_views = _views(totals, period)
    heads = tuple(
        Head(
            id=int(every[place]),
            counts={each: int(by_type[each][place]) for each in EventType if by_type[each][place]},
            previous_views=int(previous[place]),
            growth=float(growth[place]),
            view_share=min(1.0, views[place] / all_views) if all_views else 0.0,
        )
        for place in chosen
    )
    return TopList(heads=heads, suppressed_count=int((held & ~seen & (every != 0)).sum()))


def _published(counts: Rows, viewers: Rows, totals: Grid, viewers_min: int) -> tuple[I64, I64, U64, Bools]:
    """Day, type and id of each count, and whether it may be shown: the day's rest must keep k viewers too."""
    parts = keys.unpack(counts.a)
    ids = counts.b & np.uint64(~fold.SLOT_VALUES & ((1 << 64) - 1))
    cells = _grid(parts.minute, parts.type, ids, counts.v, viewers)
    days = privacy.shown_totals(totals.relabelled(bucket=totals.bucket, type_=totals.type), viewers_min)
    parent = privacy.parents_of(cells, days.grid, DAY_MINUTES)
    atoms = privacy.publish(cells, parent, ~days.shown, viewers_min, registers=fold.HEAD_REGISTERS)
    return parts.minute, parts.type, counts.b, atoms.shown


def _grid(day: I64, kind: I64, ids: U64, count: I64, viewers: Rows) -> Grid:
    """Counts with their small sketches as a grid; cells by day, type and id in the order of the counts."""
    whose = keys.unpack(viewers.a)
    slot = viewers.b & np.uint64(fold.SLOT_VALUES)
    who = viewers.b & np.uint64(~fold.SLOT_VALUES & ((1 << 64) - 1))
    split = len(day)
    every, number = np.unique(np.concatenate([ids, who]), return_inverse=True)
    code = (np.concatenate([day, whose.minute]) << 4 | np.concatenate([kind, whose.type])) * len(every) + number
    order = np.argsort(code[:split], kind="stable")
    place = order[np.minimum(np.searchsorted(code[:split], code[split:], sorter=order), split - 1)] if split else number
    assert split or not len(viewers), "viewers belong to counted heads"
    zero = np.zeros(split, np.int64)
    end, register = grid.merged_registers(place.astype(np.int64), grid.packed_registers(slot, viewers.v), split)
    return Grid(bucket=day, type=kind, region=zero, source=zero, count=count, end=end, register=register)


def _views(totals: Grid, period: Period) -> int:
    mask = (totals.bucket >= period.start) & (totals.bucket < period.end) & (totals.type == EventType.VIDEO_VIEW)
    return int(totals.count[mask].sum())


def viewers_of(viewers: Rows) -> float:
    """Distinct viewers of one head over all rows given."""
    top_values = np.zeros(fold.HEAD_REGISTERS, np.int64)
    np.maximum.at(top_values, (viewers.b & np.uint64(fold.SLOT_VALUES)).astype(np.int64), viewers.v)
    held = top_values[top_values > 0]
    return float(sketch.estimates(np.array([len(held)]), held, fold.HEAD_REGISTERS)[0])
