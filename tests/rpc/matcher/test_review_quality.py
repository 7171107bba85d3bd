"""What keeps review honest: blind readers, goldens nobody can tell apart, a queue that follows the views, one model."""

import asyncio

import grpc
import pytest

from protos.matcher.v1 import matcher_pb2, policy_pb2
from protos.matcher.v1 import review_pb2 as pb
from services.matcher.reviewing import is_sampled
from tests.matcher_desk import decide, lease, use_policy
from tests.matcher_world import a_title, a_video, reason_of, refused


async def listed(world) -> list[pb.ReviewTask]:
    return list((await world.review.ListReviewTasks(pb.ListReviewTasksRequest())).tasks)


async def a_golden(world, match_id, expected=pb.VERDICT_REJECT) -> pb.ReviewTask:
    request = pb.CreateGoldenTaskRequest(match_id=match_id, expected_verdict=expected, actor="lead")
    return await world.review.CreateGoldenTask(request)


async def test_waiting_tasks_move_up_with_the_views_of_their_videos(world):
    await world.match(a_video("a", "Up", view_count=5_000), a_video("b", "Up", view_count=2_000))
    assert [task.video_id for task in await listed(world)] == ["a", "b"]
    held = await lease(world, task_id=(await listed(world))[0].id)
    world.clock.advance(1)
    stats = [matcher_pb2.VideoStats(video_id=each, view_count=views) for each, views in (("a", 9_000), ("b", 90_000))]
    await world.matcher.UpdateVideoStats(matcher_pb2.UpdateVideoStatsRequest(stats=stats))
    assert [task.video_id for task in await listed(world)] == ["b", "a"]
    decided = await decide(world, held)
    assert decided.match.state == matcher_pb2.MATCH_STATE_APPROVED, "new numbers took nothing from who held the task"


async def test_goldens_come_at_the_share_of_the_policy_and_never_alone(world):
    await use_policy(world, second_read_share=0.0, golden_share=0.3)
    await world.match(*[a_video(f"v{number}", "Up") for number in range(60)])
    await world.match(*[a_video(f"g{number}", "Dune") for number in range(40)])
    goldens = {(await a_golden(world, f"g{number}:dune")).id for number in range(40)}
    assert not goldens & {task.id for task in await listed(world)}, "no list betrays them"
    told: list[pb.ReviewTask] = []
    while True:
        try:
            told.append(await lease(world))
        except grpc.aio.AioRpcError as error:
            assert reason_of(error) == "NO_TASK"
            break
        await decide(world, told[-1], verdict=pb.VERDICT_REJECT)
    read = [task.id for task in told if task.id in goldens]
    assert len(told) - len(read) == 60
    assert 10 <= len(read) <= 40, "about three of ten"
    assert len(set(read)) == len(read), "each golden is met once"
    assert {task.id for task in told[:30]} & goldens
    assert {task.id for task in told[30:]} & goldens


async def test_without_a_share_goldens_are_given_only_by_name(world):
    await use_policy(world, golden_share=0.0)
    await world.match(a_video("v1", "Up"), a_video("g1", "Dune"))
    golden = await a_golden(world, "g1:dune")
    assert (await lease(world)).video_id == "v1"
    assert await refused(lease(world, "bob")) == "NO_TASK"
    assert (await lease(world, "bob", task_id=golden.id)).video_id == "g1"


async def test_nothing_tells_a_golden_from_a_task_that_waits(world):
    """The match of a golden is decided already: its reader sees a doubtful one, under an id like any other."""
    await world.match(a_video("v1", "Up"), a_video("g1", "Dune"))
    golden = await lease(world, "ann", task_id=(await a_golden(world, "g1:dune")).id)
    real = await lease(world, "bob")
    assert {type(each.id) for each in (golden, real)} == {str}
    assert len(golden.id) == len(real.id)
    for field in ("state", "kind", "required_votes", "outcome"):
        assert getattr(golden, field) == getattr(real, field)
    for task in (golden, real):
        assert (task.match.state, task.match.decided_by) == (matcher_pb2.MATCH_STATE_IN_REVIEW, "policy")
        assert {each.state for each in task.candidates} == {matcher_pb2.MATCH_STATE_IN_REVIEW}
    assert [field.name for field, _ in golden.ListFields()] == [field.name for field, _ in real.ListFields()]
    seen = {task.id for task in await listed(world)}
    assert golden.id in seen, "who holds it finds it in the list"


async def test_a_task_is_read_by_who_holds_it_and_by_nobody_else_until_it_is_decided(world):
    await use_policy(world, second_read_share=0.0)
    await world.match(a_video("v1", "Up"))
    task = await lease(world, "ann")

    async def read(reviewer):
        return await world.review.GetReviewTask(pb.GetReviewTaskRequest(task_id=task.id, reviewer_id=reviewer))

    assert (await read("ann")).video.video_description == "Up"
    other = await read("bob")
    assert {"video", "match", "candidates"}.isdisjoint(field.name for field, _ in other.ListFields())
    await decide(world, task, "ann")
    assert (await read("bob")).match.state == matcher_pb2.MATCH_STATE_APPROVED
    page = await world.review.ListAuditEntries(pb.ListAuditEntriesRequest(subject=f"task:{task.id}"))
    assert [(each.actor, each.act) for each in page.entries][-1] == ("bob", "task.view")


