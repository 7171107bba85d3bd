"""The frame worker: one child, bounded waiting, replaced when it dies or dawdles."""

import asyncio
import io
import os
import signal
from dataclasses import replace

import numpy as np
import orjson
import pytest
from PIL import Image

from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.pictures import DEFAULT_LIMITS, PayloadKind, read_picture
from services.matcher.visual.signals import Frame, ReferenceKind, SignalRefused
from services.matcher.visual.videos import Moment, read_video, spread
from services.matcher.visual.worker import WAITING_MAX, FramesBusy, FramesUnreadable, FrameWorker
from services.matcher.visual.worker_codec import (
    Task,
    fingerprints_from,
    frames_from,
    frames_said,
    task_from,
    task_header,
)
from services.matcher.visual.worker_main import answer, serve


async def test_a_child_answers_what_its_code_answers_here(files, scene, tiny_model, fingerprinter):
    picture = scene(1)
    payload = files.png(picture)
    async with FrameWorker() as worker:
        frames = await worker.of_images([(40, payload)], at="images")
        prints = await worker.of_reference(payload, ReferenceKind.STILL, at="image")
    here = Fingerprinter().of_video([Moment(t_ms=40, picture=picture)])
    assert frames == here
    assert (frames[0].picture == here[0].picture).all()
    assert prints == Fingerprinter().of_reference(picture, ReferenceKind.STILL)


async def test_a_frame_model_is_loaded_under_the_name_it_is_given(files, scene, tiny_model):
    async with FrameWorker(frame_model=tiny_model, model_name="mine") as worker:
        frames = await worker.of_video(files.mp4([scene(1), scene(2), scene(3)]), at="video")
    assert {one.embedding.model for frame in frames for one in frame.fingerprints if one.embedding} == {"mine"}
    assert [frame.t_ms for frame in frames] == sorted(frame.t_ms for frame in frames)


async def test_a_killed_child_is_replaced(files, scene):
    payload = files.jpeg(scene(1))
    async with FrameWorker() as worker:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        try:
            await worker.of_images([(0, payload)], at="images")
        except SignalRefused as refusal:
            assert "broke" in refusal.violations[0].description
        assert len(await worker.of_images([(0, payload)], at="images")) == 1
        assert worker.restart_count == 1


async def test_a_file_that_takes_too_long_is_refused_and_its_child_replaced(files, scene):
    payload = files.jpeg(scene(1))
    async with FrameWorker(limits=replace(DEFAULT_LIMITS, file_s_max=0.0)) as worker:
        first = worker.pid
        with pytest.raises(SignalRefused) as refusal:
            await worker.of_images([(0, payload)], at="images")
        assert "too long" in refusal.value.violations[0].description
        assert worker.pid != first or worker.restart_count == 0


