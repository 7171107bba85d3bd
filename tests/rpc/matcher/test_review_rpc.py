"""ReviewService over a real channel: the queue, votes, appeals, the audit."""

import asyncio
import json

import grpc
import pytest

from protos.matcher.v1 import matcher_pb2
from protos.matcher.v1 import review_pb2 as pb
from tests.matcher_desk import decide, lease, use_policy
from tests.matcher_world import a_video, fields_of, reason_of, refused


@pytest.fixture
async def single(world):
    """One doubtful video, and no second reads unless a test wants them."""
    await use_policy(world, second_read_share=0.0)
    await world.match(a_video("v1", "Up", language="en"))
    return world


async def test_a_doubtful_match_waits_with_everything_a_reader_needs(single):
    (task,) = (await single.review.ListReviewTasks(pb.ListReviewTasksRequest())).tasks
    assert (task.match_id, task.state, task.title_name) == ("v1:up", pb.REVIEW_TASK_STATE_OPEN, "Up")
    opened = await lease(single)
    assert opened.lease.token == 1
    assert opened.match.title_id == "up"
    assert opened.video.video_description == "Up"
    assert [match.title_id for match in opened.candidates] == ["up"]
    assert "Approve when the video is about the title" in opened.policy_text


@pytest.mark.parametrize(
    ("verdict", "state"),
    [(pb.VERDICT_APPROVE, "APPROVED"), (pb.VERDICT_REJECT, "REJECTED"), (pb.VERDICT_WRONG_TITLE, "REJECTED")],
)
async def test_a_vote_decides_the_match(single, verdict, state):
    response = await decide(single, await lease(single), verdict=verdict, reason_code=pb.REASON_CODE_SAME_NAME)
    assert response.task.state == pb.REVIEW_TASK_STATE_DECIDED
    assert response.match.state == matcher_pb2.MatchState.Value(f"MATCH_STATE_{state}")
    assert response.match.decided_by == "reviewers"
    last = (await single.changes())[-1]
    assert (last.cause, last.match.state) == (matcher_pb2.MATCH_CHANGE_CAUSE_REVIEW, response.match.state)
    shown = await single.anchors("v1")
    assert shown == ({"v1": "up"} if state == "APPROVED" else {})


async def test_the_right_title_is_matched_by_the_reviewers_word(single):
    task = await lease(single)
    await decide(single, task, verdict=pb.VERDICT_WRONG_TITLE, right_title_id="dune")
    assert await single.anchors("v1") == {"v1": "dune"}
    right = await single.matcher.GetMatch(matcher_pb2.GetMatchRequest(match_id="v1:dune"))
    assert (right.decided_by, right.state) == ("reviewers", matcher_pb2.MATCH_STATE_APPROVED)


async def test_matching_again_does_not_overrule_people(single):
    await decide(single, await lease(single))
    await single.match(a_video("v1", "Up", language="en", like_count=3))
    assert await single.anchors("v1") == {"v1": "up"}


async def test_nobody_else_can_hold_or_decide_a_leased_task(single):
    task = await lease(single)
    assert await refused(lease(single, "bob")) == "NO_TASK"
    assert await refused(lease(single, "bob", task_id=task.id)) == "TASK_LEASED"
    assert await refused(decide(single, task, "bob")) == "LEASE_LOST"


async def test_a_late_decision_with_an_old_token_is_refused(single):
    old = await lease(single, lease_s=60)
    single.clock.advance(61)
    assert await refused(decide(single, old)) == "LEASE_LOST"
    new = await lease(single, "bob")
    assert new.lease.token > old.lease.token
    assert await refused(decide(single, old)) == "LEASE_LOST"
    assert (await decide(single, new, "bob")).task.state == pb.REVIEW_TASK_STATE_DECIDED


