"""Videos sent with pixels: read in a child, matched again without them, looked at more closely later."""

import asyncio
import io
import os
import signal
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from chassis.errors import Unavailable
from protos.matcher.v1 import matcher_pb2 as pb
from services.matcher.domain import Cause
from services.matcher.service.looking import WAITING_MAX, Look, LookQueue
from services.matcher.titles import ReferenceBank
from services.matcher.visual.fingerprint import pdq_of
from services.matcher.visual.signals import Fingerprint, Frame, Reference, ReferenceKind
from services.matcher.visual.thumbnail import BYTES_MAX, SIDE_PX_MAX
from services.matcher.wire.videos import video_of
from tests.matcher_world import a_title, a_video, a_world, fields_of
from tests.pictures import a_scene, jpeg_of, mp4_of

STAND_INS = Path(__file__).parents[2] / "stand_ins"
SURE, DOUBTFUL = 0, 60  # bits of 256 by which the reference's hash differs from the frame's


def flipped(pdq: bytes, bits: int) -> bytes:
    """The hash with this many bits changed, spread over it."""
    changed = np.unpackbits(np.frombuffer(pdq, np.uint8))
    changed[np.linspace(0, 255, bits, dtype=int)] ^= 1
    return np.packbits(changed).tobytes()


async def show(world, title_id: str, scene, *, bits: int = SURE, picture=None) -> None:
    """Gives a title a reference image of this scene, and where `picture` is given, a small JPEG of it."""
    name = f"{title_id}-still"
    pdq = flipped(pdq_of(scene)[0], bits)
    reference = Reference(id=name, title_id=title_id, kind=ReferenceKind.STILL, fingerprints=(Fingerprint(pdq=pdq),))
    world.catalog.banks[title_id] = ReferenceBank(title_id=title_id, references=(reference,))
    if picture is not None:
        world.catalog.jpegs[name] = jpeg_of(picture)
    world.catalog.put(world.catalog.held[title_id], touches_references=True)
    await world.follow()


async def matches_of(world, video_id: str) -> dict[str, pb.Match]:
    answer = await world.matcher.ListVideoMatches(pb.ListVideoMatchesRequest(video_id=video_id))
    return {match.title_id: match for match in answer.matches}


def visual_of(match: pb.Match) -> list[pb.Evidence]:
    return [each for each in match.evidence if each.signal_type == pb.SIGNAL_TYPE_VISUAL]


def count_of(world, what: str, outcome: str) -> float:
    labels = {"what": what, "outcome": outcome}
    return world.outside.telemetry.registry.get_sample_value("spotlight_matcher_closer_looks_total", labels) or 0.0


@pytest.mark.parametrize("kind", ["images", "video"])
async def test_sent_pixels_find_their_title_and_leave_small_pictures_of_the_evidence(world, kind):
    await show(world, "alien", a_scene(1))
    pixels = (
        {"images": [jpeg_of(a_scene(9)), jpeg_of(a_scene(1))]} if kind == "images" else {"video": mp4_of([a_scene(1)])}
    )
    response = await world.match(a_video("v1", "wow", **pixels))
    (match,) = response.results[0].matches
    assert (match.title_id, match.state) == ("alien", pb.MATCH_STATE_APPROVED)
    (evidence,) = visual_of(match)
    assert evidence.reference_id == "alien-still"
    shown = await world.matcher.ListFramePictures(pb.ListFramePicturesRequest(video_id="v1"))
    assert [each.t_ms for each in shown.pictures] == [evidence.segment.start_ms]
    assert len(shown.pictures[0].picture) <= BYTES_MAX
    assert max(Image.open(io.BytesIO(shown.pictures[0].picture)).size) == SIDE_PX_MAX
    kept = await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v1"))
    assert not kept.images
    assert not kept.video
    assert not kept.made_frames


async def test_pictures_end_with_their_time_and_stay_within_their_number(database, tmp_path):
    async with a_world(
        database, tmp_path, a_title("alien", "Alien", 0.3), frame_picture_videos_max=2, frame_picture_days=3
    ) as world:
        await show(world, "alien", a_scene(1))
        for name in ("v1", "v2", "v3"):
            await world.match(a_video(name, "wow", images=[jpeg_of(a_scene(1))]))
            world.clock.advance(60)
        pictures = world.wired.looking._pictures
        assert await pictures.trim(world.clock.now()) == 1
        assert [bool(await world.wired.looking.list_frame_pictures(name)) for name in ("v1", "v2", "v3")] == [
            False, True, True,
        ]  # fmt: skip
        world.clock.advance(3 * 86_400)
        assert await world.wired.looking.list_frame_pictures("v3") == ()
        assert await pictures.trim(world.clock.now()) == 2


