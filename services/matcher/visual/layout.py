"""How a video's picture is put together: bars, pictures in the picture and split screens, found and cut.

A layout is static while the film inside it moves, so the edges of all sampled frames are averaged: what stays is
the layout. One frame works too, less surely.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.matcher.visual.signals import Region

WINDOWS_MAX = 5
WHOLE_AREA_MIN = 0.97  # of the picture: what is cut off less is no bar
PART_PX_MIN = 32  # of the small picture: nothing is found in less
SAME_LINE_PX = 2
SAME_BOX_OVERLAP = 0.6
SIDE_PX = 256  # layouts are found on a picture this long: fine enough for a 35 % inset of a vertical video

BAR_TOLERANCE = 14  # grey levels a bar differs from its own colour (JPEG noise)
BAR_SHARE = 0.72  # of a bar's row; the rest may be caption text on the bar
BAR_MIN = 0.02  # of the side
CONTENT_MIN = 0.18  # of the side: less is no picture
BLUR_RATIO = 0.35  # sharpness of a blurred bar against the middle
EDGE_STEP = 10  # grey levels across a border
LINE_SUPPORT_MIN = 0.72
SIDE_SUPPORT_MIN = 0.45
RECTANGLE_SUPPORT_MIN = 0.70
INSET_MIN, INSET_MAX = 0.16, 0.92  # of the side
STANDS_OUT_MIN = 0.35  # share of border pixels more than a few rows beside it: texture has them everywhere
LINES_MAX = 24
LINE_SHARE_MIN = 0.35  # of the frames; a border is lost where the film is as dark as what surrounds it
INSETS_MAX = 3
MOVING_FRAMES_MIN = 3
MOVES_DEVIATION_MIN = 6.0  # grey levels over time; coding noise of a still picture stays under 3
MOVES_SHARE_MIN = 0.10  # of a row or column
MOVES_FILL_MIN = 0.6
MOVING_AREA_MAX = 0.85

Picture = NDArray[np.uint8]
Edges = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in shares of the picture, so that it fits frames of any size."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def cut(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        left, right = round(self.left * width), max(round(self.right * width), round(self.left * width) + 1)
        top, bottom = round(self.top * height), max(round(self.bottom * height), round(self.top * height) + 1)
        return picture[top:bottom, left:right]

    def inside(self, outer: "Box") -> "Box":
        """This box, given in shares of `outer`, in shares of the whole."""
        width, height = outer.right - outer.left, outer.bottom - outer.top
        return Box(
            left=outer.left + self.left * width,
            top=outer.top + self.top * height,
            right=outer.left + self.right * width,
            bottom=outer.top + self.bottom * height,
        )


WHOLE = Box(left=0.0, top=0.0, right=1.0, bottom=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the picture that may be a picture of its own."""

    region: Region
    box: Box


def windows_of(pictures: Sequence[Picture]) -> tuple[Window, ...]:
    """The windows of frames that share a layout: the content without bars, then insets and halves within it."""
    greys = [small_grey(picture) for picture in pictures]
    greys = [grey for grey in greys if grey.shape == greys[0].shape]
    content = content_box(greys)
    inner = [content.cut(grey) for grey in greys]
    region = Region.FULL if content.area > WHOLE_AREA_MIN else Region.CONTENT
    windows = [Window(region=region, box=content)]
    if min(inner[0].shape) >= PART_PX_MIN:
        windows += [Window(region=part, box=box.inside(content)) for part, box in _parts(inner)]
    return tuple(windows[:WINDOWS_MAX])


