"""Grants after the claim: codes, parcels, holds, taking back, and the ledger of it all."""

import asyncio
from datetime import timedelta

import pytest

from chassis.errors import NotFound, SpotlightError
from protos.incentives.v1 import campaign_pb2 as cpb
from protos.incentives.v1 import participation_pb2 as pb
from services.incentives.domain import Creator


async def refused(awaitable):
    with pytest.raises(SpotlightError) as caught:
        await awaitable
    return caught.value


def ticket(**changes):
    return cpb.Reward(id="ticket", display_name="Premiere", kind=cpb.REWARD_KIND_TICKET, **changes)


def shirt(**changes):
    changes.setdefault("stock_count", 2)
    return cpb.Reward(id="shirt", display_name="Shirt", kind=cpb.REWARD_KIND_MERCHANDISE, **changes)


async def bring(house, campaign, codes, **fields):
    return await house.call(
        "ImportRewardCodes", campaign_id=campaign.id, reward_id="ticket", codes=codes, actor="ann", **fields
    )


async def test_each_code_is_given_once_and_shown_to_its_creator_alone(house):
    campaign = await house.running(rewards=[ticket()])
    done = await bring(house, campaign, ["AAAA-1", "AAAA-2", "AAAA-1"], request_id="import")
    assert (done.imported_count, done.duplicate_count, done.total_count) == (2, 1, 2)
    assert await bring(house, campaign, ["AAAA-1", "AAAA-2", "AAAA-1"], request_id="import") == done
    creators = [f"c{number}" for number in range(5)]
    await house.ready(campaign, *creators)
    answers = await asyncio.gather(
        *(house.claim(campaign, each, "ticket") for each in creators), return_exceptions=True
    )
    grants = [each for each in answers if isinstance(each, pb.Grant)]
    assert sorted(each.code for each in grants) == ["AAAA-1", "AAAA-2"]
    mine = await house.call("GetGrant", grant_id=grants[0].id, creator_id=grants[0].creator_id)
    assert mine.code == grants[0].code
    assert not (await house.call("GetGrant", grant_id=grants[0].id)).code
    assert isinstance(await refused(house.call("GetGrant", grant_id=grants[0].id, creator_id="eve")), NotFound)
    listed = await house.call("ListGrants", campaign_id=campaign.id)
    assert len(listed.grants) == 2
    assert not any(each.code for each in listed.grants)


async def test_codes_lie_encrypted_and_their_pool_grows(house, database):
    campaign = await house.running(rewards=[ticket(waitlist_max=5)])
    await bring(house, campaign, ["SECRET-0001"])
    stored = await database["codes"].find({}).to_list(None)
    assert b"SECRET-0001" not in repr(stored).encode()
    assert "SECRET" not in repr(await database["requests"].find({}).to_list(None))
    await house.ready(campaign, "ann", "bob")
    await house.claim(campaign, "ann", "ticket")
    waiting = await house.claim(campaign, "bob", "ticket")
    assert waiting.waitlist_position == 1
    more = await bring(house, campaign, ["SECRET-0001", "SECRET-0002"])
    assert (more.imported_count, more.duplicate_count, more.total_count) == (1, 1, 2)
    promoted = await house.call("GetGrant", grant_id=waiting.id, creator_id="bob")
    assert (promoted.state, promoted.code) == (pb.GRANT_STATE_FULFILLED, "SECRET-0002")
    ledger = await house.call("ListLedger", campaign_id=campaign.id, reward_id="ticket")
    assert [(each.balance, each.available_count) for each in ledger.balances] == [(0, 0)]
    assert [each.stock_delta for each in ledger.entries] == [1, 1]


async def test_a_revoked_ticket_whose_code_was_shown_does_not_return(house):
    campaign = await house.running(rewards=[ticket(reservation_ttl_s=600)])
    await bring(house, campaign, ["AAAA-1", "AAAA-2"])
    await house.ready(campaign, "ann", "bob", "cid")
    reserved = await house.claim(campaign, "ann", "ticket")
    assert (reserved.state, reserved.code) == (pb.GRANT_STATE_RESERVED, "")
    shown = await house.call("RedeemGrant", grant_id=reserved.id, creator_id="ann", request_id="redeem")
    assert (shown.state, bool(shown.code)) == (pb.GRANT_STATE_FULFILLED, True)
    assert await house.call("RedeemGrant", grant_id=reserved.id, creator_id="ann", request_id="redeem") == shown
    unseen = await house.claim(campaign, "bob", "ticket")
    for grant in (shown, unseen):
        await house.call("RevokeGrant", grant_id=grant.id, reason="sold on", actor="eve")
    stock = (await house.call("GetCampaign", campaign_id=campaign.id)).rewards[0].stock
    assert (stock.total_count, stock.available_count, stock.burned_count) == (2, 1, 1)
    again = await house.claim(campaign, "cid", "ticket")
    assert again.unit_number == unseen.unit_number
    barred = await refused(house.claim(campaign, "ann", "ticket"))
    assert barred.reason == "ALREADY_CLAIMED"


