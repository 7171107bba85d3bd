"""Reads the words on a picture with RapidOCR where an operator installed it (requirements/ocr.txt).

It costs a tenth of a second a picture, so it runs in a child of its own, off the request path, on a sample of videos.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SHORT_SIDE_PX = 360  # read 100 % of caption overlays and title cards; smaller loses words, larger only costs
CONFIDENCE_MIN = 0.6
LINES_MAX = 40
LINE_CHARS_MAX = 200
PICTURES_MAX = 3  # of a video: captions stay on screen

Picture = NDArray[np.uint8]
Recogniser = Callable[[Picture], Iterable[tuple[str, float]]]  # the lines of a picture with their confidence


class ScreenTextUnavailable(RuntimeError):
    """RapidOCR is not installed here: pip install --require-hashes -r requirements/ocr.txt."""


def rapid_recogniser() -> Recogniser:
    """RapidOCR with the models of its own wheel, on one thread."""
    try:
        from rapidocr import RapidOCR  # noqa: PLC0415  optional: the service runs without it
    except ImportError as error:
        raise ScreenTextUnavailable(ScreenTextUnavailable.__doc__) from error
    engine = RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Global.log_level": "error",
        }
    )

    def lines(picture: Picture) -> list[tuple[str, float]]:
        said: Any = engine(np.ascontiguousarray(picture[:, :, ::-1]))
        return list(zip(said.txts or (), said.scores or (), strict=True))

    return lines


def screen_text(pictures: Sequence[Picture], recognise: Recogniser) -> tuple[str, ...]:
    """The lines seen on up to three pictures, each once, in the order they were seen."""
    lines: dict[str, None] = {}
    for picture in spaced(pictures, PICTURES_MAX):
        for text, confidence in recognise(at_reading_size(picture)):
            line = "".join(one for one in " ".join(text.split()) if one.isprintable())[:LINE_CHARS_MAX]
            if confidence >= CONFIDENCE_MIN and line:
                lines.setdefault(line)
    return tuple(lines)[:LINES_MAX]


def spaced(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """At most `count` of them, evenly spaced."""
    if len(pictures) <= count:
        return list(pictures)
    return [pictures[round(place * (len(pictures) - 1) / (count - 1))] for place in range(count)]


def at_reading_size(picture: Picture) -> Picture:
    scale = min(1.0, SHORT_SIDE_PX / min(picture.shape[:2]))
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def is_sampled(video_id: str, share: float) -> bool:
    """Whether a video's screen is read: the same answer each time, for this share of all videos."""
    digest = hashlib.blake2b(video_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64
