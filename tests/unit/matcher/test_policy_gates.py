"""The gates decide as they explain: one slow and one fast way, and remedies that work."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.decision import Decision, ReplayRefused, decided, facts_of, record_of, replay
from services.matcher.domain import AccountType, DecidedBy, MatchState, TitleState
from services.matcher.gates import GATES, explain
from services.matcher.policy import (
    ALL_GATES,
    DAY_S,
    Facts,
    GateCode,
    Policy,
    decayed_strikes,
    decide,
    is_held_out,
    passed_gates,
)

REGIONS = st.sampled_from(["", "US", "DE", "JP"])
SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 3_000)

policies = st.builds(
    Policy,
    version=st.just("p-000001"),
    approve_threshold=st.floats(0.5, 1),
    review_threshold=st.floats(0.2, 0.5),
    leave_ratio=SHARES,
    follower_count_min=COUNTS,
    view_count_min=COUNTS,
    strike_score_max=st.floats(0.01, 5),
    strike_half_life_days=st.floats(1, 400),
    account_types=st.sets(st.sampled_from(AccountType)).map(tuple),
    allow_made_for_kids=st.booleans(),
    allow_content_claimed=st.booleans(),
    allow_ai_generated=st.booleans(),
    creator_regions=st.sets(st.sampled_from(["US", "DE"])).map(tuple),
    viewer_regions=st.sets(st.sampled_from(["US", "DE"])).map(tuple),
    blocked_viewer_regions=st.sets(st.sampled_from(["US", "JP"])).map(tuple),
    titles_per_video_max=st.integers(1, 3),
    hold_out_share=SHARES,
)
facts_ = st.builds(
    Facts,
    video_id=st.text("abc123", min_size=1, max_size=5),
    probability=SHARES,
    verdict=st.none() | st.sampled_from([MatchState.APPROVED, MatchState.REJECTED]),
    verdict_by=st.sampled_from([DecidedBy.REVIEWERS, DecidedBy.APPEAL, DecidedBy.SLA]),
    state=st.sampled_from(MatchState),
    is_contradicted=st.booleans(),
    held=st.integers(0, ALL_GATES),
    is_killed=st.booleans(),
    title_state=st.sampled_from(TitleState),
    embargo_lift_s=st.floats(0, 2e9),
    now_s=st.floats(1e9, 2e9),
    follower_count=COUNTS,
    view_count=COUNTS,
    strike_score=st.floats(0, 20),
    strike_time_s=st.just(0.0) | st.floats(1e9, 2e9),
    account_type=st.sampled_from(AccountType),
    made_for_kids=st.booleans(),
    content_claimed=st.booleans(),
    is_aigc=st.booleans(),
    creator_region=REGIONS,
    viewer_region=REGIONS,
    rank=st.integers(1, 4),
)

# Facts that pass every gate of DEFAULT, and for each gate what makes it fail.
DEFAULT = Policy(version="p-000001", creator_regions=("US",), blocked_viewer_regions=("JP",), titles_per_video_max=1)
PASSING = Facts(
    video_id="v1",
    probability=0.95,
    state=MatchState.APPROVED,
    now_s=1.7e9,
    follower_count=5_000,
    view_count=5_000,
    creator_region="US",
    viewer_region="US",
)
BREAKING = {
    GateCode.KILL_SWITCH: {"is_killed": True},
    GateCode.TITLE_STATE: {"title_state": TitleState.MISSING},
    GateCode.EMBARGO: {"embargo_lift_s": 1.7e9 + 10},
    GateCode.PROBABILITY: {"probability": 0.7},
    GateCode.CONTENT_CLAIMED: {"content_claimed": True},
    GateCode.MADE_FOR_KIDS: {"made_for_kids": True},
    GateCode.AI_GENERATED: {"is_aigc": True},
    GateCode.ACCOUNT_TYPE: {"account_type": AccountType.POLITICAL},
    GateCode.STRIKES: {"strike_score": 3.0, "strike_time_s": 1.7e9},
    GateCode.FOLLOWERS: {"follower_count": 999},
    GateCode.VIEWS: {"view_count": 999},
    GateCode.CREATOR_REGION: {"creator_region": "DE"},
    GateCode.VIEWER_REGION: {"viewer_region": "JP"},
    GateCode.TITLE_LIMIT: {"rank": 2},
}


# For each gate, what makes it pass and touches no other gate; a share of videos held out is the policy's alone.
MENDING = {
    GateCode.KILL_SWITCH: lambda *_: {"is_killed": False},
    GateCode.TITLE_STATE: lambda *_: {"title_state": TitleState.ACTIVE},
    GateCode.EMBARGO: lambda policy, facts, gap: {"embargo_lift_s": facts.embargo_lift_s - gap},
    GateCode.PROBABILITY: lambda *_: {"verdict": MatchState.APPROVED},
    GateCode.CONTENT_CLAIMED: lambda *_: {"content_claimed": False},
    GateCode.MADE_FOR_KIDS: lambda *_: {"made_for_kids": False},
    GateCode.AI_GENERATED: lambda *_: {"is_aigc": False},
    GateCode.ACCOUNT_TYPE: lambda policy, facts, gap: {"account_type": policy.account_types[0]},
    GateCode.STRIKES: lambda *_: {"strike_score": 0.0},
    GateCode.FOLLOWERS: lambda policy, facts, gap: {"follower_count": facts.follower_count + int(gap)},
    GateCode.VIEWS: lambda policy, facts, gap: {"view_count": facts.view_count + int(gap)},
    GateCode.CREATOR_REGION: lambda policy, facts, gap: {"creator_region": policy.creator_regions[0]},
    GateCode.VIEWER_REGION: lambda *_: {"viewer_region": ""},
    GateCode.TITLE_LIMIT: lambda policy, facts, gap: {"rank": facts.rank - int(gap)},
}


def judged(policy: Policy, facts: Facts) -> tuple[Decision, list[GateCode]]:
    decision = decided(policy, facts)
    gates = explain(policy, decision.facts)
    return decision, [gate.code for gate in gates if not gate.passed]


def mended(policy: Policy, facts: Facts, code: GateCode) -> tuple[Policy, Facts]:
    """What was explained of this one gate, followed."""
    if code is GateCode.HOLD_OUT:
        return replace(policy, hold_out_share=0.0), facts
    gate = next(gate for gate in explain(policy, decided(policy, facts).facts) if gate.code is code)
    return policy, facts._replace(**MENDING[code](policy, facts, gate.gap))


@given(policies, facts_)
def test_the_fast_way_and_the_explanation_agree_on_every_gate(policy, facts):
    slow = sum(gate.code.bit for gate in explain(policy, facts) if gate.passed)
    assert passed_gates(policy, facts) == slow


@given(policies, facts_)
def test_an_anchor_is_shown_exactly_when_every_explained_gate_passed(policy, facts):
    decision, failed = judged(policy, facts)
    assert decision.is_shown == (failed == [])


@given(policies, facts_)
def test_each_gate_says_what_it_judged_and_a_failed_one_what_helps(policy, facts):
    gates = explain(policy, facts)
    assert [gate.code for gate in gates] == list(GateCode)
    assert len(GATES) == len(GateCode)
    for gate in gates:
        assert gate.passed == (gate.remedy == "")
        assert gate.gap >= 0
        assert not (gate.passed and gate.gap)


@given(policies, facts_)
def test_mending_the_named_gates_one_by_one_flips_each_alone_and_the_last_one_the_result(policy, facts):
    decision, named = judged(policy, facts)
    while named:
        assert not decision.is_shown
        code, *others = named
        policy, facts = mended(policy, facts, code)
        decision, named = judged(policy, facts)
        assert named == others, "the gate that was named passes now, and every other stands as it stood"
    assert decision.is_shown


@given(policies, facts_, st.data())
def test_the_one_gate_that_is_left_hides_the_anchor_and_flipping_it_shows_it(policy, facts, data):
    _, named = judged(policy, facts)
    if not named:
        return
    left = data.draw(st.sampled_from(named))
    for code in named:
        if code is not left:
            policy, facts = mended(policy, facts, code)
    decision, still = judged(policy, facts)
    assert (decision.is_shown, still) == (False, [left])
    decision, still = judged(*mended(policy, facts, left))
    assert (decision.is_shown, still) == (True, [])


def test_every_gate_has_its_flip():
    assert {*MENDING, GateCode.HOLD_OUT} == set(GateCode) == {*BREAKING, GateCode.HOLD_OUT}


@given(policies, facts_)
def test_waiting_as_long_as_the_strikes_gate_says_passes_it_and_a_day_less_does_not(policy, facts):
    facts = facts._replace(strike_time_s=facts.now_s)
    gate = explain(policy, facts)[GateCode.STRIKES - 1]
    if gate.passed:
        return
    days = int(gate.remedy.split()[0].replace(",", ""))
    later = facts._replace(now_s=facts.now_s + days * DAY_S)
    assert explain(policy, later)[GateCode.STRIKES - 1].passed
    sooner = facts._replace(now_s=facts.now_s + (days - 1) * DAY_S)
    assert not explain(policy, sooner)[GateCode.STRIKES - 1].passed


@pytest.mark.parametrize("code", BREAKING, ids=lambda code: code.name)
def test_flipping_one_gate_flips_the_result_and_no_other_gate(code):
    assert judged(DEFAULT, PASSING)[1] == []
    decision, failed = judged(DEFAULT, PASSING._replace(**BREAKING[code]))
    assert failed == [code]
    assert not decision.is_shown


def test_the_hold_out_gate_alone_hides_an_anchor():
    held_out = replace(DEFAULT, hold_out_share=1.0)
    assert judged(held_out, PASSING)[1] == [GateCode.HOLD_OUT]


@given(policies, facts_, st.sampled_from([GateCode.FOLLOWERS, GateCode.VIEWS]))
def test_following_the_remedy_of_a_count_passes_its_gate_and_one_less_does_not(policy, facts, code):
    field = {GateCode.FOLLOWERS: "follower_count", GateCode.VIEWS: "view_count"}[code]
    gate = next(gate for gate in explain(policy, facts) if gate.code is code)
    needed = getattr(facts, field) + int(gate.gap)
    helped = facts._replace(**{field: needed})
    assert next(each for each in explain(policy, helped) if each.code is code).passed
    if gate.gap:
        short = facts._replace(**{field: needed - 1})
        assert not next(each for each in explain(policy, short) if each.code is code).passed


@given(policies, facts_)
def test_a_decision_replays_to_the_same_bytes(policy, facts):
    record = record_of(decided(policy, facts))
    version, read = facts_of(record)
    assert version == policy.version
    assert read._replace(state=facts.state) == facts
    assert replay(policy, record) == record


def test_a_record_of_another_policy_is_not_replayed():
    record = record_of(decided(DEFAULT, PASSING))
    with pytest.raises(ReplayRefused):
        replay(replace(DEFAULT, version="p-000002"), record)
    with pytest.raises(ReplayRefused):
        facts_of(b"[9,1,2]")


@given(policies, facts_)
def test_what_people_said_stands_unless_the_title_is_gone(policy, facts):
    decision = decided(policy, facts)
    if facts.title_state in {TitleState.WITHDRAWN, TitleState.DELETED}:
        assert (decision.state, decision.decided_by) == (MatchState.WITHDRAWN, DecidedBy.TITLE)
    elif facts.verdict is not None:
        assert (decision.state, decision.decided_by) == (facts.verdict, facts.verdict_by)
    else:
        assert (decision.state, decision.decided_by) == (decide(policy, facts), DecidedBy.POLICY)


@given(policies, facts_)
def test_deciding_again_on_what_was_held_changes_nothing(policy, facts):
    """Hysteresis settles: a decision taken twice is the same decision."""
    first = decided(policy, facts)
    again = decided(policy, facts._replace(held=first.held))
    assert (again.state, again.passed) == (first.state, first.passed)


@pytest.mark.parametrize(
    ("views", "held", "shown"),
    [(1_000, 0, True), (999, 0, False), (900, GateCode.VIEWS.bit, True), (899, GateCode.VIEWS.bit, False)],
)
def test_an_anchor_enters_at_the_threshold_and_leaves_below_nine_tenths(views, held, shown):
    decision, _ = judged(DEFAULT, PASSING._replace(view_count=views, held=held))
    assert decision.is_shown == shown


def test_a_contradicted_match_goes_to_review_however_probable():
    assert decide(DEFAULT, PASSING._replace(probability=0.99, is_contradicted=True)) is MatchState.IN_REVIEW


def test_half_of_a_strike_is_gone_after_its_half_life():
    facts = PASSING._replace(strike_score=8.0, strike_time_s=1.6e9, now_s=1.6e9 + 90 * DAY_S)
    assert decayed_strikes(DEFAULT, facts) == pytest.approx(4.0)
    assert decayed_strikes(DEFAULT, facts._replace(strike_time_s=0.0)) == 8.0


def test_the_hold_out_is_the_share_it_says_and_the_same_each_time():
    policy = replace(DEFAULT, hold_out_share=0.1)
    chosen = [is_held_out(policy, f"v{number}") for number in range(10_000)]
    assert abs(sum(chosen) / 10_000 - 0.1) < 3 * math.sqrt(0.09 / 10_000)
    assert chosen == [is_held_out(policy, f"v{number}") for number in range(10_000)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"verdict": MatchState.REJECTED, "verdict_by": DecidedBy.REVIEWERS}, "Reviewers decided"),
        ({"verdict": MatchState.REJECTED, "verdict_by": DecidedBy.APPEAL}, "appeal was heard"),
        ({"is_contradicted": True}, "different titles"),
        ({"probability": 0.6}, "A reviewer will look"),
        ({"probability": 0.3}, "Name the title"),
    ],
)
def test_the_probability_gate_says_what_helps(fields, words):
    facts = PASSING._replace(**fields)
    facts = facts._replace(state=decided(DEFAULT, facts).state)
    (gate,) = [gate for gate in explain(DEFAULT, facts) if gate.code is GateCode.PROBABILITY]
    assert words in gate.remedy


def test_an_embargo_is_told_in_days_then_hours():
    facts = PASSING._replace(embargo_lift_s=PASSING.now_s + 3 * DAY_S)
    assert "in 3 days" in explain(DEFAULT, facts)[2].remedy
    almost = PASSING._replace(embargo_lift_s=PASSING.now_s + 2.1 * DAY_S)
    assert "in 3 days" in explain(DEFAULT, almost)[2].remedy
    facts = PASSING._replace(embargo_lift_s=PASSING.now_s + 5_000)
    assert "in 2 hours" in explain(DEFAULT, facts)[2].remedy


def test_a_large_threshold_is_written_in_full():
    policy = replace(DEFAULT, view_count_min=12_345_678)
    gate = explain(policy, PASSING)[GateCode.VIEWS - 1]
    assert (gate.threshold, gate.remedy) == ("12345678", "12,340,678 more views")
