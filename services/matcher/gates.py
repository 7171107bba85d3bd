"""The gates one by one: each judges its value against its threshold and says what would make it pass."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from services.matcher.domain import DecidedBy, MatchState, TitleState
from services.matcher.policy import (
    DAY_S,
    Facts,
    Gate,
    GateCode,
    Policy,
    admits_creator,
    admits_viewer,
    approve_threshold,
    decayed_strikes,
    is_held_out,
)

HOUR_S = 3_600.0


def explain(policy: Policy, facts: Facts) -> tuple[Gate, ...]:
    """Every gate in order; the anchor is shown when all passed."""
    return tuple(judge(policy, facts) for judge in GATES)


def _kill_switch(policy: Policy, facts: Facts) -> Gate:  # noqa: ARG001 - all gates have one signature
    return _flag(
        GateCode.KILL_SWITCH,
        facts.is_killed,
        allowed=False,
        remedy="Anchors are switched off here at the moment.",
    )


def _title_state(policy: Policy, facts: Facts) -> Gate:  # noqa: ARG001
    passed = facts.title_state is TitleState.ACTIVE
    return Gate(
        code=GateCode.TITLE_STATE,
        passed=passed,
        value=facts.title_state.name.lower(),
        threshold="active",
        remedy="" if passed else "The title is not available; nothing you can do changes that.",
    )


def _embargo(policy: Policy, facts: Facts) -> Gate:  # noqa: ARG001
    gap = facts.embargo_lift_s - facts.now_s
    passed = gap <= 0
    return Gate(
        code=GateCode.EMBARGO,
        passed=passed,
        value=_moment(facts.now_s),
        threshold=_moment(facts.embargo_lift_s) if facts.embargo_lift_s else "none",
        gap=0.0 if passed else gap,
        remedy="" if passed else f"The title is announced in {_days(gap)}.",
    )


def _probability(policy: Policy, facts: Facts) -> Gate:
    passed = facts.state is MatchState.APPROVED
    threshold = approve_threshold(policy, facts)
    return Gate(
        code=GateCode.PROBABILITY,
        passed=passed,
        value=f"{facts.probability:.4f}",
        threshold=f"{threshold:.4f}",
        gap=0.0 if passed else max(0.0, threshold - facts.probability),
        remedy="" if passed else _probability_remedy(facts),
    )


def _probability_remedy(facts: Facts) -> str:
    if facts.verdict_by is DecidedBy.APPEAL:
        return "Your appeal was heard and the decision stands."
    if facts.verdict is not None:
        return "Reviewers decided that the video is not about this title; you can appeal."
    if facts.is_contradicted:
        return "Picture and words speak for different titles; a reviewer will look."
    if facts.state is MatchState.IN_REVIEW:
        return "A reviewer will look; naming the title in the caption or a hashtag settles it sooner."
    return "Name the title in the caption or a hashtag."


def _content_claimed(policy: Policy, facts: Facts) -> Gate:
    return _flag(
        GateCode.CONTENT_CLAIMED,
        facts.content_claimed,
        allowed=policy.allow_content_claimed,
        remedy="A rights holder claimed content of this video; the claim has to be settled.",
    )


def _made_for_kids(policy: Policy, facts: Facts) -> Gate:
    return _flag(
        GateCode.MADE_FOR_KIDS,
        facts.made_for_kids,
        allowed=policy.allow_made_for_kids,
        remedy="Videos made for kids carry no anchors.",
    )


def _ai_generated(policy: Policy, facts: Facts) -> Gate:
    return _flag(
        GateCode.AI_GENERATED,
        facts.is_aigc,
        allowed=policy.allow_ai_generated,
        remedy="AI-generated videos carry no anchors.",
    )


def _account_type(policy: Policy, facts: Facts) -> Gate:
    passed = not policy.account_types or facts.account_type in policy.account_types
    allowed = ", ".join(kind.name.lower() for kind in policy.account_types)
    return Gate(
        code=GateCode.ACCOUNT_TYPE,
        passed=passed,
        value=facts.account_type.name.lower(),
        threshold=allowed or "any",
        remedy="" if passed else f"Only these accounts can have anchors: {allowed}.",
    )


def _strikes(policy: Policy, facts: Facts) -> Gate:
    score = decayed_strikes(policy, facts)
    passed = score < policy.strike_score_max
    return Gate(
        code=GateCode.STRIKES,
        passed=passed,
        value=f"{score:.4f}",
        threshold=f"{policy.strike_score_max:.4f}",
        gap=0.0 if passed else score - policy.strike_score_max,
        remedy="" if passed else _strikes_remedy(policy, score),
    )


def _strikes_remedy(policy: Policy, score: float) -> str:
    if policy.strike_score_max <= 0:
        return "Anchors are not open to anyone at the moment."
    days = policy.strike_half_life_days * (math.log2(score) - math.log2(policy.strike_score_max))
    return f"{math.floor(days) + 1:,} more days without a new strike"


def _followers(policy: Policy, facts: Facts) -> Gate:
    return _count(policy, facts.held, GateCode.FOLLOWERS, (facts.follower_count, policy.follower_count_min))


def _views(policy: Policy, facts: Facts) -> Gate:
    return _count(policy, facts.held, GateCode.VIEWS, (facts.view_count, policy.view_count_min))


def _creator_region(policy: Policy, facts: Facts) -> Gate:
    passed = admits_creator(policy, facts)
    return Gate(
        code=GateCode.CREATOR_REGION,
        passed=passed,
        value=facts.creator_region,
        threshold=", ".join(policy.creator_regions) or "any",
        remedy="" if passed else "Anchors are not open to creators in your region yet.",
    )


def _viewer_region(policy: Policy, facts: Facts) -> Gate:
    passed = admits_viewer(policy, facts)
    blocked = ", ".join(policy.blocked_viewer_regions)
    allowed = ", ".join(policy.viewer_regions) or "any"
    return Gate(
        code=GateCode.VIEWER_REGION,
        passed=passed,
        value=facts.viewer_region,
        threshold=f"{allowed} but {blocked}" if blocked else allowed,
        remedy="" if passed else "Anchors are not shown to viewers in this region.",
    )


def _title_limit(policy: Policy, facts: Facts) -> Gate:
    passed = facts.rank <= policy.titles_per_video_max
    return Gate(
        code=GateCode.TITLE_LIMIT,
        passed=passed,
        value=str(facts.rank),
        threshold=str(policy.titles_per_video_max),
        gap=0.0 if passed else float(facts.rank - policy.titles_per_video_max),
        remedy="" if passed else "The video is more surely about another title, which has the anchor.",
    )


def _hold_out(policy: Policy, facts: Facts) -> Gate:
    return _flag(
        GateCode.HOLD_OUT,
        is_held_out(policy, facts.video_id),
        allowed=False,
        remedy="A small share of videos is kept without anchors to measure what anchors do.",
    )


def _flag(code: GateCode, is_set: bool, *, allowed: bool, remedy: str) -> Gate:  # noqa: FBT001 - the judged value
    passed = allowed or not is_set
    return Gate(
        code=code,
        passed=passed,
        value=str(is_set).lower(),
        threshold="any" if allowed else "false",
        remedy="" if passed else remedy,
    )


def _count(policy: Policy, held: int, code: GateCode, counted: tuple[int, int]) -> Gate:
    count, minimum = counted
    needed = minimum * (policy.leave_ratio if held & code.bit else 1.0)
    passed = count >= needed
    missing = -int(-needed // 1) - count  # rounded up: no one has half a view
    return Gate(
        code=code,
        passed=passed,
        value=str(count),
        threshold=f"{needed:g}" if needed < 1e6 else f"{needed:.0f}",  # noqa: PLR2004 - %g would round
        gap=0.0 if passed else float(missing),
        remedy="" if passed else f"{missing:,} more {code.name.lower()}",
    )


def _moment(unix_s: float) -> str:
    """RFC 3339, to the second."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _days(seconds: float) -> str:
    """Rounded up: who waits so long finds the gate open."""
    days = math.ceil(seconds / DAY_S)
    return f"{days:,} days" if days > 1 else f"{math.ceil(seconds / HOUR_S)} hours"


GATES: tuple[Callable[[Policy, Facts], Gate], ...] = (
    _kill_switch,
    _title_state,
    _embargo,
    _probability,
    _content_claimed,
    _made_for_kids,
    _ai_generated,
    _account_type,
    _strikes,
    _followers,
    _views,
    _creator_region,
    _viewer_region,
    _title_limit,
    _hold_out,
)
