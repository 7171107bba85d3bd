"""Words on the screen: sampled, few, each once; without RapidOCR a plain answer."""

import importlib.util
from dataclasses import replace

import cv2
import numpy as np
import pytest

from services.matcher.visual.ocr import (
    CONFIDENCE_MIN,
    LINE_CHARS_MAX,
    LINES_MAX,
    PICTURES_MAX,
    SHORT_SIDE_PX,
    ScreenTextUnavailable,
    is_sampled,
    rapid_recogniser,
    screen_text,
    spaced,
)
from services.matcher.visual.pictures import DEFAULT_LIMITS
from services.matcher.visual.signals import SignalRefused
from services.matcher.visual.worker import FrameWorker, ScreenTextMissing

IS_INSTALLED = importlib.util.find_spec("rapidocr") is not None


def pictures(count: int) -> list[np.ndarray]:
    return [np.full((720, 1280, 3), n, np.uint8) for n in range(count)]


def test_each_line_comes_once_and_unsure_ones_not_at_all():
    said = {
        0: [("Wait  for\nit\x07", 0.9)],
        1: [("Wait for it", 0.9), ("blur", CONFIDENCE_MIN - 0.1)],
        2: [("The end", 0.8), ("  ", 1)],
    }
    assert screen_text(pictures(3), lambda picture: said[int(picture[0, 0, 0])]) == ("Wait for it", "The end")


def test_few_pictures_are_read_at_a_small_size():
    seen = []
    screen_text(pictures(9), lambda picture: seen.append(picture) or [])
    assert len(seen) == PICTURES_MAX
    assert all(min(picture.shape[:2]) == SHORT_SIDE_PX for picture in seen)
    assert [int(picture[0, 0, 0]) for picture in seen] == [0, 4, 8]
    assert len(spaced(pictures(2), 3)) == 2


def test_a_wall_of_text_is_bounded():
    lines = screen_text(pictures(1), lambda _: [(f"{n} " + "x" * 999, 1.0) for n in range(500)])
    assert len(lines) == LINES_MAX
    assert max(map(len, lines)) == LINE_CHARS_MAX


def test_the_sample_is_stable_and_of_the_share_asked_for():
    taken = [is_sampled(f"v{n}", 0.1) for n in range(5_000)]
    assert taken == [is_sampled(f"v{n}", 0.1) for n in range(5_000)]
    assert 0.08 < np.mean(taken) < 0.12
    assert not any(is_sampled(f"v{n}", 0.0) for n in range(100))
    assert all(is_sampled(f"v{n}", 1.0) for n in range(100))


@pytest.mark.skipif(IS_INSTALLED, reason="RapidOCR is installed (requirements/ocr.txt)")
async def test_without_rapidocr_the_answer_says_what_to_install(files, scene):
    with pytest.raises(ScreenTextUnavailable, match=r"ocr\.txt"):
        rapid_recogniser()
    async with FrameWorker() as worker:
        for payload in (files.jpeg(scene(1)), files.mp4([scene(1)])):
            with pytest.raises(ScreenTextMissing, match=r"ocr\.txt"):
                await worker.text_of([payload], at="images")
        assert len(await worker.of_images([(0, files.jpeg(scene(1)))], at="images")) == 1


@pytest.mark.skipif(not IS_INSTALLED, reason="RapidOCR is not installed (requirements/ocr.txt)")
async def test_rapidocr_reads_captions(files, scene):
    slow = replace(DEFAULT_LIMITS, file_s_max=60.0)  # its models are loaded with the first picture
    async with FrameWorker(limits=slow) as worker:
        for number, words in enumerate(("Interstellar", "Blade Runner 2049", "La La Land")):
            picture = scene(number, 640, 360)
            for colour, weight in ((0, 6), (255, 2)):
                cv2.putText(picture, words, (30, 180), cv2.FONT_HERSHEY_DUPLEX, 1.1, (colour,) * 3, weight, cv2.LINE_AA)
            lines = await worker.text_of([files.jpeg(picture)], at="images")
            assert words.replace(" ", "") in {line.replace(" ", "") for line in lines}


async def test_a_broken_picture_has_no_text_either(files, scene):
    async with FrameWorker() as worker:
        with pytest.raises(SignalRefused) as refusal:
            await worker.text_of([files.jpeg(scene(1))[:200]], at="images")
        assert refusal.value.violations[0].field == "images[0]"
        with pytest.raises(SignalRefused):
            await worker.text_of([], at="images")