async def test_no_pictures_are_kept_where_none_are_wanted(database, tmp_path):
    async with a_world(database, tmp_path, a_title("alien", "Alien", 0.3), frame_picture_days=0) as world:
        await show(world, "alien", a_scene(1))
        await world.match(a_video("v1", "wow", images=[jpeg_of(a_scene(1))]))
        assert await world.database.frame_pictures.count_documents({}) == 0


async def test_matching_again_needs_no_pixels(world):
    await show(world, "alien", a_scene(1))
    await world.match(a_video("v1", "wow", images=[jpeg_of(a_scene(1))]))
    before = await matches_of(world, "v1")
    await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="alien", whole_corpus=True))
    await world.wired.rematching.run_pending()
    assert await matches_of(world, "v1") == before
    await show(world, "up", a_scene(1))
    await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="up", whole_corpus=True))
    await world.wired.rematching.run_pending()
    assert await matches_of(world, "v1") == {}  # two titles show the picture now


async def test_the_same_pixels_again_are_not_read_again(world):
    await show(world, "alien", a_scene(1))
    video = a_video("v1", "wow", images=[jpeg_of(a_scene(1))])
    first = await world.match(video)
    os.kill(world.outside.worker.pid, signal.SIGKILL)
    await world.outside.worker._child.wait()
    again = await world.match(video)
    assert again.results[0].unchanged
    assert again.results[0].matches == first.results[0].matches
    assert world.outside.worker.restart_count == 0
    other = await world.match(a_video("v1", "wow", images=[jpeg_of(a_scene(2))]))
    assert list(other.results[0].matches) == []
    assert world.outside.worker.restart_count == 1


async def test_what_is_ours_to_say_is_ignored_when_sent(world):
    await show(world, "alien", a_scene(1))
    made = pb.FrameSignal(t_ms=0, pdq=pdq_of(a_scene(1))[0].hex(), pdq_quality=90)
    video = a_video("v1", "wow", made_frames=[made], screen_text=["Dune"], likenesses=[pb.Likeness(reference_id="r")])
    response = await world.match(video)
    assert list(response.results[0].matches) == []
    again = await world.match(a_video("v1", "wow"))
    assert again.results[0].unchanged


async def test_a_doubtful_likeness_is_settled_by_its_details(world):
    await show(world, "alien", a_scene(1), bits=DOUBTFUL, picture=a_scene(1))
    await show(world, "up", a_scene(2), bits=DOUBTFUL, picture=a_scene(3))
    await world.match(
        a_video("v1", "wow", images=[jpeg_of(a_scene(1))]), a_video("v2", "hm", images=[jpeg_of(a_scene(2))])
    )
    doubtful = (await matches_of(world, "v1"))["alien"]
    assert doubtful.state != pb.MATCH_STATE_APPROVED
    await world.wired.closer.step()
    await world.wired.closer.step()
    agreed = (await matches_of(world, "v1"))["alien"]
    assert agreed.state == pb.MATCH_STATE_APPROVED
    assert [each.value for each in visual_of(agreed)] == ["pdq full", "geometry full"]
    assert (await world.changes())[-1].cause == Cause.REMATCH
    refuted = (await matches_of(world, "v2")).get("up")
    assert refuted is None or refuted.probability < doubtful.probability
    assert (count_of(world, "likeness", "agreed"), count_of(world, "likeness", "refuted")) == (1, 1)
    await world.matcher.RematchTitle(pb.RematchTitleRequest(title_id="alien", whole_corpus=True))
    await world.wired.rematching.run_pending()
    assert (await matches_of(world, "v1"))["alien"] == agreed
    resent = await world.match(a_video("v1", "wow", images=[jpeg_of(a_scene(1))]))
    assert resent.results[0].unchanged


async def test_without_a_picture_of_the_reference_a_doubt_stays(world):
    await show(world, "alien", a_scene(1), bits=DOUBTFUL)
    await world.match(a_video("v1", "wow", images=[jpeg_of(a_scene(1))]))
    before = await matches_of(world, "v1")
    await world.wired.closer.step()
    assert await matches_of(world, "v1") == before
    assert count_of(world, "likeness", "no_picture") == 1