async def test_votes_are_hidden_from_other_readers_until_the_task_is_decided(world):
    await use_policy(world, second_read_share=1.0)
    await world.match(a_video("v1", "Up"))
    await decide(world, await lease(world, "ann"), "ann")

    async def heard(reviewer):
        request = pb.ListDecisionsRequest(match_id="v1:up", reviewer_id=reviewer)
        return [each.vote.reviewer_id for each in (await world.review.ListDecisions(request)).decisions]

    assert (await heard("ann"), await heard("bob")) == (["ann"], [])
    await decide(world, await lease(world, "bob"), "bob")
    assert await heard("cem") == ["bob", "ann"]


async def test_two_processes_whose_clocks_run_out_at_once_decide_once(world):
    await use_policy(world, second_read_share=0.0)
    await world.match(*[a_video(f"v{number}", "Up") for number in range(3)])
    for _ in range(3):
        await decide(world, await lease(world), verdict=pb.VERDICT_REJECT)
    for number in range(3):
        filing = pb.FileAppealRequest(creator_id="c1", video_id=f"v{number}", text="please")
        await world.review.FileAppeal(filing)
    other = await world.again()
    world.clock.advance(121 * 3_600)
    await asyncio.gather(world.wired.oversight.run_clocks(), other.oversight.run_clocks())
    appeals = (await world.review.ListAppeals(pb.ListAppealsRequest())).appeals
    assert {each.state for each in appeals} == {pb.APPEAL_STATE_EXPIRED}
    causes = [change.cause for change in await world.changes()]
    assert causes.count(matcher_pb2.MATCH_CHANGE_CAUSE_APPEAL) == 3


async def test_only_decisions_on_what_this_model_said_teach_and_goldens_never(world):
    await use_policy(world, second_read_share=0.0, golden_share=1.0)
    await world.match(*[a_video(f"v{number}", "Up") for number in range(55)], a_video("g1", "Dune"))
    await a_golden(world, "g1:dune")
    for _ in range(56):
        await decide(world, await lease(world), verdict=pb.VERDICT_REJECT)
    learnt = await world.policy.CreateCalibration(policy_pb2.CreateCalibrationRequest(activate=True))
    assert learnt.decision_count + learnt.held_out_count == 55
    await world.database.decisions.update_many({"vid": {"$in": ["v1", "v2", "v3"]}}, {"$set": {"mv": "older"}})
    again = await world.policy.CreateCalibration(policy_pb2.CreateCalibrationRequest(validate_only=True))
    assert again.decision_count + again.held_out_count == 52


async def test_a_model_that_is_rolled_back_is_not_shifted_by_what_another_one_taught(world):
    await use_policy(world, second_read_share=0.0)
    await world.match(*[a_video(f"v{number}", "Up") for number in range(60)])
    for _ in range(60):
        await decide(world, await lease(world), verdict=pb.VERDICT_REJECT)
    learnt = await world.policy.CreateCalibration(policy_pb2.CreateCalibrationRequest(activate=True))
    assert (await found(world, "w1")).calibration_version == learnt.version
    names = world.wired.index.names
    names.engine.model_version = "toy-0"
    rolled_back = await found(world, "w2")
    assert (rolled_back.model_version, rolled_back.calibration_version) == ("toy-0", "none")
    assert rolled_back.probability == pytest.approx(0.6)
    names.engine.model_version = "toy-1"
    assert (await found(world, "w3")).calibration_version == learnt.version


async def found(world, video_id: str) -> matcher_pb2.Match:
    return (await world.match(a_video(video_id, "Up"))).results[0].matches[0]


def test_a_readers_goldens_are_their_own():
    shares = [sum(is_sampled(f"{reader}:task-{k}", 0.05) for k in range(4_000)) / 4_000 for reader in ("ann", "bob")]
    assert all(0.035 < share < 0.065 for share in shares)
    anns, bobs = ({k for k in range(4_000) if is_sampled(f"{reader}:task-{k}", 0.05)} for reader in ("ann", "bob"))
    assert anns != bobs


async def test_a_title_named_wrong_is_put_right_whatever_waits(world):
    await world.follow(a_title("tenet", "Tenet", 0.6))
    await use_policy(world, second_read_share=0.0)
    await world.match(a_video("v1", "Up or Tenet"))
    first, second = await listed(world)
    task = await lease(world, task_id=next(each.id for each in (first, second) if each.title_id == "up"))
    await decide(world, task, verdict=pb.VERDICT_WRONG_TITLE, right_title_id="tenet")
    assert await listed(world) == [], "the other task is settled with it"
    assert await world.anchors("v1") == {"v1": "tenet"}
