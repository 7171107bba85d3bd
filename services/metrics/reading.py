"""What a report reads: which rows of which tables, and what of them may be shown. Pure."""

from collections.abc import Sequence

from services.metrics import keys, privacy, rows
from services.metrics.domain import DAY_MINUTES, HOUR_MINUTES, Granularity, Period
from services.metrics.fold import REDUCE, Table
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


def with_days(found: Sequence[Rows]) -> list[Rows]:
    """The rows of `spans`, the days of all hours among them."""
    if len(found) == len(DAY_TABLES):
        return list(found)
    days, finer = found[: len(DAY_TABLES)], found[len(DAY_TABLES) :]
    of_hours = [
        rows.regrouped(hours, keys.coarser(hours.a, DAY_MINUTES), REDUCE[table])
        for table, hours in zip(DAY_TABLES, finer, strict=False)
    ]
    every = [rows.merged(parts, REDUCE[table]) for table, *parts in zip(DAY_TABLES, days, of_hours, strict=True)]
    return [*every, *finer]


def published(found: Sequence[Rows], choice: Choice, viewers_min: int) -> tuple[Published, Atoms | None]:
    """What may be shown of the rows of `spans`: the atoms by day and hour, and by minute."""
    if choice.event_types:
        found = [each.where(keys.has_type(each.a, choice.event_types)) for each in found]
    days, *finer = (Grid.of(*found[place : place + 2]) for place in range(0, len(found), 2))
    atoms = privacy.publish_title(days, finer[0] if finer else None, viewers_min, with_hour_splits=choice.is_split)
    if choice.granularity is not Granularity.MINUTE:
        return atoms, None
    assert atoms.hours is not None, "minutes lie in published hours"
    minutes = finer[1].relabelled(bucket=finer[1].bucket, type_=finer[1].type)
    return atoms, privacy.publish_within(minutes, atoms.hours, HOUR_MINUTES, viewers_min)
