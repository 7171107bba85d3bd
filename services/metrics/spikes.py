"""Finds spikes: counts far above what is usual for a title at this hour, by robust statistics. Pure.

Usual is the seasonal median: of the same hour (smoothed over its neighbours) on the 14 days before, times how that hour
of the week ran against it in the weeks before (weekends are livelier), scaled by how the last 24 hours ran against
theirs. The distance is the signed root of the Poisson deviance, 2 (x ln(x/λ) − (x − λ)),
which is normal with standard deviation 1 far into the tails even for small counts (McCullagh & Nelder 1989), over how
far the title's own distances stray, at least 1, by the hour and by the minute.
Windows of 5 and 10 minutes catch a rise early or when it is slight; hours find what history was imported.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from services.metrics.domain import F64, HOUR_MINUTES, Bools

HOURS_A_DAY = 24
SEASON_DAYS = 14
MAD_TO_SIGMA = 1.4826
# A year has 525,600 windows that end at another minute; with these limits all of them together give fewer than one
# false alarm a title-year (tests/unit/metrics/test_metrics_spikes_and_insights.py measures it on shuffled minutes).
SCORE_MIN = 4.75
WINDOW_SCORES_MIN = {5: 5.0, 10: SCORE_MIN}  # by width in minutes
# How far minutes stray is told by their greatest distances, too: this quantile of them, and of the normal distribution.
TAIL_SHARE, TAIL_NORMAL = 0.99, 2.326
# Whose minutes stray more than by chance has more great distances than a normal distribution: they must be greater by
# up to so much (on shuffled minutes of bursty titles 1 is too little; a spike of 3 sigma for ten minutes is twice it).
BURSTY_FACTOR_MAX = 1.5
# The last minutes may be a spike: they do not tell how far minutes stray.
YOUNG_MINUTES = 180
EXCESS_MIN = 10.0
# An hour of the week is compared with the same one of so many weeks, as the median over five hours around it; so many
# events more in each keep a quiet title's weeks from telling anything.
WEEKS, WEEK_HOURS, AROUND_HOURS, WEEK_PRIOR = 8, 7 * HOURS_A_DAY, 2, 20.0
WEEK_MIN, WEEK_MAX = 0.4, 2.5
WEEK_BUSY_PER_HOUR = 400.0
# An hour tells something of its week when a whole week lies before it.
WEEK_FIRST_HOUR = WEEK_HOURS
# Before that only what no weekend explains is a spike.
UNKNOWN_WEEK_FACTOR = 1.6
# Fewer minutes than this do not tell how a title's minutes stray.
OWN_MINUTES_MIN = 720
# The level follows the last day, but no spike may lift its own baseline far.
LEVEL_MIN, LEVEL_MAX = 0.5, 2.5
# What is usual is known to within so much of itself: of a thousand events the rate's error counts as much as chance.
RATE_ERROR = 0.02
# Nothing is expected to be rarer than this in a window: what was never seen is not impossible.
EXPECTED_MIN = 0.2
# Below so many events an hour a median of counts is mostly zero: the mean stands in.
SPARSE_PER_HOUR = 4.0
# From here on a count of one hour is steadier than the change to the next hour.
BUSY_PER_HOUR = 60.0
# Alarms with at most this between them are one spike.
GAP_MINUTES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A stretch above the limit; minutes since 1970."""

    start: int
    end: int
    peak: int
    count: int
    expected: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """What is usual for each hour of a series, and how far it strays."""

    rate: F64  # events an hour
    least: F64  # of a spike, in events an hour: more than a weekend explains where no week tells
    sigma: float


