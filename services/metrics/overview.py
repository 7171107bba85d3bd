"""All titles at a glance, in memory: hourly totals of two weeks for trending, daily ones of 90 days for percentiles.

Fed by the tables of each generation as it is stored, and by one scan of the stored tables at the start. 16 bytes a
row of (title, hour, region) or (title, day, type) that had any event.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.metrics import keys
from services.metrics.domain import DAY_MINUTES, HOUR_MINUTES, I64, U64, Agent, EventType
from services.metrics.fold import Table
from services.metrics.rows import Rows

HOURS_KEPT_DAYS = 15
DAYS_KEPT = 91
# Percentiles are of these trailing windows.
WINDOW_DAYS = (7, 28, 90)
# Fewer titles of a kind than this would tell one studio another's numbers.
KIND_TITLES_MIN = 5


@dataclass(frozen=True, slots=True)
class Sums:
    """Sorted keys with their sums."""

    a: U64
    v: I64

    def plus(self, a: U64, v: I64) -> "Sums":
        """With more rows added in."""
        every, group = np.unique(np.concatenate([self.a, a]), return_inverse=True)
        sums = np.bincount(group, np.concatenate([self.v, v]), len(every)).astype(np.int64)
        return Sums(every, sums)

    def since(self, minute: int) -> "Sums":
        young = keys.unpack(self.a).minute >= minute
        return Sums(self.a[young], self.v[young])


def no_sums() -> Sums:
    return Sums(np.zeros(0, np.uint64), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A title among those of its kind."""

    percentile: float = 0.0
    kind_mean: float = 0.0
    kind_title_count: int = 0


class Overview:
    """Totals of all titles."""

    def __init__(self) -> None:
        self.hours = no_sums()
        self.days = no_sums()
        self._standings: dict[tuple[int, EventType], tuple[I64, I64]] = {}
        self._kinds: I64 = np.zeros(0, np.int64)

    def add(self, tables: Mapping[Table, Rows]) -> None:
        """Takes in the tables of a generation."""
        self.add_hours(tables[Table.CELLS_HOUR])
        self.add_days(tables[Table.CELLS_DAY])

    def add_hours(self, rows: Rows) -> None:
        self.hours = self.hours.plus(*hour_sums(rows))

    def add_days(self, rows: Rows) -> None:
        self.days = self.days.plus(*day_sums(rows))

    def prune(self, now_minute: int) -> None:
        """Forgets what is too old."""
        self.hours = self.hours.since(now_minute - HOURS_KEPT_DAYS * DAY_MINUTES)
        self.days = self.days.since(now_minute - DAYS_KEPT * DAY_MINUTES)

    def rank(self, now_minute: int, kinds: I64, fresh: Rows) -> None:
        """Sums each title's windows anew; `kinds` is each title number's kind, `fresh` the daily cells in memory."""
        days = self.days.plus(*day_sums(fresh))
        parts, titles = keys.unpack(days.a), keys.titles(days.a)
        self._kinds = kinds
        today = now_minute // DAY_MINUTES * DAY_MINUTES
        found = {}
        for window in WINDOW_DAYS:
            recent = parts.minute > today - window * DAY_MINUTES
            for kind in EventType:
                mask = recent & (parts.type == kind)
                every = np.bincount(titles[mask], days.v[mask], len(kinds)).astype(np.int64)
                held = np.flatnonzero(every)
                found[window, kind] = (held, every[held])
        self._standings = found

    def standing(self, title: int, kind: EventType, period_days: float) -> Standing:
        """Where a title stands among those of its kind with any such event, in the window nearest to the period."""
        window = min(WINDOW_DAYS, key=lambda days: abs(days - period_days))
        titles, sums = self._standings.get((window, kind), (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        if not 0 <= title < len(self._kinds):
            return Standing()
        alike = sums[self._kinds[titles] == self._kinds[title]]
        if len(alike) < KIND_TITLES_MIN:
            return Standing(kind_title_count=len(alike))
        place = np.searchsorted(titles, title)
        own = int(sums[place]) if place < len(titles) and titles[place] == title else 0
        return Standing(
            percentile=float((alike < own).mean() * 100), kind_mean=float(alike.mean()), kind_title_count=len(alike)
        )


def hour_sums(rows: Rows) -> tuple[U64, I64]:
    """People's events by title, hour and region."""
    return _sums(rows, HOUR_MINUTES, with_region=True, with_type=False)


def day_sums(rows: Rows) -> tuple[U64, I64]:
    """People's events by title, day and type."""
    return _sums(rows, DAY_MINUTES, with_region=False, with_type=True)


def _sums(rows: Rows, minutes: int, *, with_region: bool, with_type: bool) -> tuple[U64, I64]:
    parts = keys.unpack(rows.a)
    people = parts.agent == Agent.HUMAN
    a = keys.coarser(rows.a[people], minutes)
    mask = (1 << 64) - 1 << keys.MINUTE_SHIFT
    mask |= (1023 << keys.REGION_SHIFT if with_region else 0) | (15 << keys.TYPE_SHIFT if with_type else 0)
    return a & np.uint64(mask & (1 << 64) - 1), rows.v[people]
