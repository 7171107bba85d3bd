"""A title's report from its published atoms: rows by any dimensions, totals, source share. Pure.

What the tree of atoms (privacy.py) does not show is in no number here: rows are sums of shown atoms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.metrics import grid, keys, privacy, sketch
from services.metrics.domain import (
    DAY_MINUTES,
    HOUR_MINUTES,
    I64,
    Bools,
    Dimension,
    EventType,
    Granularity,
    Period,
    PeriodTooLong,
    Source,
)
from services.metrics.grid import Grid
from services.metrics.privacy import Atoms, Published

BUCKETS_MAX = 5_000
PERIOD_MINUTES_MAX = 800 * DAY_MINUTES
MINUTES_KEPT = 8 * DAY_MINUTES
WIDTH: Mapping[Granularity, int] = {
    Granularity.MINUTE: 1,
    Granularity.HOUR: HOUR_MINUTES,
    Granularity.DAY: DAY_MINUTES,
    Granularity.TOTAL: DAY_MINUTES,
}
# A chart is readable from some dozens to some hundreds of points.
POINTS_MAX = 750


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a report shows of a title."""

    period: Period
    granularity: Granularity
    dimensions: frozenset[Dimension] = frozenset({Dimension.EVENT_TYPE})
    event_types: frozenset[EventType] = frozenset()  # empty: all
    regions: tuple[str, ...] = ()  # empty: all
    source: Source | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out part of a title's audience."""
        return bool(self.regions or self.source)

    @property
    def is_split(self) -> bool:
        """Whether it looks below a title's totals."""
        below = self.dimensions & {Dimension.VIEWER_REGION, Dimension.SOURCE}
        return bool(below) or self.is_filtered

    @property
    def has_regions(self) -> bool:
        return Dimension.VIEWER_REGION in self.dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows as columns; a dimension that was not asked for is 0."""

    start: I64  # minute since 1970
    type: I64
    region: I64
    source: I64
    count: I64
    viewers: I64
    is_suppressed: Bools

    def __len__(self) -> int:
        return len(self.count)

    def nbytes(self) -> int:
        return sum(int(getattr(self, name).nbytes) for name in self.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Events and viewers of one type over the period."""

    type: EventType
    count: int = 0
    viewers: int = 0
    lower: int = 0
    upper: int = 0
    is_suppressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Fans' against official videos'."""

    fan: int = 0
    official: int = 0
    is_suppressed: bool = False

    @property
    def fan_share(self) -> float:
        return self.fan / (self.fan + self.official) if self.fan + self.official else 0.0


def granularity_for(period: Period) -> Granularity:
    """The finest one that stays readable."""
    length = period.end - period.start
    for granularity in (Granularity.MINUTE, Granularity.HOUR):
        if length <= POINTS_MAX * WIDTH[granularity]:
            return granularity
    return Granularity.DAY


def checked(period: Period, granularity: Granularity) -> Period:
    """The period in whole buckets, refused where it has too many."""
    if period.end - period.start > PERIOD_MINUTES_MAX:
        raise PeriodTooLong(f"A report covers at most {PERIOD_MINUTES_MAX // DAY_MINUTES} days.")
    if granularity is not Granularity.TOTAL and (period.end - period.start) // WIDTH[granularity] > BUCKETS_MAX:
        raise PeriodTooLong(f"A report has at most {BUCKETS_MAX} buckets: choose a coarser granularity.")
    # Minutes are published inside of whole hours.
    return period.widened(max(WIDTH[granularity], HOUR_MINUTES))


def rows(published: Published, minutes: Atoms | None, choice: Choice) -> Table:
    """The report's rows, in order of time and dimensions."""
    shown, hidden = _cells(published, minutes, choice)
    by = choice.dimensions

    def labelled(cells: Grid) -> Grid:
        bucket = cells.bucket
        if choice.granularity is Granularity.TOTAL:
            bucket = np.full(len(cells), choice.period.start, np.int64)
        return cells.relabelled(
            bucket=bucket,
            type_=cells.type if Dimension.EVENT_TYPE in by else None,
            region=cells.region if Dimension.VIEWER_REGION in by else None,
            source=cells.source if Dimension.SOURCE in by else None,
        )

    return _table(labelled(shown), labelled(hidden))


def _table(shown: Grid, hidden: Grid) -> Table:
    """Rows with numbers, and flagged ones where nothing may be shown."""
    labels = [
        np.concatenate([getattr(shown, name), getattr(hidden, name)]) for name in ("bucket", "type", "region", "source")
    ]
    group, _ = grid.grouped(labels)
    has_numbers = np.zeros(int(group.max()) + 1 if len(group) else 0, bool)
    has_numbers[group[: len(shown)]] = True
    alone = hidden.take(~has_numbers[group[len(shown) :]]) if len(hidden) else hidden
    blank = np.zeros(len(alone), np.int64)
    columns = {
        "start": np.concatenate([shown.bucket, alone.bucket]),
        "type": np.concatenate([shown.type, alone.type]),
        "region": np.concatenate([shown.region, alone.region]),
        "source": np.concatenate([shown.source, alone.source]),
        "count": np.concatenate([shown.count, blank]),
        "viewers": np.concatenate([np.minimum(np.rint(shown.viewers()).astype(np.int64), shown.count), blank]),
        "is_suppressed": np.concatenate([np.zeros(len(shown), bool), np.ones(len(alone), bool)]),
    }
    order = np.lexsort((columns["source"], columns["region"], columns["type"], columns["start"]))
    return Table(**{name: column[order] for name, column in columns.items()})


