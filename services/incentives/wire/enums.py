"""Enums of the wire and of the domain: the same names, less the prefix; 0 stands for "not said"."""

import enum
from typing import Any, Generic, TypeVar

from protos.incentives.v1 import campaign_pb2, incentives_pb2, participation_pb2
from services.incentives.domain import CampaignAct, CampaignState, RequiredMatch, RewardKind, TaskKind
from services.incentives.participation import (
    GrantState,
    LedgerKind,
    Review,
    RewardStanding,
    ShippingState,
    SubmissionState,
)

E = TypeVar("E", bound=enum.Enum)


class Names(Generic[E]):
    """One enum's values on both sides."""

    def __init__(self, ours: type[E], theirs: Any, prefix: str) -> None:
        numbers = {name.removeprefix(f"{prefix}_"): number for name, number in theirs.items()}
        self._to = {each: numbers[each.name] for each in ours}
        self._from = {number: each for each, number in self._to.items()}
        assert len(self._from) == len(numbers) - 1, f"{prefix}: every value has its other side"

    def to_wire(self, value: E | None) -> Any:
        return 0 if value is None else self._to[value]

    def from_wire(self, number: int) -> E | None:
        """None for "not said"."""
        return self._from.get(number)

    def required(self, number: int) -> E:
        """For fields whose rules refuse 0 and the unknown."""
        return self._from[number]


CAMPAIGN_STATE = Names(CampaignState, campaign_pb2.CampaignState, "CAMPAIGN_STATE")
CAMPAIGN_ACT = Names(CampaignAct, campaign_pb2.CampaignAct, "CAMPAIGN_ACT")
REQUIRED_MATCH = Names(RequiredMatch, campaign_pb2.RequiredMatch, "REQUIRED_MATCH")
TASK_KIND = Names(TaskKind, campaign_pb2.TaskKind, "TASK_KIND")
REWARD_KIND = Names(RewardKind, campaign_pb2.RewardKind, "REWARD_KIND")
SUBMISSION_STATE = Names(SubmissionState, participation_pb2.SubmissionState, "SUBMISSION_STATE")
GRANT_STATE = Names(GrantState, participation_pb2.GrantState, "GRANT_STATE")
SHIPPING_STATE = Names(ShippingState, participation_pb2.ShippingState, "SHIPPING_STATE")
LEDGER_KIND = Names(LedgerKind, participation_pb2.LedgerEntryKind, "LEDGER_ENTRY_KIND")
REWARD_STANDING = Names(RewardStanding, participation_pb2.RewardStanding, "REWARD_STANDING")
REVIEW = Names(Review, incentives_pb2.ReviewDecision, "REVIEW_DECISION")
