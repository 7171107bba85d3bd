"""A report's rows as CSV (RFC 4180), in pieces that end at line ends. Pure."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime

from services.metrics import keys
from services.metrics.domain import EventType, Source
from services.metrics.report import Table

HEADER = ("start_time", "event_type", "viewer_region", "source", "event_count", "viewer_count", "is_suppressed")
ROWS_A_PIECE = 2_000


def pieces(table: Table, note: str, *, has_regions: bool) -> Iterator[str]:
    """The header, the rows, and a last line with what the numbers leave out."""
    yield _lines([HEADER])
    for start in range(0, len(table), ROWS_A_PIECE):
        yield _lines(
            [
                _row(table, place, has_regions=has_regions)
                for place in range(start, min(start + ROWS_A_PIECE, len(table)))
            ]
        )
    yield f"# {note}\r\n"


def _row(table: Table, place: int, *, has_regions: bool) -> tuple[object, ...]:
    hidden = bool(table.is_suppressed[place])
    kind, source = int(table.type[place]), int(table.source[place])
    return (
        datetime.fromtimestamp(int(table.start[place]) * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        EventType(kind).name.lower() if kind else "",
        keys.region_name(int(table.region[place])) if has_regions else "",
        Source(source).name.lower() if source else "",
        "" if hidden else int(table.count[place]),
        "" if hidden else int(table.viewers[place]),
        "true" if hidden else "false",
    )


def _lines(rows: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
