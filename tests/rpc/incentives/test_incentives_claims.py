"""Claims over a real channel: exact, repeatable, refused with the right reason."""

import asyncio

import pytest

from chassis.errors import AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted
from protos.incentives.v1 import participation_pb2 as pb


def reward(**changes):
    from protos.incentives.v1 import campaign_pb2

    kind = changes.pop("kind", "PROFILE_FRAME")
    changes.setdefault("stock_count", 10)
    return campaign_pb2.Reward(
        id=changes.pop("id", "frame"),
        display_name="A reward",
        kind=getattr(campaign_pb2, f"REWARD_KIND_{kind}"),
        **changes,
    )


async def refused(awaitable):
    from chassis.errors import SpotlightError

    with pytest.raises(SpotlightError) as caught:
        await awaitable
    return caught.value


async def test_a_frame_is_given_with_the_claim(house):
    campaign = await house.running()
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann")
    assert grant.state == pb.GRANT_STATE_FULFILLED
    assert grant.unit_number == 1
    stock = (await house.call("GetCampaign", campaign_id=campaign.id)).rewards[0].stock
    assert (stock.total_count, stock.available_count, stock.fulfilled_count) == (10, 9, 1)


async def test_a_repeated_request_gives_the_same_grant(house):
    campaign = await house.running()
    await house.ready(campaign, "ann")
    first = await house.claim(campaign, "ann", request_id="once")
    again = await house.claim(campaign, "ann", request_id="once")
    assert again == first


async def test_another_body_under_the_same_request_id_is_refused(house):
    campaign = await house.running()
    other = await house.running()
    await house.ready(campaign, "ann", "bob")
    await house.ready(other, "ann")
    await house.claim(campaign, "ann", request_id="once")
    for claim in (
        house.claim(campaign, "bob", request_id="once"),
        house.claim(campaign, "ann", request_id="once", device_id_hash="d1"),
        house.claim(other, "ann", request_id="once"),
    ):
        assert (await refused(claim)).reason == "REQUEST_ID_REUSED"


async def test_more_claims_than_units_give_as_many_grants_as_units(house):
    campaign = await house.running(rewards=[reward(stock_count=7)])
    creators = [f"c{number}" for number in range(40)]
    await house.ready(campaign, *creators)
    answers = await asyncio.gather(*(house.claim(campaign, each) for each in creators), return_exceptions=True)
    grants = [each for each in answers if isinstance(each, pb.Grant)]
    refusals = {each.reason for each in answers if not isinstance(each, pb.Grant)}
    assert sorted(each.unit_number for each in grants) == list(range(1, 8))
    assert refusals == {"SOLD_OUT"}
    ledger = await house.call("ListLedger", campaign_id=campaign.id)
    assert [(each.balance, each.available_count) for each in ledger.balances] == [(0, 0)]


async def test_one_creator_gets_one_however_often_they_ask(house):
    campaign = await house.running()
    await house.ready(campaign, "ann")
    answers = await asyncio.gather(*(house.claim(campaign, "ann") for _ in range(32)), return_exceptions=True)
    assert sum(isinstance(each, pb.Grant) for each in answers) == 1
    refusals = [each for each in answers if not isinstance(each, pb.Grant)]
    assert {each.reason for each in refusals} == {"ALREADY_CLAIMED"}
    assert all(isinstance(each, AlreadyExists) for each in refusals)


