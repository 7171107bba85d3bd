"""What a report reads: which rows of which tables, and what of them may be shown. Pure."""

from collections.abc import Sequence

from services.metrics import grid, keys, privacy
from services.metrics.domain import DAY_MINUTES, HOUR_MINUTES, Agent, Granularity, Period
from services.metrics.fold import Table
from services.metrics.grid import Grid
from services.metrics.privacy import Atoms, Published
from services.metrics.report import Choice
from services.metrics.rows import Rows

DAY_TABLES = (Table.CELLS_DAY, Table.VIEWERS_DAY)


def spans(choice: Choice) -> list[tuple[Table, int, int]]:
    """The tables of cells and of their viewers that a choice needs, and from when to when."""
    period = choice.period
    both = Period(start=period.before().start, end=period.end).widened(DAY_MINUTES)
    whole = period.widened(DAY_MINUTES)
    by_hour = choice.granularity in {Granularity.HOUR, Granularity.MINUTE}
    # Periods that begin within a day need that day's hours, also the one before. Days that are there by hour are not
    # read again: of a title with a million events each of the two takes as long as all the rest.
    hours_start = (whole if whole == period else both).start if by_hour else both.end
    found = [(table, both.start, hours_start) for table in DAY_TABLES]
    if by_hour:
        found += [(table, hours_start, both.end) for table in (Table.CELLS_HOUR, Table.VIEWERS_HOUR)]
    if choice.granularity is Granularity.MINUTE:
        found += [(table, period.start, period.end) for table in (Table.CELLS_MINUTE, Table.VIEWERS_MINUTE)]
    return found


def published(found: Sequence[Rows], choice: Choice, viewers_min: int) -> tuple[Published, Atoms | None]:
    """What may be shown of the rows of `spans`: the atoms by day and hour, and by minute."""
    days, *finer = (Grid.of(cells, viewers) for cells, viewers in zip(found[::2], found[1::2], strict=True))
    hours = finer[0] if finer else None
    if hours is not None:
        days = grid.joined([days, _by_day(hours)])
    atoms = privacy.publish_title(days, hours, viewers_min, with_hour_splits=choice.is_split)
    if choice.granularity is not Granularity.MINUTE:
        return atoms, None
    assert atoms.hours is not None, "minutes lie in published hours"
    minutes = finer[1].relabelled(bucket=finer[1].bucket, type_=finer[1].type)
    return atoms, privacy.publish_within(minutes, atoms.hours, HOUR_MINUTES, viewers_min)


def _by_day(hours: Grid) -> Grid:
    day = hours.bucket // DAY_MINUTES * DAY_MINUTES
    return hours.relabelled(bucket=day, type_=hours.type, region=hours.region, source=hours.source)


def nonhuman_count(found: Sequence[Rows], period: Period) -> int:
    """Events of bots, previews and HEAD requests on the days of a period; `found` are the rows of `spans`."""
    first, count = period.start // DAY_MINUTES * DAY_MINUTES, 0
    for cells in found[: 2 * len(DAY_TABLES) : 2]:
        parts = keys.unpack(cells.a)
        day = parts.minute // DAY_MINUTES * DAY_MINUTES
        mask = (parts.agent != Agent.HUMAN) & (day >= first) & (day < period.end)
        count += int(cells.v[mask].sum())
    return count