async def test_a_doubtful_vector_waits_for_a_reviewer(world):
    rows = np.eye(8)
    near = rows[0] * 0.42 + rows[1] * (1 - 0.42**2) ** 0.5
    image = Fingerprint(embedding=embedding(rows[0]))
    reference = Reference(id="r", title_id="alien", kind=ReferenceKind.STILL, fingerprints=(image,))
    world.catalog.banks["alien"] = ReferenceBank(title_id="alien", references=(reference,))
    world.catalog.put(world.catalog.held["alien"], touches_references=True)
    await world.follow()
    vector = pb.Embedding(model="m", dim=8, dtype="float32", values=near.tolist())
    response = await world.match(a_video("v1", "wow", embeddings=[vector]))
    (match,) = response.results[0].matches
    assert (match.title_id, match.state) == ("alien", pb.MATCH_STATE_IN_REVIEW)
    assert "fusion doubt" in {each.value for each in match.evidence}
    assert sum(each.contribution for each in match.evidence) == pytest.approx(0.0, abs=1e-6)


def embedding(values):
    from services.matcher.visual.signals import embedding_from_values

    return embedding_from_values("m", len(values), tuple(map(float, values)), at="embedding")


async def test_a_catalog_that_is_away_for_a_moment_is_asked_again(world):
    await show(world, "alien", a_scene(1), bits=DOUBTFUL, picture=a_scene(1))
    await world.match(a_video("v1", "wow", images=[jpeg_of(a_scene(1))]))
    world.catalog.failure = Unavailable()
    step = asyncio.create_task(world.wired.closer.step())
    await asyncio.sleep(0.3)
    world.catalog.failure = None
    await step
    assert (await matches_of(world, "v1"))["alien"].state == pb.MATCH_STATE_APPROVED


def cornered(colour: tuple[int, int, int], seed: int = 5) -> bytes:
    """A picture whose upper left corner is of this colour: what the stand-in for RapidOCR reads."""
    picture = a_scene(seed, 640, 360)
    picture[:80, :80] = colour
    return jpeg_of(picture)


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture
async def reading(database, tmp_path, monkeypatch):
    """A matcher that reads the screen of every video with pixels."""
    monkeypatch.syspath_prepend(str(STAND_INS))
    titles = (a_title("dune", "Dune", 0.95), a_title("up", "Up", 0.6))
    async with a_world(database, tmp_path, *titles, screen_text_share=1.0) as world:
        yield world


async def test_words_on_the_screen_are_read_later_and_decide_anew(reading):
    world = reading
    response = await world.match(
        a_video("v1", "wow", images=[cornered(RED)]), a_video("v2", "hm", images=[cornered(BLUE)])
    )
    assert [list(each.matches) for each in response.results] == [[], []]
    await world.wired.closer.step()
    await world.wired.closer.step()
    (match,) = (await matches_of(world, "v1")).values()
    assert (match.title_id, match.state) == ("dune", pb.MATCH_STATE_APPROVED)
    assert await matches_of(world, "v2") == {}
    kept = await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v1"))
    assert (list(kept.screen_text), list(kept.ocr_text)) == (["Dune"], [])
    resent = await world.match(a_video("v1", "wow", images=[cornered(RED)]))
    assert resent.results[0].unchanged
    assert [each.title_id for each in resent.results[0].matches] == ["dune"]
    assert (count_of(world, "screen_text", "read"), count_of(world, "screen_text", "nothing")) == (1, 1)


async def test_a_title_that_comes_later_finds_the_words_that_were_read(reading):
    world = reading
    await world.match(a_video("v1", "wow", images=[cornered(RED)]))
    await world.wired.closer.step()
    await world.follow(a_title("dune2", "Dune", 0.7))
    assert set(await matches_of(world, "v1")) == {"dune", "dune2"}


async def test_a_video_sent_anew_meanwhile_is_not_overwritten(reading):
    world = reading
    await world.match(a_video("v1", "wow", images=[cornered(RED)]))
    await world.match(a_video("v1", "Up now"))
    await world.wired.closer.step()
    assert set(await matches_of(world, "v1")) == {"up"}


async def test_a_reader_that_dies_loses_one_video_and_no_caller_waits(reading):
    world = reading
    await world.match(a_video("v1", "wow", images=[cornered(GREEN)]), a_video("v2", "hm", images=[cornered(RED)]))
    await world.wired.closer.step()
    assert count_of(world, "screen_text", "refused") == 1
    await world.wired.closer.step()
    assert set(await matches_of(world, "v2")) == {"dune"}
    assert world.outside.reader.restart_count == 1
    assert world.outside.worker.restart_count == 0


