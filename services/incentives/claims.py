"""Whether a claim is admitted, decided from facts that were read together. Pure: the stock decides the rest."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.ids import derived_id
from services.incentives import fraud, grants
from services.incentives.domain import Campaign, Creator, Reward, Terms
from services.incentives.errors import (
    AlreadyClaimed,
    CampaignNotFound,
    ClaimsClosed,
    CreatorLimitReached,
    EnrolmentNotFound,
    RewardLocked,
    RewardNotFound,
    RewardOfAnotherTeam,
)
from services.incentives.lifecycle import claims_open, state_now
from services.incentives.participation import Enrolment, Grant, GrantState, Hold, HoldCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A creator asks for a reward."""

    campaign_id: str
    reward_id: str
    creator_id: str
    request_id: str
    device_id_hash: str = ""

    @property
    def reward_key(self) -> str:
        return f"{self.campaign_id}/{self.reward_id}"

    @property
    def grant_id(self) -> str:
        """The same for the same request, so that a repeated claim meets its grant."""
        return derived_id("claim", self.request_id)

    @property
    def body_hash(self) -> str:
        parts = (self.campaign_id, self.reward_id, self.creator_id, self.device_id_hash)
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read for a batch of claims of one reward."""

    campaign: Campaign | None
    # What holds for creators by the revision they joined under.
    terms: Mapping[int, Terms]
    enrolments: Mapping[str, Enrolment]
    creators: Mapping[str, Creator]
    # Grants of the campaign that came from the devices or identity clusters of these claims.
    sharing: Sequence[Grant]
    now: datetime


def reward_of(facts: Facts, claim: Claim) -> tuple[Campaign, Reward]:
    """The campaign and the reward, or the refusal all claims of the batch get."""
    campaign = facts.campaign
    if campaign is None:
        raise CampaignNotFound(metadata={"campaign_id": claim.campaign_id})
    reward = campaign.terms.reward(claim.reward_id)
    if reward is None:
        raise RewardNotFound(metadata={"campaign_id": claim.campaign_id, "reward_id": claim.reward_id})
    if not claims_open(campaign, facts.now):
        raise ClaimsClosed(metadata={"state": state_now(campaign, facts.now).value})
    return campaign, reward


def admitted(claim: Claim, facts: Facts) -> Grant:
    """The grant the claim gets if there is a unit, with what holds it; or the refusal."""
    campaign, reward = reward_of(facts, claim)
    enrolment = facts.enrolments.get(claim.creator_id)
    if enrolment is None:
        raise EnrolmentNotFound(metadata={"campaign_id": campaign.id, "creator_id": claim.creator_id})
    joined = facts.terms[enrolment.revision]
    check_unlocked(joined, reward, enrolment)
    creator = facts.creators.get(claim.creator_id, Creator(id=claim.creator_id))
    bounded = joined.limits.rewards_per_creator_max > 0
    return Grant(
        id=claim.grant_id,
        campaign_id=campaign.id,
        reward_id=reward.id,
        reward_kind=reward.kind,
        creator_id=claim.creator_id,
        body_hash=claim.body_hash,
        create_time=facts.now,
        update_time=facts.now,
        state=GrantState.RESERVED,
        campaign_slot=int(bounded),
        holds=_holds(claim, facts, enrolment, creator),
        device_id_hash=claim.device_id_hash,
        identity_cluster_id=creator.identity_cluster_id,
        title_id=campaign.terms.title_ids[0],
    )


def check_unlocked(joined: Terms, reward: Reward, enrolment: Enrolment) -> None:
    """Refuses a reward of another team, and one whose tasks, as the creator joined under them, are not done."""
    team = joined.team_of(reward.id)
    if team is not None and team.id != enrolment.team_id:
        raise RewardOfAnotherTeam(metadata={"team_id": team.id, "chosen_team_id": enrolment.team_id})
    wanted = joined.unlocking(joined.reward(reward.id) or reward)
    missing = [task_id for task_id in wanted if task_id not in enrolment.done_task_ids]
    if missing:
        raise RewardLocked(metadata={"missing_task_ids": ",".join(missing)})


def next_slots(draft: Grant, mine: Sequence[Grant], reward_max: int, campaign_max: int) -> tuple[int, int]:
    """The free slots of a creator for one more grant, from all grants of theirs in the campaign; or the refusal."""
    held = [grant for grant in mine if grant.holds_slot]
    same = [grant for grant in held if grant.reward_id == draft.reward_id]
    reward_slot = _free_slot([grant.reward_slot for grant in same], reward_max)
    if not reward_slot:
        raise AlreadyClaimed(metadata={"grant_id": max((grant.id for grant in same), default="")})
    if not campaign_max:
        return reward_slot, 0
    campaign_slot = _free_slot([grant.campaign_slot for grant in held], campaign_max)
    if not campaign_slot:
        raise CreatorLimitReached(metadata={"limit": str(campaign_max)})
    return reward_slot, campaign_slot


def _free_slot(taken: Sequence[int], most: int) -> int:
    """The first free slot, or 0. Slots of other rules, above the bound or 0, count as one each."""
    if len(taken) >= most:
        return 0
    return next(slot for slot in range(1, most + 1) if slot not in taken)


def late_holds(grant: Grant, sharing: Sequence[Grant], now: datetime) -> Grant:
    """The grant with the holds that two claims made at the same moment could not see of each other."""
    devices = _others(sharing, "device_id_hash", grant.device_id_hash)
    clusters = _others(sharing, "identity_cluster_id", grant.identity_cluster_id)
    for code, detail in (
        (HoldCode.SHARED_DEVICE, fraud.shared(grant.creator_id, devices, "device")),
        (HoldCode.SHARED_IDENTITY, fraud.shared(grant.creator_id, clusters, "identity cluster")),
    ):
        if detail:
            grant = grants.with_hold(grant, code, detail, now)
    return grant


def _holds(claim: Claim, facts: Facts, enrolment: Enrolment, creator: Creator) -> tuple[Hold, ...]:
    times = [each.video_create_time for each in enrolment.submissions if each.video_create_time is not None]
    return fraud.holds(
        creator=creator,
        same_device=_others(facts.sharing, "device_id_hash", claim.device_id_hash),
        same_cluster=_others(facts.sharing, "identity_cluster_id", creator.identity_cluster_id),
        video_times=times,
        now=facts.now,
    )


def _others(sharing: Sequence[Grant], field: str, value: str) -> list[str]:
    """Who was granted something from the same device or cluster."""
    return [grant.creator_id for grant in sharing if value and getattr(grant, field) == value]
