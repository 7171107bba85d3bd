"""The lifecycles as tables: state, act, next state. What is not listed is refused; diagrams are drawn from them."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from services.incentives.domain import Campaign, CampaignAct, CampaignState
from services.incentives.errors import ActNotAllowed, ShippingNotAllowed
from services.incentives.participation import GrantAct, GrantState, ShippingState

S = TypeVar("S", bound=enum.Enum)
A = TypeVar("A", bound=enum.Enum)

CAMPAIGN: Mapping[CampaignState, Mapping[CampaignAct, CampaignState]] = {
    CampaignState.DRAFT: {
        CampaignAct.SCHEDULE: CampaignState.SCHEDULED,
        CampaignAct.ARCHIVE: CampaignState.ARCHIVED,
    },
    CampaignState.SCHEDULED: {
        CampaignAct.UNSCHEDULE: CampaignState.DRAFT,
        CampaignAct.START: CampaignState.ACTIVE,
        CampaignAct.ARCHIVE: CampaignState.ARCHIVED,
    },
    CampaignState.ACTIVE: {
        CampaignAct.PAUSE: CampaignState.PAUSED,
        CampaignAct.END: CampaignState.ENDED,
    },
    CampaignState.PAUSED: {
        CampaignAct.RESUME: CampaignState.ACTIVE,
        CampaignAct.END: CampaignState.ENDED,
    },
    CampaignState.ENDED: {CampaignAct.ARCHIVE: CampaignState.ARCHIVED},
    CampaignState.ARCHIVED: {},
}

GRANT: Mapping[GrantState, Mapping[GrantAct, GrantState]] = {
    GrantState.WAITLISTED: {
        GrantAct.PROMOTE: GrantState.RESERVED,
        GrantAct.EXPIRE: GrantState.EXPIRED,
        GrantAct.REVOKE: GrantState.REVOKED,
        GrantAct.ROLL_BACK: GrantState.ROLLED_BACK,
    },
    GrantState.RESERVED: {
        GrantAct.REDEEM: GrantState.REDEEMED,
        GrantAct.EXPIRE: GrantState.EXPIRED,
        GrantAct.REVOKE: GrantState.REVOKED,
        GrantAct.ROLL_BACK: GrantState.ROLLED_BACK,
    },
    GrantState.REDEEMED: {
        GrantAct.FULFIL: GrantState.FULFILLED,
        GrantAct.REVOKE: GrantState.REVOKED,
        GrantAct.ROLL_BACK: GrantState.ROLLED_BACK,
    },
    GrantState.FULFILLED: {GrantAct.REVOKE: GrantState.REVOKED},
    GrantState.EXPIRED: {},
    GrantState.REVOKED: {},
    GrantState.ROLLED_BACK: {},
}

# A parcel's way; it may come back and be sent again.
SHIPPING: Mapping[ShippingState, frozenset[ShippingState]] = {
    ShippingState.NOT_REQUIRED: frozenset(),
    ShippingState.PENDING: frozenset({ShippingState.PREPARING, ShippingState.SHIPPED}),
    ShippingState.PREPARING: frozenset({ShippingState.SHIPPED}),
    ShippingState.SHIPPED: frozenset({ShippingState.DELIVERED, ShippingState.RETURNED}),
    ShippingState.DELIVERED: frozenset({ShippingState.RETURNED}),
    ShippingState.RETURNED: frozenset({ShippingState.PREPARING, ShippingState.SHIPPED}),
}

# In these states creators may join, choose teams and submit.
OPEN_TO_JOIN = frozenset({CampaignState.ACTIVE})
# In these states videos go on counting.
COUNTING = frozenset({CampaignState.ACTIVE, CampaignState.PAUSED, CampaignState.ENDED})
# In these states earned rewards can be claimed, until the campaign's claims end.
OPEN_TO_CLAIM = frozenset({CampaignState.ACTIVE, CampaignState.ENDED})


def next_campaign_state(state: CampaignState, act: CampaignAct) -> CampaignState:
    """Where the act leads, or ActNotAllowed with the acts that are allowed."""
    return _next(CAMPAIGN, state, act)


def next_grant_state(state: GrantState, act: GrantAct) -> GrantState:
    """Where the act leads, or ActNotAllowed with the acts that are allowed."""
    return _next(GRANT, state, act)


def _next(table: Mapping[S, Mapping[A, S]], state: S, act: A) -> S:
    reached = table[state].get(act)
    if reached is None:
        allowed = ", ".join(each.value for each in table[state]) or "nothing"
        raise ActNotAllowed(
            f"{act.value} is not allowed while it is {state.value}: {allowed} is.",
            metadata={"state": state.value, "act": act.value, "allowed": allowed},
        )
    return reached


def check_shipping(before: ShippingState, after: ShippingState) -> None:
    if after not in SHIPPING[before]:
        raise ShippingNotAllowed(metadata={"from": before.value, "to": after.value})


def due_act(campaign: Campaign, now: datetime) -> CampaignAct | None:
    """What the clock does to a campaign now: start it, end it, or nothing."""
    start, end = campaign.terms.start_time, campaign.terms.end_time
    if campaign.state is CampaignState.SCHEDULED and start is not None and start <= now:
        return CampaignAct.START
    if campaign.state in {CampaignState.ACTIVE, CampaignState.PAUSED} and end is not None and end <= now:
        return CampaignAct.END
    return None


def state_now(campaign: Campaign, now: datetime) -> CampaignState:
    """The state the clock has brought a campaign to, whether or not it is written already."""
    state = campaign.state
    act = due_act(campaign, now)
    if act is CampaignAct.START:
        end = campaign.terms.end_time
        return CampaignState.ENDED if end is not None and end <= now else CampaignState.ACTIVE
    return state if act is None else CAMPAIGN[state][act]


def claims_open(campaign: Campaign, now: datetime) -> bool:
    until = campaign.terms.claims_until
    return state_now(campaign, now) in OPEN_TO_CLAIM and (until is None or now < until)


def diagram(table: Mapping[S, Mapping[A, S]], initial: tuple[S, ...]) -> str:
    """The table as a Mermaid state diagram, for docs/."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state.value}" for state in initial)]
    for state, acts in table.items():
        lines += [f"    {state.value} --> {reached.value}: {act.value}" for act, reached in acts.items()]
        if not acts:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines) + "\n"


def campaign_diagram() -> str:
    return diagram(CAMPAIGN, (CampaignState.DRAFT,))


def grant_diagram() -> str:
    return diagram(GRANT, (GrantState.RESERVED, GrantState.WAITLISTED))
