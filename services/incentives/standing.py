"""What a creator can do about each reward of a campaign. Pure; the same checks as a claim's."""

from collections.abc import Sequence

from services.incentives.claims import check_unlocked
from services.incentives.domain import Reward, Terms
from services.incentives.errors import RewardLocked, RewardOfAnotherTeam
from services.incentives.participation import Enrolment, Grant, RewardProgress, RewardStanding

UNBOUNDED = -1


def reward_progress(
    terms: Terms,
    reward: Reward,
    enrolment: Enrolment,
    mine: Sequence[Grant],
    available_count: int,
    *,
    claims_open: bool,
) -> RewardProgress:
    """The standing of one reward, with what is missing for it and what was granted of it."""
    held = tuple(grant.id for grant in mine if grant.reward_id == reward.id and grant.holds_slot)
    available = UNBOUNDED if reward.is_unlimited else available_count
    missing = tuple(task_id for task_id in terms.unlocking(reward) if task_id not in enrolment.done_task_ids)
    return RewardProgress(
        reward_id=reward.id,
        display_name=reward.display_name,
        kind=reward.kind,
        standing=_standing(terms, reward, enrolment, len(held), available, claims_open=claims_open),
        missing_task_ids=missing,
        available_count=available,
        grant_ids=held,
    )


def _standing(
    terms: Terms, reward: Reward, enrolment: Enrolment, held: int, available: int, *, claims_open: bool
) -> RewardStanding:
    if held >= reward.per_creator_max:
        return RewardStanding.GRANTED
    try:
        check_unlocked(terms, reward, enrolment)
    except RewardOfAnotherTeam:
        return RewardStanding.OTHER_TEAM
    except RewardLocked:
        return RewardStanding.LOCKED
    if not claims_open:
        return RewardStanding.CLOSED
    return RewardStanding.SOLD_OUT if available == 0 else RewardStanding.CLAIMABLE
