"""The policy: versioned thresholds, and the gates between a match and its anchor, in their order.

`decide` puts a match into its state, `explain` judges every gate with its value, threshold, gap and remedy, and
`passed_gates` is the fast twin of `explain` that only says which passed.
"""

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.matcher.domain import AccountType, DecidedBy, MatchState, TitleState

DAY_S = 86_400.0
_HASH_RANGE = float(1 << 64)


class GateCode(enum.IntEnum):
    """The gates in the order in which they are applied; the numbers are the wire's."""

    KILL_SWITCH = 1
    TITLE_STATE = 2
    EMBARGO = 3
    PROBABILITY = 4
    CONTENT_CLAIMED = 5
    MADE_FOR_KIDS = 6
    AI_GENERATED = 7
    ACCOUNT_TYPE = 8
    STRIKES = 9
    FOLLOWERS = 10
    VIEWS = 11
    CREATOR_REGION = 12
    VIEWER_REGION = 13
    TITLE_LIMIT = 14
    HOLD_OUT = 15

    @property
    def bit(self) -> int:
        return 1 << self.value


ALL_GATES = sum(code.bit for code in GateCode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the policy; see protos/matcher/v1/policy.proto for each field."""

    version: str
    approve_threshold: float = 0.9
    review_threshold: float = 0.5
    drop_threshold: float = 0.05
    leave_ratio: float = 0.9
    follower_count_min: int = 1_000
    view_count_min: int = 1_000
    strike_score_max: float = 3.0
    strike_half_life_days: float = 90.0
    account_types: tuple[AccountType, ...] = (
        AccountType.UNKNOWN,
        AccountType.PERSONAL,
        AccountType.BUSINESS,
        AccountType.OFFICIAL,
    )
    allow_made_for_kids: bool = False
    allow_content_claimed: bool = False
    allow_ai_generated: bool = False
    creator_regions: tuple[str, ...] = ()
    viewer_regions: tuple[str, ...] = ()
    blocked_viewer_regions: tuple[str, ...] = ()
    titles_per_video_max: int = 1
    hold_out_share: float = 0.0
    second_read_share: float = 0.1
    appeal_window_days: float = 30.0
    review_sla_hours: float = 72.0
    appeal_sla_hours: float = 120.0
    description: str = ""
    author: str = ""
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the gates judge. Stored with each decision, so that it replays.

    `held` are the gates that passed at the last decision (hysteresis); `state` is the match's. Times are Unix
    seconds; `rank` counts the video's better titles that may have an anchor, plus one; an empty `viewer_region`
    means that regional gates are not applied.
    """

    video_id: str
    probability: float
    state: MatchState = MatchState.APPROVED
    decided_by: DecidedBy = DecidedBy.POLICY
    is_contradicted: bool = False
    held: int = 0
    is_killed: bool = False
    title_state: TitleState = TitleState.ACTIVE
    embargo_lift_s: float = 0.0
    now_s: float = 0.0
    follower_count: int = 0
    view_count: int = 0
    strike_score: float = 0.0
    strike_time_s: float = 0.0
    account_type: AccountType = AccountType.UNKNOWN
    made_for_kids: bool = False
    content_claimed: bool = False
    is_aigc: bool = False
    creator_region: str = ""
    viewer_region: str = ""
    rank: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate's judgement. `gap` is 0 when it passed or is not a number."""

    code: GateCode
    passed: bool
    value: str
    threshold: str
    gap: float = 0.0
    remedy: str = ""


def explain(policy: Policy, facts: Facts) -> tuple[Gate, ...]:
    """Every gate in order; the anchor is shown when all passed."""
    return tuple(judge(policy, facts) for judge in GATES)


def passed_gates(policy: Policy, facts: Facts) -> int:
    """The gates that pass, as bits: the fast twin of `explain`."""
    held = facts.held
    ratio = policy.leave_ratio
    views_min = policy.view_count_min * (ratio if held & GateCode.VIEWS.bit else 1.0)
    followers_min = policy.follower_count_min * (ratio if held & GateCode.FOLLOWERS.bit else 1.0)
    return (
        (not facts.is_killed) << GateCode.KILL_SWITCH
        | (facts.title_state is TitleState.ACTIVE) << GateCode.TITLE_STATE
        | (facts.embargo_lift_s <= facts.now_s) << GateCode.EMBARGO
        | (facts.state is MatchState.APPROVED) << GateCode.PROBABILITY
        | (policy.allow_content_claimed or not facts.content_claimed) << GateCode.CONTENT_CLAIMED
        | (policy.allow_made_for_kids or not facts.made_for_kids) << GateCode.MADE_FOR_KIDS
        | (policy.allow_ai_generated or not facts.is_aigc) << GateCode.AI_GENERATED
        | (not policy.account_types or facts.account_type in policy.account_types) << GateCode.ACCOUNT_TYPE
        | (decayed_strikes(policy, facts) < policy.strike_score_max) << GateCode.STRIKES
        | (facts.follower_count >= followers_min) << GateCode.FOLLOWERS
        | (facts.view_count >= views_min) << GateCode.VIEWS
        | _admits_creator(policy, facts) << GateCode.CREATOR_REGION
        | _admits_viewer(policy, facts) << GateCode.VIEWER_REGION
        | (facts.rank <= policy.titles_per_video_max) << GateCode.TITLE_LIMIT
        | (not is_held_out(policy, facts.video_id)) << GateCode.HOLD_OUT
    )


def decide(policy: Policy, facts: Facts) -> MatchState:
    """The state policy gives a match; `facts.state` is the one before."""
    threshold = approve_threshold(policy, facts)
    if facts.probability >= threshold and not facts.is_contradicted:
        return MatchState.APPROVED
    if facts.probability >= policy.review_threshold:
        return MatchState.IN_REVIEW
    return MatchState.REJECTED


def approve_threshold(policy: Policy, facts: Facts) -> float:
    """Enter at T, leave at leave_ratio × T: a probability that trembles does not make an anchor flicker."""
    was_approved = facts.held & GateCode.PROBABILITY.bit
    return policy.approve_threshold * (policy.leave_ratio if was_approved else 1.0)


def decayed_strikes(policy: Policy, facts: Facts) -> float:
    """The strikes' weight now: half of it is gone after each half-life."""
    if facts.strike_score == 0.0:
        return 0.0
    age_days = max(0.0, facts.now_s - facts.strike_time_s) / DAY_S if facts.strike_time_s else 0.0
    return facts.strike_score * 0.5 ** (age_days / policy.strike_half_life_days)


def is_held_out(policy: Policy, video_id: str) -> bool:
    """Whether the video belongs to the share kept without anchors; always the same answer for a video."""
    if policy.hold_out_share == 0.0:
        return False
    digest = hashlib.blake2b(video_id.encode(), digest_size=8, person=b"hold-out").digest()
    return int.from_bytes(digest, "big") / _HASH_RANGE < policy.hold_out_share


def _admits_creator(policy: Policy, facts: Facts) -> bool:
    return not policy.creator_regions or facts.creator_region in policy.creator_regions


def _admits_viewer(policy: Policy, facts: Facts) -> bool:
    region = facts.viewer_region
    if not region:
        return True
    return region not in policy.blocked_viewer_regions and (
        not policy.viewer_regions or region in policy.viewer_regions
    )


def _kill_switch(policy: Policy, facts: Facts) -> Gate:  # noqa: ARG001 - all gates have one signature
    return _flag(
        GateCode.KILL_SWITCH, facts.is_killed, allowed=False, remedy="Anchors are switched off here at the moment."
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
        value=f"{facts.now_s:.0f}",
        threshold=f"{facts.embargo_lift_s:.0f}",
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
    if facts.decided_by is DecidedBy.APPEAL:
        return "Your appeal was heard and the decision stands."
    if facts.decided_by is not DecidedBy.POLICY:
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
        remedy="" if passed else "Strikes lose weight with time; avoid new ones.",
    )


def _followers(policy: Policy, facts: Facts) -> Gate:
    return _count(policy, facts.held, GateCode.FOLLOWERS, (facts.follower_count, policy.follower_count_min))


def _views(policy: Policy, facts: Facts) -> Gate:
    return _count(policy, facts.held, GateCode.VIEWS, (facts.view_count, policy.view_count_min))


def _creator_region(policy: Policy, facts: Facts) -> Gate:
    passed = _admits_creator(policy, facts)
    return Gate(
        code=GateCode.CREATOR_REGION,
        passed=passed,
        value=facts.creator_region,
        threshold=", ".join(policy.creator_regions) or "any",
        remedy="" if passed else "Anchors are not open to creators in your region yet.",
    )


def _viewer_region(policy: Policy, facts: Facts) -> Gate:
    passed = _admits_viewer(policy, facts)
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


def _days(seconds: float) -> str:
    days = int(seconds // DAY_S)
    return f"{days} days" if days > 1 else f"{int(seconds // 3600) + 1} hours"


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
