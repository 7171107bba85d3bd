"""The policy: versioned thresholds and what they are applied to.

`decide` puts a match into its state; `passed_gates` says which gates between a match and its anchor pass. The
slow twin of the latter, with value, threshold, gap and remedy of each gate, is `gates.explain`.
"""

import enum
import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

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
_PROBABILITY, _VIEWS, _FOLLOWERS = GateCode.PROBABILITY.bit, GateCode.VIEWS.bit, GateCode.FOLLOWERS.bit


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the policy; see protos/matcher/v1/policy.proto for each field."""

    version: str
    approve_threshold: float = 0.9
    review_threshold: float = 0.5
    drop_threshold: float = 0.2
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
    golden_share: float = 0.05
    appeal_window_days: float = 30.0
    review_sla_hours: float = 72.0
    appeal_sla_hours: float = 120.0
    description: str = ""
    author: str = ""
    create_time: datetime | None = None


class Facts(NamedTuple):
    """Everything the gates judge. Stored with each decision, so that it replays.

    `verdict` is what people said, `held` the gates that hysteresis remembers; `state` is what people or policy made of
    the match, which the probability gate judges and no record holds. Times are Unix seconds; `rank` counts the video's
    better titles that may have an anchor, plus one; without a `viewer_region` regional gates are not applied.
    """

    video_id: str
    probability: float
    verdict: MatchState | None = None
    verdict_by: DecidedBy = DecidedBy.POLICY
    state: MatchState = MatchState.REJECTED
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


def passed_gates(policy: Policy, facts: Facts) -> int:
    """The gates that pass, as bits: the fast twin of `gates.explain`."""
    held = facts.held
    ratio = policy.leave_ratio
    views_min = policy.view_count_min * (ratio if held & _VIEWS else 1.0)
    followers_min = policy.follower_count_min * (ratio if held & _FOLLOWERS else 1.0)
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
        | admits_creator(policy, facts) << GateCode.CREATOR_REGION
        | admits_viewer(policy, facts) << GateCode.VIEWER_REGION
        | (facts.rank <= policy.titles_per_video_max) << GateCode.TITLE_LIMIT
        | (not is_held_out(policy, facts.video_id)) << GateCode.HOLD_OUT
    )


def decide(policy: Policy, facts: Facts) -> MatchState:
    """The state policy gives a match of which people said nothing."""
    threshold = approve_threshold(policy, facts)
    if facts.probability >= threshold and not facts.is_contradicted:
        return MatchState.APPROVED
    if facts.probability >= policy.review_threshold:
        return MatchState.IN_REVIEW
    return MatchState.REJECTED


def approve_threshold(policy: Policy, facts: Facts) -> float:
    """Enter at T, leave at leave_ratio × T: a probability that trembles does not make an anchor flicker."""
    was_approved = facts.held & _PROBABILITY
    return policy.approve_threshold * (policy.leave_ratio if was_approved else 1.0)


def decayed_strikes(policy: Policy, facts: Facts) -> float:
    """The strikes' weight now: half of it is gone after each half-life."""
    if facts.strike_score == 0.0:
        return 0.0
    age_days = max(0.0, facts.now_s - facts.strike_time_s) / DAY_S if facts.strike_time_s else 0.0
    return facts.strike_score * math.pow(0.5, age_days / policy.strike_half_life_days)


def is_held_out(policy: Policy, video_id: str) -> bool:
    """Whether the video belongs to the share kept without anchors; always the same answer for a video."""
    if policy.hold_out_share == 0.0:
        return False
    digest = hashlib.blake2b(video_id.encode(), digest_size=8, person=b"hold-out").digest()
    return int.from_bytes(digest, "big") / _HASH_RANGE < policy.hold_out_share


def admits_creator(policy: Policy, facts: Facts) -> bool:
    return not policy.creator_regions or facts.creator_region in policy.creator_regions


def admits_viewer(policy: Policy, facts: Facts) -> bool:
    region = facts.viewer_region
    if not region:
        return True
    return region not in policy.blocked_viewer_regions and (
        not policy.viewer_regions or region in policy.viewer_regions
    )
