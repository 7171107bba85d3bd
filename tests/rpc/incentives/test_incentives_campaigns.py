"""Campaigns as studios run them: drafts, states, revisions, who is affected, the hub's panel, simulation."""

import asyncio
from datetime import timedelta

import pytest
from google.protobuf import field_mask_pb2

from chassis.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, SpotlightError
from protos.incentives.v1 import campaign_pb2 as cpb
from services.incentives.domain import CampaignAct, CampaignState, Creator
from services.incentives.lifecycle import CAMPAIGN
from services.incentives.participation import MatchState
from services.incentives.peers import VideoCount
from services.incentives.wire import enums


def mask(*paths):
    return field_mask_pb2.FieldMask(paths=paths)


async def refused(awaitable):
    with pytest.raises(SpotlightError) as caught:
        await awaitable
    return caught.value


def draft(**changes):
    return cpb.Campaign(display_name="Dune week", **changes)


ASIDE = {"etag", "validate_only", "request_id"}


async def update(house, campaign, *paths, **fields):
    changed = cpb.Campaign(**{key: value for key, value in fields.items() if key not in ASIDE})
    rest = {key: value for key, value in fields.items() if key in ASIDE}
    return await house.call(
        "UpdateCampaign", campaign_id=campaign.id, campaign=changed, update_mask=mask(*paths), actor="ann", **rest
    )


async def test_a_draft_may_be_incomplete_and_grows_in_place(house):
    created = await house.call("CreateCampaign", studio_id="s1", campaign=draft(), request_id="new", actor="ann")
    again = await house.call("CreateCampaign", studio_id="s1", campaign=draft(), request_id="new", actor="ann")
    assert again == created
    assert (created.state, created.revision) == (cpb.CAMPAIGN_STATE_DRAFT, 0)
    other = await refused(
        house.call("CreateCampaign", studio_id="s1", campaign=draft(description="x"), request_id="new", actor="ann")
    )
    assert other.reason == "REQUEST_ID_REUSED"
    changed = await update(house, created, "description", description="Ride the worm", display_name="not named")
    assert (changed.campaign.description, changed.campaign.display_name) == ("Ride the worm", "Dune week")
    assert changed.campaign.revision == 0
    assert not changed.HasField("impact")


async def test_scheduling_names_everything_that_is_missing(house):
    created = await house.call("CreateCampaign", studio_id="s1", campaign=cpb.Campaign())
    error = await refused(house.act(created.id, "SCHEDULE"))
    assert (type(error), error.reason) == (FailedPrecondition, "CAMPAIGN_INCOMPLETE")
    named = {each.field for each in error.violations}
    assert named == {"display_name", "title_ids", "tasks", "rewards", "start_time", "end_time"}


async def test_contradictions_are_refused_with_their_places(house):
    wrong = cpb.Campaign(
        title_ids=["t1"],
        tasks=[
            cpb.Task(id="a", display_name="A", kind=cpb.TASK_KIND_VIDEOS),
            cpb.Task(id="a", display_name="A", kind=cpb.TASK_KIND_VIDEOS, target=1, title_ids=["t2"]),
        ],
        rewards=[
            cpb.Reward(id="r", display_name="R", kind=cpb.REWARD_KIND_TICKET, stock_count=3, task_ids=["no"]),
            cpb.Reward(id="u", display_name="U", kind=cpb.REWARD_KIND_MERCHANDISE, is_unlimited=True),
        ],
        teams=[cpb.Team(id="t", display_name="T", reward_ids=["gone"])],
        rules=cpb.EligibilityRules(follower_count_min=5, follower_count_max=2, duration_min_s=9, duration_max_s=3),
    )
    error = await refused(house.call("CreateCampaign", studio_id="s1", campaign=wrong))
    assert (type(error), error.reason) == (InvalidArgument, "CAMPAIGN_INVALID")
    assert {each.field for each in error.violations} == {
        "tasks",
        "tasks[0]",
        "tasks[1].title_ids",
        "rewards[0].stock_count",
        "rewards[0].task_ids",
        "rewards[1].is_unlimited",
        "teams[0].reward_ids",
        "rules.follower_count_max",
        "rules.duration_max_s",
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"display_name": "a\x00b"}, "campaign.display_name"),
        ({"region_codes": ["usa"]}, "campaign.region_codes[0]"),
        ({"title_ids": ['{"$gt": ""}']}, "campaign.title_ids[0]"),
        ({"rules": {"strike_score_max": float("nan")}}, "campaign.rules.strike_score_max"),
        (
            {"rewards": [{"id": "r", "display_name": "R", "kind": 1, "stock_count": 10**9}]},
            "campaign.rewards[0].stock_count",
        ),
        ({"tasks": [{"id": "t", "display_name": "T", "kind": 99}]}, "campaign.tasks[0].kind"),
    ],
)
async def test_bad_input_is_refused_and_names_its_field(house, changes, field):
    error = await refused(house.call("CreateCampaign", studio_id="s1", campaign=cpb.Campaign(**changes)))
    assert isinstance(error, InvalidArgument)
    assert field in {each.field for each in error.violations}
    assert not (await house.call("ListCampaigns")).campaigns


