"""Spikes are found soon and seldom falsely; causes and suggestions follow from facts."""

import json
from datetime import date, timedelta

import numpy as np
import pytest

from services.metrics import causes, insights, keys, spikes
from services.metrics.alarms import find_alarms
from services.metrics.answers import Region
from services.metrics.causes import ContributorKind, Spike, SpikeCause, Surge
from services.metrics.domain import EventType, InsightAlreadyDecided
from services.metrics.follow import decoded, encoded
from services.metrics.heads import Head
from services.metrics.insights import LIFE, Act, InsightKind, InsightState, Sight
from services.metrics.keys import EPOCH_MINUTE
from services.metrics.rows import Reduce, empty, reduced
from services.metrics.spikes import Alarm
from services.metrics.titles import TitleFacts
from services.metrics.traffic import DIURNAL

MINUTES_A_DAY = 1440


def usual(per_minute, days, weekend=1.0):
    """Expected events of each minute, with the day's curve drawn smoothly through its hours."""
    week = np.repeat([weekend if day % 7 in {2, 3} else 1.0 for day in range(days)], 24)
    curve = np.tile(DIURNAL / DIURNAL.mean(), days) * week
    return np.interp(np.arange(days * MINUTES_A_DAY), np.arange(len(curve)) * 60 + 30, curve) * per_minute


def traffic(per_minute, days, seed):
    return np.random.default_rng(seed).poisson(usual(per_minute, days)).astype(float)


def found_in(minutes, day):
    """Alarms of one day of minutes, with the days before it as its past."""
    hours = minutes.reshape(-1, 60).sum(axis=1)
    season = spikes.season(hours)
    start = day * MINUTES_A_DAY
    expected = spikes.minute_rates(season.rate, 0, start, MINUTES_A_DAY)
    return spikes.minute_alarms(minutes[start : start + MINUTES_A_DAY], expected, season.sigma, start)


@pytest.mark.parametrize("per_minute", [0.05, 0.5, 5, 50])
def test_the_shuffled_control_has_at_most_one_false_alarm_a_title_year(per_minute):
    """365 title-days, as 5 titles of 87 days of which 73 have a past: minutes shuffled among the same hours of all days."""
    alarms = 0
    for title in range(5):
        minutes = traffic(per_minute, 87, title)
        by_day = minutes.reshape(87, MINUTES_A_DAY)
        np.random.default_rng(title + 50).permuted(by_day, axis=0, out=by_day)
        hours = minutes.reshape(-1, 60).sum(axis=1)
        season = spikes.season(hours)
        expected = spikes.minute_rates(season.rate, 0, 0, len(minutes))
        past_first_day = slice(MINUTES_A_DAY, None)
        alarms += len(
            spikes.minute_alarms(minutes[past_first_day], expected[past_first_day], season.sigma, MINUTES_A_DAY)
        )
        alarms += len(spikes.hourly_alarms(hours, 0))
    assert alarms <= 1


def as_watched(minutes, from_day):
    """Alarms as the watch looks for them: of the last three hours, with the minutes of the day before them."""
    hours = minutes.reshape(-1, 60).sum(axis=1)
    season, found = spikes.season(hours), []
    expected, least = (spikes.minute_rates(rate, 0, 0, len(minutes)) for rate in (season.rate, season.least))
    for now in range((from_day * 24 + 3) * 60, len(minutes) + 1, 180):
        day = slice(now - MINUTES_A_DAY, now)
        each = spikes.minute_alarms(minutes[day], expected[day], season.sigma, now - MINUTES_A_DAY, least[day])
        found += [alarm for alarm in each if alarm.end > now - 180]
    return found + [alarm for alarm in spikes.hourly_alarms(hours, 0) if alarm.start >= from_day * MINUTES_A_DAY]