async def test_a_lease_is_renewed_and_handed_back(single):
    task = await lease(single, lease_s=60)
    single.clock.advance(50)
    held = {"task_id": task.id, "reviewer_id": "ann", "lease_token": task.lease.token}
    renewed = await single.review.RenewLease(pb.RenewLeaseRequest(**held, lease_s=60))
    assert renewed.lease.expire_time.seconds == task.lease.expire_time.seconds + 50
    released = await single.review.ReleaseLease(pb.ReleaseLeaseRequest(**held))
    assert released.state == pb.REVIEW_TASK_STATE_OPEN
    again = await single.review.ReleaseLease(pb.ReleaseLeaseRequest(**held))
    assert again.state == pb.REVIEW_TASK_STATE_OPEN
    assert await refused(single.review.RenewLease(pb.RenewLeaseRequest(**held))) == "LEASE_LOST"
    assert (await lease(single, "bob")).lease.token == 2


async def test_the_same_lease_call_gets_the_same_task(world):
    await world.match(a_video("v1", "Up"), a_video("v2", "Up!"))
    first = await lease(world, request_id="r1")
    again = await lease(world, request_id="r1")
    other = await lease(world, request_id="r2")
    assert (again.id, again.lease.token) == (first.id, first.lease.token)
    assert other.id != first.id


async def test_a_repeated_decision_is_answered_again_and_another_refused(single):
    task = await lease(single)
    first = await decide(single, task, request_id="d1")
    assert await decide(single, task, request_id="d1") == first
    assert await decide(single, task) == first
    assert await refused(decide(single, task, verdict=pb.VERDICT_REJECT)) == "REQUEST_ID_REUSED"
    assert len((await single.review.ListDecisions(pb.ListDecisionsRequest(match_id="v1:up"))).decisions) == 1


async def test_a_second_reader_is_blind_and_a_third_adjudicates(world):
    await use_policy(world, second_read_share=1.0)
    await world.match(a_video("v1", "Up"))
    first = await decide(world, await lease(world, "ann"), "ann")
    assert first.task.state == pb.REVIEW_TASK_STATE_OPEN
    assert await refused(lease(world, "ann")) == "NO_TASK"
    assert await refused(lease(world, "ann", task_id=first.task.id)) == "ALREADY_VOTED"
    second = await lease(world, "bob")
    assert (list(second.votes), second.kind, second.required_votes) == ([], pb.REVIEW_TASK_KIND_FIRST_READ, 1)
    disputed = await decide(world, second, "bob", pb.VERDICT_REJECT)
    assert disputed.task.state == pb.REVIEW_TASK_STATE_OPEN
    settled = await decide(world, await lease(world, "cem"), "cem", pb.VERDICT_REJECT)
    assert settled.task.state == pb.REVIEW_TASK_STATE_DECIDED
    assert settled.task.outcome == pb.VERDICT_REJECT
    assert [vote.reviewer_id for vote in settled.task.votes] == ["ann", "bob", "cem"]


async def test_unsure_asks_another_and_skip_is_no_vote(single):
    await decide(single, await lease(single, "ann"), "ann", pb.VERDICT_SKIP)
    assert await refused(lease(single, "ann")) == "NO_TASK"
    unsure = await decide(single, await lease(single, "bob"), "bob", pb.VERDICT_UNSURE)
    assert unsure.task.state == pb.REVIEW_TASK_STATE_OPEN
    task = await lease(single, "cem")
    assert task.lease.token == 3


async def test_the_queue_is_filtered_and_ordered_by_value(world):
    await world.match(
        a_video("few", "Up", view_count=1_000, language="de"),
        a_video("many", "Up", view_count=900_000, language="en"),
    )
    listed = await world.review.ListReviewTasks(pb.ListReviewTasksRequest())
    assert [task.video_id for task in listed.tasks] == ["many", "few"]
    assert listed.tasks[0].priority > listed.tasks[1].priority
    german = await lease(world, filter=pb.ReviewFilter(language="de", media_type="movie", studio_id="s1"))
    assert german.video_id == "few"
    assert await refused(lease(world, filter=pb.ReviewFilter(language="fr"))) == "NO_TASK"


async def test_age_against_the_sla_beats_views(world):
    await world.match(a_video("old", "Up", view_count=1_000))
    world.clock.advance(71 * 3_600)
    await world.match(a_video("new", "Up", view_count=20_000))
    listed = await world.review.ListReviewTasks(pb.ListReviewTasksRequest(page_size=1))
    assert listed.tasks[0].video_id == "old"
    rest = await world.review.ListReviewTasks(pb.ListReviewTasksRequest(page_size=1, page_token=listed.next_page_token))
    assert rest.tasks[0].video_id == "new"


