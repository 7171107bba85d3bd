"""PolicyService over a real channel: versions, what-if, thresholds, calibrations."""

import itertools
import random

import grpc
import pytest

from protos.matcher.v1 import matcher_pb2, review_pb2
from protos.matcher.v1 import policy_pb2 as pb
from services.matcher.calibration import HELD_OUT_SHARE
from services.matcher.decision import replay
from services.matcher.reviewing import is_sampled
from tests.matcher_world import a_title, a_video, fields_of, reason_of, refused


async def active(world) -> pb.Policy:
    return await world.policy.GetPolicy(pb.GetPolicyRequest())


async def another(world, **fields) -> pb.Policy:
    policy = await active(world)
    for name, value in fields.items():
        setattr(policy, name, value)
    return policy


async def create(world, policy, **fields) -> pb.Policy:
    return await world.policy.CreatePolicyVersion(pb.CreatePolicyVersionRequest(policy=policy, actor="ops", **fields))


async def test_the_first_policy_is_there_and_active(world):
    policy = await active(world)
    assert (policy.version, policy.is_active, policy.approve_threshold) == ("p-000001", True, 0.9)


async def test_a_version_decides_only_once_it_is_active_and_can_be_rolled_back(world):
    await world.match(a_video(view_count=500))
    stored = await create(world, await another(world, view_count_min=100))
    assert (stored.version, stored.is_active, stored.author) == ("p-000002", False, "ops")
    assert await world.anchors("v1") == {}
    await world.policy.ActivatePolicyVersion(pb.ActivatePolicyVersionRequest(version=stored.version))
    assert await world.anchors("v1") == {"v1": "dune"}
    await world.policy.ActivatePolicyVersion(pb.ActivatePolicyVersionRequest(version="p-000001"))
    assert await world.anchors("v1") == {}
    listed = await world.policy.ListPolicies(pb.ListPoliciesRequest(page_size=1))
    assert [policy.version for policy in listed.policies] == ["p-000002"]
    rest = await world.policy.ListPolicies(pb.ListPoliciesRequest(page_token=listed.next_page_token))
    assert [policy.version for policy in rest.policies] == ["p-000001"]


async def test_creating_is_idempotent_and_validate_only_stores_nothing(world):
    policy = await another(world, view_count_min=5)
    await create(world, policy, validate_only=True)
    first = await create(world, policy, request_id="p1")
    assert (await create(world, policy, request_id="p1")).version == first.version == "p-000002"
    other = await another(world, view_count_min=6)
    assert await refused(create(world, other, request_id="p1")) == "REQUEST_ID_REUSED"


async def test_thresholds_out_of_order_are_refused(world):
    policy = await another(world, review_threshold=0.95)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await create(world, policy)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields_of(raised.value)


async def test_an_unknown_version_is_not_found(world):
    assert await refused(world.policy.GetPolicy(pb.GetPolicyRequest(version="p-9"))) == "POLICY_NOT_FOUND"
    assert await refused(world.policy.SimulatePolicy(pb.SimulatePolicyRequest(version="p-9"))) == "POLICY_NOT_FOUND"
    activation = pb.ActivatePolicyVersionRequest(version="p-9")
    assert await refused(world.policy.ActivatePolicyVersion(activation)) == "POLICY_NOT_FOUND"


async def test_activation_decides_stored_matches_anew(world):
    await world.match(a_video("v1", "Up"))
    await create(world, await another(world, approve_threshold=0.55), activate=True)
    await world.wired.rematching.run_pending()
    last = (await world.changes())[-1]
    assert (last.match.state, last.match.policy_version) == (matcher_pb2.MATCH_STATE_APPROVED, "p-000002")
    assert last.cause == matcher_pb2.MATCH_CHANGE_CAUSE_POLICY


async def test_every_stored_decision_replays_to_the_same_bytes(world):
    await world.match(
        *[a_video(f"v{k}", text, view_count=k * 300) for k, text in enumerate(("Dune", "Up", "Alien") * 4)]
    )
    await create(world, await another(world, view_count_min=100, approve_threshold=0.55), activate=True)
    await world.wired.rematching.run_pending()
    world.clock.advance(5)
    await world.match(a_video("v0", "Dune and Up"))
    stored = [
        match
        async for _, page in world.wired.rematching._videos.walk(lean=False)
        for video in page
        for match in video.matches
    ]
    told = [change.match for change in await world.wired.rematching._videos.changes(0, 1_000)]
    policies = {
        match.policy_version: await world.wired.policies.get_policy(match.policy_version) for match in (*stored, *told)
    }
    for match in (*stored, *told):
        assert replay(policies[match.policy_version], match.record) == match.record
    assert (len(stored), set(policies)) == (13, {"p-000001", "p-000002"})
    assert len(told) > 12, "the feed keeps what was decided before"