async def test_a_reward_may_be_had_as_often_as_it_says(house):
    campaign = await house.running(rewards=[reward(per_creator_max=3)])
    await house.ready(campaign, "ann")
    answers = await asyncio.gather(*(house.claim(campaign, "ann") for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(each, pb.Grant) for each in answers) == 3


async def test_the_campaign_bounds_what_one_creator_gets_over_all_rewards(house):
    rewards = [reward(id=each) for each in ("a", "b", "c")]
    campaign = await house.running(rewards=rewards, limits={"rewards_per_creator_max": 2})
    await house.ready(campaign, "ann")
    answers = await asyncio.gather(
        *(house.claim(campaign, "ann", each) for each in ("a", "b", "c")), return_exceptions=True
    )
    assert sum(isinstance(each, pb.Grant) for each in answers) == 2
    assert [each.reason for each in answers if not isinstance(each, pb.Grant)] == ["CREATOR_LIMIT_REACHED"]


async def test_the_campaign_bounds_its_grants_over_all_rewards(house):
    campaign = await house.running(rewards=[reward(id="a"), reward(id="b")], limits={"grants_max": 3})
    creators = [f"c{number}" for number in range(8)]
    await house.ready(campaign, *creators)
    answers = await asyncio.gather(
        *(house.claim(campaign, each, "ab"[number % 2]) for number, each in enumerate(creators)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, pb.Grant) for each in answers) == 3
    assert {each.reason for each in answers if not isinstance(each, pb.Grant)} == {"CAMPAIGN_LIMIT_REACHED"}


async def test_an_unlimited_reward_never_sells_out(house):
    campaign = await house.running(rewards=[reward(stock_count=0, is_unlimited=True)])
    creators = [f"c{number}" for number in range(15)]
    await house.ready(campaign, *creators)
    grants = await asyncio.gather(*(house.claim(campaign, each) for each in creators))
    assert {each.unit_number for each in grants} == {0}


async def test_refusals_say_why(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")
    cases = [
        (house.claim(campaign, "ann"), "REWARD_LOCKED", FailedPrecondition),
        (house.claim(campaign, "nobody"), "ENROLMENT_NOT_FOUND", NotFound),
        (house.claim(campaign, "ann", "no-such"), "REWARD_NOT_FOUND", NotFound),
    ]
    for claim, reason, kind in cases:
        error = await refused(claim)
        assert (error.reason, type(error)) == (reason, kind)
    await house.act(campaign.id, "PAUSE")
    assert (await refused(house.claim(campaign, "ann"))).reason == "CLAIMS_CLOSED"
    campaign.id = "no-such"
    assert (await refused(house.claim(campaign, "ann"))).reason == "CAMPAIGN_NOT_FOUND"


async def test_a_reservation_that_is_not_redeemed_returns_to_stock(house):
    campaign = await house.running(rewards=[reward(kind="MERCHANDISE", stock_count=1, reservation_ttl_s=60)])
    await house.ready(campaign, "ann", "bob")
    grant = await house.claim(campaign, "ann")
    assert grant.state == pb.GRANT_STATE_RESERVED
    assert isinstance(await refused(house.claim(campaign, "bob")), ResourceExhausted)
    house.clock.advance(61)
    late = await refused(house.call("RedeemGrant", grant_id=grant.id, creator_id="ann"))
    assert late.reason == "RESERVATION_EXPIRED"
    await house.wired.sweeper.sweep()
    assert (await house.call("GetGrant", grant_id=grant.id)).state == pb.GRANT_STATE_EXPIRED
    second = await house.claim(campaign, "bob")
    assert (second.state, second.unit_number) == (pb.GRANT_STATE_RESERVED, 1)
    ledger = await house.call("ListLedger", campaign_id=campaign.id)
    assert [each.balance for each in ledger.balances] == [0]
    assert [each.act for each in ledger.entries if each.stock_delta] == ["stock_added"]


async def test_who_let_it_lapse_may_claim_again(house):
    campaign = await house.running(rewards=[reward(kind="MERCHANDISE", stock_count=1, reservation_ttl_s=60)])
    await house.ready(campaign, "ann")
    await house.claim(campaign, "ann")
    house.clock.advance(61)
    await house.wired.sweeper.sweep()
    again = await house.claim(campaign, "ann")
    assert again.state == pb.GRANT_STATE_RESERVED


async def test_the_waitlist_is_served_in_order(house):
    campaign = await house.running(
        rewards=[reward(kind="MERCHANDISE", stock_count=2, reservation_ttl_s=600, waitlist_max=3)]
    )
    creators = [f"c{number}" for number in range(6)]
    await house.ready(campaign, *creators)
    grants = [await house.claim(campaign, each) for each in creators[:5]]
    assert [each.waitlist_position for each in grants] == [0, 0, 1, 2, 3]
    assert (await refused(house.claim(campaign, "c5"))).reason == "WAITLIST_FULL"
    await house.call("RollBackGrant", grant_id=grants[1].id, creator_id="c1", reason="no time")
    states = [(await house.call("GetGrant", grant_id=each.id)) for each in grants]
    assert [each.state for each in states[2:]] == [
        pb.GRANT_STATE_RESERVED,
        pb.GRANT_STATE_WAITLISTED,
        pb.GRANT_STATE_WAITLISTED,
    ]
    assert [each.waitlist_position for each in states[2:]] == [0, 1, 2]
    joined = await house.claim(campaign, "c5")
    assert joined.waitlist_position == 3


async def test_a_fresh_claim_does_not_overtake_the_waitlist(house):
    campaign = await house.running(
        rewards=[reward(kind="MERCHANDISE", stock_count=1, reservation_ttl_s=60, waitlist_max=5)]
    )
    await house.ready(campaign, "ann", "bob", "cid")
    await house.claim(campaign, "ann")
    waiting = await house.claim(campaign, "bob")
    house.clock.advance(61)
    fresh = await house.claim(campaign, "cid")
    assert fresh.state == pb.GRANT_STATE_WAITLISTED
    await house.wired.sweeper.sweep()
    assert (await house.call("GetGrant", grant_id=waiting.id)).state == pb.GRANT_STATE_RESERVED
    assert (await house.call("GetGrant", grant_id=fresh.id)).waitlist_position == 1


async def test_a_place_in_line_can_be_given_up(house):
    campaign = await house.running(
        rewards=[reward(kind="MERCHANDISE", stock_count=1, reservation_ttl_s=600, waitlist_max=5)]
    )
    await house.ready(campaign, "ann", "bob", "cid")
    await house.claim(campaign, "ann")
    second, third = await house.claim(campaign, "bob"), await house.claim(campaign, "cid")
    await house.call("RollBackGrant", grant_id=second.id, creator_id="bob")
    assert (await house.call("GetGrant", grant_id=third.id)).waitlist_position == 1


async def test_claims_are_open_until_their_end_and_then_the_line_goes_home(house):
    campaign = await house.running(
        rewards=[reward(kind="MERCHANDISE", stock_count=1, reservation_ttl_s=0, waitlist_max=5)]
    )
    await house.ready(campaign, "ann", "bob", "cid")
    await house.act(campaign.id, "END")
    await house.claim(campaign, "ann")
    waiting = await house.claim(campaign, "bob")
    house.clock.advance(15 * 86_400)
    assert (await refused(house.claim(campaign, "cid"))).reason == "CLAIMS_CLOSED"
    await house.wired.sweeper.sweep()
    assert (await house.call("GetGrant", grant_id=waiting.id)).state == pb.GRANT_STATE_EXPIRED


async def test_team_rewards_are_for_their_team(house):
    campaign = await house.running(
        rewards=[reward(id="red"), reward(id="blue"), reward(id="all")],
        teams=[
            {"id": "r", "display_name": "Red", "reward_ids": ["red"]},
            {"id": "b", "display_name": "Blue", "reward_ids": ["blue"]},
        ],
    )
    assert (await refused(house.call("Enrol", campaign_id=campaign.id, creator_id="ann"))).reason == "TEAM_REQUIRED"
    await house.enrol(campaign, "ann", team_id="r")
    await house.tell("v1", "ann")
    assert (await refused(house.claim(campaign, "ann", "blue"))).reason == "REWARD_OF_ANOTHER_TEAM"
    moved = await house.call("ChooseTeam", campaign_id=campaign.id, creator_id="ann", team_id="b")
    assert moved.team_id == "b"
    await house.claim(campaign, "ann", "blue")
    await house.claim(campaign, "ann", "all")
    ledger = await house.call("ListLedger", campaign_id=campaign.id, creator_id="ann", kind=3)
    assert ("team_chosen", "b", "ann") in {(each.act, each.reason, each.actor) for each in ledger.entries}
    fixed = await refused(house.call("ChooseTeam", campaign_id=campaign.id, creator_id="ann", team_id="r"))
    assert fixed.reason == "TEAM_FIXED"