async def test_a_task_nobody_reads_in_time_is_closed_as_rejected(single):
    single.clock.advance(73 * 3_600)
    await single.wired.oversight.run_clocks()
    (task,) = (await single.review.ListReviewTasks(pb.ListReviewTasksRequest(state=pb.REVIEW_TASK_STATE_CLOSED))).tasks
    assert task.match_id == "v1:up"
    match = await single.matcher.GetMatch(matcher_pb2.GetMatchRequest(match_id="v1:up"))
    assert (match.state, match.decided_by) == (matcher_pb2.MATCH_STATE_REJECTED, "sla")


async def test_a_match_that_needs_no_reader_any_more_leaves_the_queue(single):
    await use_policy(single, approve_threshold=0.55)
    await single.wired.rematching.run_pending()
    assert list((await single.review.ListReviewTasks(pb.ListReviewTasksRequest())).tasks) == []
    assert await single.anchors("v1") == {"v1": "up"}
    await use_policy(single, approve_threshold=0.95)
    await single.wired.rematching.run_pending()
    (task,) = (await single.review.ListReviewTasks(pb.ListReviewTasksRequest())).tasks
    assert task.state == pb.REVIEW_TASK_STATE_OPEN


async def test_goldens_look_like_tasks_and_measure_reviewers(single):
    golden = await single.review.CreateGoldenTask(
        pb.CreateGoldenTaskRequest(match_id="v1:up", expected_verdict=pb.VERDICT_REJECT, actor="lead")
    )
    for reviewer, verdict in (("ann", pb.VERDICT_REJECT), ("bob", pb.VERDICT_APPROVE)):
        task = await lease(single, reviewer, task_id=golden.id)
        assert (task.match_id, task.kind) == ("v1:up", pb.REVIEW_TASK_KIND_FIRST_READ)
        await decide(single, task, reviewer, verdict)
    match = await single.matcher.GetMatch(matcher_pb2.GetMatchRequest(match_id="v1:up"))
    assert match.state == matcher_pb2.MATCH_STATE_IN_REVIEW, "a golden decides nothing"
    single.clock.advance(6)
    stats = await single.review.GetReviewStats(pb.GetReviewStatsRequest(reviewer_id="bob"))
    assert [each.reviewer_id for each in stats.reviewers] == ["bob", "ann"]
    assert [each.golden_accuracy for each in stats.reviewers] == [0.0, 1.0]
    assert stats.reviewers[0].weight < stats.reviewers[1].weight
    assert (stats.open_count, stats.oldest_age_s) == (1, 6.0)


async def test_a_creator_appeals_and_another_person_hears_it(single):
    await decide(single, await lease(single), verdict=pb.VERDICT_REJECT)
    filing = pb.FileAppealRequest(creator_id="c1", video_id="v1", text="It is about Up!", request_id="a1")
    appeal = await single.review.FileAppeal(filing)
    assert await single.review.FileAppeal(filing) == appeal
    decision = {"appeal_id": appeal.id, "is_granted": True, "answer": "You are right."}
    same = pb.DecideAppealRequest(reviewer_id="ann", **decision)
    assert await refused(single.review.DecideAppeal(same)) == "SAME_REVIEWER"
    heard = await single.review.DecideAppeal(pb.DecideAppealRequest(reviewer_id="bob", **decision))
    assert (heard.state, heard.answer) == (pb.APPEAL_STATE_GRANTED, "You are right.")
    assert await single.anchors("v1") == {"v1": "up"}
    mine = await single.review.GetAppeal(pb.GetAppealRequest(appeal_id=appeal.id, creator_id="c1"))
    assert (mine.answer, mine.reviewer_id) == ("You are right.", "")
    other = pb.GetAppealRequest(appeal_id=appeal.id, creator_id="c2")
    assert await refused(single.review.GetAppeal(other)) == "NOT_YOUR_VIDEO"
    again = pb.DecideAppealRequest(reviewer_id="cem", **decision)
    assert await refused(single.review.DecideAppeal(again)) == "APPEAL_CLOSED"
    listed = await single.review.ListAppeals(pb.ListAppealsRequest(state=pb.APPEAL_STATE_GRANTED))
    assert [each.id for each in listed.appeals] == [appeal.id]


