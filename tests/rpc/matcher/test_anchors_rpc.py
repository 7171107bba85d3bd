"""Anchors over a real channel: what viewers see, why, and how fast it vanishes."""

import random
from dataclasses import replace

import grpc
import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandListener

from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import policy_pb2
from services.matcher.domain import TitleCard, TitleState
from tests.matcher_world import a_title, a_video, a_world, fields_of, reason_of


async def explained(world, video_id="v1", **request):
    return await world.matcher.ExplainAnchor(pb.ExplainAnchorRequest(video_id=video_id, **request))


def failing(answer) -> list[str]:
    gates = answer.anchor.explanation.gates
    return [pb.GateCode.Name(gate.code).removeprefix("GATE_CODE_") for gate in gates if not gate.passed]


def gate_of(answer, name):
    code = pb.GateCode.Value(f"GATE_CODE_{name}")
    return next(gate for gate in answer.anchor.explanation.gates if gate.code == code)


async def test_anchors_of_a_page_come_in_order_and_only_where_shown(world):
    await world.match(a_video("v1"), a_video("v2", "Up"), a_video("v3", "nothing"), a_video("v4", "Dune!"))
    response = await world.matcher.BatchGetAnchors(
        pb.BatchGetAnchorsRequest(video_ids=["v4", "v3", "unknown", "v2", "v1", "v4"], viewer_region="US")
    )
    assert [anchor.video_id for anchor in response.anchors] == ["v4", "v1"]
    anchor = response.anchors[0]
    assert (anchor.hub_url, anchor.label, anchor.viewer_region) == ("/hubs/dune", "Dune", "US")
    assert anchor.state == pb.ANCHOR_STATE_SHOWN


async def test_the_explanation_names_the_gate_and_the_remedy(world):
    await world.match(a_video(view_count=760))
    answer = await explained(world)
    assert failing(answer) == ["VIEWS"]
    gate = gate_of(answer, "VIEWS")
    assert (gate.value, gate.threshold, gate.gap, gate.remedy) == ("760", "1000", 240, "240 more views")
    assert await world.anchors("v1") == {}


async def test_a_video_that_names_no_title_is_told_so(world):
    await world.match(a_video(text="nothing", view_count=10))
    answer = await explained(world)
    assert answer.anchor.state == pb.ANCHOR_STATE_WITHHELD
    assert failing(answer) == ["PROBABILITY", "VIEWS"]
    assert not answer.HasField("match")