@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("per_minute", [5, 20, 100])
def test_a_title_whose_every_minute_is_bursty_has_at_most_one_false_alarm_a_title_year(per_minute, is_shuffled):
    """Five titles of 73 days with a past, each minute's rate drawn anew between almost nothing and the threefold."""
    alarms, days = 0, 87
    for title in range(5):
        rng = np.random.default_rng(title)
        minutes = rng.poisson(usual(per_minute, days) * rng.gamma(2, 0.5, days * MINUTES_A_DAY)).astype(float)
        if is_shuffled:
            minutes = rng.permuted(minutes.reshape(days, MINUTES_A_DAY), axis=0).reshape(-1)
        alarms += len(as_watched(minutes, 14))
    assert alarms <= 1


@pytest.mark.parametrize("per_minute", [5, 20, 200])
def test_weekends_are_no_spikes_once_there_is_a_week_to_compare_with(per_minute):
    """Two titles whose Saturdays and Sundays are half as lively again, of the first fortnight on: 0.4 title-years."""
    days, alarms = 87, []
    for title in range(2):
        minutes = np.random.default_rng(title).poisson(usual(per_minute, days, weekend=1.5)).astype(float)
        hours = minutes.reshape(-1, 60).sum(axis=1)
        season = spikes.season(hours)
        expected, least = (spikes.minute_rates(rate, 0, 0, len(minutes)) for rate in (season.rate, season.least))
        alarms += spikes.minute_alarms(minutes, expected, season.sigma, 0, least)
        alarms += spikes.hourly_alarms(hours, 0)
    assert len([alarm for alarm in alarms if alarm.start >= 14 * MINUTES_A_DAY]) <= 1


