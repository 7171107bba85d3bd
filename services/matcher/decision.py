"""A decision as it is made, stored and replayed: the same policy and the same facts give the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from services.matcher.domain import AccountType, DecidedBy, MatchState, TitleState
from services.matcher.policy import ALL_GATES, Facts, GateCode, Policy, decide, passed_gates

FORMAT = 2

# What the viewer, the moment and the neighbours decide is judged again at each look; it is not held.
HELD_GATES = GateCode.PROBABILITY.bit | GateCode.FOLLOWERS.bit | GateCode.VIEWS.bit


GONE = frozenset({TitleState.WITHDRAWN, TitleState.DELETED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What policy made of the facts, whose `state` is that of the match without regard to the title's.

    `passed` are the gates as bits, without a viewer's region.
    """

    policy_version: str
    facts: Facts
    state: MatchState
    decided_by: DecidedBy
    passed: int

    @property
    def held(self) -> int:
        return self.passed & HELD_GATES

    @property
    def is_shown(self) -> bool:
        return self.passed == ALL_GATES


class ReplayRefused(ValueError):
    """The record was not written by this code, or names another policy."""


def decided(policy: Policy, facts: Facts) -> Decision:
    """Decide: withdrawn titles withdraw their matches, people's word stands, the rest is policy's.

    The gates judge the match as if its title were there: what a withdrawn title withholds, the title's gate says.
    """
    state, decided_by = (
        (decide(policy, facts), DecidedBy.POLICY) if facts.verdict is None else (facts.verdict, facts.verdict_by)
    )
    facts = facts._replace(state=state)
    passed = passed_gates(policy, facts)
    if facts.title_state in GONE:
        state, decided_by = MatchState.WITHDRAWN, DecidedBy.TITLE
    return Decision(policy_version=policy.version, facts=facts, state=state, decided_by=decided_by, passed=passed)


def record_of(decision: Decision) -> bytes:
    """The decision as canonical JSON: version, policy, inputs in the order of `Facts`, outcome."""
    facts = decision.facts
    row: Sequence[object] = (
        FORMAT,
        decision.policy_version,
        (
            facts.video_id,
            facts.probability,
            facts.verdict and int(facts.verdict),
            facts.verdict_by.value,
            facts.is_contradicted,
            facts.held,
            facts.is_killed,
            int(facts.title_state),
            facts.embargo_lift_s,
            facts.now_s,
            facts.follower_count,
            facts.view_count,
            facts.strike_score,
            facts.strike_time_s,
            int(facts.account_type),
            facts.made_for_kids,
            facts.content_claimed,
            facts.is_aigc,
            facts.creator_region,
            facts.viewer_region,
            facts.rank,
        ),
        (int(decision.state), decision.decided_by.value, decision.passed),
    )
    return orjson.dumps(row)


def facts_of(record: bytes) -> tuple[str, Facts]:
    """The policy version and the inputs of a stored record."""
    row = orjson.loads(record)
    if row[0] != FORMAT:
        raise ReplayRefused(record)
    (
        video_id, probability, verdict, verdict_by, is_contradicted, held, is_killed, title_state, embargo_lift_s,
        now_s, follower_count, view_count, strike_score, strike_time_s, account_type, made_for_kids,
        content_claimed, is_aigc, creator_region, viewer_region, rank,
    ) = row[2]  # fmt: skip
    return row[1], Facts(
        video_id=video_id,
        probability=probability,
        verdict=verdict and MatchState(verdict),
        verdict_by=DecidedBy(verdict_by),
        is_contradicted=is_contradicted,
        held=held,
        is_killed=is_killed,
        title_state=TitleState(title_state),
        embargo_lift_s=embargo_lift_s,
        now_s=now_s,
        follower_count=follower_count,
        view_count=view_count,
        strike_score=strike_score,
        strike_time_s=strike_time_s,
        account_type=AccountType(account_type),
        made_for_kids=made_for_kids,
        content_claimed=content_claimed,
        is_aigc=is_aigc,
        creator_region=creator_region,
        viewer_region=viewer_region,
        rank=rank,
    )


def replay(policy: Policy, record: bytes) -> bytes:
    """Decide again from a stored record; equal bytes prove that nothing but policy and facts decided."""
    version, facts = facts_of(record)
    if version != policy.version:
        raise ReplayRefused(record)
    return record_of(decided(policy, facts))