async def test_a_cancelled_caller_leaves_no_answer_for_the_next(files, scene):
    slow = files.mp4([scene(n) for n in range(8)])
    async with FrameWorker() as worker:
        for _ in range(3):
            task = asyncio.create_task(worker.of_video(slow, at="video"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            frames = await worker.of_images([(7, files.jpeg(scene(3)))], at="images")
            assert [frame.t_ms for frame in frames] == [7]


async def test_too_many_waiting_files_are_turned_away(files, scene):
    payload = files.jpeg(scene(1))
    async with FrameWorker() as worker:
        asked = [worker.of_images([(0, payload)], at="images") for _ in range(WAITING_MAX + 5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, FramesBusy) for one in answers) == 5
    assert sum(isinstance(one, tuple) for one in answers) == WAITING_MAX


async def test_too_many_pictures_are_refused(files, scene):
    async with FrameWorker() as worker:
        with pytest.raises(SignalRefused) as refusal:
            await worker.of_images([(0, files.jpeg(scene(1)))] * 65, at="videos[3].images")
    assert refusal.value.violations[0].field == "videos[3].images"


async def test_the_refusal_names_the_picture_among_many(files, scene):
    good = files.jpeg(scene(1))
    async with FrameWorker() as worker:
        with pytest.raises(SignalRefused) as refusal:
            await worker.of_images([(0, good), (1, good[:300])], at="videos[0].images")
        assert refusal.value.violations[0].field == "videos[0].images[1]"


async def test_a_video_is_no_reference_and_a_picture_no_video(files, scene):
    async with FrameWorker() as worker:
        with pytest.raises(SignalRefused):
            await worker.of_reference(files.mp4([scene(1)]), ReferenceKind.STILL, at="image")
        with pytest.raises(SignalRefused):
            await worker.of_video(files.png(scene(1)), at="video")


async def test_a_model_that_cannot_be_loaded_is_said_at_the_start(tmp_path):
    with pytest.raises(FramesUnreadable):
        async with FrameWorker(frame_model=tmp_path / "absent.onnx"):
            pass


async def test_an_old_child_makes_room_for_a_fresh_one(files, scene):
    payload = files.jpeg(scene(1))
    async with FrameWorker(files_per_child_max=2) as worker:
        pids = set()
        for _ in range(5):
            await worker.of_images([(0, payload)], at="images")
            pids.add(worker.pid)
        assert len(pids) == 3


def test_tasks_and_frames_survive_the_wire(fingerprinter, scene):
    task = Task(act="images", sizes=(3, 4), times_ms=(0, 5), kind="")
    assert task_from(task_header(task)[4:]) == task
    frames = fingerprinter.of_video([Moment(t_ms=1, picture=scene(1)), Moment(t_ms=2, picture=scene(2))])
    again = frames_from(orjson.loads(orjson.dumps(frames_said(frames))))
    assert again == frames
    assert all((a.picture == b.picture).all() for a, b in zip(again, frames, strict=True))
    assert frames_from(frames_said([Frame(t_ms=1, fingerprints=())]))[0].picture is None
    (shown,) = frames_from(frames_said([replace(frames[0], thumbnail=b"jpeg")]))
    assert shown.thumbnail == b"jpeg"


def test_the_child_serves_until_its_input_ends(files, scene, hasher):
    payload = files.png(scene(1))
    tasks = io.BytesIO()
    for act, kind in (("images", ""), ("reference", "still"), ("video", "")):
        tasks.write(task_header(Task(act=act, sizes=(len(payload),), times_ms=(3,), kind=kind)) + payload)
    tasks.seek(0)
    answers = io.BytesIO()
    serve(tasks, answers, hasher, DEFAULT_LIMITS)
    answers.seek(0)
    said = [orjson.loads(answers.read(int.from_bytes(length, "big"))) for length in iter(lambda: answers.read(4), b"")]
    assert said[0] == {"ready": True}
    assert frames_from(said[1])[0].t_ms == 3
    assert len(fingerprints_from(said[2])) == 4
    assert said[3] == {"refused": "not an MP4 file", "at": ""}


def test_whatever_a_decoder_raises_is_a_refusal(files, scene):
    class Breaks:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def of_video(self, _moments: object) -> None:
            raise self.error

    task = Task(act="images", sizes=(1,), times_ms=(0,))
    payload = files.png(scene(1))
    assert "memory" in answer(task, [payload], Breaks(MemoryError()), DEFAULT_LIMITS)["refused"]
    assert "RecursionError" in answer(task, [payload], Breaks(RecursionError()), DEFAULT_LIMITS)["refused"]


def test_a_video_in_place_of_a_picture_is_refused(files, scene, hasher):
    payload = files.mp4([scene(1)])
    said = answer(Task(act="reference", sizes=(1,), kind="still"), [payload], hasher, DEFAULT_LIMITS)
    assert "JPEG or PNG" in said["refused"]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16", "1"])
def test_pictures_of_any_colour_model_become_rgb(scene, mode):
    buffer = io.BytesIO()
    image = Image.fromarray(scene(1))
    converted = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    kind = PayloadKind.JPEG if mode == "CMYK" else PayloadKind.PNG
    converted.save(buffer, kind.value.upper())
    picture = read_picture(buffer.getvalue(), kind, DEFAULT_LIMITS, at="x")
    assert picture.shape == (240, 426, 3)
    assert picture.dtype == np.uint8


def test_a_turned_photo_is_set_upright(scene):
    buffer = io.BytesIO()
    image = Image.fromarray(scene(1))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(buffer, "JPEG", exif=exif)
    assert read_picture(buffer.getvalue(), PayloadKind.JPEG, DEFAULT_LIMITS, at="x").shape == (426, 240, 3)


def test_a_large_photo_is_made_small(scene):
    buffer = io.BytesIO()
    Image.fromarray(scene(1)).resize((3000, 1690)).save(buffer, "JPEG")
    assert max(read_picture(buffer.getvalue(), PayloadKind.JPEG, DEFAULT_LIMITS, at="x").shape) <= 640


def test_a_video_gives_frames_of_different_shots(files, scene):
    payload = files.mp4([scene(n) for n in range(6)], rate=25, frames_each=25)
    moments = read_video(payload, DEFAULT_LIMITS, at="video")
    assert 6 <= len(moments) <= DEFAULT_LIMITS.frames_max
    assert len({moment.t_ms // 1000 for moment in moments}) == 6
    assert all(moment.picture.shape == (240, 426, 3) for moment in moments)


def test_the_cpu_budget_bounds_how_much_is_decoded(files, scene):
    payload = files.mp4([scene(1)], rate=25, frames_each=200)
    moments = read_video(payload, replace(DEFAULT_LIMITS, decode_s_max=0.0), at="video")
    assert 1 <= len(moments) <= 2


def test_frames_are_spread_over_what_differs(scene):
    still, other = scene(1), scene(2)
    moments = [Moment(t_ms=n, picture=other if n == 7 else still) for n in range(20)]
    assert 7 in {moment.t_ms for moment in spread(moments, 2)}
    assert len(spread(moments[:2], 5)) == 2
