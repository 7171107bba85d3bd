"""A question to the rollups: a range of a table's keys."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Self

from services.metrics import keys, rows
from services.metrics.domain import EventType
from services.metrics.fold import REDUCE, Table
from services.metrics.rows import Rows

VIEWER_TABLES = (Table.VIEWERS_MINUTE, Table.VIEWERS_HOUR, Table.VIEWERS_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Rows of a table with low <= a < high; `types` keeps those of cells of some event types, empty: all."""

    table: Table
    low: int
    high: int
    types: AbstractSet[EventType] = frozenset()

    @classmethod
    def of_title(cls, title: int, table: Table, start: int, end: int, types: AbstractSet[EventType]) -> Self:
        """A title's rows between minutes since 1970; of viewers, the most by far, those of some types."""
        low, high = keys.span(title, start, end)
        return cls(table=table, low=low, high=high, types=types if table in VIEWER_TABLES else frozenset())

    def of(self, part: Rows) -> Rows:
        """The rows of a part of the table that are meant."""
        found = part.between(self.low, self.high)
        return found.where(keys.has_type(found.a, self.types)) if self.types else found

    def answer(self, stored: Iterable[Sequence[Rows]], remembered: Iterable[Rows]) -> Rows:
        """The rows of all parts as one; `stored` are the pages of each segment."""
        parts = [rows.joined([self.of(page) for page in pages]) for pages in stored]
        return rows.merged([*parts, *map(self.of, remembered)], REDUCE[self.table])