async def test_the_clock_starts_and_ends_a_campaign(house):
    campaign = await house.running()
    scheduled = await house.call("CreateCampaign", studio_id="studio-1", campaign=_window(house, 1, 48))
    await house.act(scheduled.id, "SCHEDULE")
    house.clock.advance(3_601)
    assert (await house.call("GetCampaign", campaign_id=scheduled.id)).state == cpb.CAMPAIGN_STATE_ACTIVE
    await house.wired.sweeper.sweep()
    house.clock.advance(48 * 3_600)
    assert (await house.call("GetCampaign", campaign_id=scheduled.id)).state == cpb.CAMPAIGN_STATE_ENDED
    await house.wired.sweeper.sweep()
    ended = await house.call("GetCampaign", campaign_id=scheduled.id)
    assert ended.state == cpb.CAMPAIGN_STATE_ENDED
    assert (await house.act(scheduled.id, "ARCHIVE")).state == cpb.CAMPAIGN_STATE_ARCHIVED
    error = await refused(house.act(scheduled.id, "START"))
    assert (error.reason, error.metadata["allowed"]) == ("ACT_NOT_ALLOWED", "nothing")
    assert (await house.call("GetCampaign", campaign_id=campaign.id)).state == cpb.CAMPAIGN_STATE_ACTIVE


def _window(house, start_h, end_h, **changes):
    from tests.rpc.incentives.conftest import a_campaign

    message = a_campaign(**changes)
    message.start_time.FromDatetime(house.clock.now() + timedelta(hours=start_h))
    message.end_time.FromDatetime(house.clock.now() + timedelta(hours=end_h))
    return message