async def test_explaining_what_is_unknown_is_refused(world):
    await world.match(a_video())
    for request, reason in (
        ({"video_id": "v9"}, "VIDEO_NOT_FOUND"),
        ({"title_id": "up"}, "MATCH_NOT_FOUND"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await explained(world, **{"video_id": "v1", **request})
        assert reason_of(raised.value) == reason


@pytest.mark.parametrize(
    ("fields", "gate"),
    [
        ({"made_for_kids": True}, "MADE_FOR_KIDS"),
        ({"content_claimed": True}, "CONTENT_CLAIMED"),
        ({"is_aigc": True}, "AI_GENERATED"),
        ({"creator": pb.Creator(id="c", follower_count=5_000, strike_score=3.5)}, "STRIKES"),
        ({"creator": pb.Creator(id="c", follower_count=10)}, "FOLLOWERS"),
        (
            {"creator": pb.Creator(id="c", follower_count=5_000, account_type=pb.ACCOUNT_TYPE_POLITICAL)},
            "ACCOUNT_TYPE",
        ),
    ],
)
async def test_each_gate_withholds_the_anchor_and_says_so(world, fields, gate):
    await world.match(a_video(**fields))
    assert failing(await explained(world)) == [gate]
    assert await world.anchors("v1") == {}


async def test_strikes_fade_until_the_anchor_returns(world):
    await world.match(a_video(creator=pb.Creator(id="c", follower_count=5_000, strike_score=3.5)))
    assert await world.anchors("v1") == {}
    world.clock.advance(90 * 86_400)
    assert await world.anchors("v1") == {"v1": "dune"}


async def test_only_the_most_probable_title_has_the_anchor(world):
    await world.follow(a_title("tenet", "Tenet", 0.99))
    await world.match(a_video(text="Dune against Tenet"))
    assert await world.anchors("v1") == {"v1": "tenet"}
    assert failing(await explained(world, title_id="dune")) == ["TITLE_LIMIT"]


async def test_a_withdrawn_titles_anchors_vanish_at_once_and_its_matches_follow(world):
    await world.match(a_video())
    world.catalog.set_state("dune", TitleState.WITHDRAWN)
    await world.wired.follower.step(0)
    assert await world.anchors("v1") == {}
    assert failing(await explained(world)) == ["TITLE_STATE"]
    await world.wired.follower.touch_pending()
    await world.wired.rematching.run_pending()
    last = (await world.changes())[-1]
    assert (last.match.state, last.cause) == (pb.MATCH_STATE_WITHDRAWN, pb.MATCH_CHANGE_CAUSE_TITLE)
    assert last.previous_state == pb.MATCH_STATE_APPROVED


async def test_a_title_that_comes_back_gets_its_anchors_back(world):
    await world.match(a_video())
    for state in (TitleState.WITHDRAWN, TitleState.ACTIVE):
        world.catalog.set_state("dune", state)
        await world.follow()
    assert await world.anchors("v1") == {"v1": "dune"}
    assert (await world.changes())[-1].match.state == pb.MATCH_STATE_APPROVED


async def test_an_embargo_hides_anchors_until_it_lifts(world):
    title = world.catalog.held["dune"]
    lift_s = world.clock.now().timestamp() + 3_600
    world.catalog.put(
        replace(title, card=TitleCard("Dune", TitleState.ACTIVE, "movie", "s1", lift_s)), touches_state=True
    )
    await world.follow()
    await world.match(a_video())
    assert failing(await explained(world)) == ["EMBARGO"]
    world.clock.advance(3_601)
    assert await world.anchors("v1") == {"v1": "dune"}


async def test_a_kill_switch_hides_everything_a_title_or_a_region(world):
    await world.match(a_video("v1"))
    await world.follow(a_title("tenet", "Tenet", 0.99))
    await world.match(a_video("v2", "Tenet"))

    async def switch(scope, target, is_on):
        request = policy_pb2.SetKillSwitchRequest(scope=scope, target=target, is_on=is_on, actor="ops")
        return await world.policy.SetKillSwitch(request)

    await switch(policy_pb2.KILL_SWITCH_SCOPE_TITLE, "dune", True)
    assert await world.anchors("v1", "v2") == {"v2": "tenet"}
    assert failing(await explained(world)) == ["KILL_SWITCH"]
    await switch(policy_pb2.KILL_SWITCH_SCOPE_TITLE, "dune", False)
    await switch(policy_pb2.KILL_SWITCH_SCOPE_REGION, "DE", True)
    assert await world.anchors("v1", "v2", region="DE") == {}
    assert await world.anchors("v1", "v2", region="US") == {"v1": "dune", "v2": "tenet"}
    response = await switch(policy_pb2.KILL_SWITCH_SCOPE_GLOBAL, "", True)
    assert (len(response.kill_switches), response.epoch) == (2, 4)
    assert await world.anchors("v1", "v2", region="US") == {}


async def test_another_process_follows_the_kill_switch(world):
    await world.match(a_video())
    other = await world.again()
    other.index.cards.update(world.wired.index.cards)
    other.index.swap(world.wired.index.names.text, 4)
    assert len((await other.anchors.batch_get_anchors(["v1"], "")).anchors) == 1
    await world.policy.SetKillSwitch(
        policy_pb2.SetKillSwitchRequest(scope=policy_pb2.KILL_SWITCH_SCOPE_GLOBAL, is_on=True)
    )
    await other.regime.refresh()
    assert (await other.anchors.batch_get_anchors(["v1"], "")).anchors == ()


async def test_new_numbers_open_a_gate_and_hysteresis_keeps_it_open(world):
    await world.match(a_video(view_count=500))

    async def views(count):
        world.clock.advance(1)
        stats = [pb.VideoStats(video_id="v1", view_count=count)]
        return await world.matcher.UpdateVideoStats(pb.UpdateVideoStatsRequest(stats=stats))

    outcome = await views(1_000)
    assert (outcome.updated_count, outcome.changed_match_count) == (1, 1)
    assert await world.anchors("v1") == {"v1": "dune"}
    await views(900)
    assert await world.anchors("v1") == {"v1": "dune"}
    await views(899)
    assert await world.anchors("v1") == {}
    await views(950)
    assert await world.anchors("v1") == {}, "to come back it has to reach the whole threshold"
    causes = {change.cause for change in (await world.changes())[1:]}
    assert causes == {pb.MATCH_CHANGE_CAUSE_STATS}


async def test_numbers_of_unmatched_and_unknown_videos_are_counted_apart(world):
    await world.match(a_video("v1"), a_video("v2", "nothing"))
    world.clock.advance(1)
    stats = [pb.VideoStats(video_id=each, view_count=50_000) for each in ("v1", "v2", "v3")]
    request = pb.UpdateVideoStatsRequest(stats=stats, request_id="s1")
    outcome = await world.matcher.UpdateVideoStats(request)
    assert (outcome.updated_count, outcome.unknown_count, outcome.stale_count) == (2, 1, 0)
    assert await world.matcher.UpdateVideoStats(request) == outcome
    video = await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v2"))
    assert video.view_count == 50_000
    await world.follow(a_title("nothing", "Nothing", 0.95))
    assert await world.anchors("v2") == {"v2": "nothing"}


async def test_an_older_observation_changes_nothing(world):
    await world.match(a_video())
    old = pb.VideoStats(video_id="v1", view_count=1)
    old.observe_time.FromDatetime(world.clock.now().replace(tzinfo=None, year=2020))
    outcome = await world.matcher.UpdateVideoStats(pb.UpdateVideoStatsRequest(stats=[old]))
    assert (outcome.updated_count, outcome.stale_count) == (0, 1)


class Commands(CommandListener):
    """What the driver sent to the store: every command on the wire, one by one."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event) -> None:
        self.sent.append(event.command_name)

    def succeeded(self, event) -> None: ...

    def failed(self, event) -> None: ...


@pytest.fixture
async def heard(mongo_url, database):
    """The database of the test through a client whose commands are heard."""
    commands = Commands()
    client = AsyncIOMotorClient(mongo_url, event_listeners=[commands], tz_aware=True)
    yield client.get_database(database.name), commands
    client.close()


async def test_a_page_of_100_anchors_takes_at_most_two_commands_of_the_store(heard, tmp_path):
    database, commands = heard
    async with a_world(database, tmp_path, a_title("dune", "Dune"), a_title("up", "Up", 0.6)) as world:
        videos = [a_video(f"v{number}", "Dune and Up " * 50, ocr_text=["Up"] * 50) for number in range(100)]
        await world.match(*videos)
        commands.sent.clear()
        assert len(await world.anchors(*[video.id for video in videos], region="US")) == 100
        assert 1 <= len(commands.sent) <= 2
        assert set(commands.sent) <= {"find", "getMore"}


async def test_new_numbers_of_1000_videos_come_in_one_call_and_of_more_in_none(world):
    ids = [f"v{number}" for number in range(1_001)]
    for at in range(0, 1_000, 100):
        await world.match(*[a_video(video_id, view_count=500) for video_id in ids[at : at + 100]])
    world.clock.advance(1)

    def numbers(video_ids):
        stats = [
            pb.VideoStats(video_id=each, view_count=2_000, follower_count=7_000, strike_score=number % 5)
            for number, each in enumerate(video_ids)
        ]
        return world.matcher.UpdateVideoStats(pb.UpdateVideoStatsRequest(stats=stats), timeout=60)

    outcome = await numbers(ids[:1_000])
    assert (outcome.updated_count, outcome.unknown_count, outcome.changed_match_count) == (1_000, 0, 1_000)
    shown = await world.anchors(*ids[:100])
    assert set(shown) == {video_id for number, video_id in enumerate(ids[:100]) if number % 5 < 3}, "strikes count"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await numbers(ids)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields_of(raised.value) == ["stats"]


async def test_what_is_explained_is_what_is_decided_and_following_the_number_flips_it(world):
    """Any standing: an anchor is served exactly where no gate is named, and the named number is the one that counts."""
    chance = random.Random(4)
    videos = [
        a_video(
            f"v{number}",
            chance.choice(("Dune", "Up", "Dune and Up", "nothing")),
            view_count=chance.randrange(2_000),
            made_for_kids=chance.random() < 0.1,
            is_aigc=chance.random() < 0.1,
            content_claimed=chance.random() < 0.1,
            creator=pb.Creator(id="c", follower_count=chance.randrange(2_000), strike_score=chance.choice((0, 0, 9))),
        )
        for number in range(80)
    ]
    await world.match(*videos)
    shown = await world.anchors(*[video.id for video in videos])
    flipped = 0
    for video in videos:
        named = failing(answer := await explained(world, video.id))
        assert (video.id in shown) == (named == [])
        if named and set(named) <= {"VIEWS", "FOLLOWERS"}:
            gaps = {name: int(gate_of(answer, name).gap) for name in named}
            assert [gate_of(answer, name).remedy.split()[0] for name in named] == [f"{gaps[name]:,}" for name in named]
            assert await anchored_with(world, video, gaps, short=1) == {}
            assert await anchored_with(world, video, gaps, short=0) == {video.id: answer.anchor.title_id}
            flipped += 1
    assert flipped >= 5


async def anchored_with(world, video, gaps, *, short):
    """The anchor once the video has what its gates ask for, less `short` of each."""
    world.clock.advance(1)
    stats = pb.VideoStats(
        video_id=video.id,
        view_count=video.view_count + max(0, gaps.get("VIEWS", 0) - short),
        follower_count=video.creator.follower_count + max(0, gaps.get("FOLLOWERS", 0) - short),
    )
    await world.matcher.UpdateVideoStats(pb.UpdateVideoStatsRequest(stats=[stats]))
    return await world.anchors(video.id)


async def test_the_feed_is_in_order_and_waits_for_news(world):
    await world.match(a_video("v1"), a_video("v2", "Up"), a_video("v3", "Alien"))
    changes = await world.changes()
    assert [change.sequence for change in changes] == [1, 2]
    assert [change.match.video_id for change in changes] == ["v1", "v2"]
    assert changes[0].video.creator.username == "fan"
    page = await world.matcher.ListMatchChanges(pb.ListMatchChangesRequest(after_sequence=1, page_size=1))
    assert ([change.sequence for change in page.changes], page.latest_sequence) == ([2], 2)
    assert await world.changes(2) == []
