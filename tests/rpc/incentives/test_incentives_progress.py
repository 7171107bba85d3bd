"""Progress that follows matches and counts by itself, says what is missing, and freezes and releases what it earned."""

import asyncio
from datetime import timedelta

import pytest

from chassis.errors import SpotlightError
from protos.incentives.v1 import campaign_pb2 as cpb
from protos.incentives.v1 import incentives_pb2 as ipb
from protos.incentives.v1 import participation_pb2 as pb
from services.incentives.domain import Creator
from services.incentives.participation import MatchState
from services.incentives.peers import VideoCount
from tests.rpc.incentives.conftest import a_campaign


async def refused(awaitable):
    with pytest.raises(SpotlightError) as caught:
        await awaitable
    return caught.value


def task(task_id="one", kind=cpb.TASK_KIND_VIDEOS, target=1, **changes):
    return cpb.Task(id=task_id, display_name=f"Task {task_id}", kind=kind, target=target, **changes)


async def acts(house, campaign, creator_id, kind=3):
    ledger = await house.call("ListLedger", campaign_id=campaign.id, creator_id=creator_id, kind=kind)
    return [each.act for each in ledger.entries]


async def test_progress_says_what_is_missing_and_what_would_count(house):
    campaign = await house.running(tasks=[task(target=3)], rules=cpb.EligibilityRules(view_count_min=2_000))
    await house.enrol(campaign, "ann")
    await house.tell("v1", "ann", view_count=5_000)
    await house.tell("v2", "ann", view_count=760)
    progress = await house.progress(campaign, "ann")
    found = progress.tasks[0]
    assert (found.current, found.target, found.is_done) == (1, 3, False)
    assert found.missing == "2 more approved videos, or 1,240 views on this one (v2)"
    assert [each.video_id for each in found.candidates] == ["v2"]
    assert (found.candidates[0].reasons[0].code, found.candidates[0].reasons[0].gap) == ("VIEWS_TOO_FEW", 1_240)
    assert progress.rewards[0].standing == pb.REWARD_STANDING_LOCKED
    assert list(progress.rewards[0].missing_task_ids) == ["one"]
    assert progress.summary == f"Task one: {found.missing}."


async def test_a_video_counts_in_a_campaign_that_the_clock_opened_before_anybody_stored_it(house):
    wanted = a_campaign(tasks=[task(target=2)])
    campaign = await house.call("CreateCampaign", studio_id="studio-1", campaign=wanted)
    await house.act(campaign.id, "SCHEDULE")
    house.clock.advance(2 * 3_600)
    await house.enrol(campaign, "ann")
    await house.tell("v1", "ann")
    found = (await house.progress(campaign, "ann")).tasks[0]
    assert (found.current, found.missing) == (1, "1 more approved video")


async def test_counts_of_metrics_move_progress(house):
    campaign = await house.running(tasks=[task(kind=cpb.TASK_KIND_TOTAL_VIEWS, target=1_000)])
    await house.enrol(campaign, "ann")
    await house.tell("v1", "ann", view_count=100)
    house.peers.counts_["v1"] = VideoCount(view_count=999, like_count=0)
    current = await house.wired.follower._stores.campaigns.get(campaign.id)
    await house.wired.follower.count(current, house.peers)
    assert (await house.progress(campaign, "ann")).tasks[0].missing == "1 more view"
    house.peers.counts_["v1"] = VideoCount(view_count=1_001, like_count=0)
    await house.wired.follower.count(current, house.peers)
    progress = await house.progress(campaign, "ann")
    assert (progress.tasks[0].current, progress.tasks[0].is_done) == (1_001, True)
    assert progress.rewards[0].standing == pb.REWARD_STANDING_CLAIMABLE
    assert (progress.rewards[0].available_count, progress.summary) == (10, "The task is done.")


