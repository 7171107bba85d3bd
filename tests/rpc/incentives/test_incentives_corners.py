"""Corners of the use cases: what changes nothing, what comes twice, what is asked page by page."""

from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf import field_mask_pb2

from chassis.errors import SpotlightError
from protos.incentives.v1 import campaign_pb2 as cpb
from services.incentives.domain import Creator
from services.incentives.participation import Video
from services.incentives.store.stores import Stores


async def refused(awaitable):
    with pytest.raises(SpotlightError) as caught:
        await awaitable
    return caught.value


async def test_a_campaign_that_is_over_before_it_begins_cannot_be_scheduled(house):
    late = cpb.Campaign(
        display_name="Late",
        title_ids=["t1"],
        tasks=[cpb.Task(id="one", display_name="One", kind=cpb.TASK_KIND_VIDEOS, target=1)],
        rewards=[cpb.Reward(id="r", display_name="R", kind=cpb.REWARD_KIND_FILTER)],
    )
    late.start_time.FromDatetime(house.clock.now() - timedelta(days=2))
    late.end_time.FromDatetime(house.clock.now() - timedelta(days=1))
    created = await house.call("CreateCampaign", studio_id="s1", campaign=late)
    error = await refused(house.act(created.id, "SCHEDULE"))
    assert {each.field for each in error.violations} == {"end_time", "rewards[0].stock_count"}


async def test_a_change_that_changes_nothing_makes_no_revision(house):
    campaign = await house.running()
    same = {
        "campaign_id": campaign.id,
        "campaign": cpb.Campaign(display_name=campaign.display_name),
        "update_mask": field_mask_pb2.FieldMask(paths=["display_name"]),
    }
    answer = await house.call("UpdateCampaign", **same, request_id="same")
    assert answer.campaign.revision == campaign.revision
    assert not answer.impact.changed_paths
    nothing = same | {"update_mask": field_mask_pb2.FieldMask(paths=[])}
    assert (await refused(house.call("UpdateCampaign", **nothing))).reason == "FIELD_IMMUTABLE"


async def test_a_change_whose_answer_was_lost_is_answered_again(house, database):
    campaign = await house.running()
    change = {
        "campaign_id": campaign.id,
        "campaign": cpb.Campaign(description="new"),
        "update_mask": field_mask_pb2.FieldMask(paths=["description"]),
        "etag": campaign.etag,
        "request_id": "lost",
    }
    first = await house.call("UpdateCampaign", **change)
    await database["requests"].delete_one({"_id": "lost"})
    again = await house.call("UpdateCampaign", **change)
    assert (again.campaign.etag, list(again.impact.changed_paths)) == (first.campaign.etag, ["description"])
    revisions = []
    token = ""
    while True:
        page = await house.call("ListCampaignRevisions", campaign_id=campaign.id, page_size=1, page_token=token)
        revisions += [each.revision for each in page.revisions]
        token = page.next_page_token
        if not token:
            break
    assert revisions == list(range(first.campaign.revision, 0, -1))


async def test_an_act_whose_answer_was_lost_is_done_once(house, database):
    campaign = await house.running()
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann")
    revoke = {"grant_id": grant.id, "reason": "x", "actor": "eve", "request_id": "lost"}
    first = await house.call("RevokeGrant", **revoke)
    await database["requests"].delete_one({"_id": "lost"})
    assert await house.call("RevokeGrant", **revoke) == first


async def test_teams_that_are_not_there_cannot_be_chosen(house):
    campaign = await house.running()
    error = await refused(house.call("Enrol", campaign_id=campaign.id, creator_id="ann", team_id="red"))
    assert error.reason == "TEAM_NOT_FOUND"
    teams = [{"id": "r", "display_name": "R", "reward_ids": ["frame"]}]
    sided = await house.running(teams=teams)
    await house.enrol(sided, "ann", team_id="r")
    same = await house.call("ChooseTeam", campaign_id=sided.id, creator_id="ann", team_id="r")
    assert same.team_id == "r"


async def test_enrolments_and_the_ledger_of_one_reward_are_listed_by_pages(house):
    campaign = await house.running()
    await house.ready(campaign, "ann", "bob", "cid")
    first = await house.call("ListEnrolments", campaign_id=campaign.id, page_size=2)
    second = await house.call("ListEnrolments", campaign_id=campaign.id, page_size=2, page_token=first.next_page_token)
    found = [each.creator_id for each in (*first.enrolments, *second.enrolments)]
    assert (found, second.next_page_token) == (["ann", "bob", "cid"], "")
    acts, token = [], ""
    while True:
        page = await house.call("ListLedger", campaign_id=campaign.id, reward_id="frame", page_token=token)
        acts += [each.act for each in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert acts == ["stock_added"]
    draft = await house.call("CreateCampaign", studio_id="s1", campaign=cpb.Campaign())
    assert not (await house.call("ListLedger", campaign_id=draft.id)).balances


async def test_of_two_who_write_at_once_one_reads_again(house, database):
    stores = Stores.of(database)
    video = Video(id="v1", creator_id="ann", create_time=house.clock.now())
    other = Video(id="v2", creator_id="ann", create_time=house.clock.now())
    assert await stores.videos.put({}, [video])
    assert not await stores.videos.put({}, [replace(video, view_count=9), other])
    known = await stores.videos.find_many(["v1", "v2"])
    assert {each.id: each.view_count for each in known.values()} == {"v1": 0, "v2": 0}
    more = [replace(each, view_count=each.view_count + 1) for each in known.values()]
    assert await stores.videos.put(known, more)
    assert not await stores.videos.put(known, more)
    assert await stores.creators.put({}, [Creator(id="ann")])
    assert not await stores.creators.put({}, [Creator(id="ann", follower_count=3)])
    assert await stores.videos.find_many([]) == await stores.creators.find_many([]) == {}
    assert await stores.enrolments.find_many([]) == await stores.campaigns.find_many([]) == {}
    assert await stores.enrolments.of_creators([]) == []
    assert await stores.grants.insert_many([]) == []
    assert await stores.codes.pools([]) == {}


async def test_a_full_or_closed_shop_is_closed_for_every_claim(house):
    campaign = await house.running(limits={"submissions_per_creator_max": 1})
    await house.act(campaign.id, "PAUSE")
    closed = await refused(house.call("SubmitVideo", campaign_id=campaign.id, creator_id="ann", video_id="v1"))
    assert closed.reason == "CAMPAIGN_NOT_ACTIVE"
    gone = await refused(house.call("GetProgress", creator_id="ann", campaign_id="none"))
    assert gone.reason == "CAMPAIGN_NOT_FOUND"
