"""Trending: how far a title's last three hours stand above its own usual for these hours of the day. Pure.

The baseline is the mean of the same hours of up to 14 days before, its noise their spread or a Poisson count's,
whichever is more; three events are added to both so that a title nobody knew cannot trend on a handful. Size does not
rank: a small title that triples stands above a big one that grows by a tenth.
"""

from dataclasses import dataclass

import numpy as np

from services.metrics.domain import F64, HOUR_MINUTES
from services.metrics.overview import REGIONS, Overview

HOURS_A_DAY = 24
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


def velocities(overview: Overview, now_minute: int, titles: int, region: int | None = None) -> list[Velocity]:
    """Titles that stand out, most first; `region` counts only one region's events."""
    this_hour = now_minute // HOUR_MINUTES
    elapsed = (now_minute % HOUR_MINUTES + 1) / HOUR_MINUTES
    recent = _window(overview, this_hour, 1.0, titles, region)
    candidates = np.flatnonzero(recent >= EVENTS_MIN)
    before = np.stack(
        [
            # The running hour counts as far as it has run.
            _window(overview, this_hour - day * HOURS_A_DAY, elapsed, titles, region)[candidates]
            for day in range(1, BASELINE_DAYS + 1)
        ]
    )
    known_days = np.clip((this_hour - overview.first_hour[candidates]) // HOURS_A_DAY, 1, BASELINE_DAYS)
    mean = before.sum(axis=0) / known_days
    spread = (before**2).sum(axis=0) / known_days - mean**2
    noise = np.sqrt(np.maximum(spread, mean) + PRIOR_EVENTS)
    score = (recent[candidates] - mean - PRIOR_EVENTS) / noise
    span_hours = WINDOW_HOURS - 1 + elapsed
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


def _window(overview: Overview, last_hour: int, last_weight: float, titles: int, region: int | None) -> F64:
    """Each title's events of the three hours that end with one, which counts by its weight."""
    found = np.zeros(titles)
    for back in range(WINDOW_HOURS):
        key, count = overview.hours.sums(last_hour - back)
        if region is not None:
            chosen = key % np.uint64(REGIONS) == region
            key, count = key[chosen], count[chosen]
        title = (key // np.uint64(REGIONS)).astype(np.int64)
        found += (1.0 if back else last_weight) * np.bincount(title, count, titles)[:titles]
    return found