async def test_where_screens_cannot_be_read_all_else_goes_on(database, tmp_path):
    titles = (a_title("dune", "Dune", 0.95), a_title("alien", "Alien", 0.3))
    async with a_world(database, tmp_path, *titles, screen_text_share=1.0) as world:
        await show(world, "alien", a_scene(1), bits=DOUBTFUL, picture=a_scene(1))
        for name in ("v1", "v2"):
            await world.match(a_video(name, "wow", images=[jpeg_of(a_scene(1))]))
            await world.wired.closer.step()
            assert (await matches_of(world, name))["alien"].state == pb.MATCH_STATE_APPROVED
        assert count_of(world, "screen_text", "unavailable") == 1


def a_look(name: str, *, size: int = 10) -> Look:
    video = video_of(pb.Video(id=name, video=b"x" * size))
    return Look(video=video, frames=(Frame(t_ms=0, fingerprints=()),))


async def test_what_is_too_much_to_look_at_is_lost_and_counted():
    queue = LookQueue(1.0)
    for number in range(WAITING_MAX + 3):
        queue.offer(a_look(f"v{number}"))
    assert (len(queue), queue.dropped_count) == (WAITING_MAX, 3)
    assert (await queue.take()).video.id == "v0"
    large = LookQueue(1.0)
    for number in range(3):
        large.offer(a_look(f"v{number}", size=30_000_000))
    assert (len(large), large.dropped_count) == (2, 1)


async def test_files_wait_only_where_the_screen_is_to_be_read():
    queue = LookQueue(0.0)
    queue.offer(a_look("v1"))
    assert (await queue.take()).video.clip == b""


@pytest.mark.parametrize(
    ("video", "field"),
    [
        (a_video(images=[jpeg_of(a_scene(1)), b"<html>"]), "images[1]"),
        (a_video(images=[jpeg_of(a_scene(1))[:300]]), "images[0]"),
        (a_video(video=b"#EXTM3U\nfile:///etc/passwd\n"), "video"),
        (a_video(video=b"\x00\x00\x00\x18ftypmp42" + b"#EXTM3U\n" * 99), "video"),
        (a_video(video=jpeg_of(a_scene(1))), "video"),
        (a_video(frames=[pb.FrameSignal(t_ms=0, pdq="ab")]), "frames[0].pdq"),
        (a_video(frames=[pb.FrameSignal(t_ms=0, pdq="ab" * 32, pdq_quality=101)]), "frames[0].pdq_quality"),
        (a_video(frames=[pb.FrameSignal(t_ms=0, region="moon")]), "frames[0].region"),
        (a_video(frame_hashes=[pb.FrameHash(signal_type="pdq", signal="ab" * 31)]), "frame_hashes[0]"),
        (a_video(embeddings=[pb.Embedding(model="m", dim=9, dtype="float32", values=[1.0] * 8)]), "embeddings[0]"),
        (
            a_video(embeddings=[pb.Embedding(model="m", dim=8, dtype="float32", values=[float("nan")] * 8)]),
            "embeddings[0].values[0]",
        ),
        (a_video(embeddings=[pb.Embedding(model="m", dim=8, dtype="int4", values=[1.0] * 8)]), "embeddings[0].dtype"),
        (
            a_video(embeddings=[pb.Embedding(model="m", dim=8, dtype="float32", values=[0.0] * 8)]),
            "embeddings[0].values",
        ),
        (a_video(frames=[pb.FrameSignal(t_ms=0, pdq="ab" * 32, pdq_quality=90)] * 17), "frames"),
    ],
)
async def test_bad_pixels_and_signals_are_refused_by_their_field_and_keep_nothing(world, video, field):
    for call, at in (
        (world.match(a_video("ok", "x"), video), "videos[1]"),
        (world.matcher.MatchVideo(pb.MatchVideoRequest(video=video)), "video"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert fields_of(raised.value)[0] == f"{at}.{field}"
    assert await world.database.segments.count_documents({}) == 0


async def test_of_many_frames_a_spread_is_searched(world):
    await show(world, "alien", a_scene(1))
    pdq = pdq_of(a_scene(1))[0].hex()
    many = [pb.FrameHash(signal_type="pdq", signal=pdq, time_offset_ms=100 * n) for n in range(600)]
    response = await world.match(a_video("v1", "wow", frame_hashes=many))
    (match,) = response.results[0].matches
    assert visual_of(match)[0].segment.end_ms > 59_000