async def test_a_simulation_says_who_gains_and_who_loses_and_changes_nothing(world):
    creator = matcher_pb2.Creator
    await world.match(
        a_video("small", creator=creator(id="a", follower_count=500, region_code="DE")),
        a_video("large", creator=creator(id="b", follower_count=50_000, region_code="US")),
        a_video("doubtful", "Up", creator=creator(id="b", follower_count=50_000, region_code="US")),
    )
    tried = await another(world, follower_count_min=100, view_count_min=20_000, approve_threshold=0.55)
    del tried.creator_regions[:]
    result = await world.policy.SimulatePolicy(pb.SimulatePolicyRequest(policy=tried))
    assert (result.total.before_count, result.total.after_count) == (1, 0)
    assert list(result.lost_match_ids) == ["large:dune"]
    tried.view_count_min = 100
    result = await world.policy.SimulatePolicy(pb.SimulatePolicyRequest(policy=tried))
    cells = {(cell.region_code, cell.follower_band): cell for cell in result.cells}
    assert cells["DE", "0-1k"].gained_count == 1
    assert (cells["US", "10k-100k"].before_count, cells["US", "10k-100k"].after_count) == (1, 2)
    assert sorted(result.gained_match_ids) == ["doubtful:up", "small:dune"]
    assert result.review_delta_count == -1
    assert (result.match_count, result.is_truncated) == (3, False)
    one = await world.policy.SimulatePolicy(pb.SimulatePolicyRequest(policy=tried, title_id="up", match_count_max=1))
    assert (one.match_count, one.total.gained_count) == (1, 1)
    assert await world.anchors("small", "large", "doubtful") == {"large": "dune"}


async def test_what_was_simulated_is_what_activation_does(world):
    chance = random.Random(7)
    ids = [f"v{number}" for number in range(100)]
    await world.match(
        *[
            a_video(
                video_id,
                chance.choice(("Dune", "Up", "Alien", "Dune and Up")),
                view_count=chance.randrange(4_000),
                is_aigc=chance.random() < 0.2,
                creator=matcher_pb2.Creator(
                    id="c", follower_count=chance.randrange(4_000), region_code=chance.choice(("US", "DE"))
                ),
            )
            for video_id in ids
        ]
    )
    before = {f"{video_id}:{title_id}" for video_id, title_id in (await world.anchors(*ids)).items()}
    tried = await another(
        world,
        approve_threshold=0.55,
        view_count_min=2_000,
        follower_count_min=500,
        allow_ai_generated=True,
        hold_out_share=0.2,
    )
    said = await world.policy.SimulatePolicy(pb.SimulatePolicyRequest(policy=tried))
    await create(world, tried, activate=True)
    after = {f"{video_id}:{title_id}" for video_id, title_id in (await world.anchors(*ids)).items()}
    assert (said.total.before_count, said.total.after_count) == (len(before), len(after))
    assert (said.total.gained_count, said.total.lost_count) == (len(after - before), len(before - after))
    assert said.total.gained_count > 0
    assert said.total.lost_count > 0
    assert set(said.gained_match_ids) <= after - before
    assert set(said.lost_match_ids) <= before - after
    for field in ("before_count", "after_count", "gained_count", "lost_count"):
        assert sum(getattr(cell, field) for cell in said.cells) == getattr(said.total, field)


async def test_a_simulation_needs_exactly_one_policy(world):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.policy.SimulatePolicy(pb.SimulatePolicyRequest())
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_thresholds_follow_from_capacity_and_costs(world):
    await world.match(*[a_video(f"v{k}", "Up") for k in range(20)])
    await world.wired.oversight.upkeep()
    request = pb.ProposeThresholdsRequest(reviews_per_day=100, false_anchor_cost=20, missed_anchor_cost=5)
    proposal = await world.policy.ProposeThresholds(request)
    assert proposal.match_count == 20
    assert proposal.review_threshold <= 0.6 < proposal.approve_threshold
    request.reviews_per_day = 0
    proposal = await world.policy.ProposeThresholds(request)
    assert proposal.reviews_per_day == 0


