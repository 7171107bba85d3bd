"""The tables of campaigns, grants and parcels, and the pure acts on grants."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import SpotlightError
from services.incentives import grants
from services.incentives.domain import Campaign, CampaignAct, CampaignState, Reward, RewardKind, Terms
from services.incentives.errors import ActNotAllowed, ShippingNotAllowed
from services.incentives.lifecycle import (
    CAMPAIGN,
    GRANT,
    SHIPPING,
    campaign_diagram,
    check_shipping,
    claims_open,
    due_act,
    grant_diagram,
    next_campaign_state,
    state_now,
)
from services.incentives.participation import Grant, GrantAct, GrantState, Hold, HoldCode, ShippingState
from services.incentives.store.grants import keys_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def a_campaign(state=CampaignState.ACTIVE, **terms):
    terms.setdefault("start_time", NOW - timedelta(days=1))
    terms.setdefault("end_time", NOW + timedelta(days=1))
    return Campaign(id="c", studio_id="s", terms=Terms(**terms), state=state, create_time=NOW, update_time=NOW)


def a_reward(kind=RewardKind.MERCHANDISE, **changes):
    return Reward(id="r", display_name="R", kind=kind, **{"stock_count": 5, **changes})


def a_grant(**changes):
    values = {
        "id": "g",
        "campaign_id": "c",
        "reward_id": "r",
        "reward_kind": RewardKind.MERCHANDISE,
        "creator_id": "ann",
        "body_hash": "h",
        "create_time": NOW,
        "update_time": NOW,
        "state": GrantState.RESERVED,
        "unit_number": 3,
    }
    return Grant(**{**values, **changes})


@pytest.mark.parametrize("table", [CAMPAIGN, GRANT])
def test_every_state_is_in_the_table_and_can_be_reached(table):
    states = type(next(iter(table)))
    assert set(table) == set(states)
    reached = {state for acts in table.values() for state in acts.values()}
    starts = {CampaignState.DRAFT, GrantState.WAITLISTED}
    assert set(states) - starts <= reached


@given(st.sampled_from(CampaignState), st.sampled_from(CampaignAct))
def test_what_the_table_does_not_list_is_refused_with_what_it_lists(state, act):
    if act in CAMPAIGN[state]:
        assert next_campaign_state(state, act) is CAMPAIGN[state][act]
        return
    with pytest.raises(ActNotAllowed) as caught:
        next_campaign_state(state, act)
    allowed = ", ".join(each.value for each in CAMPAIGN[state]) or "nothing"
    assert caught.value.metadata["allowed"] == allowed


def test_diagrams_draw_every_arrow_of_their_tables():
    for diagram, table in ((campaign_diagram(), CAMPAIGN), (grant_diagram(), GRANT)):
        for state, acts in table.items():
            for act, reached in acts.items():
                assert f"{state.value} --> {reached.value}: {act.value}" in diagram
        assert diagram.startswith("stateDiagram-v2\n    [*] --> ")


@given(st.sampled_from(ShippingState), st.sampled_from(ShippingState))
def test_parcels_go_only_where_the_table_says(before, after):
    if after in SHIPPING[before]:
        check_shipping(before, after)
    else:
        with pytest.raises(ShippingNotAllowed):
            check_shipping(before, after)


def test_the_clock_moves_campaigns_through_their_window():
    before, within, after = NOW - timedelta(days=2), NOW, NOW + timedelta(days=2)
    scheduled = a_campaign(CampaignState.SCHEDULED)
    assert [due_act(scheduled, moment) for moment in (before, within)] == [None, CampaignAct.START]
    assert [state_now(scheduled, moment) for moment in (before, within, after)] == [
        CampaignState.SCHEDULED,
        CampaignState.ACTIVE,
        CampaignState.ENDED,
    ]
    assert state_now(a_campaign(CampaignState.PAUSED), after) is CampaignState.ENDED
    assert state_now(a_campaign(CampaignState.DRAFT), after) is CampaignState.DRAFT


def test_claims_are_open_while_active_and_for_a_while_after_the_end():
    assert claims_open(a_campaign(), NOW)
    assert claims_open(a_campaign(), NOW + timedelta(days=14))
    assert not claims_open(a_campaign(), NOW + timedelta(days=16))
    assert not claims_open(a_campaign(CampaignState.PAUSED), NOW)
    assert not claims_open(a_campaign(claim_end_time=NOW + timedelta(days=1)), NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("kind", "ttl_s", "state"),
    [
        (RewardKind.PROFILE_FRAME, 600, GrantState.FULFILLED),
        (RewardKind.FILTER, 0, GrantState.FULFILLED),
        (RewardKind.TICKET, 0, GrantState.FULFILLED),
        (RewardKind.TICKET, 60, GrantState.RESERVED),
        (RewardKind.MERCHANDISE, 0, GrantState.REDEEMED),
        (RewardKind.MERCHANDISE, 60, GrantState.RESERVED),
    ],
)
def test_a_claim_goes_as_far_as_its_kind_lets_it(kind, ttl_s, state):
    grant = grants.reserved(a_grant(reward_kind=kind), a_reward(kind, reservation_ttl_s=ttl_s), NOW)
    assert grant.state is state
    assert (grant.expire_time is not None) == (state is GrantState.RESERVED)
    held = grants.reserved(
        a_grant(reward_kind=kind, holds=(Hold(code=HoldCode.SHARED_DEVICE, detail="d", create_time=NOW),)),
        a_reward(kind, reservation_ttl_s=ttl_s),
        NOW,
    )
    assert (held.state, held.expire_time) == (GrantState.RESERVED, None)
    assert grants.released(held, NOW, "eve", "fine").state is state


def test_a_release_leaves_lost_progress_alone():
    holds = tuple(
        Hold(code=code, detail="d", create_time=NOW) for code in (HoldCode.SHARED_DEVICE, HoldCode.PROGRESS_LOST)
    )
    released = grants.released(a_grant(holds=holds), NOW, "eve", "fine")
    assert [hold.code for hold in released.holds] == [HoldCode.PROGRESS_LOST]
    assert released.state is GrantState.RESERVED


def test_a_hold_is_put_once():
    held = grants.with_hold(a_grant(), HoldCode.SHARED_DEVICE, "d", NOW)
    assert grants.with_hold(held, HoldCode.SHARED_DEVICE, "again", NOW) is held
    assert grants.unfrozen(held, NOW) is held


ACTS = st.sampled_from(
    ["redeem", "ship", "return", "expire", "revoke", "roll_back", "hold", "release", "freeze", "thaw"]
)


def act(grant, name):
    moves = {
        "redeem": lambda: grants.redeemed(grant, NOW, "ann"),
        "ship": lambda: _ship(grant, ShippingState.SHIPPED),
        "return": lambda: _ship(grant, ShippingState.RETURNED),
        "expire": lambda: grants.ended(grant, GrantAct.EXPIRE, NOW, "x", ""),
        "revoke": lambda: grants.ended(grant, GrantAct.REVOKE, NOW, "x", ""),
        "roll_back": lambda: grants.ended(grant, GrantAct.ROLL_BACK, NOW, "x", ""),
        "hold": lambda: grants.with_hold(grant, HoldCode.SHARED_DEVICE, "d", NOW),
        "release": lambda: grants.released(grant, NOW, "eve", "r"),
        "freeze": lambda: grants.with_hold(grant, HoldCode.PROGRESS_LOST, "p", NOW),
        "thaw": lambda: grants.unfrozen(grant, NOW),
    }
    return moves[name]()


def _ship(grant, state):
    return grants.shipped(grant, state, carrier="", tracking_reference="", now=NOW, actor="x")


@given(st.sampled_from(RewardKind), st.sampled_from([0, 60]), st.lists(ACTS, max_size=12))
def test_ledger_and_unit_move_together_whatever_happens(kind, ttl_s, names):
    grant = grants.reserved(a_grant(reward_kind=kind), a_reward(kind, reservation_ttl_s=ttl_s), NOW)
    for name in names:
        try:
            after = act(grant, name)
        except SpotlightError:
            continue
        assert after.ledger[: len(grant.ledger)] == grant.ledger, "rows are only added"
        grant = after
        assert sum(row.stock_delta for row in grant.ledger) == -int(grant.holds_unit)
        assert [row.number for row in grant.ledger] == list(range(1, len(grant.ledger) + 1))
        assert ("unit" in keys_of(grant)) == grant.holds_unit


def test_an_unlimited_reward_moves_no_stock():
    grant = grants.reserved(
        a_grant(reward_kind=RewardKind.FILTER, unit_number=0), a_reward(RewardKind.FILTER, is_unlimited=True), NOW
    )
    over = grants.ended(grant, GrantAct.REVOKE, NOW, "x", "")
    assert [row.stock_delta for row in over.ledger] == [0, 0, 0, 0]
    assert keys_of(replace(grant, campaign_slot=1, campaign_number=2)) == {
        "campaign_unit": "c#0000002",
        "holder": "c/r/ann#1",
        "campaign_holder": "c/ann#1",
    }


def test_the_reference_page_shows_the_tables_as_they_are():
    page = (Path(__file__).resolve().parents[3] / "docs/reference/lifecycles.md").read_text()
    for diagram in (campaign_diagram(), grant_diagram()):
        assert f"```mermaid\n{diagram}```" in page
