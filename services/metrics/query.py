"""A question to the rollups: ranges of a table's keys."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Self

from services.metrics import keys, rows
from services.metrics.domain import EventType
from services.metrics.fold import REDUCE, Table
from services.metrics.rows import Rows, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Rows of a table whose `a` lies in one of the half-open spans, which ascend and do not touch."""

    table: Table
    spans: Sequence[Span]

    @classmethod
    def of_key(cls, table: Table, key: int) -> Self:
        return cls(table=table, spans=[(key, key + 1)])

    @classmethod
    def of_title(cls, title: int, table: Table, start: int, end: int, types: AbstractSet[EventType]) -> Self:
        """A title's rows between minutes since 1970, of some event types; empty: of all."""
        return cls(table=table, spans=keys.spans(title, start, end, types))

    def answer(self, stored: Iterable[Sequence[Rows]], remembered: Iterable[Rows]) -> Rows:
        """The rows of all parts as one; `stored` are the pages of each segment."""
        parts = [self._cut(pages) for pages in (*stored, *([part] for part in remembered))]
        # Of one span each part holds most that no other reaches; of all together they overlap.
        return rows.joined([rows.merged(of_span, REDUCE[self.table]) for of_span in zip(*parts, strict=True)])

    def _cut(self, pages: Sequence[Rows]) -> list[Rows]:
        """What pages that follow one another hold of each span."""
        found: list[list[Rows]] = [[] for _ in self.spans]
        for page in pages:
            for of_span, part in zip(found, page.cut(self.spans), strict=True):
                if len(part):
                    of_span.append(part)
        return [rows.joined(of_span) for of_span in found]