async def test_only_tickets_have_codes(house):
    campaign = await house.running(rewards=[ticket(), shirt()])
    other = {"campaign_id": campaign.id, "codes": ["AAAA"]}
    assert (await refused(house.call("ImportRewardCodes", **other, reward_id="shirt"))).reason == "REWARD_NOT_TICKET"
    assert (await refused(house.call("ImportRewardCodes", **other, reward_id="gone"))).reason == "REWARD_NOT_FOUND"
    wrong = await refused(house.call("ImportRewardCodes", campaign_id=campaign.id, reward_id="ticket", codes=["a b"]))
    assert wrong.reason == "INVALID_ARGUMENT"


async def test_imports_at_the_same_moment_add_up(house):
    campaign = await house.running(rewards=[ticket()])
    batches = [[f"B{batch}-{number:03d}" for number in range(20)] for batch in range(4)]
    await asyncio.gather(*(bring(house, campaign, codes) for codes in batches))
    stock = (await house.call("GetCampaign", campaign_id=campaign.id)).rewards[0].stock
    assert stock.total_count == 80
    ledger = await house.call("ListLedger", campaign_id=campaign.id)
    assert [each.balance for each in ledger.balances] == [80]


async def test_a_parcel_goes_its_way_apart_from_the_grant(house):
    campaign = await house.running(rewards=[shirt()])
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann", "shirt")
    assert (grant.state, grant.shipping_state) == (pb.GRANT_STATE_REDEEMED, pb.SHIPPING_STATE_PENDING)
    ship = {"grant_id": grant.id, "actor": "eve"}
    early = await refused(house.call("FulfilGrant", **ship, shipping_state=pb.SHIPPING_STATE_DELIVERED))
    assert early.reason == "SHIPPING_NOT_ALLOWED"
    for state in (pb.SHIPPING_STATE_PREPARING, pb.SHIPPING_STATE_SHIPPED):
        moved = await house.call("FulfilGrant", **ship, shipping_state=state, carrier="Heron", tracking_reference="H1")
    assert (moved.state, moved.carrier, moved.tracking_reference) == (pb.GRANT_STATE_REDEEMED, "Heron", "H1")
    gone = await refused(house.call("RollBackGrant", grant_id=grant.id, creator_id="ann"))
    assert gone.reason == "ACT_NOT_ALLOWED"
    done = await house.call("FulfilGrant", **ship, shipping_state=pb.SHIPPING_STATE_DELIVERED)
    assert done.state == pb.GRANT_STATE_FULFILLED
    back = await house.call("FulfilGrant", **ship, shipping_state=pb.SHIPPING_STATE_RETURNED)
    assert (back.state, back.shipping_state) == (pb.GRANT_STATE_FULFILLED, pb.SHIPPING_STATE_RETURNED)
    await house.call("RevokeGrant", grant_id=grant.id, reason="came back", actor="eve")
    stock = (await house.call("GetCampaign", campaign_id=campaign.id)).rewards[0].stock
    assert stock.available_count == 2


async def test_acts_in_the_wrong_state_are_refused(house):
    campaign = await house.running(rewards=[shirt(reservation_ttl_s=600)])
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann", "shirt")
    ship = await refused(house.call("FulfilGrant", grant_id=grant.id, shipping_state=pb.SHIPPING_STATE_PREPARING))
    assert ship.reason == "ACT_NOT_ALLOWED"
    assert isinstance(await refused(house.call("RedeemGrant", grant_id=grant.id, creator_id="eve")), NotFound)
    await house.call("RollBackGrant", grant_id=grant.id, creator_id="ann", reason="no")
    over = await refused(house.call("RollBackGrant", grant_id=grant.id, creator_id="ann"))
    assert (over.reason, over.metadata["state"]) == ("ACT_NOT_ALLOWED", "rolled_back")
    assert (await refused(house.call("RevokeGrant", grant_id="no-such", reason="x"))).reason == "GRANT_NOT_FOUND"


