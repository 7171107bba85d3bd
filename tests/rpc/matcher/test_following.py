"""Following the catalog, and matching stored videos again."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from chassis import mongo
from chassis.errors import Unavailable
from protos.matcher.v1 import matcher_pb2 as pb
from services.matcher.registry import Ambiguity, Entry
from services.matcher.service import backcatalog, rematches
from services.matcher.service.matching import Matching
from services.matcher.titles import ReferenceBank
from services.matcher.visual.signals import Fingerprint, Reference, ReferenceKind
from tests.matcher_world import a_title, a_video, a_world, reason_of


async def test_a_new_title_touches_only_the_videos_that_may_name_it(world, monkeypatch):
    for number in range(30):
        await world.match(a_video(f"v{number}", f"video number {number} about nothing"))
    await world.match(a_video("hit", "have you seen tenet yet"))
    looked = []
    whole = Matching.match_again

    async def counted(self, videos, cause):
        looked.extend(video.id for video in videos)
        return await whole(self, videos, cause)

    monkeypatch.setattr(Matching, "match_again", counted)
    await world.follow(a_title("tenet", "Tenet"))
    assert set(looked) == {"hit"}
    assert await world.anchors("hit") == {"hit": "tenet"}


async def test_a_renamed_title_loses_the_videos_of_its_old_name(world):
    await world.match(a_video("v1", "Dune"), a_video("v2", "Arrakis"))
    await world.follow(a_title("dune", "Arrakis"))
    assert await world.anchors("v1", "v2") == {"v2": "dune"}


async def test_a_rematch_of_the_whole_corpus_looks_at_every_video_once(world):
    for number in range(5):
        await world.match(*[a_video(f"v{number}-{k}", "Dune") for k in range(3)])
    run = await world.matcher.RematchTitle(
        pb.RematchTitleRequest(title_id="dune", whole_corpus=True, request_id="r1", actor="ops")
    )
    assert run.state == pb.REMATCH_STATE_RUNNING
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="dune"))
    assert reason_of(raised.value) == "REMATCH_RUNNING"
    await world.wired.rematching.run_pending()
    done = await world.matcher.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
    assert (done.state, done.video_count, done.changed_count) == (pb.REMATCH_STATE_DONE, 15, 0)
    again = await world.matcher.RematchTitle(
        pb.RematchTitleRequest(title_id="dune", whole_corpus=True, request_id="r1", actor="ops")
    )
    assert again.id == run.id


@pytest.fixture
def small_steps(monkeypatch):
    """One batch of the archive a step."""
    monkeypatch.setattr(backcatalog, "ARCHIVES_PER_STEP", 1)
    monkeypatch.setattr(backcatalog, "VIDEOS_PER_STEP", 1)


async def test_a_rematch_goes_on_where_it_failed(world, monkeypatch, small_steps):
    for number in range(6):
        await world.match(a_video(f"v{number}", "Dune"))
    run = await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="dune"))
    whole, calls = Matching.match_again, []

    async def failing(self, videos, cause):
        calls.append(videos[0].id)
        if len(calls) == 3:
            raise Unavailable
        return await whole(self, videos, cause)

    monkeypatch.setattr(Matching, "match_again", failing)
    await world.wired.rematching.run_pending()
    failed = await world.matcher.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
    assert (failed.state, failed.video_count) == (pb.REMATCH_STATE_FAILED, 2)
    await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="dune"))
    await world.wired.rematching.run_pending()
    done = await world.matcher.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
    assert (done.state, done.video_count) == (pb.REMATCH_STATE_DONE, 6)
    assert calls == ["v0", "v1", "v2", "v2", "v3", "v4", "v5"]


async def test_a_rematch_finds_what_other_processes_stored_since_this_one_began(world):
    other = await world.again()
    await other.follower.first_load()
    await other.back_catalog.remember()
    await world.match(a_video("v1", "have you seen tenet"))
    world.catalog.put(a_title("tenet", "Tenet"))
    await other.follower.step(0)
    await other.follower.touch_pending()
    assert await world.anchors("v1") == {}, "this process has not heard of the title yet"
    found = (await other.anchors.batch_get_anchors(["v1"], "")).anchors
    assert [each.match.title_id for each in found] == ["tenet"]


async def test_who_wrote_nothing_for_a_day_is_forgotten_until_it_says_so_again(world):
    mine = world.wired.matching._shelf.segments
    other = await world.again()
    theirs = other.matching._shelf.segments
    assert await mine.others() == [theirs.writer]
    world.clock.advance(86_401)
    await mine.announce(world.clock.now())
    assert await mine.others() == []
    await theirs.announce(world.clock.now())
    assert await mine.others() == [theirs.writer]
    assert await theirs.others() == [mine.writer]


async def test_a_batch_of_which_nobody_knows_whether_it_was_written_is_found_by_a_rematch(world, monkeypatch):
    write = Matching.write

    async def in_doubt(self, written, unit):
        await write(self, written, unit)
        raise mongo.WriteOutcomeUnknown

    monkeypatch.setattr(Matching, "write", in_doubt)
    with pytest.raises(grpc.aio.AioRpcError):
        await world.match(a_video("v1", "have you seen tenet"))
    monkeypatch.undo()
    world.catalog.put(a_title("tenet", "Tenet"))
    await world.wired.follower.step(0)
    await world.wired.follower.touch_pending()
    assert list(await world.anchors("v1")) == ["v1"]


async def test_a_rematch_that_another_process_took_over_is_left_to_it(world, small_steps, monkeypatch):
    for number in range(4):
        await world.match(a_video(f"v{number}", "Dune"))
    run = await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="dune"))
    other = await world.again()
    await other.follower.first_load()
    await other.back_catalog.remember()
    whole, calls = Matching.match_again, []

    async def standing_still(self, videos, cause):
        calls.append(videos[0].id)
        if len(calls) == 2:
            world.clock.advance(rematches.HOLD_S + 1)
            await other.rematching.run_pending()
        return await whole(self, videos, cause)

    monkeypatch.setattr(Matching, "match_again", standing_still)
    await world.wired.rematching.run_pending()
    done = await world.matcher.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
    assert (done.state, done.video_count) == (pb.REMATCH_STATE_DONE, 4)
    assert calls == ["v0", "v1", "v1", "v2", "v3"], "what was under way is done twice at most"


async def test_an_unknown_rematch_is_not_found(world):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.matcher.GetRematchRun(pb.GetRematchRunRequest(run_id="nothing"))
    assert reason_of(raised.value) == "REMATCH_NOT_FOUND"


async def test_without_an_index_matching_says_try_again(database, tmp_path):
    async with a_world(database, tmp_path) as world:
        world.wired.index._names = None
        for call in (
            world.match(a_video()),
            world.matcher.BatchGetAnchors(pb.BatchGetAnchorsRequest(video_ids=["v1"])),
            world.matcher.ExplainAnchor(pb.ExplainAnchorRequest(video_id="v1")),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert (raised.value.code(), reason_of(raised.value)) == (
                grpc.StatusCode.UNAVAILABLE,
                "INDEX_LOADING",
            )
        info = await world.matcher.GetIndexInfo(pb.GetIndexInfoRequest())
        assert not info.is_ready


async def test_background_work_follows_by_itself(world):
    tasks = [asyncio.create_task(each()) for each in world.wired.background]
    try:
        await world.match(a_video("v1", "seen Tenet"))
        world.catalog.put(a_title("tenet", "Tenet"))
        for _ in range(100):
            if await world.anchors("v1"):
                break
            await asyncio.sleep(0.05)
        assert await world.anchors("v1") == {"v1": "tenet"}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_follower_waits_for_a_catalog_that_is_not_there(world):
    world.catalog.failure = Unavailable()
    world.wired.index._names = None
    task = asyncio.create_task(world.wired.follower.follow())
    await asyncio.sleep(0.1)
    assert not task.done()
    world.catalog.failure = None
    for _ in range(100):
        if world.wired.index.is_ready:
            break
        await asyncio.sleep(0.05)
    task.cancel()
    assert world.wired.index.is_ready


async def test_another_process_remembers_what_names_can_touch(world):
    await world.match(a_video("v1", "have you seen tenet"))
    other = await world.again()
    await other.follower.first_load()
    await other.back_catalog.remember()
    world.catalog.put(a_title("tenet", "Tenet"))
    await other.follower.step(0)
    await other.follower.touch_pending()
    assert [match.title_id for match in await other.anchors.list_video_matches("v1")] == ["tenet"]


async def test_changes_that_no_video_was_matched_against_are_caught_up_after_a_restart(world):
    await world.match(a_video("v1", "have you seen tenet"))
    world.catalog.put(a_title("tenet", "Tenet"))
    await world.wired.follower.step(0)
    other = await world.again()
    await other.follower.first_load()
    await other.back_catalog.remember()
    await other.follower.catch_up()
    assert [match.title_id for match in await other.anchors.list_video_matches("v1")] == ["tenet"]


async def test_pictures_speak_for_their_title_and_against_the_words(world):
    pdq = "0123456789abcdef" * 4
    world.catalog.banks["alien"] = ReferenceBank(
        title_id="alien",
        references=(
            Reference(
                id="ref1",
                title_id="alien",
                kind=ReferenceKind.STILL,
                fingerprints=(Fingerprint(pdq=bytes.fromhex(pdq)),),
            ),
        ),
    )
    world.catalog.put(world.catalog.held["alien"], touches_references=True)
    await world.follow()
    frames = [pb.FrameSignal(t_ms=t, pdq=pdq, pdq_quality=90) for t in (0, 2_000)]
    response = await world.match(
        a_video("v1", "Alien", frames=frames), a_video("v2", "Dune", frames=frames), a_video("v3", "x", frames=frames)
    )
    agreed, against, seen = ({match.title_id: match for match in each.matches} for each in response.results)
    assert agreed["alien"].probability > 0.95
    visual = [each for each in agreed["alien"].evidence if each.signal_type == pb.SIGNAL_TYPE_VISUAL]
    assert visual[0].reference_id == "ref1"
    assert visual[0].segment.end_ms > visual[0].segment.start_ms
    assert against["dune"].state == pb.MATCH_STATE_IN_REVIEW
    assert seen["alien"].probability > 0.5
    video = await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v1"))
    assert not video.frames


async def test_a_bad_embedding_is_refused_by_its_field(world):
    vector = pb.Embedding(model="m", dim=8, dtype="float32", values=[0.0] * 8)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.match(a_video(frames=[pb.FrameSignal(t_ms=0, embeddings=[vector])]))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_index_is_saved_and_a_restart_begins_with_it(world, monkeypatch):
    from services.matcher.service import follower
    from tests.matcher_world import ToyIndex

    kept = {}
    monkeypatch.setattr(ToyIndex, "save", lambda self, path: (kept.update({path.name: self}), path.touch())[1])
    monkeypatch.setattr(ToyIndex, "load", classmethod(lambda cls, path: kept[path.name]))
    monkeypatch.setattr(follower, "UNSAVED_MAX", 1)
    await world.follow(a_title("tenet", "Tenet"))
    other = await world.again()
    assert await other.follower.restore()
    assert (other.index.revision, other.index.card_of("tenet").name) == (5, "Tenet")
    assert list(kept) == ["5.names.index"]


async def test_a_matcher_far_behind_builds_its_index_anew(world, monkeypatch):
    from services.matcher.service import follower

    monkeypatch.setattr(follower, "REBUILD_BEHIND", 2)
    await world.match(a_video("v1", "seen title 7 yet"))
    for number in range(9):
        world.catalog.put(a_title(f"t{number}", f"Title {number}"))
    await world.wired.follower.step(0)
    assert world.wired.index.revision == 13
    await world.wired.follower.catch_up()
    assert await world.anchors("v1") == {"v1": "t7"}


async def test_a_registry_change_is_read_again(world):
    world.catalog.put(world.catalog.held["it"], touches_aliases=True)
    world.catalog.held["it"] = a_title("it", "It", 0.95)
    await world.match(a_video("v1", "It"))
    await world.follow()
    assert await world.anchors("v1") == {"v1": "it"}


async def test_what_editors_say_of_a_name_is_part_of_the_sum_also_after_a_restart(world):
    title = world.catalog.held["dune"]
    common = Entry(
        name="DUNE",
        prior=0.1,
        ambiguity=Ambiguity.COMMON_WORD,
        derived_prior=0.9,
        derived_ambiguity=Ambiguity.UNIQUE,
    )
    before = (await world.match(a_video("v1", "Dune"))).results[0].matches[0]
    world.catalog.put(replace(title, registry=(common,)), touches_aliases=True)
    await world.follow()
    (after,) = (await world.matcher.ListVideoMatches(pb.ListVideoMatchesRequest(video_id="v1"))).matches
    assert after.probability < before.probability - 0.3
    (said,) = [each for each in after.evidence if each.value.startswith("registry")]
    assert (said.value, said.contribution) == ("registry DUNE: common word 0.1, else unique 0.9", -3.0)
    other = await world.again()
    other.index.swap(world.wired.index.names.text, world.wired.index.revision)
    await other.follower.step(0)
    assert other.index.registry == {"dune": (common,)}
    world.catalog.put(title, touches_aliases=True)
    await world.follow()
    (again,) = (await world.matcher.ListVideoMatches(pb.ListVideoMatchesRequest(video_id="v1"))).matches
    assert again.probability == before.probability


async def test_what_could_not_be_touched_is_not_forgotten(world, monkeypatch):
    from services.matcher.service.rematches import Rematching

    await world.match(a_video("v1", "seen Tenet"))
    world.catalog.put(a_title("tenet", "Tenet"))
    await world.wired.follower.step(0)
    with monkeypatch.context() as broken:
        broken.setattr(Rematching, "touch", lambda self, titles: _raise(Unavailable()))
        with pytest.raises(Unavailable):
            await world.wired.follower.touch_pending()
    await world.wired.follower.touch_pending()
    assert await world.anchors("v1") == {"v1": "tenet"}


async def _raise(error):
    raise error


async def test_pixels_are_read_by_a_child_and_never_kept(world):
    import io

    from PIL import Image

    picture = io.BytesIO()
    noise = Image.effect_noise((128, 128), 90)
    noise.save(picture, "PNG")
    response = await world.matcher.MatchVideo(
        pb.MatchVideoRequest(video=a_video(text="Dune", images=[picture.getvalue()]))
    )
    assert response.matches[0].title_id == "dune"
    video = await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v1"))
    assert not video.images
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.match(a_video(text="Dune", images=[b"not a picture"]))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_two_processes_share_one_feed_without_gaps(world):
    other = await world.again()
    await other.follower.first_load()
    from services.matcher.results import RequestKey
    from services.matcher.wire.videos import video_of

    for number in range(6):
        videos = (video_of(a_video(f"v{number}", "Dune")),)
        await (world.wired if number % 2 else other).matching.match_videos(videos, RequestKey("", ""))
    assert [change.sequence for change in await world.changes()] == [1, 2, 3, 4, 5, 6]


async def test_a_video_sent_to_two_processes_at_once_is_one_video(world):
    from services.matcher.results import RequestKey
    from services.matcher.wire.videos import video_of

    other = await world.again()
    await other.follower.first_load()
    await other.back_catalog.remember()
    videos = (video_of(a_video("v1", "Dune")),)
    await asyncio.gather(*[wired.matching.match_videos(videos, RequestKey("", "")) for wired in (world.wired, other)])
    assert len(await world.changes()) == 1


async def test_one_guilty_unit_of_a_group_does_not_stop_the_others(world):
    from dataclasses import replace

    from services.matcher.store.commit import Stale, Unit

    await world.match(a_video("v1"))
    shelf = world.wired.matching._shelf
    known = await shelf.videos.get("v1")
    now = world.clock.now()
    stale = Unit(time=now, updated=[replace(known, version=9)])
    good = [Unit(time=now, created=[replace(known, id=f"n{number}", version=1)]) for number in range(3)]
    outcomes = await asyncio.gather(
        *[shelf.committer.commit(unit) for unit in (good[0], good[1], stale, good[2])], return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), Stale, type(None)]
    assert len(await shelf.videos.batch(["n0", "n1", "n2"])) == 3
