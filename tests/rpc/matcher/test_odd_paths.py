"""What happens seldom: pages, repeats, losers of races, and things that are not there."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest

from chassis.errors import OutOfRange
from protos.matcher.v1 import matcher_pb2, policy_pb2
from protos.matcher.v1 import review_pb2 as pb
from services.matcher.domain import Cause
from services.matcher.errors import Contended
from services.matcher.store.commit import Stale, Unit
from tests.matcher_world import a_title, a_video, reason_of, refused


async def read(world, reviewer: str, verdict, count: int = 1) -> None:
    for _ in range(count):
        task = await world.review.LeaseReviewTask(pb.LeaseReviewTaskRequest(reviewer_id=reviewer))
        await world.review.DecideReviewTask(
            pb.DecideReviewTaskRequest(
                task_id=task.id, reviewer_id=reviewer, lease_token=task.lease.token, verdict=verdict
            )
        )


@pytest.fixture
async def single_reads(world):
    policy = await world.policy.GetPolicy(policy_pb2.GetPolicyRequest())
    policy.second_read_share = 0
    await world.policy.CreatePolicyVersion(policy_pb2.CreatePolicyVersionRequest(policy=policy, activate=True))
    return world


async def test_decisions_are_listed_by_match_and_by_reader_in_pages(single_reads):
    world = single_reads
    await world.match(*[a_video(f"v{k}", "Up") for k in range(4)])
    await read(world, "ann", pb.VERDICT_APPROVE, 3)
    await read(world, "bob", pb.VERDICT_REJECT)
    first = await world.review.ListDecisions(pb.ListDecisionsRequest(decided_by="ann", page_size=2))
    rest = await world.review.ListDecisions(
        pb.ListDecisionsRequest(decided_by="ann", page_size=2, page_token=first.next_page_token)
    )
    assert [len(first.decisions), len(rest.decisions)] == [2, 1]
    assert {each.vote.reviewer_id for each in (*first.decisions, *rest.decisions)} == {"ann"}
    stats = await world.review.GetReviewStats(pb.GetReviewStatsRequest())
    assert (stats.open_count, stats.decided_count, stats.oldest_age_s) == (0, 4, 0.0)


async def test_appeals_are_listed_in_pages_and_only_ones_own(single_reads):
    world = single_reads
    await world.match(*[a_video(f"v{k}", "Up") for k in range(3)])
    await read(world, "ann", pb.VERDICT_REJECT, 3)
    for number in range(3):
        request = pb.FileAppealRequest(creator_id="c1", video_id=f"v{number}", title_id="up", text="please")
        await world.review.FileAppeal(request)
    first = await world.review.ListAppeals(pb.ListAppealsRequest(creator_id="c1", page_size=2))
    rest = await world.review.ListAppeals(
        pb.ListAppealsRequest(creator_id="c1", page_size=2, page_token=first.next_page_token)
    )
    assert [len(first.appeals), len(rest.appeals)] == [2, 1]
    assert list((await world.review.ListAppeals(pb.ListAppealsRequest(creator_id="c2"))).appeals) == []


async def test_a_denied_appeal_is_not_heard_twice(single_reads):
    world = single_reads
    await world.match(a_video("v1", "Up"))
    await read(world, "ann", pb.VERDICT_REJECT)
    filing = pb.FileAppealRequest(creator_id="c1", video_id="v1", text="please")
    appeal = await world.review.FileAppeal(filing)
    denial = pb.DecideAppealRequest(appeal_id=appeal.id, reviewer_id="bob", is_granted=False, answer="It stands.")
    assert (await world.review.DecideAppeal(denial)).state == pb.APPEAL_STATE_DENIED
    assert await refused(world.review.FileAppeal(filing)) == "APPEAL_EXISTS"
    missing = pb.GetAppealRequest(appeal_id="nothing")
    assert await refused(world.review.GetAppeal(missing)) == "APPEAL_NOT_FOUND"
    other = pb.FileAppealRequest(creator_id="c1", video_id="v1", title_id="dune", text="please")
    assert await refused(world.review.FileAppeal(other)) == "MATCH_NOT_FOUND"


async def test_a_golden_is_made_once(world):
    await world.match(a_video("v1", "Up"))
    request = pb.CreateGoldenTaskRequest(match_id="v1:up", expected_verdict=pb.VERDICT_APPROVE)
    assert (await world.review.CreateGoldenTask(request)).id == (await world.review.CreateGoldenTask(request)).id
    assert await world.database.tasks.count_documents({"gold": {"$ne": None}}) == 1


async def test_a_vote_on_nothing_is_refused(world):
    request = pb.DecideReviewTaskRequest(
        task_id="nothing", reviewer_id="ann", lease_token=1, verdict=pb.VERDICT_APPROVE
    )
    assert await refused(world.review.DecideReviewTask(request)) == "TASK_NOT_FOUND"


async def test_of_several_observations_the_newest_counts(world):
    await world.match(a_video("v1"), a_video("v2", "nothing"))
    world.clock.advance(10)

    def row(video_id, seconds, **numbers):
        stats = matcher_pb2.VideoStats(video_id=video_id, **numbers)
        stats.observe_time.FromDatetime(world.clock.now() + timedelta(seconds=seconds))
        return stats

    rows = [row("v1", 2, view_count=7_000), row("v1", 1, view_count=1), row("v2", 2, view_count=70)]
    outcome = await world.matcher.UpdateVideoStats(matcher_pb2.UpdateVideoStatsRequest(stats=rows))
    assert (outcome.updated_count, outcome.stale_count) == (2, 1)
    later = [row("v2", 3, like_count=7), row("v1", 3, strike_score=9.0, follower_count=9)]
    await world.matcher.UpdateVideoStats(matcher_pb2.UpdateVideoStatsRequest(stats=later))
    older = [row("v2", 0, view_count=1)]
    outcome = await world.matcher.UpdateVideoStats(matcher_pb2.UpdateVideoStatsRequest(stats=older))
    assert outcome.stale_count == 1
    cold = await world.matcher.GetVideo(matcher_pb2.GetVideoRequest(video_id="v2"))
    assert (cold.view_count, cold.like_count) == (70, 7)
    warm = await world.matcher.GetVideo(matcher_pb2.GetVideoRequest(video_id="v1"))
    assert (warm.view_count, warm.creator.strike_score, warm.creator.follower_count) == (7_000, 9.0, 9)


async def test_numbers_that_meet_another_write_are_decided_again(world, monkeypatch):
    await world.match(a_video("v1"))
    matching = world.wired.matching
    whole, calls = matching.write_rulings, []

    async def stale_once(rulings, now):
        calls.append(now)
        if len(calls) == 1:
            raise Stale
        await whole(rulings, now)

    monkeypatch.setattr(matching, "write_rulings", stale_once)
    world.clock.advance(1)
    stats = [matcher_pb2.VideoStats(video_id="v1", view_count=5)]
    outcome = await world.matcher.UpdateVideoStats(matcher_pb2.UpdateVideoStatsRequest(stats=stats))
    assert (outcome.updated_count, len(calls)) == (1, 2)


async def test_whoever_never_wins_is_told_that_others_write(world, monkeypatch):
    await world.match(a_video("v1"))
    stored = await world.wired.matching._shelf.videos.get("v1")

    async def always_stale(*_):
        raise Stale

    monkeypatch.setattr(world.wired.matching, "write_rulings", always_stale)
    world.clock.advance(1)
    stats = [matcher_pb2.VideoStats(video_id="v1", view_count=5)]
    call = world.matcher.UpdateVideoStats(matcher_pb2.UpdateVideoStatsRequest(stats=stats))
    assert await refused(call) == "CONTENDED"
    with pytest.raises(Contended):
        await world.wired.rematching.decide_again([stored], Cause.POLICY)


async def test_a_simulation_stops_at_its_limit(world):
    await world.match(*[a_video(f"v{k}", "Dune") for k in range(5)])
    policy = await world.policy.GetPolicy(policy_pb2.GetPolicyRequest())
    policy.review_threshold = 0.91
    policy.approve_threshold = 0.97
    policy.leave_ratio = 1.0
    result = await world.policy.SimulatePolicy(policy_pb2.SimulatePolicyRequest(policy=policy, match_count_max=3))
    assert (result.match_count, result.is_truncated, result.review_delta_count) == (3, True, 3)
    version = await world.policy.SimulatePolicy(policy_pb2.SimulatePolicyRequest(version="p-000001", title_id="up"))
    assert version.match_count == 0


async def test_a_catalog_that_begins_anew_is_taken_in_anew(world):
    world.catalog.held.clear()
    world.catalog.feed.clear()
    world.catalog.put(a_title("tenet", "Tenet"))
    world.catalog.failure = None
    failing = world.catalog.changes

    async def out_of_range(after_revision, wait_s):
        if after_revision > len(world.catalog.feed):
            raise OutOfRange
        return await failing(after_revision, wait_s)

    world.catalog.changes = out_of_range
    task = asyncio.create_task(world.wired.follower.follow())
    for _ in range(100):
        if world.wired.index.revision == 1:
            break
        await asyncio.sleep(0.02)
    task.cancel()
    assert set(world.wired.index.cards) == {"tenet"}


async def test_a_rematch_held_by_another_process_is_left_to_it(world):
    await world.match(a_video("v1", "Dune"))
    run = await world.matcher.RematchTitle(matcher_pb2.RematchTitleRequest(title_id="dune"))
    other = await world.again()
    found = await other.rematching.get_rematch_run(run.id)
    now = world.clock.now()
    assert await other.rematching._rematches.claim(found, "somebody", now, now + timedelta(seconds=60))
    await world.wired.rematching.run_pending()
    assert (await other.rematching.get_rematch_run(run.id)).video_count == 0
    world.clock.advance(61)
    await world.wired.rematching.run_pending()
    done = await world.matcher.GetRematchRun(matcher_pb2.GetRematchRunRequest(run_id=run.id))
    assert (done.state, done.video_count) == (matcher_pb2.REMATCH_STATE_DONE, 1)


async def test_a_video_sent_again_with_other_words_is_rematched_by_its_last_words(world):
    await world.match(a_video("v1", "seen Tenet"))
    await world.match(a_video("v1", "seen nothing"))
    await world.follow(a_title("tenet", "Tenet"))
    assert await world.anchors("v1") == {}


async def test_a_task_whose_match_is_gone_settles_nothing(single_reads):
    world = single_reads
    await world.match(a_video("v1", "Up"))
    task = await world.review.LeaseReviewTask(pb.LeaseReviewTaskRequest(reviewer_id="ann"))
    await world.database.videos.delete_one({"_id": "v1"})
    response = await world.review.DecideReviewTask(
        pb.DecideReviewTaskRequest(
            task_id=task.id, reviewer_id="ann", lease_token=task.lease.token, verdict=pb.VERDICT_APPROVE
        )
    )
    assert response.task.state == pb.REVIEW_TASK_STATE_DECIDED
    assert not response.HasField("match")


async def test_an_overdue_task_without_a_video_is_closed(world):
    await world.match(a_video("v1", "Up"))
    await world.database.videos.delete_one({"_id": "v1"})
    world.clock.advance(80 * 3_600)
    await world.wired.oversight.run_clocks()
    assert await world.database.tasks.count_documents({"state": 4}) == 1


async def test_a_number_of_the_feed_taken_by_another_process_is_not_used_twice(world):
    """This process believes that the feed ends where it ended; another one has gone on."""
    await world.match(a_video("v1"))
    other = await world.again()
    video = await world.wired.matching._shelf.videos.get("v1")
    committer = other.matching._shelf.committer
    await committer.commit(Unit(time=world.clock.now(), created=[replace(video, id="v8", version=1)]))
    await other.follower.first_load()
    from services.matcher.results import RequestKey
    from services.matcher.wire.videos import video_of

    for number in range(4):
        wired = other if number % 2 else world.wired
        await wired.matching.match_videos((video_of(a_video(f"w{number}")),), RequestKey("", ""))
    assert [change.sequence for change in await world.changes()] == [1, 2, 3, 4, 5]


async def test_the_export_of_an_audit_goes_on_from_a_known_link(single_reads):
    world = single_reads
    await world.match(a_video("v1", "Up"))
    await read(world, "ann", pb.VERDICT_APPROVE)
    pieces = [piece async for piece in world.review.ExportAudit(pb.ExportAuditRequest(after_sequence=2))]
    assert next(entry.sequence for piece in pieces for entry in piece.entries) == 3
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in world.review.ExportAudit(pb.ExportAuditRequest(after_sequence=99)):
            pass
    assert reason_of(raised.value) == "AUDIT_BROKEN"


@pytest.mark.parametrize("title_id", ["", "dune"])
async def test_a_walk_meets_every_video_once_and_goes_on_from_where_it_was(world, title_id):
    for at in range(0, 400, 100):
        await world.match(*[a_video(f"v{number}", "Dune") for number in range(at, at + 100)])
    videos = world.wired.rematching._videos

    async def walked(after=""):
        pages = [(cursor, [video.id for video in page]) async for cursor, page in videos.walk(after, **given)]
        return [cursor for cursor, _ in pages], [video_id for _, page in pages for video_id in page]

    given = {"title_id": title_id, "batch_size": 40}
    cursors, ids = await walked()
    assert len(ids) == len(set(ids)) == 400
    assert len(cursors) >= 10
    met = [set(ids[: 400 - len((await walked(cursor))[1])]) for cursor in cursors[::4]]
    for cursor, before in zip(cursors[::4], met, strict=True):
        assert before | set((await walked(cursor))[1]) == set(ids), "nothing is left out"
    assert (await walked(cursors[-1]))[1] == []


async def test_lists_of_versions_come_in_pages(world):
    from services.matcher.calibration import Calibration

    for _ in range(3):
        await world.wired.learning._shelf.versions.add_calibration(Calibration.of((), model_version="toy-1"))
    first = await world.policy.ListCalibrations(policy_pb2.ListCalibrationsRequest(page_size=2))
    rest = await world.policy.ListCalibrations(
        policy_pb2.ListCalibrationsRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [each.version for each in (*first.calibrations, *rest.calibrations)] == ["c-000003", "c-000002", "c-000001"]
    activation = policy_pb2.ActivateCalibrationRequest(version="c-000002")
    assert (await world.policy.ActivateCalibration(activation)).is_active
    assert (await world.policy.ActivateCalibration(activation)).is_active