def grey_of(picture: Picture) -> Picture:
    is_grey = len(picture.shape) == 2  # noqa: PLR2004  rows and columns, no colours
    return picture if is_grey else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def small_grey(picture: Picture, side_px: int = SIDE_PX) -> Picture:
    grey = grey_of(picture)
    scale = side_px / max(grey.shape)
    size = (max(2, round(grey.shape[1] * scale)), max(2, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def content_box(greys: Sequence[Picture]) -> Box:
    """The picture without flat or blurred bars."""
    box = WHOLE
    for is_across in (True, False, True):  # rows first: wide bars above and below make every column look like a bar
        inner = [box.cut(grey) for grey in greys]
        first, last = _bars(inner if is_across else [grey.T for grey in inner])
        left, top, right, bottom = (0.0, first, 1.0, last) if is_across else (first, 0.0, last, 1.0)
        box = _checked(left, top, right, bottom).inside(box)
    inner = [box.cut(grey) for grey in greys]
    if min(inner[0].shape) < PART_PX_MIN:
        return box
    blur_top, blur_bottom = _blurred_bars(inner)
    blur_left, blur_right = _blurred_bars([grey.T for grey in inner])
    return _checked(blur_left, blur_top, blur_right, blur_bottom).inside(box)


def _checked(left: float, top: float, right: float, bottom: float) -> Box:
    if right - left < CONTENT_MIN:
        left, right = 0.0, 1.0
    if bottom - top < CONTENT_MIN:
        top, bottom = 0.0, 1.0
    return Box(left=left, top=top, right=right, bottom=bottom)


def _bars(greys: Sequence[Picture]) -> tuple[float, float]:
    """Where rows stop being of one colour, from the top and from the bottom, in shares."""
    rows = greys[0].shape[0]
    top = min(_bar_rows(grey) for grey in greys)
    bottom = min(_bar_rows(grey[::-1]) for grey in greys)
    return (top / rows if top >= BAR_MIN * rows else 0.0), (1.0 - bottom / rows if bottom >= BAR_MIN * rows else 1.0)


def _bar_rows(grey: Picture) -> int:
    colour = float(np.median(grey[: max(1, len(grey) // 50)]))
    same = (np.abs(grey.astype(np.int16) - colour) <= BAR_TOLERANCE).mean(axis=1) >= BAR_SHARE
    broken = np.flatnonzero(~same)
    return int(broken[0]) if len(broken) else 0  # all of one colour: no bar but a flat picture


def _blurred_bars(greys: Sequence[Picture]) -> tuple[float, float]:
    """Where blurred rows end at a straight border, from the top and from the bottom, in shares."""
    rows = greys[0].shape[0]
    sharpness = np.mean([np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean(axis=1) for grey in greys], axis=0)
    middle = float(np.median(sharpness[rows // 3 : rows - rows // 3]))
    border = _row_edges(greys).mean(axis=1) >= LINE_SUPPORT_MIN * 0.75
    top = _blurred_rows(sharpness, border, middle)
    bottom = _blurred_rows(sharpness[::-1], np.append(border[1:], False)[::-1], middle)
    return top / rows, 1.0 - bottom / rows


def _blurred_rows(sharpness: NDArray[np.floating], border: NDArray[np.bool_], middle: float) -> int:
    """The first border from the edge inwards with only blurred rows before it."""
    rows = len(sharpness)
    for row in np.flatnonzero(border[: rows // 2]):
        before = sharpness[: max(1, row - 1)]
        if row >= 0.05 * rows and float(np.mean(before)) <= BLUR_RATIO * middle:
            return int(row)
    return 0


def _row_edges(greys: Sequence[Picture]) -> Edges:
    """For each pixel the share of frames with a horizontal border between it and the one two rows above."""
    total = np.zeros(greys[0].shape, np.float32)
    for grey in greys:
        step = np.abs(grey[2:].astype(np.int16) - grey[:-2])
        total[1:-1] += step >= EDGE_STEP
    return np.asarray(total / len(greys), np.float32)


def _parts(greys: Sequence[Picture]) -> list[tuple[Region, Box]]:
    horizontal = _row_edges(greys)
    vertical = _row_edges([np.ascontiguousarray(grey.T) for grey in greys])
    halves = _halves(horizontal, is_across=True) or _halves(vertical, is_across=False)
    insets = _apart([*_moving(greys), *_insets(horizontal, vertical)], INSETS_MAX)
    return halves + [(Region.INSET, box) for box in insets]


def _moving(greys: Sequence[Picture]) -> list[Box]:
    """The rectangle in which anything moves at all, if the rest of the picture stands still."""
    if len(greys) < MOVING_FRAMES_MIN:
        return []
    moves = np.std(np.stack(greys).astype(np.float32), axis=0) >= MOVES_DEVIATION_MIN
    rows, columns = moves.shape
    busy_rows = np.flatnonzero(moves.mean(axis=1) >= MOVES_SHARE_MIN)
    busy_columns = np.flatnonzero(moves.mean(axis=0) >= MOVES_SHARE_MIN)
    if len(busy_rows) == 0 or len(busy_columns) == 0:
        return []
    top, bottom, left, right = busy_rows[0], busy_rows[-1] + 1, busy_columns[0], busy_columns[-1] + 1
    box = Box(left=left / columns, top=top / rows, right=right / columns, bottom=bottom / rows)
    fills = float(moves[top:bottom, left:right].mean()) >= MOVES_FILL_MIN
    return [box] if fills and INSET_MIN**2 <= box.area <= MOVING_AREA_MAX else []


def _halves(edges: Edges, *, is_across: bool) -> list[tuple[Region, Box]]:
    """The two sides of the strongest line through the whole picture, if there is one near the middle."""
    rows = len(edges)
    support = edges.mean(axis=1)
    low, high = int(rows * 0.25), int(rows * 0.75)
    line = low + int(np.argmax(support[low:high]))
    if support[line] < LINE_SUPPORT_MIN or support[line] - _beside(support, line) < STANDS_OUT_MIN:
        return []
    share = line / rows
    if is_across:
        boxes = (Box(left=0.0, top=0.0, right=1.0, bottom=share), Box(left=0.0, top=share, right=1.0, bottom=1.0))
    else:
        boxes = (Box(left=0.0, top=0.0, right=share, bottom=1.0), Box(left=share, top=0.0, right=1.0, bottom=1.0))
    return list(zip((Region.SPLIT_FIRST, Region.SPLIT_SECOND), boxes, strict=True))


def _beside(support: NDArray[np.floating], line: int) -> float:
    """How much border there is a few rows away: in texture as much as here, beside a real border little."""
    near = [row for row in (line - 6, line - 5, line - 4, line + 4, line + 5, line + 6) if 0 <= row < len(support)]
    return float(np.mean(support[near])) if near else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    at: int
    start: int
    end: int


def _insets(horizontal: Edges, vertical: Edges) -> list[Box]:
    """Up to two rectangles with a border on all four sides, best first."""
    rows, columns = horizontal.shape
    across, down = _sums(horizontal), _sums(vertical)
    lines = _lines(horizontal, int(INSET_MIN * columns))
    found: list[tuple[float, Box]] = []
    for upper in lines:
        for lower in lines:
            left, right = max(upper.start, lower.start), min(upper.end, lower.end)
            if lower.at - upper.at < INSET_MIN * rows or right - left < INSET_MIN * columns:
                continue
            if right - left < 0.7 * max(upper.end - upper.start, lower.end - lower.start):
                continue
            left, left_support = _best_side(down, left, upper.at, lower.at)
            right, right_support = _best_side(down, right, upper.at, lower.at)
            if right - left < INSET_MIN * columns or right - left > INSET_MAX * columns:
                continue
            supports = (
                left_support,
                right_support,
                _support(across, upper.at, left, right),
                _support(across, lower.at, left, right),
            )
            around = (
                _support(down, max(0, left - 5), upper.at, lower.at),
                _support(down, min(columns - 1, right + 5), upper.at, lower.at),
                _support(across, max(0, upper.at - 5), left, right),
                _support(across, min(rows - 1, lower.at + 5), left, right),
            )
            mean = sum(supports) / 4
            stands_out = mean - sum(around) / 4 >= STANDS_OUT_MIN
            if min(supports) >= SIDE_SUPPORT_MIN and mean >= RECTANGLE_SUPPORT_MIN and stands_out:
                box = Box(left=left / columns, top=upper.at / rows, right=right / columns, bottom=lower.at / rows)
                found.append((mean + 0.3 * box.area, box))
    return _apart([box for _, box in sorted(found, key=lambda one: -one[0])], 2)


def _lines(edges: Edges, length_min: int) -> list[_Line]:
    """The longest runs of border, at most one a row, gaps of a few pixels bridged."""
    bridged = cv2.morphologyEx((edges >= LINE_SHARE_MIN).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, 7), np.uint8))
    lines = [_longest_run(row, at) for at, row in enumerate(bridged)]
    ranked = sorted((line for line in lines if line.end - line.start >= length_min), key=_length, reverse=True)
    kept: list[_Line] = []
    for line in ranked:
        if not any(_is_twin(line, one) for one in kept):
            kept.append(line)
        if len(kept) == LINES_MAX:
            break
    return kept


def _is_twin(line: _Line, other: _Line) -> bool:
    """The two rows of one border."""
    overlap = min(line.end, other.end) - max(line.start, other.start)
    return abs(line.at - other.at) <= SAME_LINE_PX and overlap > 0


def _length(line: _Line) -> int:
    return line.end - line.start


def _longest_run(row: NDArray[np.uint8], at: int) -> _Line:
    steps = np.flatnonzero(np.diff(np.concatenate(([0], row, [0])).astype(np.int8)))
    if len(steps) == 0:
        return _Line(at=at, start=0, end=0)
    runs = steps.reshape(-1, 2)
    best = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))]
    return _Line(at=at, start=int(best[0]), end=int(best[1]))


def _sums(edges: Edges) -> Edges:
    """Running sums along each row, a border counting for the rows beside it too."""
    thick = cv2.dilate(edges, np.ones((3, 1), np.uint8))
    return np.asarray(np.cumsum(np.pad(thick, ((0, 0), (1, 0))), axis=1), np.float32)


def _support(sums: Edges, row: int, start: int, end: int) -> float:
    return float(sums[row, end] - sums[row, start]) / max(1, end - start)


def _best_side(down: Edges, near: int, top: int, bottom: int) -> tuple[int, float]:
    """The column within 4 pixels of `near` with most border between two rows."""
    low, high = max(0, near - 4), min(len(down), near + 5)
    supports = (down[low:high, bottom] - down[low:high, top]) / max(1, bottom - top)
    best = int(np.argmax(supports))
    return low + best, float(supports[best])


def _apart(boxes: Sequence[Box], count: int) -> list[Box]:
    """The best boxes that do not tell of the same rectangle."""
    kept: list[Box] = []
    for box in boxes:
        if all(_overlap(box, one) < SAME_BOX_OVERLAP for one in kept):
            kept.append(box)
        if len(kept) == count:
            break
    return kept


def _overlap(one: Box, other: Box) -> float:
    common = Box(
        left=max(one.left, other.left),
        top=max(one.top, other.top),
        right=min(one.right, other.right),
        bottom=min(one.bottom, other.bottom),
    ).area
    return common / max(1e-9, one.area + other.area - common)