async def test_kill_switches_are_listed_and_checked(world):
    def switch(**fields):
        return world.policy.SetKillSwitch(pb.SetKillSwitchRequest(is_on=True, **fields))

    await switch(scope=pb.KILL_SWITCH_SCOPE_REGION, target="FR", note="court order", actor="ops", request_id="k1")
    await switch(scope=pb.KILL_SWITCH_SCOPE_REGION, target="FR", note="court order", actor="ops", request_id="k1")
    (listed,) = (await world.policy.ListKillSwitches(pb.ListKillSwitchesRequest())).kill_switches
    assert (listed.target, listed.note, listed.actor) == ("FR", "court order", "ops")
    for fields in ({"scope": pb.KILL_SWITCH_SCOPE_REGION, "target": "fr"}, {"scope": pb.KILL_SWITCH_SCOPE_TITLE}):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await switch(**fields)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_title_switch_is_told_to_those_who_follow_the_feed(world):
    await world.match(a_video())
    await world.policy.SetKillSwitch(
        pb.SetKillSwitchRequest(scope=pb.KILL_SWITCH_SCOPE_TITLE, target="dune", is_on=True)
    )
    await world.wired.rematching.run_pending()
    assert (await world.changes())[-1].cause == matcher_pb2.MATCH_CHANGE_CAUSE_KILL_SWITCH


async def review_all(world, verdict_of, reviewer="ann"):
    """Reads until nothing waits; what is said of a video is `verdict_of` it."""
    while True:
        try:
            task = await world.review.LeaseReviewTask(review_pb2.LeaseReviewTaskRequest(reviewer_id=reviewer))
        except grpc.aio.AioRpcError as error:
            assert reason_of(error) == "NO_TASK"
            return
        verdict = verdict_of(task.video_id)
        await world.review.DecideReviewTask(
            review_pb2.DecideReviewTaskRequest(
                task_id=task.id, reviewer_id=reviewer, lease_token=task.lease.token, verdict=verdict
            )
        )


def one_in_three():
    """A reader who approves every third video, of those to learn from and of those to judge by alike."""
    no, yes = review_pb2.VERDICT_REJECT, review_pb2.VERDICT_APPROVE
    turns = {is_held_out: itertools.cycle((no, no, yes)) for is_held_out in (False, True)}
    return lambda video_id: next(turns[is_sampled(video_id, HELD_OUT_SHARE)])


async def test_decisions_teach_a_calibration_that_can_be_rolled_back(world):
    creation = pb.CreateCalibrationRequest(activate=True, actor="ops")
    assert await refused(world.policy.CreateCalibration(creation)) == "TOO_FEW_DECISIONS"
    await create(world, await another(world, second_read_share=0.0), activate=True)
    await world.match(*[a_video(f"v{k}", "Up") for k in range(70)])
    await review_all(world, one_in_three())
    learnt = await world.policy.CreateCalibration(creation)
    assert learnt.ece_after < learnt.ece_before
    assert learnt.decision_count + learnt.held_out_count == 70
    assert all(-1.5 <= term.shift < 0 for term in learnt.terms)
    assert {term.kind for term in learnt.terms} == {"signal", "alias"}
    response = await world.match(a_video("new", "Up"))
    match = response.results[0].matches[0]
    assert match.calibration_version == learnt.version
    assert match.probability < 0.6
    await world.policy.ActivateCalibration(pb.ActivateCalibrationRequest(version="none", actor="ops"))
    response = await world.match(a_video("newer", "Up"))
    assert response.results[0].matches[0].probability == pytest.approx(0.6)
    listed = await world.policy.ListCalibrations(pb.ListCalibrationsRequest())
    assert [(each.version, each.is_active) for each in listed.calibrations] == [("c-000001", False)]
    missing = pb.ActivateCalibrationRequest(version="c-9")
    assert await refused(world.policy.ActivateCalibration(missing)) == "CALIBRATION_NOT_FOUND"


async def test_a_calibration_of_another_model_is_refused(world, monkeypatch):
    from services.matcher.calibration import Calibration

    await world.wired.learning._shelf.versions.add_calibration(Calibration.of((), model_version="other"))
    activation = pb.ActivateCalibrationRequest(version="c-000001")
    assert await refused(world.policy.ActivateCalibration(activation)) == "MODEL_MISMATCH"


async def test_the_catalog_teaches_new_names_to_stored_videos(world):
    await world.match(
        a_video("v1", "the new Tenet trailer"), a_video("v2", "#tenetmovie", hashtag_names=["tenetmovie"])
    )
    await world.follow(a_title("tenet", "Tenet", 0.95))
    assert await world.anchors("v1", "v2") == {"v1": "tenet"}