async def test_pausing_closes_the_door_and_progress_goes_on(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")
    await house.act(campaign.id, "PAUSE")
    closed = await refused(house.call("Enrol", campaign_id=campaign.id, creator_id="bob"))
    assert closed.reason == "CAMPAIGN_NOT_ACTIVE"
    await house.tell("v1", "ann")
    assert (await house.progress(campaign, "ann")).tasks[0].is_done
    await house.act(campaign.id, "RESUME")
    await house.claim(campaign, "ann")


async def test_who_joined_keeps_the_rules_they_joined_under(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")
    harder = [cpb.Task(id="one", display_name="Task one", kind=cpb.TASK_KIND_VIDEOS, target=5)]
    asked = await update(house, campaign, "tasks", tasks=harder, validate_only=True)
    assert list(asked.impact.changed_paths) == list(asked.impact.kept_paths) == ["tasks"]
    assert [each.enrolment_count for each in asked.impact.kept_enrolments] == [1]
    assert list(asked.impact.creator_ids) == ["ann"]
    assert (await house.call("GetCampaign", campaign_id=campaign.id)).tasks[0].target == 1
    changed = await update(house, campaign, "tasks", tasks=harder)
    assert changed.campaign.revision == campaign.revision + 1
    await house.enrol(campaign, "bob")
    await house.tell("v1", "ann")
    await house.tell("v2", "bob")
    assert (await house.progress(campaign, "ann")).tasks[0].is_done
    assert not (await house.progress(campaign, "bob")).tasks[0].is_done
    accepted = await house.call("AcceptRevision", campaign_id=campaign.id, creator_id="ann")
    assert accepted.campaign_revision == changed.campaign.revision
    assert not (await house.progress(campaign, "ann")).tasks[0].is_done
    ledger = await house.call("ListLedger", campaign_id=campaign.id, creator_id="ann", kind=3)
    assert [each.act for each in ledger.entries][-2:] == ["revision_accepted", "task_undone"]
    revisions = (await house.call("ListCampaignRevisions", campaign_id=campaign.id, page_size=2)).revisions
    assert [each.revision for each in revisions] == [3, 2]
    assert list(revisions[0].changed_paths) == ["tasks"]
    assert [each.enrolment_count for each in revisions] == [2, 0]
    listed = await house.call("ListEnrolments", campaign_id=campaign.id, revision=3)
    assert [each.creator_id for each in listed.enrolments] == ["ann", "bob"]


async def test_stock_grows_and_never_shrinks(house):
    campaign = await house.running()
    reward = cpb.Reward(id="frame", display_name="Frame", kind=cpb.REWARD_KIND_PROFILE_FRAME, stock_count=25)
    grown = await update(house, campaign, "rewards", rewards=[reward])
    assert grown.campaign.rewards[0].stock.available_count == 25
    reward.stock_count = 5
    assert (await refused(update(house, campaign, "rewards", rewards=[reward]))).reason == "STOCK_CANNOT_SHRINK"
    reward.kind = cpb.REWARD_KIND_FILTER
    assert (await refused(update(house, campaign, "rewards", rewards=[reward]))).reason == "FIELD_IMMUTABLE"
    ledger = await house.call("ListLedger", campaign_id=campaign.id, kind=1)
    assert [(each.act, each.stock_delta) for each in ledger.entries] == [("stock_added", 10), ("stock_added", 15)]
    assert [(each.balance, each.available_count) for each in ledger.balances] == [(25, 25)]


async def test_changes_are_conditional_and_named(house):
    campaign = await house.running()
    assert isinstance(await refused(update(house, campaign, "description", etag="1")), Aborted)
    assert (await refused(update(house, campaign, "state"))).reason == "FIELD_IMMUTABLE"
    assert (await refused(update(house, campaign, "start_time"))).reason == "FIELD_IMMUTABLE"
    await house.act(campaign.id, "END")
    assert (await refused(update(house, campaign, "description", description="x"))).reason == "CAMPAIGN_CLOSED"
    deleted = await refused(house.call("DeleteCampaign", campaign_id=campaign.id))
    assert deleted.reason == "CAMPAIGN_NOT_DRAFT"


async def test_a_draft_can_be_deleted_once_and_again(house):
    created = await house.call("CreateCampaign", studio_id="s1", campaign=draft())
    for _ in range(2):
        await house.call("DeleteCampaign", campaign_id=created.id, request_id="gone", etag=created.etag)
    assert isinstance(await refused(house.call("GetCampaign", campaign_id=created.id)), NotFound)


async def test_campaigns_are_listed_newest_first_page_by_page(house):
    for number in range(5):
        house.clock.advance(1)
        await house.call("CreateCampaign", studio_id=f"s{number % 2}", campaign=draft(title_ids=[f"t{number}"]))
    first = await house.call("ListCampaigns", page_size=3)
    second = await house.call("ListCampaigns", page_size=3, page_token=first.next_page_token)
    found = [each.title_ids[0] for each in (*first.campaigns, *second.campaigns)]
    assert found == ["t4", "t3", "t2", "t1", "t0"]
    assert not second.next_page_token
    assert len((await house.call("ListCampaigns", studio_id="s0")).campaigns) == 3
    assert len((await house.call("ListCampaigns", title_id="t3")).campaigns) == 1
    assert not (await house.call("ListCampaigns", state=cpb.CAMPAIGN_STATE_ACTIVE)).campaigns
    forged = await refused(house.call("ListCampaigns", page_size=3, page_token="AAAA"))
    assert "page_token" in {each.field for each in forged.violations}


async def test_the_hub_sees_visible_campaigns_of_its_title_and_region(house):
    everywhere = await house.running()
    await house.running(region_codes=["DE"])
    later = _window(house, 48, 96)
    hidden = await house.call("CreateCampaign", studio_id="studio-1", campaign=later)
    later.visible_time.FromDatetime(house.clock.now())
    announced = await house.call("CreateCampaign", studio_id="studio-1", campaign=later)
    for each in (hidden, announced):
        await house.act(each.id, "SCHEDULE")
    found = (await house.call("ListActiveCampaigns", title_id="t1", region="US")).campaigns
    assert [each.id for each in found] == [announced.id, everywhere.id]
    assert not (await house.call("ListActiveCampaigns", title_id="t2", region="US")).campaigns
    await house.act(everywhere.id, "PAUSE")
    found = (await house.call("ListActiveCampaigns", title_id="t1", region="US")).campaigns
    assert [each.id for each in found] == [announced.id]


async def test_a_simulation_says_who_would_have_earned_what_and_what_kept_others_out(house):
    began = house.clock.now()
    for number in range(4):
        await house.tell(f"v{number}", f"c{number}", create_time=began + timedelta(minutes=number), view_count=10)
    await house.tell("v9", "c9", MatchState.REJECTED, create_time=began)
    house.peers.counts_["v0"] = VideoCount(view_count=900, like_count=3)
    house.peers.counts_["v1"] = VideoCount(view_count=700, like_count=3)
    house.peers.counts_["v2"] = VideoCount(view_count=600, like_count=3)
    campaign = await house.call(
        "CreateCampaign",
        studio_id="s1",
        campaign=cpb.Campaign(
            title_ids=["t1"],
            rules=cpb.EligibilityRules(view_count_min=500),
            tasks=[cpb.Task(id="one", display_name="One", kind=cpb.TASK_KIND_VIDEOS, target=1)],
            rewards=[cpb.Reward(id="r", display_name="R", kind=cpb.REWARD_KIND_FILTER, stock_count=2)],
        ),
    )
    house.clock.advance(3_600)
    fields = {"period_start_time": began, "period_end_time": house.clock.now()}
    outcome = await house.call("SimulateCampaign", campaign_id=campaign.id, **fields)
    assert (outcome.video_count, outcome.counted_video_count, outcome.earning_creator_count) == (5, 3, 2)
    reward = outcome.rewards[0]
    assert (reward.earned_count, reward.granted_count, reward.left_count) == (3, 2, 0)
    assert reward.sold_out_time.ToDatetime() == (began + timedelta(minutes=1)).replace(tzinfo=None)
    excluded = {each.code: (each.video_count, each.sole_video_count) for each in outcome.exclusions}
    assert excluded == {"VIEWS_TOO_FEW": (2, 1), "MATCH_NOT_APPROVED": (1, 0)}
    assert [each.creator_id for each in outcome.creators[:2]] == ["c0", "c1"]
    fields["period_end_time"] = house.clock.now() + timedelta(days=1)
    wrong = await refused(house.call("SimulateCampaign", campaign_id=campaign.id, **fields))
    assert wrong.reason == "PERIOD_INVALID"


async def test_creators_the_platform_tells_of_pass_the_rules(house):
    rules = cpb.EligibilityRules(follower_count_min=1_000, account_age_min_days=30, region_codes=["US"])
    campaign = await house.running(rules=rules)
    unknown = await refused(house.call("Enrol", campaign_id=campaign.id, creator_id="ann"))
    assert unknown.reason == "NOT_ELIGIBLE"
    assert {each.field for each in unknown.violations} == {"CREATOR_UNKNOWN"}
    told = {"id": "ann", "follower_count": 400, "region_code": "DE"}
    told["account_create_time"] = house.clock.now() - timedelta(days=10)
    await house.call("BatchUpdateCreators", creators=[told])
    no = await refused(house.call("Enrol", campaign_id=campaign.id, creator_id="ann"))
    assert no.metadata == {"FOLLOWERS_TOO_FEW": "600", "ACCOUNT_TOO_YOUNG": "20", "REGION_NOT_INCLUDED": "0"}
    told |= {"follower_count": 1_000, "region_code": "US"}
    told["account_create_time"] = house.clock.now() - timedelta(days=40)
    answer = await house.call("BatchUpdateCreators", creators=[told])
    assert answer.updated_count == 1
    await house.enrol(campaign, "ann")
    assert Creator(id="ann").follower_samples == ()


async def in_state(house, state):
    """A campaign that was led there by its acts."""
    campaign = await house.call("CreateCampaign", studio_id="studio-1", campaign=_window(house, 1, 48))
    for act in {
        "draft": [],
        "scheduled": ["SCHEDULE"],
        "active": ["SCHEDULE", "START"],
        "paused": ["SCHEDULE", "START", "PAUSE"],
        "ended": ["SCHEDULE", "START", "END"],
        "archived": ["SCHEDULE", "START", "PAUSE", "END", "ARCHIVE"],
    }[state.value]:
        campaign = await house.act(campaign.id, act)
    assert campaign.state == enums.CAMPAIGN_STATE.to_wire(state)
    return campaign


@pytest.mark.parametrize("state", CampaignState)
async def test_every_act_in_every_state_does_what_the_table_says(house, state):
    for act in CampaignAct:
        campaign = await in_state(house, state)
        if act in CAMPAIGN[state]:
            moved = await house.act(campaign.id, act.name)
            assert moved.state == enums.CAMPAIGN_STATE.to_wire(CAMPAIGN[state][act])
            continue
        error = await refused(house.act(campaign.id, act.name))
        assert (type(error), error.reason) == (FailedPrecondition, "ACT_NOT_ALLOWED")
        assert error.metadata["allowed"] == (", ".join(each.value for each in CAMPAIGN[state]) or "nothing")
        found = await house.call("GetCampaign", campaign_id=campaign.id)
        assert (found.state, found.etag) == (campaign.state, campaign.etag), "a refusal changes nothing"


async def test_acts_meet_the_state_the_clock_has_brought_though_nobody_wrote_it_yet(house):
    campaign = await house.call("CreateCampaign", studio_id="studio-1", campaign=_window(house, 1, 2))
    await house.act(campaign.id, "SCHEDULE")
    house.clock.advance(3_600)
    await house.enrol(campaign, "ann")
    assert (await refused(house.act(campaign.id, "UNSCHEDULE"))).reason == "ACT_NOT_ALLOWED"
    moved = cpb.Campaign()
    moved.start_time.FromDatetime(house.clock.now() + timedelta(minutes=5))
    error = await refused(update(house, campaign, "start_time", start_time=moved.start_time))
    assert [each.field for each in error.violations] == ["start_time"]
    assert (await house.act(campaign.id, "PAUSE")).state == cpb.CAMPAIGN_STATE_PAUSED
    house.clock.advance(3_600)
    assert (await refused(house.act(campaign.id, "RESUME"))).metadata["state"] == "ended"
    assert (await house.act(campaign.id, "ARCHIVE")).state == cpb.CAMPAIGN_STATE_ARCHIVED


async def test_an_archived_campaign_is_read_only(house):
    campaign = await house.running()
    await house.ready(campaign, "ann")
    for act in ("END", "ARCHIVE"):
        await house.act(campaign.id, act)
    refusals = {
        "Enrol": await refused(house.call("Enrol", campaign_id=campaign.id, creator_id="bob")),
        "ClaimReward": await refused(house.claim(campaign, "ann")),
        "UpdateCampaign": await refused(update(house, campaign, "description", description="x")),
    }
    assert {name: each.reason for name, each in refusals.items()} == {
        "Enrol": "CAMPAIGN_NOT_ACTIVE",
        "ClaimReward": "CLAIMS_CLOSED",
        "UpdateCampaign": "CAMPAIGN_CLOSED",
    }
    assert (await house.progress(campaign, "ann")).campaign_state == cpb.CAMPAIGN_STATE_ARCHIVED


async def test_a_change_says_who_keeps_it_and_whom_it_reaches(house):
    frame = cpb.Reward(id="frame", display_name="Frame", kind=cpb.REWARD_KIND_PROFILE_FRAME, stock_count=10)
    campaign = await house.running(rewards=[frame])
    await house.enrol(campaign, "ann", "bob")
    later = cpb.Campaign()
    later.end_time.FromDatetime(house.clock.now() + timedelta(days=40))
    frame.stock_count = 20
    reaches = await update(house, campaign, "end_time", "rewards", end_time=later.end_time, rewards=[frame])
    assert list(reaches.impact.changed_paths) == ["end_time", "rewards"]
    assert list(reaches.impact.applied_paths) == ["end_time", "rewards"]
    assert (reaches.impact.applied_enrolment_count, list(reaches.impact.kept_paths)) == (2, [])
    assert not reaches.impact.creator_ids
    await house.enrol(campaign, "cid")
    frame.per_creator_max = 3
    rules = cpb.EligibilityRules(view_count_min=9)
    keeps = await update(house, campaign, "rules", "rewards", rules=rules, rewards=[frame], request_id="keeps")
    assert list(keeps.impact.kept_paths) == ["rules", "rewards"]
    assert (list(keeps.impact.applied_paths), keeps.impact.applied_enrolment_count) == ([], 0)
    assert [(each.revision, each.enrolment_count) for each in keeps.impact.kept_enrolments] == [(2, 2), (3, 1)]
    assert list(keeps.impact.creator_ids) == ["ann", "bob", "cid"]
    await update(house, campaign, "description", description="newer")
    again = await update(house, campaign, "rules", "rewards", rules=rules, rewards=[frame], request_id="keeps")
    assert list(again.impact.kept_paths) == ["rules", "rewards"]


async def test_those_who_keep_earlier_rules_are_named_however_many_joined_since(house):
    campaign = await house.running()
    await house.enrol(campaign, "zoe")
    await update(house, campaign, "rules", rules=cpb.EligibilityRules(duration_min_s=1))
    await house.enrol(campaign, *(f"c{number:03d}" for number in range(101)))
    asked = await house.call(
        "UpdateCampaign",
        campaign_id=campaign.id,
        campaign=cpb.Campaign(rules=cpb.EligibilityRules(duration_min_s=2)),
        update_mask=mask("rules"),
        validate_only=True,
    )
    assert [each.enrolment_count for each in asked.impact.kept_enrolments] == [1, 101]
    assert len(asked.impact.creator_ids) == 100
    listed = await house.call("ListEnrolments", campaign_id=campaign.id, revision=2)
    assert [each.creator_id for each in listed.enrolments] == ["zoe"]


async def test_bounds_over_all_creators_grow_or_go(house):
    campaign = await house.running(limits={"grants_max": 3})
    for limits, named in (
        ({"grants_max": 2}, "limits.grants_max"),
        ({"grants_max": 3, "enrolments_max": 9}, "limits.enrolments_max"),
    ):
        error = await refused(update(house, campaign, "limits", limits=limits))
        assert (error.reason, [each.field for each in error.violations]) == ("FIELD_IMMUTABLE", [named])
    await house.ready(campaign, *(f"c{number}" for number in range(6)))
    for number in range(3):
        await house.claim(campaign, f"c{number}")
    assert (await refused(house.claim(campaign, "c3"))).reason == "CAMPAIGN_LIMIT_REACHED"
    await update(house, campaign, "limits", limits={"grants_max": 4})
    await house.claim(campaign, "c3")
    assert (await refused(house.claim(campaign, "c4"))).reason == "CAMPAIGN_LIMIT_REACHED"
    await update(house, campaign, "limits", limits={})
    await house.claim(campaign, "c4")


async def test_who_moves_to_a_tighter_bound_gets_no_more_than_it_allows(house):
    rewards = [
        cpb.Reward(id=each, display_name=each, kind=cpb.REWARD_KIND_FILTER, stock_count=9, per_creator_max=2)
        for each in ("a", "b", "c")
    ]
    campaign = await house.running(rewards=rewards)
    await house.ready(campaign, "ann")
    await house.claim(campaign, "ann", "a")
    await update(house, campaign, "limits", limits={"rewards_per_creator_max": 2})
    await house.call("AcceptRevision", campaign_id=campaign.id, creator_id="ann")
    answers = await asyncio.gather(
        *(house.claim(campaign, "ann", each) for each in ("b", "c", "b", "c")), return_exceptions=True
    )
    refusals = [each.reason for each in answers if isinstance(each, SpotlightError)]
    assert refusals == ["CREATOR_LIMIT_REACHED"] * 3
    held = await house.call("ListGrants", campaign_id=campaign.id, creator_id="ann")
    assert len(held.grants) == 2


async def test_the_list_says_how_many_joined(house):
    campaigns = [await house.running() for _ in range(2)]
    await house.enrol(campaigns[0], "ann", "bob")
    house.clock.advance(5)
    found = {each.id: each.enrolment_count for each in (await house.call("ListCampaigns")).campaigns}
    assert found == {campaigns[0].id: 2, campaigns[1].id: 0}
    await house.enrol(campaigns[1], "ann")
    house.clock.advance(5)
    assert (await house.call("GetCampaign", campaign_id=campaigns[1].id)).enrolment_count == 1