def planted(rng, per_minute, trial, lasting):
    """Sixteen days of minutes with a spike of three standard deviations at a random moment of the last one, that
    moment, and the season of the hours before it."""
    base, minutes = usual(per_minute, 16), traffic(per_minute, 16, 100 + trial)
    at = 15 * MINUTES_A_DAY + int(rng.integers(0, MINUTES_A_DAY - 60))
    minutes[at : at + lasting] += rng.poisson(3 * np.sqrt(base[at : at + lasting]))
    hours = minutes.reshape(-1, 60).sum(axis=1)
    hours[at // 60 :] = 0  # have not happened yet
    return minutes, at, spikes.season(hours, at // 60)


@pytest.mark.parametrize("per_minute", [2, 5, 20, 100])
def test_a_planted_spike_of_three_sigma_is_found_within_ten_minutes(per_minute):
    """Three standard deviations of the minute's own noise, lasting an hour, at 40 random moments."""
    late, rng = 0, np.random.default_rng(9)
    for trial in range(40):
        seen, at, season = planted(rng, per_minute, trial, 60)
        seen[at + 10 :] = 0  # only ten minutes of it are known
        expected = spikes.minute_rates(season.rate, 0, at - 110, 120)
        late += not spikes.minute_alarms(seen[at - 110 : at + 10], expected, season.sigma, at - 110)
    assert late <= 2  # 95 %


@pytest.mark.parametrize("per_minute", [2, 20, 100])
def test_it_is_found_among_the_minutes_of_its_day_too(per_minute):
    """As the watch sees it ten minutes after it began."""
    late, rng = 0, np.random.default_rng(9)
    for trial in range(40):
        minutes, at, season = planted(rng, per_minute, trial, 10)
        since = at + 10 - MINUTES_A_DAY
        expected = spikes.minute_rates(season.rate, 0, since, MINUTES_A_DAY)
        found = spikes.minute_alarms(minutes[since : at + 10], expected, season.sigma, since)
        late += not [alarm for alarm in found if alarm.end > at]
    assert late <= 2  # 95 %


def test_a_steady_rise_from_day_to_day_is_no_spike():
    minutes = (
        np.random.default_rng(1).poisson(usual(5, 40) * np.repeat(1.03 ** np.arange(40), MINUTES_A_DAY)).astype(float)
    )
    assert spikes.hourly_alarms(minutes.reshape(-1, 60).sum(axis=1), 0) == []


def test_an_hourly_spike_has_its_bounds_and_numbers():
    hours = np.full(24 * 20, 50.0)
    hours[24 * 18 + 5 : 24 * 18 + 8] = 200
    (alarm,) = spikes.hourly_alarms(hours, 0)
    assert (alarm.start, alarm.end, alarm.count) == ((24 * 18 + 5) * 60, (24 * 18 + 8) * 60, 600)
    assert alarm.expected == pytest.approx(150, rel=0.2)
    assert alarm.start <= alarm.peak < alarm.end
    assert found_in(np.ones(3 * MINUTES_A_DAY), 2) == []


def test_the_hours_before_a_titles_first_event_are_not_taken_for_quiet_ones():
    """Steady traffic that begins at eleven in the morning: nothing rises on the next one."""
    start, days = EPOCH_MINUTE, 6
    hours = np.arange(11, days * 24 - 3)
    one = np.ones(len(hours), np.uint8)
    cells = keys.pack(one * 7, start + hours * 60, one, one * EventType.VIDEO_VIEW, one, one)
    rows = reduced(cells, np.zeros(len(hours), np.uint64), np.full(len(hours), 90), Reduce.SUM)
    assert find_alarms(rows, empty(), start - 30 * MINUTES_A_DAY, start + (days * 24 - 3) * 60) == []
    assert find_alarms(rows, empty(), start - 30 * MINUTES_A_DAY, start + 12 * 60) == []


ALARM = Alarm(start=1_000, end=1_120, peak=1_050, count=400, expected=100.0, score=9.0)


def a_surge(**more):
    return Surge(
        **{
            "alarm": ALARM, "viewers": 380, "expected_viewers": 90.0, "human_count": 400, "expected_human_count": 100.0, "bot_count": 5,
            "campaign_count": 0, "expected_campaign_count": 0.0,
        } | more
    )  # fmt: skip


@pytest.mark.parametrize(
    ("surge", "cause"),
    [
        (a_surge(), SpikeCause.ORGANIC),
        (a_surge(viewers=100), SpikeCause.SUSPICIOUS),
        (a_surge(bot_count=400), SpikeCause.SUSPICIOUS),
        (a_surge(views_per_viewer=1.4), SpikeCause.ORGANIC),
        (a_surge(views_per_viewer=12.0), SpikeCause.SUSPICIOUS),
        (a_surge(campaign_count=200), SpikeCause.CAMPAIGN),
        (a_surge(campaign_count=200, viewers=95), SpikeCause.SUSPICIOUS),
        (a_surge(release_dates=(date(1970, 1, 2),)), SpikeCause.RELEASE),
        (a_surge(release_dates=(date(1970, 2, 2),)), SpikeCause.ORGANIC),
    ],
)
def test_the_verdict_follows_from_the_evidence(surge, cause):
    assert causes.verdict(causes.evidence(surge)) is cause


def test_contributions_name_who_carries_the_excess():
    counts = {
        ContributorKind.VIDEO: [("v1", 250, 10.0), ("v2", 20, 15.0), ("v3", 5, 50.0)],
        ContributorKind.REGION: [("US", 300, 0.0), ("DE", 300, 0.0)],
    }
    found = causes.contributions(a_surge(counts=counts))
    assert [(each.kind, each.name, round(each.share, 2)) for each in found] == [
        (ContributorKind.VIDEO, "v1", 0.8),
        (ContributorKind.REGION, "DE", 0.5),
        (ContributorKind.REGION, "US", 0.5),
    ]


NOW = 29_000_000
TODAY = date(1970, 1, 1) + timedelta(days=NOW // 1440)


def a_sight(**more):
    title = TitleFacts(id="movie:1", name="Dune", studio_id="s1", release_dates=more.pop("release_dates", ()))
    return Sight(title=title, minute=NOW, **more)


def a_spike(**more):
    return Spike(
        **{
            "id": "S1", "title_id": "movie:1", "event_type": EventType.VIDEO_VIEW, "start": NOW - 100, "end": NOW,
            "peak": NOW - 50, "detect": NOW, "count": 400, "expected": 50.0, "score": 20.0, "viewers": 20,
            "cause": SpikeCause.SUSPICIOUS,
        } | more
    )  # fmt: skip


RISER = Head(id=1, counts={EventType.VIDEO_VIEW: 100}, previous_views=10, growth=8.5, view_share=0.2)


@pytest.mark.parametrize(
    ("sight", "kinds"),
    [
        (a_sight(), []),
        (a_sight(regions=[Region(region="BR", clicks=60, share=0.1)]), [InsightKind.ADD_WATCH_OFFER]),
        (a_sight(regions=[Region(region="BR", clicks=60, has_offer=True)]), []),
        (a_sight(regions=[Region(region="ZZ", clicks=60)]), []),
        (a_sight(regions=[Region(region="BR", clicks=60, is_suppressed=True)]), []),
        (a_sight(creators=[("c9", RISER)]), [InsightKind.INVITE_CREATOR]),
        (a_sight(creators=[("official.1", RISER), ("c2", Head(id=2))]), []),
        (a_sight(growth=1.5, release_dates=(TODAY + timedelta(days=9),)), [InsightKind.OPEN_CAMPAIGN]),
        (a_sight(growth=1.1, release_dates=(TODAY + timedelta(days=9),)), []),
        (a_sight(growth=1.5, release_dates=(TODAY - timedelta(days=9),)), []),
        (a_sight(impressions=5_000, clicks=500, tags=[("dune", 1_000, 5)]), [InsightKind.CHECK_ALIAS]),
        (a_sight(impressions=5_000, clicks=500, tags=[("dune", 1_000, 99), ("few", 20, 0)]), []),
        (a_sight(spikes=[a_spike()]), [InsightKind.REVIEW_SURGE]),
        (a_sight(spikes=[a_spike(cause=SpikeCause.ORGANIC), a_spike(end=NOW - 20_000)]), []),
    ],
)
def test_a_rule_suggests_when_its_facts_are_there(sight, kinds):
    found = insights.seen(sight)
    assert [insight.kind for insight in found] == kinds
    for insight in found:
        assert insight.observation
        assert insight.reason
        assert insight.action
        assert 0 <= insight.priority <= 1
        json.loads(insight.draft.body_json)


def an_insight(state=InsightState.OPEN, **more):
    (found,) = insights.seen(a_sight(spikes=[a_spike()]))
    return insights.replace(found, state=state, **more)


@pytest.mark.parametrize(("state", "act"), [(state, act) for state in InsightState for act in Act])
def test_the_life_of_an_insight_is_the_table(state, act):
    if (state, act) in LIFE:
        assert insights.moved(an_insight(state), act) is LIFE[state, act]
    else:
        with pytest.raises(InsightAlreadyDecided):
            insights.moved(an_insight(state), act)


def test_a_decided_insight_is_not_suggested_again():
    now = an_insight()
    assert insights.renewed(None, now) == now
    assert insights.renewed(an_insight(create_minute=5), now).create_minute == 5
    assert insights.renewed(an_insight(InsightState.EXPIRED), now).state is InsightState.OPEN
    assert insights.renewed(an_insight(InsightState.ACCEPTED), now) is None
    assert insights.renewed(an_insight(InsightState.DISMISSED, decide_minute=NOW - 10), now) is None
    assert insights.renewed(an_insight(InsightState.DISMISSED, decide_minute=NOW - 31 * 1440), now) == now


def test_an_etag_changes_with_every_decision():
    assert an_insight().etag != an_insight(InsightState.ACCEPTED).etag


def test_titles_survive_being_stored():
    titles = [
        TitleFacts(
            id="movie:1", name="Dune", media_type="movie", studio_id="s", release_date="2021-10-22",
            release_dates=(date(2021, 10, 22),), offers=(("US", 0, 5),), hashtags=frozenset({"dune"}), is_active=False,
        ),
        TitleFacts(id="x"),
    ]  # fmt: skip
    assert decoded(encoded(titles)) == titles
    assert titles[0].has_offer("US", 4)
    assert not titles[0].has_offer("US", 5)