def season(hours: F64, known_hours: int | None = None) -> Season:
    """From hourly counts, oldest first, beginning at midnight; what an hour expects rests on earlier days only.

    Hours from `known_hours` on have not happened yet: they expect something, and tell nothing.
    """
    days = len(hours) // HOURS_A_DAY
    assert days * HOURS_A_DAY == len(hours), "a series has whole days"
    known_hours = len(hours) if known_hours is None else known_hours
    padded = np.pad(hours, 1, mode="edge")
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    rough, even = _of_days_before(hours, days), _of_days_before(smooth, days)
    # Where counts are large the neighbours would only blur the day's curve.
    rate = np.where(even >= BUSY_PER_HOUR, rough, even)
    # The first day has nothing to compare with: it expects what it got.
    rate[:HOURS_A_DAY] = smooth[:HOURS_A_DAY]
    week = _week(hours, rate)
    rate = rate * np.where(np.isnan(week), 1.0, week)
    rate = rate * _level(hours, rate)
    recent = distance(hours, rate)[:known_hours][-SEASON_DAYS * HOURS_A_DAY :]
    return Season(rate=rate, least=rate * np.where(np.isnan(week), UNKNOWN_WEEK_FACTOR, 1.0), sigma=_sigma(recent))


def _sigma(distances: F64) -> float:
    """How far distances stray, in those of a Poisson count, by the median, which no spike moves; at least one."""
    if not len(distances):
        return 1.0
    return max(MAD_TO_SIGMA * float(np.median(np.abs(distances - np.median(distances)))), 1.0)


def _reach(distances: F64) -> float:
    """How far they stray by their greatest, which bursts that come every day raise."""
    return float(np.quantile(distances, TAIL_SHARE)) / TAIL_NORMAL


