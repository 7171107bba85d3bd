"""The alarms of one title's rows: of whole past hours, and of the last hours by the minute. Pure."""

import numpy as np

from services.metrics import keys, spikes
from services.metrics.domain import DAY_MINUTES, F64, HOUR_MINUTES, Agent
from services.metrics.rows import Rows
from services.metrics.spikes import Alarm

# A day tells how a title's minutes stray; older spikes of it are found by the hour.
MINUTES_BACK, MINUTES_NEW = DAY_MINUTES, 180


def find_alarms(hourly: Rows, minutes: Rows, start: int, now: int) -> list[Alarm]:
    """The alarms of whole past hours, and of the last three hours by the minute."""
    running = now // HOUR_MINUTES * HOUR_MINUTES
    days = -(-(now + 1 - start) // DAY_MINUTES)
    counts = human_counts(hourly, start, start + days * DAY_MINUTES, HOUR_MINUTES)
    past = counts.copy()
    past[(running - start) // HOUR_MINUTES :] = 0
    known = counts.nonzero()[0]
    if not len(known):
        return []
    # The first day has no past, and its hours before the first event tell nothing: begin with the first whole day.
    first = -(-int(known[0]) // spikes.HOURS_A_DAY) * spikes.HOURS_A_DAY
    if first >= len(past):
        return []
    begin = start + first * HOUR_MINUTES
    found = spikes.hourly_alarms(past[first:], begin)
    usual = spikes.season(past[first:], (running - begin) // HOUR_MINUTES)
    if now - begin < DAY_MINUTES:
        return found
    since = now - MINUTES_BACK
    each = human_counts(minutes, since, now + 1, 1)
    expected, least = (
        spikes.minute_rates(rate, begin // HOUR_MINUTES, since, len(each)) for rate in (usual.rate, usual.least)
    )
    every = spikes.minute_alarms(each, expected, usual.sigma, since, least)
    return found + [alarm for alarm in every if alarm.end > now - MINUTES_NEW]


def human_counts(rows: Rows, start: int, end: int, width: int) -> F64:
    """People's events in each `width` minutes from start to end."""
    parts = keys.unpack(rows.a)
    mask = (parts.agent == Agent.HUMAN) & (parts.minute >= start) & (parts.minute < end)
    place = (parts.minute[mask] - start) // width
    return np.bincount(place, rows.v[mask], (end - start) // width).astype(np.float64)