def _cells(published: Published, minutes: Atoms | None, choice: Choice) -> tuple[Grid, Grid]:
    """The shown cells the choice names, and the hidden ones."""
    if choice.granularity is Granularity.MINUTE:
        atoms = minutes
    elif choice.granularity is Granularity.HOUR:
        atoms = published.hour_splits if choice.is_split else published.hours
    else:
        atoms = published.splits if choice.is_split else published.days
    assert atoms is not None, "the levels a choice needs are published"
    if choice.granularity is Granularity.MINUTE and choice.is_split:
        # Minutes are published for the title as a whole only.
        return atoms.grid.take(np.zeros(len(atoms.grid), bool)), _chosen(atoms.grid, choice, whole=True)
    shown = _chosen(atoms.grid.take(atoms.shown), choice)
    if choice.granularity is Granularity.HOUR and choice.is_split:
        # Which crossings of hour and region are empty must not be told: with it, hours and regions could be subtracted.
        assert published.hours is not None, "hours are published with their splits"
        hidden = _chosen(published.hours.grid.take(~published.hours.shown), choice, whole=True)
    else:
        hidden = _chosen(atoms.grid.take(~atoms.shown), choice)
    if choice.is_split and not choice.regions and choice.source is None:
        rest = _rest(published, atoms, choice)
        shown = grid.joined([shown, rest])
    return shown, hidden


def _rest(published: Published, atoms: Atoms, choice: Choice) -> Grid:
    """What is known only in one piece: pooled regions and sources, of region and source 0."""
    mask = atoms.pooled
    if choice.granularity is Granularity.HOUR:
        assert published.hours is not None, "hours are published with their splits"
        hour = privacy.parents_of(atoms.grid, published.hours.grid, 1)
        mask = mask & published.hours.shown[hour] if len(hour) else mask
    rest = atoms.grid.take(mask)
    return _chosen(rest.relabelled(bucket=rest.bucket, type_=rest.type), choice)


def _chosen(cells: Grid, choice: Choice, *, whole: bool = False) -> Grid:
    return cells.take(_mask(cells, choice, whole=whole))


def _mask(cells: Grid, choice: Choice, *, whole: bool = False) -> Bools:
    mask = (cells.bucket >= choice.period.start) & (cells.bucket < choice.period.end)
    if choice.event_types:
        mask &= np.isin(cells.type, [int(kind) for kind in choice.event_types])
    if choice.regions and not whole:
        mask &= np.isin(cells.region, [keys.region_code(region) for region in choice.regions])
    if choice.source is not None and not whole:
        mask &= cells.source == int(choice.source)
    return mask


def cover(published: Published, choice: Choice) -> Atoms:
    """The coarsest atoms that make up the period: whole days, and hours where it begins or ends within a day."""
    by_days = published.splits if choice.is_filtered else published.days
    by_hours = published.hour_splits if choice.is_filtered else published.hours
    assert by_days is not None, "splits are published where a choice needs them"
    first, last = -(-choice.period.start // DAY_MINUTES) * DAY_MINUTES, choice.period.end // DAY_MINUTES * DAY_MINUTES
    whole = (by_days.grid.bucket >= first) & (by_days.grid.bucket < last)
    days = Atoms(grid=by_days.grid.take(whole), shown=by_days.shown[whole], pooled=by_days.pooled[whole])
    if by_hours is None or (first == choice.period.start and last == choice.period.end):
        return days
    edge = (by_hours.grid.bucket < first) | (by_hours.grid.bucket >= max(last, first))
    edge &= (by_hours.grid.bucket >= choice.period.start) & (by_hours.grid.bucket < choice.period.end)
    return Atoms(
        grid=grid.joined([days.grid, by_hours.grid.take(edge)]),
        shown=np.concatenate([days.shown, by_hours.shown[edge]]),
        pooled=np.concatenate([days.pooled, by_hours.pooled[edge]]),
    )


def totals(published: Published, choice: Choice) -> tuple[Total, ...]:
    """The period's totals by event type, of the shown atoms only."""
    atoms = cover(published, choice)
    shown = _chosen(atoms.grid.take(atoms.shown), choice)
    hidden = _chosen(atoms.grid.take(~atoms.shown), choice)
    by_type = shown.relabelled(type_=shown.type)
    viewers = by_type.viewers()
    found = {
        EventType(kind): _total(EventType(kind), int(count), float(estimate))
        for kind, count, estimate in zip(by_type.type.tolist(), by_type.count.tolist(), viewers.tolist(), strict=True)
    }
    for kind in sorted(set(hidden.type.tolist())):
        found.setdefault(EventType(kind), Total(type=EventType(kind), is_suppressed=True))
    return tuple(found[kind] for kind in sorted(found))


def _total(kind: EventType, count: int, estimate: float) -> Total:
    # Nobody is behind less than one event: where each event has its own viewer an estimate may come out higher.
    lower, upper = (min(bound, count) for bound in sketch.interval(estimate))
    return Total(type=kind, count=count, viewers=min(round(estimate), count), lower=lower, upper=upper)


def source_share(published: Published, choice: Choice) -> Share:
    """How the period's shown events split by source."""
    splits = published.splits
    if splits is None:
        return Share(is_suppressed=True)
    everything = Choice(period=choice.period, granularity=Granularity.DAY, event_types=choice.event_types)
    shown = splits.shown & _mask(splits.grid, everything)
    counts = np.bincount(splits.grid.source[shown], splits.grid.count[shown], 3)
    if not counts.any():
        return Share(is_suppressed=len(splits.grid) > 0)
    return Share(fan=int(counts[Source.FAN]), official=int(counts[Source.OFFICIAL]))
