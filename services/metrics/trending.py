"""Trending: how far a title's last three hours stand above its own usual for these hours of the day. Pure.

The baseline is the mean of the same hours of up to 14 days before, its noise their spread or a Poisson count's,
whichever is more; three events are added to both so that a title nobody knew cannot trend on a handful. Size does not
rank: a small title that triples stands above a big one that grows by a tenth.
"""

from dataclasses import dataclass

import numpy as np

from services.metrics import keys
from services.metrics.domain import DAY_MINUTES, F64, HOUR_MINUTES, I64
from services.metrics.overview import Sums

WINDOW_HOURS = 3
BASELINE_DAYS = 14
PRIOR_EVENTS = 3.0
# Below this many standard deviations nothing is called trending.
SCORE_MIN = 3.0
EVENTS_MIN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """A title that moves."""

    title: int
    score: float
    recent_per_hour: float
    baseline_per_hour: float


def velocities(hours: Sums, now_minute: int, titles: int, region: int | None = None) -> list[Velocity]:
    """Titles that stand out, most first; `region` counts only one region's events."""
    parts, title = keys.unpack(hours.a), keys.titles(hours.a)
    chosen = np.ones(len(title), bool) if region is None else parts.region == region
    hour = (parts.minute[chosen]) // HOUR_MINUTES
    title, count = title[chosen], hours.v[chosen]
    this_hour = now_minute // HOUR_MINUTES
    elapsed = (now_minute % HOUR_MINUTES + 1) / HOUR_MINUTES
    span_hours = WINDOW_HOURS - 1 + elapsed

    def window(days_back: int) -> F64:
        """Events of the same stretch of an earlier day; the running hour counts as far as it has run."""
        age = this_hour - days_back * DAY_MINUTES // HOUR_MINUTES - hour
        weight = np.where(age == 0, elapsed if days_back else 1.0, 1.0)
        mask = (age >= 0) & (age < WINDOW_HOURS)
        return np.bincount(title[mask], (count * weight)[mask], titles).astype(np.float64)

    recent = window(0)
    candidates = np.flatnonzero(recent >= EVENTS_MIN)
    before = np.stack([window(day)[candidates] for day in range(1, BASELINE_DAYS + 1)])
    known_days = _known_days(title, hour, this_hour, titles)[candidates]
    mean = before.sum(axis=0) / known_days
    spread = (before**2).sum(axis=0) / known_days - mean**2
    noise = np.sqrt(np.maximum(spread, mean) + PRIOR_EVENTS)
    score = (recent[candidates] - mean - PRIOR_EVENTS) / noise
    order = np.lexsort((candidates, -score))
    return [
        Velocity(
            title=int(candidates[place]),
            score=float(score[place]),
            recent_per_hour=float(recent[candidates[place]] / span_hours),
            baseline_per_hour=float(mean[place] / span_hours),
        )
        for place in order
        if score[place] >= SCORE_MIN
    ]


def _known_days(title: I64, hour: I64, this_hour: int, titles: int) -> F64:
    """How many days back each title has been seen, 1 to 14: a young title is measured by the days it has."""
    oldest = np.full(titles, this_hour, np.int64)
    np.minimum.at(oldest, title, hour)
    return np.clip((this_hour - oldest) * HOUR_MINUTES // DAY_MINUTES, 1, BASELINE_DAYS).astype(np.float64)
