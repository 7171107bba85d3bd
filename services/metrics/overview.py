"""All titles at a glance, in memory: hourly totals of two weeks for trending, daily ones of 90 days for percentiles.

Fed by the tables of each generation as it is stored, and by one scan of the stored tables at the start. Kept by hour
and by day, 16 bytes a row of (title, region) or (title, type) that had any event in it: a question touches only the
hours and days it is about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from services.metrics import keys
from services.metrics.domain import DAY_MINUTES, F64, HOUR_MINUTES, I64, U32, U64, Agent, EventType
from services.metrics.fold import Table
from services.metrics.rows import Rows

HOURS_KEPT_DAYS = 15
DAYS_KEPT = 91
# Percentiles are of these trailing windows.
WINDOW_DAYS = (7, 28, 90)
# Fewer titles of a kind than this would tell one studio another's numbers.
KIND_TITLES_MIN = 5
TYPES = 16  # 4 bits of a key
REGIONS = 1_024  # 10 bits
# Pieces of one bucket are summed up when there are so many.
PIECES_MAX = 8


class Buckets:
    """Counts by time bucket and a small key: (title, region) or (title, type)."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self._pieces: dict[int, list[tuple[U64, I64]]] = {}

    def __len__(self) -> int:
        return sum(len(key) for pieces in self._pieces.values() for key, _ in pieces)

    def add(self, bucket: I64, key: I64, count: I64) -> None:
        """Takes in rows; buckets are numbers of hours or days since 1970."""
        order = np.argsort(bucket, kind="stable")
        bucket, key, count = bucket[order], key[order], count[order]
        starts = np.flatnonzero(np.diff(bucket, prepend=-1))
        for start, end in pairwise([*starts, len(bucket)]):
            pieces = self._pieces.setdefault(int(bucket[start]), [])
            # Cells of several sources and agents share a key.
            pieces.append(_summed([(key[start:end].astype(np.uint64), count[start:end])]))
            if len(pieces) > PIECES_MAX:
                pieces[:] = [_summed(pieces)]

    def sums(self, bucket: int) -> tuple[U64, I64]:
        """The rows of a bucket, each key once."""
        pieces = self._pieces.get(bucket)
        if not pieces:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        if len(pieces) > 1:
            pieces[:] = [_summed(pieces)]
        return pieces[0]

    def since(self, minute: int) -> None:
        """Forgets older buckets."""
        first = minute // self.minutes
        for bucket in [bucket for bucket in self._pieces if bucket < first]:
            del self._pieces[bucket]


def _summed(pieces: list[tuple[U64, I64]]) -> tuple[U64, I64]:
    key = np.concatenate([key for key, _ in pieces])
    distinct, place = np.unique(key, return_inverse=True)
    counts = np.bincount(place, np.concatenate([count for _, count in pieces]), len(distinct))
    return distinct, counts.astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A title among those of its kind."""

    percentile: float = 0.0
    kind_mean: float = 0.0
    kind_title_count: int = 0


class Overview:
    """Totals of all titles."""

    def __init__(self) -> None:
        self.hours = Buckets(HOUR_MINUTES)  # key: title * REGIONS + region
        self.days = Buckets(DAY_MINUTES)  # key: title * TYPES + type
        self.first_hour: I64 = np.zeros(0, np.int64)  # each title's first hour, as far as is known
        self._standings: dict[tuple[int, EventType], tuple[U32, I64]] = {}
        self._kinds: I64 = np.zeros(0, np.int64)

    def add(self, tables: Mapping[Table, Rows]) -> None:
        """Takes in the tables of a generation."""
        self.add_hours(tables[Table.CELLS_HOUR])
        self.add_days(tables[Table.CELLS_DAY])

    def add_hours(self, rows: Rows) -> None:
        title, parts, count = _people(rows)
        hour = parts.minute // HOUR_MINUTES
        self.hours.add(hour, title * REGIONS + parts.region, count)
        if len(title):
            more = int(title.max()) + 1 - len(self.first_hour)
            if more > 0:
                self.first_hour = np.append(self.first_hour, np.full(more, np.iinfo(np.int64).max))
            np.minimum.at(self.first_hour, title, hour)

    def add_days(self, rows: Rows) -> None:
        title, parts, count = _people(rows)
        self.days.add(parts.minute // DAY_MINUTES, title * TYPES + parts.type, count)

    def prune(self, now_minute: int) -> None:
        """Forgets what is too old."""
        self.hours.since(now_minute - HOURS_KEPT_DAYS * DAY_MINUTES)
        self.days.since(now_minute - DAYS_KEPT * DAY_MINUTES)

    def title_totals(self, start: int, end: int, titles: int) -> I64:
        """Each title's events on the days between two minutes."""
        return _by_title(self._totals(start // DAY_MINUTES, -(-end // DAY_MINUTES), titles))

    def _totals(self, first_day: int, end_day: int, titles: int) -> F64:
        """Events of the days by title and type."""
        found = np.zeros(titles * TYPES)
        for day in range(first_day, end_day):
            self._add_day(found, day)
        return found

    def _add_day(self, found: F64, day: int) -> None:
        key, count = self.days.sums(day)
        known = key < len(found)
        found[key[known]] += count[known]  # each key is there once

    def rank(self, now_minute: int, kinds: I64) -> Iterator[None]:
        """Sums each title's windows anew, a day at a time; `kinds` is each title number's kind."""
        today = now_minute // DAY_MINUTES
        found = {}
        totals = np.zeros(len(kinds) * TYPES)
        # The longer windows go on where the shorter ones end.
        for shorter, window in pairwise((0, *WINDOW_DAYS)):
            for day in range(today - window + 1, today - shorter + 1):
                self._add_day(totals, day)
                yield
            for kind in EventType:
                sums = totals[int(kind) :: TYPES]
                held = np.flatnonzero(sums).astype(np.uint32)
                found[window, kind] = (held, sums[held].astype(np.int64))
                yield
        self._standings, self._kinds = found, kinds

    def standing(self, title: int | None, kind: EventType, period_days: float) -> Standing:
        """Where a title stands among those of its kind with any such event, in the window nearest to the period."""
        window = min(WINDOW_DAYS, key=lambda days: abs(days - period_days))
        titles, sums = self._standings.get((window, kind), (np.zeros(0, np.uint32), np.zeros(0, np.int64)))
        if title is None or title >= len(self._kinds):
            return Standing()
        alike = sums[self._kinds[titles] == self._kinds[title]]
        if len(alike) < KIND_TITLES_MIN:
            return Standing(kind_title_count=len(alike))
        place = np.searchsorted(titles, title)
        own = int(sums[place]) if place < len(titles) and titles[place] == title else 0
        return Standing(
            percentile=float((alike < own).mean() * 100), kind_mean=float(alike.mean()), kind_title_count=len(alike)
        )


def _by_title(totals: F64) -> I64:
    found: I64 = totals.reshape(-1, TYPES).sum(axis=1).astype(np.int64)
    return found


def _people(rows: Rows) -> tuple[I64, keys.Parts, I64]:
    """Title, key parts and count of people's cells."""
    people = rows.where(rows.a & np.uint64(3) == Agent.HUMAN - 1)
    return keys.titles(people.a), keys.unpack(people.a), people.v
