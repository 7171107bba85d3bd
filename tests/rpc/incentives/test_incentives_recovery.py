"""What a dead process leaves behind, laid into the store by hand: each half-done thing is finished or undone."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from chassis.errors import ResourceExhausted, SpotlightError
from chassis.mongo import StoreUnavailable
from protos.incentives.v1 import campaign_pb2 as cpb
from protos.incentives.v1 import participation_pb2 as pb
from services.incentives.claims import Claim
from services.incentives.participation import Enrolment, MatchState
from services.incentives.peers import VideoCount
from services.incentives.service.desk import ClaimDesk
from services.incentives.service.stockroom import Stockroom
from services.incentives.store.documents import encode
from services.incentives.store.stores import Stores


async def refused(awaitable):
    with pytest.raises(SpotlightError) as caught:
        await awaitable
    return caught.value


def shirt(**changes):
    values = {"stock_count": 1, "reservation_ttl_s": 600, "waitlist_max": 2, **changes}
    return cpb.Reward(id="shirt", display_name="Shirt", kind=cpb.REWARD_KIND_MERCHANDISE, **values)


def frame(**changes):
    values = {"stock_count": 10, **changes}
    return cpb.Reward(id="frame", display_name="Frame", kind=cpb.REWARD_KIND_PROFILE_FRAME, **values)


@pytest.fixture
async def queue(house, database):
    """One who has the shirt, and one whose claim was written down by a process that died before placing it."""
    campaign = await house.running(rewards=[shirt()])
    await house.ready(campaign, "ann", "bob", "cid", "dan")
    await house.claim(campaign, "ann", "shirt")
    waiting = await house.claim(campaign, "bob", "shirt", request_id="bobs")
    await database["lines"].update_one({}, {"$pull": {"grant_ids": waiting.id}})
    return campaign, waiting


async def line(database):
    return (await database["lines"].find_one({}))["grant_ids"]


async def test_the_sweeper_places_who_was_forgotten(house, database, queue):
    _, waiting = queue
    await house.wired.sweeper.sweep()
    assert await line(database) == [], "its process may still be at it"
    house.clock.advance(11)
    await house.wired.sweeper.sweep()
    assert await line(database) == [waiting.id]


async def test_a_repeated_claim_finds_its_place(house, database, queue):
    campaign, waiting = queue
    again = await house.claim(campaign, "bob", "shirt", request_id="bobs")
    assert (again.id, again.waitlist_position) == (waiting.id, 1)


async def test_a_second_claim_finishes_the_first(house, database, queue):
    campaign, waiting = queue
    error = await refused(house.claim(campaign, "bob", "shirt"))
    assert (error.reason, error.metadata["grant_id"]) == ("ALREADY_CLAIMED", waiting.id)
    assert await line(database) == [waiting.id]


async def test_where_the_line_is_full_the_forgotten_claim_never_was(house, database, queue):
    campaign, waiting = queue
    for creator_id in ("cid", "dan"):
        await house.claim(campaign, creator_id, "shirt")
    full = await refused(house.claim(campaign, "bob", "shirt", request_id="bobs"))
    assert full.reason == "WAITLIST_FULL"
    assert (await refused(house.call("GetGrant", grant_id=waiting.id))).reason == "GRANT_NOT_FOUND"
    placed = (await house.call("ListGrants", campaign_id=campaign.id, state=pb.GRANT_STATE_WAITLISTED)).grants
    await house.call("RollBackGrant", grant_id=placed[0].id, creator_id=placed[0].creator_id)
    again = await house.claim(campaign, "bob", "shirt", request_id="bobs")
    assert (again.id, again.waitlist_position) == (waiting.id, 2)


async def test_who_has_a_unit_leaves_the_line(house, database):
    campaign = await house.running(rewards=[shirt(stock_count=2)])
    await house.ready(campaign, "ann", "bob", "cid")
    served = await house.claim(campaign, "ann", "shirt")
    await house.claim(campaign, "bob", "shirt")
    waiting = await house.claim(campaign, "cid", "shirt")
    await database["lines"].update_one({}, {"$set": {"grant_ids": [served.id, "gone", waiting.id]}})
    await house.wired.sweeper.sweep()
    assert await line(database) == [waiting.id]


async def test_numbers_lost_with_a_process_are_granted_all_the_same(house, database):
    campaign = await house.running()
    stores = Stores.of(database)
    creators = [f"c{number}" for number in range(12)]
    await house.ready(campaign, *creators)
    assert list(await stores.leases.lease(f"{campaign.id}/frame", 6, 10)) == [1, 2, 3, 4, 5, 6]
    answers = await asyncio.gather(*(house.claim(campaign, each) for each in creators), return_exceptions=True)
    grants = [each for each in answers if isinstance(each, pb.Grant)]
    assert sorted(each.unit_number for each in grants) == list(range(1, 11))


async def test_a_mark_that_was_not_wiped_misleads_nobody(house, database):
    campaign = await house.running(rewards=[shirt(stock_count=2, waitlist_max=0)])
    await house.ready(campaign, "ann", "bob", "cid", "dan")
    first = await house.claim(campaign, "ann", "shirt")
    await house.call("RollBackGrant", grant_id=first.id, creator_id="ann")
    await house.claim(campaign, "bob", "shirt")
    await house.claim(campaign, "cid", "shirt")
    await database["grants"].update_one({"_id": first.id}, {"$set": {"freed": f"{campaign.id}/shirt"}})
    assert isinstance(await refused(house.claim(campaign, "dan", "shirt")), ResourceExhausted)
    marks = await database["grants"].count_documents({"freed": {"$exists": True}})
    assert marks == 0


async def test_two_processes_share_a_stock(house, database):
    """Each has its own beliefs about the numbers; the store has the truth."""
    campaign = await house.running(rewards=[frame(stock_count=9)], limits={"grants_max": 7})
    creators = [f"c{number}" for number in range(24)]
    await house.ready(campaign, *creators)
    stores = Stores.of(database)
    desks = [ClaimDesk(stores, Stockroom(stores), house.clock.now) for _ in range(3)]
    for number, desk in enumerate(desks[1:]):
        # These believe in numbers that the first one will take.
        pools = desk._stockroom._numbers
        for key in (("unit", f"{campaign.id}/frame"), ("campaign_unit", campaign.id)):
            pool = pools._pools.setdefault(key, type(pools.pool(_source(campaign)))())
            pool.add(range(1, 8 - number))
    claims = [
        desks[number % 3].claim(
            Claim(campaign_id=campaign.id, reward_id="frame", creator_id=each, request_id=f"share-{each}")
        )
        for number, each in enumerate(creators)
    ]
    answers = await asyncio.gather(*claims, return_exceptions=True)
    given = [each for each in answers if not isinstance(each, Exception)]
    assert len(given) == 7
    assert {each.reason for each in answers if isinstance(each, Exception)} == {"CAMPAIGN_LIMIT_REACHED"}


def _source(campaign):
    from services.incentives.service.numbers import Source
    from services.incentives.store.grants import UNITS

    return Source(numbering=UNITS, owner=f"{campaign.id}/frame", total=9)


async def test_the_line_is_served_within_the_campaigns_bound(house):
    campaign = await house.running(rewards=[shirt(stock_count=1), frame()], limits={"grants_max": 2})
    await house.ready(campaign, "ann", "bob", "cid")
    first = await house.claim(campaign, "ann", "shirt")
    waiting = await house.claim(campaign, "bob", "shirt")
    await house.claim(campaign, "cid", "frame")
    await house.call("RollBackGrant", grant_id=first.id, creator_id="ann")
    promoted = await house.call("GetGrant", grant_id=waiting.id)
    assert promoted.state == pb.GRANT_STATE_RESERVED
    over = await refused(house.claim(campaign, "ann", "frame"))
    assert over.reason == "CAMPAIGN_LIMIT_REACHED"


async def test_more_claims_than_can_wait_are_shed(house, database):
    stores = Stores.of(database)
    desk = ClaimDesk(stores, Stockroom(stores), house.clock.now, queue_max=2)
    claims = [
        Claim(campaign_id="none", reward_id="r", creator_id=f"c{number}", request_id=f"r{number}")
        for number in range(6)
    ]
    answers = await asyncio.gather(*(desk.claim(each) for each in claims), return_exceptions=True)
    assert {each.reason for each in answers} == {"CAMPAIGN_NOT_FOUND", "TOO_MANY_CLAIMS"}


async def test_the_same_request_for_two_things_at_once_is_refused(house):
    campaign = await house.running()
    await house.ready(campaign, "ann", "bob")
    answers = await asyncio.gather(
        house.claim(campaign, "ann", request_id="once"),
        house.claim(campaign, "bob", request_id="once"),
        return_exceptions=True,
    )
    assert sorted(getattr(each, "reason", "") for each in answers if isinstance(each, SpotlightError)) == [
        "REQUEST_ID_REUSED"
    ]


async def test_an_import_that_died_half_way_is_finished_by_its_repeat(house, database):
    ticket = cpb.Reward(id="ticket", display_name="T", kind=cpb.REWARD_KIND_TICKET)
    campaign = await house.running(rewards=[ticket])
    bring = {"campaign_id": campaign.id, "reward_id": "ticket", "codes": ["AAAA", "BBBB"]}
    await house.call("ImportRewardCodes", **bring, request_id="import")
    await database["requests"].delete_one({"_id": "import"})
    await database["code_pools"].delete_many({})
    again = await house.call("ImportRewardCodes", **bring, request_id="import")
    assert (again.imported_count, again.total_count) == (2, 2)
    late = await house.call("ImportRewardCodes", **bring, request_id="other")
    assert (late.imported_count, late.duplicate_count, late.total_count) == (0, 2, 2)


async def test_everything_goes_on_by_itself(house):
    campaign = await house.running(rewards=[shirt(reservation_ttl_s=1)])
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann", "shirt")
    house.peers.counts_[f"v-{campaign.id[:8]}-ann"] = VideoCount(view_count=70, like_count=1)
    house.clock.advance(2)
    work = [asyncio.create_task(each()) for each in house.wired.background]
    try:
        for _ in range(400):
            await asyncio.sleep(0.05)
            found = await house.call("GetGrant", grant_id=grant.id)
            counted = (await house.progress(campaign, "ann")).submissions[0].view_count
            if found.state == pb.GRANT_STATE_EXPIRED and counted == 70 and len(house.peers.events) == 2:
                break
    finally:
        for task in work:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    assert found.state == pb.GRANT_STATE_EXPIRED
    assert counted == 70
    assert {each.kind for each in house.peers.events} == {"campaign_join", "reward_grant"}


async def test_who_was_served_meanwhile_does_not_come_back_into_the_line(house, database, queue):
    """Two finish the same claim: one placed it and gave it a unit before the other placed it again."""
    campaign, waiting = queue
    stores = Stores.of(database)
    stale = await stores.grants.get(waiting.id)
    holder = (await house.call("ListGrants", creator_id="ann")).grants[0]
    await house.claim(campaign, "bob", "shirt", request_id="bobs")
    await house.call("RevokeGrant", grant_id=holder.id, reason="x", actor="eve")
    assert (await house.call("GetGrant", grant_id=waiting.id)).state == pb.GRANT_STATE_RESERVED
    assert await Stockroom(stores).line.settled(stale, 2)
    assert await line(database) == []
    await database["lines"].update_one({}, {"$push": {"grant_ids": waiting.id}})
    await house.wired.sweeper.look_over()
    assert await line(database) == []


async def test_a_claim_that_was_placed_by_another_hand_is_not_refused(house, database, queue):
    campaign, waiting = queue
    stores = Stores.of(database)
    line_of = Stockroom(stores).line
    key = f"{campaign.id}/shirt"
    assert await line_of.stand(key, [waiting.id, "gone"], 1) == {waiting.id}
    assert await line(database) == [waiting.id]
    assert await line_of.stand(key, [waiting.id], 1) == {waiting.id}
    full = [await house.claim(campaign, each, "shirt") for each in ("cid",)]
    assert full[0].waitlist_position == 2


async def test_a_long_line_does_not_keep_the_sweeper_from_the_others(house, database):
    """More wait for one reward than a round looks at; units of another came back, and its process died."""
    crowded = await house.running(rewards=[shirt(stock_count=1, waitlist_max=300)])
    other = await house.running(rewards=[shirt()])
    creators = [f"c{number:03d}" for number in range(230)]
    await house.ready(other, "ann", "bob")
    await database["enrolments"].insert_many(
        [
            encode(
                Enrolment(
                    id=f"{crowded.id}/{each}",
                    campaign_id=crowded.id,
                    creator_id=each,
                    revision=crowded.revision,
                    create_time=house.clock.now(),
                    done_task_ids=("one",),
                )
            )
            for each in creators
        ]
    )
    await asyncio.gather(*(house.claim(crowded, each, "shirt") for each in creators))
    first = await house.claim(other, "ann", "shirt")
    waiting = await house.claim(other, "bob", "shirt", request_id="bobs")
    await database["lines"].update_one({"_id": f"{other.id}/shirt"}, {"$set": {"grant_ids": []}})
    await database["grants"].update_one(
        {"_id": first.id},
        {
            "$set": {"state": "rolled_back", "holds_unit": False, "freed": f"{other.id}/shirt", "expire_time": None},
            "$unset": {"unit": "", "holder": "", "due_time": ""},
        },
    )
    house.clock.advance(11)
    for _ in range(2):
        await house.wired.sweeper.sweep()
    assert (await house.call("GetGrant", grant_id=waiting.id)).state == pb.GRANT_STATE_RESERVED


async def test_changes_at_the_same_moment_are_tried_again(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")
    submits = [
        house.call("SubmitVideo", campaign_id=campaign.id, creator_id="ann", video_id=f"v{number}")
        for number in range(4)
    ]
    await asyncio.gather(*submits)
    assert len((await house.progress(campaign, "ann")).submissions) == 4


async def test_a_closed_or_unlimited_reward_is_shown_as_such(house):
    kind = cpb.REWARD_KIND_FILTER
    rewards = [
        cpb.Reward(id="free", display_name="F", kind=kind, is_unlimited=True),
        cpb.Reward(id="one", display_name="O", kind=kind, stock_count=1),
        cpb.Reward(id="red", display_name="R", kind=kind, stock_count=1),
    ]
    teams = [
        {"id": "r", "display_name": "R", "reward_ids": ["red"]},
        {"id": "b", "display_name": "B", "reward_ids": ["one"]},
    ]
    campaign = await house.running(rewards=rewards, teams=teams)
    for creator_id in ("ann", "bob"):
        await house.enrol(campaign, creator_id, team_id="b")
        await house.tell(f"v-{creator_id}", creator_id)
    await house.claim(campaign, "bob", "one")
    standings = {
        each.reward_id: (each.standing, each.available_count)
        for each in (await house.progress(campaign, "ann")).rewards
    }
    assert standings == {
        "free": (pb.REWARD_STANDING_CLAIMABLE, -1),
        "one": (pb.REWARD_STANDING_SOLD_OUT, 0),
        "red": (pb.REWARD_STANDING_OTHER_TEAM, 1),
    }
    await house.act(campaign.id, "PAUSE")
    standings = {each.reward_id: each.standing for each in (await house.progress(campaign, "ann")).rewards}
    assert standings["free"] == pb.REWARD_STANDING_CLOSED
    assert isinstance(await refused(house.claim(campaign, "ann", "free")), SpotlightError)


async def test_the_same_claim_at_two_processes_is_one_grant(house, database):
    campaign = await house.running(rewards=[frame(), shirt(stock_count=1)])
    await house.ready(campaign, "ann", "bob")
    stores = Stores.of(database)
    desks = [ClaimDesk(stores, Stockroom(stores), house.clock.now) for _ in range(4)]
    for number, (creator_id, reward_id) in enumerate((("ann", "frame"), ("ann", "shirt"), ("bob", "shirt"))):
        claim = Claim(campaign_id=campaign.id, reward_id=reward_id, creator_id=creator_id, request_id=f"twin-{number}")
        given = await asyncio.gather(*(desk.claim(claim) for desk in desks))
        assert {grant.id for grant in given} == {claim.grant_id}
        assert len({grant.state for grant in given}) == 1
    held = await database["grants"].count_documents({"holds_unit": True})
    assert (held, await database["grants"].count_documents({})) == (2, 3)


async def test_two_processes_serve_one_line_in_order(house, database):
    campaign = await house.running(rewards=[shirt(stock_count=3, waitlist_max=6)])
    creators = [f"c{number}" for number in range(9)]
    await house.ready(campaign, *creators)
    grants = [await house.claim(campaign, each, "shirt") for each in creators]
    stores = Stores.of(database)
    # Three units come back, one mark of each is there twice, and nobody has looked yet.
    await database["grants"].update_many(
        {"_id": {"$in": [each.id for each in grants[:2]]}},
        {
            "$set": {"state": "rolled_back", "holds_unit": False, "freed": f"{campaign.id}/shirt"},
            "$unset": {"unit": "", "holder": ""},
        },
    )
    await database["grants"].update_one({"_id": grants[2].id}, {"$set": {"freed": f"{campaign.id}/shirt"}})
    current = await stores.campaigns.get(campaign.id)
    rooms = [Stockroom(stores) for _ in range(3)]
    shelves = [await room.shelf(current, current.terms.rewards[0]) for room in rooms]
    for _ in range(3):
        await asyncio.gather(
            *(room.promote(shelf, house.clock.now) for room, shelf in zip(rooms, shelves, strict=True))
        )
    states = [(await stores.grants.get(each.id)).state.value for each in grants[3:]]
    assert states == ["reserved", "reserved", "waitlisted", "waitlisted", "waitlisted", "waitlisted"]
    assert await line(database) == [each.id for each in grants[5:]]
    assert await database["grants"].count_documents({"holds_unit": True}) == 3


async def test_a_store_that_does_not_answer_is_said_and_costs_nothing(house, database):
    campaign = await house.running()
    await house.ready(campaign, "ann")

    class Broken:
        """A store whose writes of grants fail."""

        def __init__(self, grants):
            self._grants = grants

        def __getattr__(self, name):
            return getattr(self._grants, name)

        async def insert_many(self, grants):
            raise StoreUnavailable

    stores = Stores.of(database)
    desk = ClaimDesk(replace(stores, grants=Broken(stores.grants)), Stockroom(stores), house.clock.now)
    desk._stockroom._stores = replace(stores, grants=Broken(stores.grants))
    claim = Claim(campaign_id=campaign.id, reward_id="frame", creator_id="ann", request_id="broken")
    with pytest.raises(StoreUnavailable):
        await desk.claim(claim)
    desk._stockroom._stores = stores
    assert (await desk.claim(claim)).unit_number > 0


async def test_a_match_lost_while_its_creator_claims_freezes_the_new_grant(house, database):
    """The claim read its facts before the match was lost, and wrote after everybody had frozen what there was."""
    campaign = await house.running(rewards=[frame()])
    await house.ready(campaign, "ann")
    stores = Stores.of(database)

    class Slow:
        """Grants that are written only after the match was lost."""

        def __init__(self, grants):
            self._grants = grants

        def __getattr__(self, name):
            return getattr(self._grants, name)

        async def insert_many(self, grants):
            await house.tell(f"v-{campaign.id[:8]}-ann", "ann", MatchState.REJECTED)
            return await self._grants.insert_many(grants)

    slow = replace(stores, grants=Slow(stores.grants))
    claim = Claim(campaign_id=campaign.id, reward_id="frame", creator_id="ann", request_id="late")
    given = await ClaimDesk(slow, Stockroom(slow), house.clock.now).claim(claim)
    assert [hold.code.value for hold in given.holds] == ["PROGRESS_LOST"]
    assert (await stores.grants.get(given.id)).is_held
    await house.tell(f"v-{campaign.id[:8]}-ann", "ann")
    assert not (await stores.grants.get(given.id)).is_held