async def test_appeals_are_refused_that_have_no_ground(single):
    def filing(creator_id="c1", video_id="v1"):
        return single.review.FileAppeal(pb.FileAppealRequest(creator_id=creator_id, video_id=video_id, text="please"))

    assert await refused(filing()) == "NOTHING_TO_APPEAL"
    await decide(single, await lease(single), verdict=pb.VERDICT_REJECT)
    assert await refused(filing("c2")) == "NOT_YOUR_VIDEO"
    assert await refused(filing(video_id="v9")) == "VIDEO_NOT_FOUND"
    await filing()
    assert await refused(filing()) == "APPEAL_EXISTS"


async def test_the_window_to_appeal_closes(single):
    await decide(single, await lease(single), verdict=pb.VERDICT_REJECT)
    single.clock.advance(31 * 86_400)
    late = pb.FileAppealRequest(creator_id="c1", video_id="v1", text="please")
    assert await refused(single.review.FileAppeal(late)) == "APPEAL_WINDOW_CLOSED"


async def test_an_appeal_nobody_hears_is_granted(single):
    await decide(single, await lease(single), verdict=pb.VERDICT_REJECT)
    filed = await single.review.FileAppeal(pb.FileAppealRequest(creator_id="c1", video_id="v1", text="please"))
    single.clock.advance(121 * 3_600)
    await single.wired.oversight.run_clocks()
    appeal = await single.review.GetAppeal(pb.GetAppealRequest(appeal_id=filed.id, creator_id="c1"))
    assert appeal.state == pb.APPEAL_STATE_EXPIRED
    assert "in your favour" in appeal.answer
    assert await single.anchors("v1") == {"v1": "up"}


async def test_the_audit_tells_who_saw_and_decided_what_and_cannot_be_changed(single):
    task = await lease(single)
    await decide(single, task, verdict=pb.VERDICT_REJECT, reason_code=pb.REASON_CODE_SPAM)
    await single.review.GetReviewTask(pb.GetReviewTaskRequest(task_id=task.id, reviewer_id="bob"))
    page = await single.review.ListAuditEntries(pb.ListAuditEntriesRequest(subject=f"task:{task.id}"))
    seen = [(entry.actor, entry.act) for entry in page.entries]
    assert seen == [("ann", "task.lease"), ("ann", "task.decide"), ("bob", "task.view")]
    assert json.loads(page.entries[0].detail_json)["match"] == "v1:up"
    assert json.loads(page.entries[1].detail_json)["reason"] == "SPAM"
    assert all(entry.time.seconds for entry in page.entries)

    async def export():
        return [entry async for piece in single.review.ExportAudit(pb.ExportAuditRequest()) for entry in piece.entries]

    entries = await export()
    assert [entry.sequence for entry in entries] == list(range(1, page.latest_sequence + 1))
    await single.database.audit.update_one({"_id": 2}, {"$set": {"a": "mallory"}})
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await export()
    assert reason_of(raised.value) == "AUDIT_BROKEN"


async def test_bad_input_names_its_field(single):
    for request, field in (
        (pb.LeaseReviewTaskRequest(), "reviewer_id"),
        (pb.LeaseReviewTaskRequest(reviewer_id="a", lease_s=float("inf")), "lease_s"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await single.review.LeaseReviewTask(request)
        assert field in fields_of(raised.value)
    missing = pb.GetReviewTaskRequest(task_id="nothing")
    assert await refused(single.review.GetReviewTask(missing)) == "TASK_NOT_FOUND"


async def test_two_at_once_never_hold_the_same_task(world):
    await world.match(*[a_video(f"v{number}", "Up") for number in range(20)])
    tasks = await asyncio.gather(*[lease(world, f"r{number}") for number in range(20)])
    assert len({task.id for task in tasks}) == 20