async def test_the_same_device_is_held_until_a_person_releases_it(house):
    campaign = await house.running()
    await house.ready(campaign, "ann", "bob", "cid")
    first = await house.claim(campaign, "ann", device_id_hash="d1")
    second = await house.claim(campaign, "bob", device_id_hash="d1")
    third = await house.claim(campaign, "cid", device_id_hash="d1")
    assert first.approval_state == pb.APPROVAL_STATE_APPROVED
    assert (second.state, second.approval_state) == (pb.GRANT_STATE_RESERVED, pb.APPROVAL_STATE_HELD)
    assert [each.code for each in second.holds] == ["SHARED_DEVICE"]
    held = await house.call("ListGrants", campaign_id=campaign.id, held_only=True)
    assert {each.id for each in held.grants} == {second.id, third.id}
    released = await house.call("ReleaseGrant", grant_id=second.id, decision=1, reason="siblings", actor="eve")
    assert (released.state, released.approval_state) == (pb.GRANT_STATE_FULFILLED, pb.APPROVAL_STATE_APPROVED)
    denied = await house.call("ReleaseGrant", grant_id=third.id, decision=2, reason="one person", actor="eve")
    assert (denied.state, denied.reason) == (pb.GRANT_STATE_REVOKED, "one person")
    stock = (await house.call("GetCampaign", campaign_id=campaign.id)).rewards[0].stock
    assert stock.available_count == 8


async def test_claims_from_one_device_at_the_same_moment_see_each_other(house):
    campaign = await house.running()
    creators = [f"c{number}" for number in range(4)]
    await house.ready(campaign, *creators)
    grants = await asyncio.gather(*(house.claim(campaign, each, device_id_hash="d1") for each in creators))
    assert sum(each.approval_state == pb.APPROVAL_STATE_HELD for each in grants) >= 3


async def test_an_identity_cluster_and_bought_followers_and_bursts_are_held(house):
    campaign = await house.running()
    await house.call(
        "BatchUpdateCreators", creators=[{"id": each, "identity_cluster_id": "k"} for each in ("ann", "bob")]
    )
    await house.ready(campaign, "ann", "bob", "cid", "dan")
    await house.claim(campaign, "ann")
    await house.tell("v-more", "cid", creator=Creator(id="cid", follower_count=90_000))
    for number in range(10):
        await house.tell(f"v-burst-{number}", "dan", create_time=house.clock.now() + timedelta(minutes=number))
    codes = {each: [hold.code for hold in (await house.claim(campaign, each)).holds] for each in ("bob", "cid", "dan")}
    assert codes == {"bob": ["SHARED_IDENTITY"], "cid": ["FOLLOWER_JUMP"], "dan": ["SUBMISSION_BURST"]}


async def test_grants_are_listed_page_by_page_and_by_their_owner(house):
    campaign = await house.running()
    await house.ready(campaign, *(f"c{number}" for number in range(5)))
    for number in range(5):
        await house.claim(campaign, f"c{number}")
    found, token = [], ""
    while True:
        page = await house.call("ListGrants", campaign_id=campaign.id, page_size=2, page_token=token)
        found += page.grants
        token = page.next_page_token
        if not token:
            break
    assert sorted(each.creator_id for each in found) == [f"c{number}" for number in range(5)]
    assert len((await house.call("ListGrants", creator_id="c1", state=pb.GRANT_STATE_FULFILLED)).grants) == 1
    assert (await refused(house.call("ListGrants"))).reason == "INVALID_ARGUMENT"


async def test_the_ledger_has_a_row_for_each_movement_and_sums_up_to_the_stock(house):
    campaign = await house.running(rewards=[shirt(reservation_ttl_s=60)])
    await house.ready(campaign, "ann", "bob")
    grant = await house.claim(campaign, "ann", "shirt")
    await house.call("RedeemGrant", grant_id=grant.id, creator_id="ann")
    await house.claim(campaign, "bob", "shirt")
    house.clock.advance(61)
    await house.wired.sweeper.sweep()
    rows, token = [], ""
    while True:
        page = await house.call("ListLedger", campaign_id=campaign.id, page_size=1, page_token=token)
        rows += page.entries
        token = page.next_page_token
        if not token:
            break
    moved = sorted((each.creator_id, each.act, each.stock_delta) for each in rows if each.kind != 3)
    assert moved == [
        ("", "stock_added", 2),
        ("ann", "claimed", -1),
        ("ann", "redeemed", 0),
        ("bob", "claimed", -1),
        ("bob", "expired", 1),
    ]
    assert {each.act for each in rows if each.kind == 3} == {"joined", "submitted", "counted", "task_done"}
    assert len({each.id for each in rows}) == len(rows)
    first = await house.call("ListLedger", campaign_id=campaign.id)
    assert [(each.balance, each.available_count) for each in first.balances] == [(1, 1)]
    await house.wired.sweeper.look_over()
