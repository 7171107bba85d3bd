"""Report rows as the columns a chart draws: pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

SERIES = (("video_view", "Video views"), ("hub_view", "Hub views"), ("anchor_click", "Anchor clicks"))
"""Event types that are drawn, in the order of their colours."""


def chart_columns(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Times in seconds and a column a series; what is suppressed is a gap, what did not happen is 0."""
    cells: dict[int, dict[str, int | None]] = {}
    for row in rows:
        at = int(datetime.fromisoformat(row["start_time"]).timestamp())
        cells.setdefault(at, {})[row["event_type"]] = None if row["is_suppressed"] else row["event_count"]
    times = sorted(cells)
    return {
        "times": times,
        "series": [
            {"name": name, "values": [cells[at].get(event_type, 0) for at in times]} for event_type, name in SERIES
        ],
    }


def spike_bands(spikes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where spikes lie on the time axis."""
    return [
        {
            "start": int(datetime.fromisoformat(spike["start_time"]).timestamp()),
            "end": int(datetime.fromisoformat(spike["end_time"]).timestamp()),
            "name": spike.get("cause", "unexplained"),
        }
        for spike in spikes
        if "start_time" in spike and "end_time" in spike
    ]


def chart_table(columns: dict[str, Any], rows_max: int = 60) -> list[list[Any]]:
    """The newest points as rows, for those who read tables instead of charts."""
    indexes = range(len(columns["times"]) - 1, max(-1, len(columns["times"]) - 1 - rows_max), -1)
    return [[columns["times"][index], *(each["values"][index] for each in columns["series"])] for index in indexes]
