"""Eligibility, fraud, the feed and simulations on plain values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.incentives.domain import (
    Creator,
    EligibilityRules,
    FollowerSample,
    Limits,
    RequiredMatch,
    Reward,
    RewardKind,
    Task,
    TaskKind,
    Team,
    Terms,
)
from services.incentives.eligibility import Entrant, Entry, creator_reasons, match_in, video_reasons
from services.incentives.feed import MatchChange, applied, applied_creator, told_by_platform
from services.incentives.fraud import BURST_COUNT, follower_jump, sampled, shared, submission_burst
from services.incentives.participation import MatchState, Review, Video, VideoMatch
from services.incentives.simulate import simulated

NOW = datetime(2026, 11, 1, tzinfo=UTC)
START, END = NOW - timedelta(days=7), NOW + timedelta(days=7)


def terms(**rules):
    return Terms(title_ids=("t1", "t2"), start_time=START, end_time=END, rules=EligibilityRules(**rules))


def a_match(state=MatchState.APPROVED, title_id="t1", sequence=1):
    return VideoMatch(title_id=title_id, match_id=f"m-{title_id}", state=state, sequence=sequence)


def a_video(**changes):
    return Video(**{"id": "v", "creator_id": "ann", "create_time": NOW, "matches": (a_match(),), **changes})


def video_codes(rules, video, creator=None, review=None, **more):
    base = replace(terms(**rules), **more)
    entry = Entry(
        terms=base, creator=creator or Creator(id="ann"), video=video, match=match_in(base, video), review=review
    )
    return {reason.code: reason.gap for reason in video_reasons(entry)}


def creator_codes(rules, creator, **more):
    found = creator_reasons(Entrant(terms=replace(terms(**rules), **more), creator=creator, now=NOW))
    assert all(reason.description for reason in found)
    return {reason.code: reason.gap for reason in found}


@pytest.mark.parametrize(
    ("rules", "creator", "codes"),
    [
        ({}, {}, {}),
        ({"follower_count_min": 10}, {"follower_count": 4}, {"FOLLOWERS_TOO_FEW": 6}),
        ({"follower_count_min": 10}, {"follower_count": 10}, {}),
        ({"follower_count_max": 10}, {"follower_count": 14}, {"FOLLOWERS_TOO_MANY": 4}),
        ({"follower_count_min": 10}, {}, {"CREATOR_UNKNOWN": 0}),
        ({"account_age_min_days": 30}, {"account_create_time": NOW - timedelta(days=29)}, {"ACCOUNT_TOO_YOUNG": 1}),
        ({"account_age_min_days": 30}, {"account_create_time": NOW - timedelta(days=30)}, {}),
        ({"account_age_min_days": 30}, {}, {"CREATOR_UNKNOWN": 0}),
        ({"region_codes": ("US",)}, {"region_code": "DE"}, {"REGION_NOT_INCLUDED": 0}),
        ({"region_codes": ("US",)}, {"region_code": "US"}, {}),
        ({"region_codes": ("US",)}, {}, {"CREATOR_UNKNOWN": 0}),
        ({"strike_score_max": 0.5}, {"strike_score": 0.75}, {"STRIKES_TOO_MANY": 0.25}),
        ({"strike_score_max": 0.5}, {"strike_score": 0.5}, {}),
        ({"strike_score_max": 0.5}, {}, {}),
    ],
)
def test_creators_are_let_in_or_told_what_is_missing(rules, creator, codes):
    assert creator_codes(rules, Creator(id="ann", **creator)) == codes


def test_the_campaigns_regions_count_where_the_rules_name_none():
    assert creator_codes({}, Creator(id="ann", region_code="DE"), region_codes=("US",)) == {"REGION_NOT_INCLUDED": 0}


@pytest.mark.parametrize(
    ("rules", "video", "codes"),
    [
        ({}, {}, {}),
        ({}, {"matches": ()}, {"TITLE_NOT_INCLUDED": 0}),
        ({}, {"matches": (a_match(title_id="t9"),)}, {"TITLE_NOT_INCLUDED": 0}),
        ({}, {"matches": (a_match(MatchState.IN_REVIEW),)}, {"MATCH_NOT_APPROVED": 0}),
        ({}, {"matches": (a_match(MatchState.REJECTED), a_match(title_id="t2"))}, {}),
        ({"required_match": RequiredMatch.APPROVED_OR_IN_REVIEW}, {"matches": (a_match(MatchState.IN_REVIEW),)}, {}),
        (
            {"required_match": RequiredMatch.APPROVED_OR_IN_REVIEW},
            {"matches": (a_match(MatchState.WITHDRAWN),)},
            {"MATCH_NOT_APPROVED": 0},
        ),
        ({}, {"create_time": START - timedelta(seconds=1)}, {"CREATED_OUTSIDE_WINDOW": 0}),
        ({}, {"create_time": START}, {}),
        ({}, {"create_time": END}, {"CREATED_OUTSIDE_WINDOW": 0}),
        ({"view_count_min": 100}, {"view_count": 40}, {"VIEWS_TOO_FEW": 60}),
        ({"duration_min_s": 10}, {"duration_s": 9.5}, {"DURATION_TOO_SHORT": 0.5}),
        ({"duration_max_s": 10}, {"duration_s": 12.0}, {"DURATION_TOO_LONG": 2}),
        ({"all_hashtag_names": ("dune", "arrakis")}, {"hashtag_names": ("Dune",)}, {"HASHTAGS_MISSING": 1}),
        ({"any_hashtag_names": ("dune", "arrakis")}, {"hashtag_names": ("ARRAKIS",)}, {}),
        ({"any_hashtag_names": ("dune", "arrakis")}, {"hashtag_names": ("sand",)}, {"HASHTAGS_MISSING": 1}),
        ({}, {"made_for_kids": True}, {"MADE_FOR_KIDS": 0}),
        ({"made_for_kids_allowed": True}, {"made_for_kids": True}, {}),
    ],
)
def test_videos_count_or_say_what_is_missing(rules, video, codes):
    assert video_codes(rules, a_video(**video)) == codes


def test_a_studio_that_looks_at_videos_decides():
    required = {"submission_review_required": True}
    assert video_codes({}, a_video(), **required) == {"REVIEW_PENDING": 0}
    assert video_codes({}, a_video(), review=Review.ACCEPT, **required) == {}
    assert video_codes({}, a_video(), review=Review.REJECT) == {"REVIEW_REJECTED": 0}


def test_followers_that_multiply_within_a_week_are_seen():
    def samples(*pairs):
        return tuple(FollowerSample(count=count, time=NOW - timedelta(days=days)) for days, count in pairs)

    assert follower_jump(samples((6, 1_000), (1, 6_000)), NOW)
    assert not follower_jump(samples((8, 1_000), (1, 6_000)), NOW)
    assert not follower_jump(samples((6, 100), (1, 4_000)), NOW)
    assert not follower_jump(samples((6, 100_000), (1, 200_000)), NOW)
    assert not follower_jump(samples((6, 50_000), (1, 1_000)), NOW)


def test_ten_videos_in_an_hour_are_a_burst():
    minutes = [NOW + timedelta(minutes=6 * number) for number in range(BURST_COUNT)]
    assert submission_burst(minutes)
    assert not submission_burst(minutes[:-1])
    assert not submission_burst([NOW + timedelta(minutes=10 * number) for number in range(40)])


def test_nobody_shares_with_themselves():
    assert not shared("ann", ["ann", "ann"], "device")
    assert shared("ann", ["ann", "bob"], "device") == "the same device as 1 other creator of this campaign"
    assert "2 other creators" in shared("ann", ["cid", "bob"], "device")


@given(st.lists(st.integers(0, 5), max_size=60))
def test_samples_are_kept_where_counts_change_and_stay_bounded(counts):
    held = ()
    for number, count in enumerate(counts):
        held = sampled(held, count, NOW + timedelta(minutes=number))
    assert len(held) <= 30
    assert all(a.count != b.count for a, b in zip(held, held[1:], strict=False))


CHANGES = st.lists(
    st.builds(
        lambda sequence, title, state, views, followers, measured: MatchChange(
            sequence=sequence,
            match=VideoMatch(title_id=title, match_id=f"m-{title}", state=state, sequence=sequence),
            video=Video(id="v", creator_id="ann", create_time=NOW, view_count=views),
            creator=Creator(id="ann", follower_count=followers, strike_score=float(followers)),
            measure_time=NOW + timedelta(days=measured),
            change_time=NOW + timedelta(seconds=sequence),
        ),
        st.integers(1, 50),
        st.sampled_from(["t1", "t2"]),
        st.sampled_from(MatchState),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(-3, 3),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda change: change.sequence,
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_order_and_repeats_of_changes_do_not_matter(changes, chance):
    def outcome(order):
        video = creator = None
        for change in order:
            video, creator = applied(video, change), applied_creator(creator, change)
        return video, creator

    expected, creator = outcome(sorted(changes, key=lambda change: change.sequence))
    shuffled = [*changes, *changes]
    chance.shuffle(shuffled)
    found, other = outcome(shuffled)
    assert found.matches == expected.matches
    assert (found.sequence, found.view_count) == (expected.sequence, expected.view_count)
    newest = max(changes, key=lambda change: (change.measure_time, change.sequence)).creator
    for each in (creator, other):
        assert (each.follower_count, each.strike_score) == (newest.follower_count, newest.strike_score)


def test_what_the_platform_leaves_out_stays():
    known = told_by_platform(None, Creator(id="ann", follower_count=5, region_code="US"), NOW)
    after = told_by_platform(known, Creator(id="ann", strike_score=0.5, identity_cluster_id="k"), NOW)
    assert (after.follower_count, after.region_code, after.strike_score) == (5, "US", 0.5)
    assert after.identity_cluster_id == "k"
    told = told_by_platform(after, Creator(id="ann", account_create_time=START), NOW)
    assert told.account_create_time == START


def an_offer(**changes):
    values = {
        "title_ids": ("t1",),
        "tasks": (Task(id="one", display_name="One", kind=TaskKind.VIDEOS, target=2),),
        "rewards": (Reward(id="r", display_name="R", kind=RewardKind.FILTER, stock_count=1),),
    }
    return Terms(**{**values, **changes})


def videos(*counts):
    return [
        a_video(id=f"v{creator}-{number}", creator_id=f"c{creator}", create_time=START + timedelta(hours=number))
        for creator, count in enumerate(counts)
        for number in range(count)
    ]


def test_a_simulation_counts_what_stock_and_limits_let_through():
    outcome = simulated(an_offer(), videos(2, 3, 1), {}, (START, END), {})
    assert (outcome.creator_count, outcome.earning_creator_count) == (3, 1)
    assert (outcome.rewards[0].earned_count, outcome.rewards[0].left_count) == (2, 0)
    assert outcome.rewards[0].sold_out_time == START + timedelta(hours=1)
    many = an_offer(
        rewards=tuple(Reward(id=each, display_name=each, kind=RewardKind.FILTER, is_unlimited=True) for each in "ab"),
        limits=Limits(rewards_per_creator_max=1, grants_max=1, submissions_per_creator_max=2),
    )
    bounded = simulated(many, videos(2, 3), {}, (START, END), {})
    assert sum(each.granted_count for each in bounded.rewards) == 1
    assert {each.code: each.video_count for each in bounded.exclusions} == {"SUBMISSIONS_TOO_MANY": 1}


def test_a_simulation_knows_teams_and_codes():
    rewards = (
        Reward(id="red", display_name="R", kind=RewardKind.TICKET),
        Reward(id="blue", display_name="B", kind=RewardKind.FILTER, stock_count=5),
    )
    teams = (Team(id="r", display_name="R", reward_ids=("red",)), Team(id="b", display_name="B", reward_ids=("blue",)))
    outcome = simulated(an_offer(rewards=rewards, teams=teams), videos(2), {}, (START, END), {"red": 3})
    assert {each.reward_id: each.granted_count for each in outcome.rewards} == {"red": 0, "blue": 1}
    rich = simulated(an_offer(rewards=rewards[:1]), videos(2), {}, (START, END), {"red": 3})
    assert rich.rewards[0].left_count == 2
