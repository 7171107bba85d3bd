"""What may happen to one grant: claimed, promoted, redeemed, shipped, held, released, taken back. Pure.

Each function gives the grant after the act, with the ledger row of the act in it: whoever stores it stores both.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from services.incentives.domain import SYSTEM_ACTOR, Reward, RewardKind
from services.incentives.errors import ActNotAllowed, GrantHeld, GrantNotHeld, ReservationExpired
from services.incentives.lifecycle import check_shipping, next_grant_state
from services.incentives.participation import (
    Grant,
    GrantAct,
    GrantState,
    Hold,
    HoldCode,
    Movement,
    OutboxEvent,
    ShippingState,
)

# A parcel on its way or delivered is not in stock any more.
_GONE = frozenset({ShippingState.SHIPPED, ShippingState.DELIVERED})
_ACT_WORDS = {
    GrantAct.EXPIRE: "expired",
    GrantAct.REVOKE: "revoked",
    GrantAct.ROLL_BACK: "rolled_back",
}


def reserved(grant: Grant, reward: Reward, now: datetime) -> Grant:
    """A fresh claim with its unit: handed over at once where nothing holds it and nothing is to be waited for."""
    taken = replace(grant, state=GrantState.RESERVED, holds_unit=True, reservation_ttl_s=_ttl_s(reward))
    taken = _with_hold_rows(_moved(taken, "claimed", now, grant.creator_id, stock_delta=-1), now)
    return _announced(_go_on(taken, now, grant.creator_id), now)


def waitlisted(grant: Grant, reward: Reward, now: datetime) -> Grant:
    """A claim without a unit, in line for one."""
    waiting = replace(
        grant, state=GrantState.WAITLISTED, holds_unit=False, unit_number=0, reservation_ttl_s=_ttl_s(reward)
    )
    return _with_hold_rows(_moved(waiting, "waitlisted", now, grant.creator_id), now)


def promoted(grant: Grant, unit_number: int, campaign_number: int, now: datetime) -> Grant:
    """The next in line gets a unit, and its reservation begins."""
    state = next_grant_state(grant.state, GrantAct.PROMOTE)
    taken = replace(grant, state=state, holds_unit=True, unit_number=unit_number, campaign_number=campaign_number)
    taken = _moved(taken, "promoted", now, SYSTEM_ACTOR, stock_delta=-1)
    return _announced(_go_on(taken, now, SYSTEM_ACTOR), now)


def redeemed(grant: Grant, now: datetime, actor: str) -> Grant:
    """The creator takes what is reserved: a code is shown, a parcel is ordered."""
    if grant.state is GrantState.EXPIRED or _is_over(grant, now):
        raise ReservationExpired
    next_grant_state(grant.state, GrantAct.REDEEM)
    if grant.is_held:
        raise _held(grant)
    return _handed_over(grant, now, actor)


def shipped(
    grant: Grant, state: ShippingState, *, carrier: str, tracking_reference: str, now: datetime, actor: str
) -> Grant:
    """The parcel moves; its arrival fulfils the grant."""
    if grant.state not in {GrantState.REDEEMED, GrantState.FULFILLED}:
        raise ActNotAllowed(
            f"A parcel cannot move while the grant is {grant.state.value}.",
            metadata={"state": grant.state.value, "act": "fulfil"},
        )
    if grant.is_held:
        raise _held(grant)
    check_shipping(grant.shipping_state, state)
    moved = replace(
        grant,
        shipping_state=state,
        carrier=carrier or grant.carrier,
        tracking_reference=tracking_reference or grant.tracking_reference,
    )
    moved = _moved(moved, "shipping", now, actor, reason=state.value)
    if state is ShippingState.DELIVERED and moved.state is GrantState.REDEEMED:
        moved = _moved(replace(moved, state=GrantState.FULFILLED), "fulfilled", now, actor)
    return moved


def ended(grant: Grant, act: GrantAct, now: datetime, actor: str, reason: str) -> Grant:
    """Expired, revoked or rolled back. The unit returns to stock unless it is gone for good."""
    state = next_grant_state(grant.state, act)
    if act is GrantAct.ROLL_BACK and grant.shipping_state in _GONE:
        raise ActNotAllowed("The parcel is on its way: it cannot be given up any more.")
    returns = grant.holds_unit and returns_to_stock(grant)
    # Who was refused by a person does not claim again; who let it lapse may.
    keeps_slot = act is GrantAct.REVOKE
    over = replace(
        grant,
        state=state,
        holds_unit=grant.holds_unit and not returns,
        holds_slot=keeps_slot,
        holds=(),
        expire_time=None,
        reason=reason,
    )
    return _moved(over, _ACT_WORDS[act], now, actor, reason=reason, stock_delta=int(returns and grant.unit_number > 0))


def returns_to_stock(grant: Grant) -> bool:
    """Whether the unit could be given to somebody else: a code that was shown or a parcel that left could not."""
    if grant.state is GrantState.FULFILLED and grant.reward_kind is RewardKind.TICKET:
        return False
    return grant.shipping_state not in _GONE


def with_hold(grant: Grant, code: HoldCode, detail: str, now: datetime) -> Grant:
    """The grant, held for one more reason; nothing expires meanwhile."""
    if any(hold.code is code for hold in grant.holds):
        return grant
    held = replace(grant, holds=(*grant.holds, Hold(code=code, detail=detail, create_time=now)), expire_time=None)
    act = "frozen" if code is HoldCode.PROGRESS_LOST else "held"
    return _moved(held, act, now, SYSTEM_ACTOR, reason=f"{code.value}: {detail}")


def unfrozen(grant: Grant, now: datetime) -> Grant:
    """The progress behind the grant is back: it goes on where it stood."""
    left = tuple(hold for hold in grant.holds if hold.code is not HoldCode.PROGRESS_LOST)
    if left == grant.holds:
        return grant
    return _go_on(_moved(replace(grant, holds=left), "unfrozen", now, SYSTEM_ACTOR), now, SYSTEM_ACTOR)


def released(grant: Grant, now: datetime, actor: str, reason: str) -> Grant:
    """A person lifts the fraud holds; a lost progress is not theirs to lift."""
    left = tuple(hold for hold in grant.holds if hold.code is HoldCode.PROGRESS_LOST)
    if left == grant.holds:
        raise GrantNotHeld
    free = _moved(replace(grant, holds=left, reason=reason), "released", now, actor, reason=reason)
    return _go_on(free, now, actor)


def _ttl_s(reward: Reward) -> int:
    return 0 if reward.kind.is_instant else reward.reservation_ttl_s


def _is_over(grant: Grant, now: datetime) -> bool:
    over = grant.expire_time is not None and grant.expire_time <= now
    return over and grant.state is GrantState.RESERVED


def _go_on(grant: Grant, now: datetime, actor: str) -> Grant:
    """What nothing holds any more: a reservation that waits for nothing is handed over, another begins to run."""
    if grant.is_held or grant.state is not GrantState.RESERVED:
        return grant
    if grant.reservation_ttl_s == 0:
        return _handed_over(grant, now, actor)
    return replace(grant, expire_time=now + timedelta(seconds=grant.reservation_ttl_s))


def _handed_over(grant: Grant, now: datetime, actor: str) -> Grant:
    taken = replace(grant, state=next_grant_state(grant.state, GrantAct.REDEEM), expire_time=None)
    taken = _moved(taken, "redeemed", now, actor)
    if grant.reward_kind is RewardKind.MERCHANDISE:
        return replace(taken, shipping_state=ShippingState.PENDING)
    return _moved(replace(taken, state=next_grant_state(taken.state, GrantAct.FULFIL)), "fulfilled", now, actor)


def _moved(grant: Grant, act: str, now: datetime, actor: str, *, stock_delta: int = 0, reason: str = "") -> Grant:
    delta = stock_delta if grant.unit_number else 0
    row = Movement(
        number=len(grant.ledger) + 1, act=act, create_time=now, stock_delta=delta, actor=actor, reason=reason
    )
    return replace(grant, ledger=(*grant.ledger, row), update_time=now)


def _with_hold_rows(grant: Grant, now: datetime) -> Grant:
    """The ledger says of a fresh claim what it is held for."""
    for hold in grant.holds:
        grant = _moved(grant, "held", now, SYSTEM_ACTOR, reason=f"{hold.code.value}: {hold.detail}")
    return grant


def _announced(grant: Grant, now: datetime) -> Grant:
    event = OutboxEvent(id=f"{grant.id}.granted", kind="reward_grant", create_time=now)
    return replace(grant, outbox=(*grant.outbox, event))


def _held(grant: Grant) -> GrantHeld:
    return GrantHeld(metadata={"holds": ", ".join(hold.code.value for hold in grant.holds)})
