"""Bars, insets and halves are found where they are, and nowhere else."""

import cv2
import numpy as np
import pytest

from services.matcher.visual.layout import WINDOWS_MAX, Box, content_box, small_grey, windows_of
from services.matcher.visual.signals import Region


def boxes(pictures, region: Region) -> list[Box]:
    return [window.box for window in windows_of(pictures) if window.region is region]


def near(box: Box, left: float, top: float, right: float, bottom: float, within: float = 0.03) -> bool:
    found = (box.left, box.top, box.right, box.bottom)
    return max(abs(a - b) for a, b in zip(found, (left, top, right, bottom), strict=True)) <= within


def test_a_plain_picture_is_one_window(scene):
    first = windows_of([scene(1)])[0]
    assert first.region is Region.FULL
    assert near(first.box, 0, 0, 1, 1)


@pytest.mark.parametrize("colour", [0, 255, 90])
def test_flat_bars_are_cut(scene, colour):
    canvas = np.full((640, 360, 3), colour, np.uint8)
    canvas[218:421] = cv2.resize(scene(2), (360, 203))
    first = windows_of([canvas])[0]
    assert first.region is Region.CONTENT
    assert near(first.box, 0, 218 / 640, 1, 421 / 640)


def test_words_on_a_bar_do_not_hide_it(scene):
    canvas = np.zeros((640, 360, 3), np.uint8)
    canvas[218:421] = cv2.resize(scene(2), (360, 203))
    cv2.putText(canvas, "wait", (60, 120), cv2.FONT_HERSHEY_DUPLEX, 1.2, (255, 255, 255), 2)
    assert near(windows_of([canvas])[0].box, 0, 218 / 640, 1, 421 / 640)


def test_bars_at_the_sides_are_cut(scene):
    canvas = np.zeros((240, 640, 3), np.uint8)
    canvas[:, 107:533] = scene(3)
    assert near(windows_of([canvas])[0].box, 107 / 640, 0, 533 / 640, 1)


def test_blurred_bars_are_cut(scene):
    picture = scene(4)
    canvas = cv2.GaussianBlur(cv2.resize(picture, (1138, 640))[:, 389:749], (0, 0), 20)
    canvas[218:421] = cv2.resize(picture, (360, 203))
    assert near(windows_of([canvas])[0].box, 0, 218 / 640, 1, 421 / 640)


@pytest.mark.parametrize(("left", "top"), [(40, 30), (330, 180), (190, 100)])
def test_a_picture_in_the_picture_is_found(scene, left, top):
    pictures = []
    for seed in (5, 6, 7):
        canvas = cv2.resize(scene(50), (640, 360))
        canvas[top : top + 144, left : left + 256] = cv2.resize(scene(seed), (256, 144))
        pictures.append(canvas)
    expected = (left / 640, top / 360, (left + 256) / 640, (top + 144) / 360)
    assert any(near(box, *expected) for box in boxes(pictures, Region.INSET))


def test_an_inset_is_found_in_a_single_frame_too(scene):
    canvas = cv2.GaussianBlur(cv2.resize(scene(50), (640, 360)), (0, 0), 3)
    canvas[60:204, 300:556] = cv2.resize(scene(8), (256, 144))
    assert any(near(box, 300 / 640, 60 / 360, 556 / 640, 204 / 360) for box in boxes([canvas], Region.INSET))


@pytest.mark.parametrize("is_across", [True, False])
def test_a_split_screen_gives_both_halves(scene, is_across):
    halves = [cv2.resize(scene(9), (360, 320)), cv2.resize(scene(10), (360, 320))]
    picture = np.vstack(halves) if is_across else np.hstack(halves)
    (first,) = boxes([picture], Region.SPLIT_FIRST)
    (second,) = boxes([picture], Region.SPLIT_SECOND)
    assert near(first, 0, 0, 1, 0.5) if is_across else near(first, 0, 0, 0.5, 1)
    assert near(second, 0, 0.5, 1, 1) if is_across else near(second, 0.5, 0, 1, 1)


def test_there_are_never_more_than_five_windows(scene):
    grid = np.vstack([np.hstack([cv2.resize(scene(r * 4 + c), (160, 90)) for c in range(4)]) for r in range(4)])
    assert 1 <= len(windows_of([grid])) <= WINDOWS_MAX


@pytest.mark.parametrize("shape", [(16, 16, 3), (2, 640, 3), (640, 2, 3), (17, 400, 3)])
def test_odd_shapes_are_survived(shape):
    picture = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert windows_of([picture])


def test_a_picture_of_one_colour_has_no_bars():
    flat = np.full((240, 426, 3), 7, np.uint8)
    assert near(windows_of([flat])[0].box, 0, 0, 1, 1)


def test_frames_of_another_shape_are_left_out_of_the_search(scene):
    assert windows_of([scene(1), cv2.resize(scene(2), (100, 300))]) == windows_of([scene(1)])


def test_a_still_ground_shows_where_the_film_moves(scene):
    ground = cv2.GaussianBlur(cv2.resize(scene(60), (360, 640)), (0, 0), 30)
    pictures = []
    for seed in (1, 2, 3, 4):
        canvas = ground.copy()
        canvas[200:340, 80:300] = cv2.resize(scene(seed), (220, 140))
        pictures.append(canvas)
    found = boxes(pictures, Region.INSET)
    assert any(near(box, 80 / 360, 200 / 640, 300 / 360, 340 / 640) for box in found)


def test_a_box_cuts_at_least_a_pixel_and_nests():
    picture = np.zeros((10, 10), np.uint8)
    assert Box(left=0.5, top=0.5, right=0.5, bottom=0.5).cut(picture).shape == (1, 1)
    half = Box(left=0.5, top=0.0, right=1.0, bottom=1.0)
    inner = half.inside(half)
    assert (inner.left, inner.right) == (0.75, 1.0)
    assert Box(left=1.0, top=0.0, right=0.0, bottom=1.0).area == 0.0


def test_grey_pictures_are_taken_as_they_are():
    assert small_grey(np.zeros((100, 200), np.uint8)).shape == (128, 256)
    assert near(content_box([np.zeros((30, 30), np.uint8)]), 0, 0, 1, 1)