async def test_a_late_approval_counts(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")
    made = house.clock.now()
    await house.tell("v1", "ann", MatchState.IN_REVIEW, create_time=made)
    progress = await house.progress(campaign, "ann")
    assert progress.tasks[0].missing == "1 more approved video, or the approval of v1"
    house.clock.advance(60)
    await house.act(campaign.id, "END")
    await house.tell("v1", "ann", MatchState.APPROVED, create_time=made)
    await house.claim(campaign, "ann")
    assert await acts(house, campaign, "ann") == ["joined", "submitted", "counted", "task_done"]


async def test_a_lost_match_freezes_what_it_earned_and_a_won_appeal_releases_it(house):
    reward = cpb.Reward(
        id="shirt", display_name="Shirt", kind=cpb.REWARD_KIND_MERCHANDISE, stock_count=1, reservation_ttl_s=600
    )
    campaign = await house.running(rewards=[reward])
    await house.ready(campaign, "ann")
    video_id = f"v-{campaign.id[:8]}-ann"
    grant = await house.claim(campaign, "ann", "shirt")
    await house.tell(video_id, "ann", MatchState.REJECTED)
    frozen = await house.call("GetGrant", grant_id=grant.id)
    assert (frozen.approval_state, frozen.holds[0].code) == (pb.APPROVAL_STATE_HELD, "PROGRESS_LOST")
    no = await refused(house.call("RedeemGrant", grant_id=grant.id, creator_id="ann"))
    assert no.reason == "GRANT_HELD"
    house.clock.advance(3_600)
    await house.wired.sweeper.sweep()
    assert (await house.call("GetGrant", grant_id=grant.id)).state == pb.GRANT_STATE_RESERVED
    by_hand = await refused(house.call("ReleaseGrant", grant_id=grant.id, decision=1, reason="please"))
    assert by_hand.reason == "GRANT_NOT_HELD"
    assert (await house.progress(campaign, "ann")).submissions[0].state == pb.SUBMISSION_STATE_FROZEN
    await house.tell(video_id, "ann", MatchState.APPROVED)
    redeemed = await house.call("RedeemGrant", grant_id=grant.id, creator_id="ann")
    assert redeemed.state == pb.GRANT_STATE_REDEEMED
    rows = [("joined", "revision 2"), ("submitted", "found by its match"), ("counted", ""), ("task_done", "one")]
    rows += [("uncounted", "MATCH_NOT_APPROVED"), ("task_undone", "one"), ("counted", ""), ("task_done", "one")]
    ledger = await house.call("ListLedger", campaign_id=campaign.id, creator_id="ann", kind=3)
    assert [(each.act, each.reason) for each in ledger.entries] == rows
    assert await acts(house, campaign, "ann", kind=2) == ["claimed", "frozen", "unfrozen", "redeemed"]


async def test_a_policy_strike_freezes_too(house):
    campaign = await house.running(rules=cpb.EligibilityRules(strike_score_max=0.5))
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann")
    await house.call("BatchUpdateCreators", creators=[{"id": "ann", "strike_score": 2.0}])
    assert (await house.call("GetGrant", grant_id=grant.id)).approval_state == pb.APPROVAL_STATE_HELD
    await house.call("BatchUpdateCreators", creators=[{"id": "ann", "strike_score": 0.1}])
    assert (await house.call("GetGrant", grant_id=grant.id)).approval_state == pb.APPROVAL_STATE_APPROVED


async def test_repeated_and_reordered_messages_end_in_the_same_place(house):
    campaign = await house.running(tasks=[task(target=2)])
    await house.enrol(campaign, "ann", "bob")
    states = [MatchState.IN_REVIEW, MatchState.APPROVED, MatchState.REJECTED, MatchState.APPROVED]
    for creator_id in ("ann", "bob"):
        changes = [
            house.change(f"{video}-{creator_id}", creator_id, state, sequence=10 * number + offset)
            for offset, video in enumerate(("v1", "v2"))
            for number, state in enumerate(states, start=1)
        ]
        order = changes if creator_id == "ann" else [*changes[::-1], *changes[2:5], *changes]
        for change in order:
            await house.wired.follower.apply([change])
    for creator_id in ("ann", "bob"):
        progress = await house.progress(campaign, creator_id)
        assert (progress.tasks[0].current, progress.tasks[0].is_done) == (2, True)


async def test_the_feed_is_followed_from_a_durable_position(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")
    house.peers.changes_ = [house.change("v1", "ann", sequence=5)]
    cursors = house.wired.follower._stores.cursors
    holder = house.wired.follower._holder
    now_s = house.clock.now().timestamp()
    following = asyncio.create_task(house.wired.follower.follow_matches(house.peers))
    try:
        async with asyncio.timeout(30):
            while await cursors.hold("matches", holder, now_s, 15) != 5:
                await asyncio.sleep(0.02)
    finally:
        following.cancel()
    assert (await house.progress(campaign, "ann")).tasks[0].is_done, "the position moves after what it stands for"
    assert await cursors.hold("matches", "another", now_s, 15) is None
    assert await cursors.hold("matches", "another", now_s + 16, 15) == 5
    assert not await cursors.advance("matches", holder, 9)


async def test_weekly_steps_want_videos_of_their_week(house):
    steps = [cpb.TaskStep(week=1, target=1), cpb.TaskStep(week=2, target=1)]
    campaign = await house.running(tasks=[task(target=0, steps=steps)])
    await house.enrol(campaign, "ann")
    began = house.clock.now()
    await house.tell("v1", "ann", create_time=began + timedelta(days=1))
    await house.tell("v2", "ann", create_time=began + timedelta(days=2))
    found = (await house.progress(campaign, "ann")).tasks[0]
    assert (found.is_done, found.missing) == (False, "week 2: 1 more approved video")
    assert [(step.current, step.target) for step in found.steps] == [(2, 1), (0, 1)]
    await house.tell("v3", "ann", create_time=began + timedelta(days=8))
    assert (await house.progress(campaign, "ann")).tasks[0].is_done


async def test_a_completion_reward_wants_the_whole_set(house):
    kind = cpb.REWARD_KIND_PROFILE_FRAME
    rewards = [
        cpb.Reward(id="small", display_name="S", kind=kind, stock_count=5, task_ids=["one"]),
        cpb.Reward(id="all", display_name="A", kind=kind, stock_count=5),
    ]
    campaign = await house.running(tasks=[task("one"), task("two", target=2)], rewards=rewards)
    await house.enrol(campaign, "ann")
    await house.tell("v1", "ann")
    await house.claim(campaign, "ann", "small")
    locked = await refused(house.claim(campaign, "ann", "all"))
    assert (locked.reason, locked.metadata) == ("REWARD_LOCKED", {"missing_task_ids": "two"})
    await house.tell("v2", "ann")
    await house.claim(campaign, "ann", "all")
    standings = [each.standing for each in (await house.progress(campaign, "ann")).rewards]
    assert standings == [pb.REWARD_STANDING_GRANTED, pb.REWARD_STANDING_GRANTED]


async def test_videos_made_before_joining_count(house):
    campaign = await house.running()
    await house.tell("v1", "ann")
    await house.enrol(campaign, "ann")
    assert (await house.progress(campaign, "ann")).tasks[0].is_done


async def test_a_video_can_be_submitted_before_it_is_matched(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann", "bob")
    submit = {"campaign_id": campaign.id, "creator_id": "ann", "video_id": "v1"}
    waiting = await house.call("SubmitVideo", **submit, request_id="s1")
    assert (waiting.state, waiting.reasons[0].code) == (pb.SUBMISSION_STATE_PENDING, "VIDEO_UNKNOWN")
    assert not waiting.is_automatic
    assert await house.call("SubmitVideo", **submit, request_id="s1") == waiting
    await house.tell("v1", "ann")
    assert (await house.call("SubmitVideo", **submit)).state == pb.SUBMISSION_STATE_COUNTED
    theirs = await refused(house.call("SubmitVideo", campaign_id=campaign.id, creator_id="bob", video_id="v1"))
    assert theirs.reason == "VIDEO_OF_ANOTHER_CREATOR"


async def test_a_creator_submits_as_many_videos_as_the_campaign_takes(house):
    campaign = await house.running(limits={"submissions_per_creator_max": 2})
    await house.enrol(campaign, "ann")
    for video_id in ("v1", "v2"):
        await house.call("SubmitVideo", campaign_id=campaign.id, creator_id="ann", video_id=video_id)
    more = await refused(house.call("SubmitVideo", campaign_id=campaign.id, creator_id="ann", video_id="v3"))
    assert more.reason == "SUBMISSIONS_TOO_MANY"
    await house.tell("v4", "ann")
    assert len((await house.progress(campaign, "ann")).submissions) == 2


async def test_a_studio_may_look_at_each_video_first(house):
    campaign = await house.running(submission_review_required=True)
    await house.enrol(campaign, "ann")
    await house.tell("v1", "ann")
    found = (await house.call("ListSubmissions", campaign_id=campaign.id)).submissions[0]
    assert [each.code for each in found.reasons] == ["REVIEW_PENDING"]
    review = {"campaign_id": campaign.id, "video_id": "v1", "actor": "eve"}
    no = await house.call("ReviewSubmission", **review, decision=ipb.REVIEW_DECISION_REJECT, reason="blurry")
    assert (no.state, no.review_reason) == (pb.SUBMISSION_STATE_REJECTED, "blurry")
    yes = await house.call("ReviewSubmission", **review, decision=ipb.REVIEW_DECISION_ACCEPT, reason="fine")
    assert yes.state == pb.SUBMISSION_STATE_COUNTED
    assert await acts(house, campaign, "ann") == [
        "joined",
        "submitted",
        "review_rejected",
        "review_accepted",
        "counted",
        "task_done",
    ]
    missing = await refused(
        house.call("ReviewSubmission", campaign_id=campaign.id, video_id="v9", decision=1, reason="?")
    )
    assert missing.reason == "SUBMISSION_NOT_FOUND"


async def test_submissions_are_listed_page_by_page(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann", "bob")
    for number in range(5):
        await house.tell(f"v{number}", "ann" if number < 3 else "bob")
    found, token = [], ""
    while True:
        page = await house.call("ListSubmissions", campaign_id=campaign.id, page_size=2, page_token=token)
        found += [each.video_id for each in page.submissions]
        token = page.next_page_token
        if not token:
            break
    assert found == ["v0", "v1", "v2", "v3", "v4"]
    mine = await house.call("ListSubmissions", campaign_id=campaign.id, creator_id="bob", state=2)
    assert [each.video_id for each in mine.submissions] == ["v3", "v4"]


async def test_a_creator_sees_all_their_campaigns(house):
    campaigns = [await house.running() for _ in range(3)]
    for campaign in campaigns:
        house.clock.advance(1)
        await house.enrol(campaign, "ann")
    first = await house.call("GetProgress", creator_id="ann", page_size=2)
    second = await house.call("GetProgress", creator_id="ann", page_size=2, page_token=first.next_page_token)
    found = [each.campaign_id for each in (*first.progress, *second.progress)]
    assert found == [campaign.id for campaign in reversed(campaigns)]
    nobody = await refused(house.call("GetProgress", creator_id="bob", campaign_id=campaigns[0].id))
    assert nobody.reason == "ENROLMENT_NOT_FOUND"


async def test_a_campaign_takes_as_many_creators_as_it_says(house):
    campaign = await house.running(limits={"enrolments_max": 3})
    answers = await asyncio.gather(
        *(house.call("Enrol", campaign_id=campaign.id, creator_id=f"c{number}") for number in range(8)),
        return_exceptions=True,
    )
    joined = [each for each in answers if isinstance(each, pb.Enrolment)]
    assert len(joined) == 3
    assert {each.reason for each in answers if not isinstance(each, pb.Enrolment)} == {"ENROLMENTS_FULL"}
    again = await house.call("Enrol", campaign_id=campaign.id, creator_id=joined[0].creator_id)
    assert again == joined[0]


async def test_joining_and_grants_are_told_to_metrics_once(house):
    campaign = await house.running()
    await house.ready(campaign, "ann")
    grant = await house.claim(campaign, "ann")
    sent = await house.wired.follower.send(house.peers)
    assert sent == 2
    assert await house.wired.follower.send(house.peers) == 0
    kinds = {each.kind: each for each in house.peers.events}
    assert kinds.keys() == {"campaign_join", "reward_grant"}
    assert kinds["reward_grant"].id == f"{grant.id}.granted"
    assert {(each.title_id, each.campaign_id, each.creator_id) for each in house.peers.events} == {
        ("t1", campaign.id, "ann")
    }


async def test_an_event_that_metrics_will_never_take_is_counted_and_not_sent_for_ever(house):
    campaign = await house.running()
    await house.enrol(campaign, "ann")

    class Refusing:
        async def record(self, events):
            return {each.id: "too late" for each in events}

    assert await house.wired.follower.send(Refusing()) == 1
    assert await house.wired.follower.send(house.peers) == 0
    count = house.telemetry.registry.get_sample_value
    assert count("spotlight_incentives_events_told_total") == 1
    assert count("spotlight_incentives_events_refused_total") == 1


async def test_creators_have_no_rules_of_their_own(house):
    campaign = await house.running(rules=cpb.EligibilityRules(made_for_kids_allowed=False, duration_min_s=10))
    await house.enrol(campaign, "ann")
    loud = Creator(id="ann", follower_count=1)
    await house.tell("v1", "ann", made_for_kids=True, duration_s=3.0, creator=loud)
    codes = [each.code for each in (await house.progress(campaign, "ann")).submissions[0].reasons]
    assert codes == ["DURATION_TOO_SHORT", "MADE_FOR_KIDS"]


async def test_news_of_many_hands_at_once_are_all_kept(house):
    """The match feed in two processes, metrics' counts and the platform write about the same video and creator."""
    campaign = await house.running(
        tasks=[task(kind=cpb.TASK_KIND_TOTAL_VIEWS, target=60)], rules=cpb.EligibilityRules(strike_score_max=1.0)
    )
    await house.enrol(campaign, "ann")
    await house.tell("v1", "ann", MatchState.IN_REVIEW)
    current = await house.wired.follower._stores.campaigns.get(campaign.id)
    for turn in range(12):
        house.clock.advance(1)
        house.peers.counts_["v1"] = VideoCount(view_count=5 * (turn + 1), like_count=turn)
        state = MatchState.APPROVED if turn % 2 else MatchState.REJECTED
        strikes = {"id": "ann", "strike_score": float(turn % 3), "identity_cluster_id": f"k{turn}"}
        sequence = next(house.numbers)
        await asyncio.gather(
            house.tell("v1", "ann", state, sequence=sequence),
            house.tell("v1", "ann", state, sequence=sequence),
            house.tell("v1", "ann", MatchState.IN_REVIEW, sequence=sequence, title_id="t2"),
            house.wired.follower.count(current, house.peers),
            house.call("BatchUpdateCreators", creators=[strikes]),
        )
        video = (await house.wired.follower._stores.videos.find_many(["v1"]))["v1"]
        creator = (await house.wired.follower._stores.creators.find_many(["ann"]))["ann"]
        assert {match.title_id: match.state for match in video.matches} == {"t1": state, "t2": MatchState.IN_REVIEW}
        assert (video.view_count, creator.strike_score) == (5 * (turn + 1), float(turn % 3))
        assert creator.identity_cluster_id == f"k{turn}"
        submission = (await house.progress(campaign, "ann")).submissions[0]
        counts = state is MatchState.APPROVED and turn % 3 < 2
        assert (submission.state == pb.SUBMISSION_STATE_COUNTED) == counts, turn


async def test_a_decision_on_an_old_video_does_not_bring_its_creators_old_numbers_back(house):
    campaign = await house.running(rules=cpb.EligibilityRules(strike_score_max=1.0))
    then = house.clock.now()
    old = Creator(id="ann", follower_count=10, region_code="US", strike_score=0.0)
    await house.ready(campaign, "ann")
    house.clock.advance(3_600)
    await house.call("BatchUpdateCreators", creators=[{"id": "ann", "strike_score": 2.0, "follower_count": 90_000}])
    await house.tell("v-old", "ann", MatchState.APPROVED, creator=old, measure_time=then)
    creator = (await house.wired.follower._stores.creators.find_many(["ann"]))["ann"]
    assert (creator.strike_score, creator.follower_count) == (2.0, 90_000)
    assert not (await house.progress(campaign, "ann")).tasks[0].is_done
    await house.tell("v-new", "ann", creator=Creator(id="ann", follower_count=90_001, strike_score=0.0))
    assert not (await house.progress(campaign, "ann")).tasks[0].is_done, "the platform's own word goes first"
    house.clock.advance(1)
    await house.tell("v-newer", "ann", creator=Creator(id="ann", follower_count=90_001, strike_score=0.0))
    assert (await house.progress(campaign, "ann")).tasks[0].is_done