def _week(hours: F64, rate: F64) -> F64:
    """For each hour how the same hour of the week ran against what was usual, in the weeks before; NaN: not known."""
    wide = np.ones(2 * AROUND_HOURS + 1)
    around = [np.convolve(values, wide, "same") for values in (hours, rate)]
    # Where counts are large the neighbours would only blur the edge of a weekend.
    count, usual = (
        np.where(rate >= WEEK_BUSY_PER_HOUR, own, blurred) for own, blurred in zip((hours, rate), around, strict=True)
    )
    ratio = (count + WEEK_PRIOR) / (usual + WEEK_PRIOR)
    ratio[:WEEK_FIRST_HOUR] = np.nan
    before = np.full((WEEKS, len(hours)), np.nan)
    for week in range(1, min(WEEKS, (len(hours) - 1) // WEEK_HOURS) + 1):
        before[week - 1, week * WEEK_HOURS :] = ratio[: -week * WEEK_HOURS]
    known = ~np.isnan(before).all(axis=0)
    found = np.full(len(hours), np.nan)
    found[known] = np.clip(np.nanmedian(before[:, known], axis=0), WEEK_MIN, WEEK_MAX)
    return found


def _of_days_before(hours: F64, days: int) -> F64:
    """For each hour the median of the same hour on the 14 days before; the mean where that is mostly zero."""
    by_day = hours.reshape(days, HOURS_A_DAY)
    before = np.concatenate([np.full((SEASON_DAYS, HOURS_A_DAY), np.nan), by_day[:-1]])
    history = sliding_window_view(before, SEASON_DAYS, axis=0)[1:]
    usual = np.zeros_like(by_day)
    usual[1:] = np.nanmedian(history, axis=2)
    mean = np.zeros_like(by_day)
    mean[1:] = np.nanmean(history, axis=2)
    return np.where(usual < SPARSE_PER_HOUR, np.maximum(mean, usual), usual).reshape(-1)


def _level(hours: F64, rate: F64) -> F64:
    """How the 24 hours before each hour ran against what was usual: a median, so that a spike hardly counts."""
    ratio = (hours + 1) / (rate + 1)
    padded = np.concatenate([np.ones(HOURS_A_DAY), ratio[:-1]])
    found: F64 = np.clip(np.median(sliding_window_view(padded, HOURS_A_DAY), axis=1), LEVEL_MIN, LEVEL_MAX)
    return found


def distance(count: F64, expected: F64) -> F64:
    """How far counts are above what is expected, in standard deviations of a Poisson count round a rough rate."""
    usual = np.maximum(expected, EXPECTED_MIN)
    logs = np.log(np.maximum(count, EXPECTED_MIN) / usual)
    deviance = 2 * (count * logs - (count - usual))
    found: F64 = np.sign(count - usual) * np.sqrt(np.maximum(deviance, 0) / (1 + RATE_ERROR**2 * usual))
    return found


def hourly_alarms(hours: F64, start_minute: int) -> list[Alarm]:
    """Spikes of a series of hours."""
    found = season(hours)
    score = distance(hours, found.rate) / _demanded(found.sigma)
    high = (score >= SCORE_MIN) & (hours - found.rate >= EXCESS_MIN) & (hours >= found.least)
    high[:HOURS_A_DAY] = False
    return _alarms(high, score, hours, found.rate, start_minute, HOUR_MINUTES)


def minute_alarms(
    minutes: F64, expected: F64, sigma: float, start_minute: int, least: F64 | None = None
) -> list[Alarm]:
    """Spikes of a series of minutes, each as soon as one of the windows that end there passes the limit."""
    least = expected if least is None else least
    best = np.full(len(minutes), -np.inf)
    high = np.zeros(len(minutes), bool)
    for width, score_min in WINDOW_SCORES_MIN.items():
        count, usual = _trailing(minutes, width), _trailing(expected, width)
        apart = distance(count, usual)
        score = _among_own(apart, sigma) if len(minutes) >= OWN_MINUTES_MIN else apart / sigma
        over = (score >= score_min) & (count - usual >= EXCESS_MIN) & (count >= _trailing(least, width))
        # The whole window belongs to the spike.
        for back in range(width):
            high[: len(high) - back] |= over[back:]
        best = np.maximum(best, score)
    return _alarms(high, best, minutes, expected, start_minute, 1)


def _among_own(apart: F64, sigma: float) -> F64:
    """Scores of a day of minutes, as the title's own minutes lie and stray."""
    older = apart[:-YOUNG_MINUTES]
    middle = max(float(np.median(older)), 0.0)
    own = max(_sigma(older), _reach(older - middle))
    return (apart - middle) / max(sigma, _demanded(own))


def _demanded(own: float) -> float:
    """What a distance is divided by where a title's own stray so far."""
    return own * min(math.sqrt(own), BURSTY_FACTOR_MAX)


def _trailing(values: F64, width: int) -> F64:
    """Sums of the last `width` values up to each; shorter at the beginning."""
    total = np.concatenate([np.zeros(width), np.cumsum(values)])
    found: F64 = total[width:] - total[:-width]
    return found


def _alarms(high: Bools, score: F64, count: F64, expected: F64, start_minute: int, width: int) -> list[Alarm]:
    """Runs of high buckets as alarms; small gaps are bridged."""
    places = np.flatnonzero(high)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) * width > GAP_MINUTES + width) + 1
    found = []
    for run in np.split(places, breaks):
        first, last = int(run[0]), int(run[-1]) + 1
        found.append(
            Alarm(
                start=start_minute + first * width,
                end=start_minute + last * width,
                peak=start_minute + (first + int(score[first:last].argmax())) * width,
                count=int(count[first:last].sum()),
                expected=float(expected[first:last].sum()),
                score=float(score[first:last].max()),
            )
        )
    return found


def minute_rates(rate: F64, start_hour: int, start_minute: int, minutes: int) -> F64:
    """Expected events of each minute from the hours' rates, by straight lines between the middles of hours."""
    middles = (np.arange(len(rate)) + 0.5) * HOUR_MINUTES + start_hour * HOUR_MINUTES
    each = start_minute + np.arange(minutes) + 0.5
    return np.asarray(np.interp(each, middles, rate) / HOUR_MINUTES, np.float64)
