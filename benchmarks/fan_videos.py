"""Makes fan videos for measuring: stills of a film or a poster, one edit over all frames, encoded as a real MP4."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.fan_edits import EDITS, Picture, covered, decoded

FRAMES_PER_STILL = 6
RATE = 6  # frames a second: one still a second
STILLS_PER_VIDEO = 5
POSTER_MOMENTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A row of an image index."""

    path: Path
    file: str
    title_id: str | None
    kind: str
    role: str
    clip: str
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one video is made of, before the edit; `kind` says where it comes from."""

    title_id: str | None
    kind: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FanVideo:
    """One edited, encoded video and the truth about it."""

    title_id: str | None
    kind: str
    edit: str
    payload: bytes


def read_index(path: Path) -> tuple[Item, ...]:
    """Image indexes have one JSON object a line: file (beside the index), id, kind, role, clip, time."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return tuple(
        Item(
            path=path.parent / row["file"],
            file=row["file"],
            title_id=row.get("id"),
            kind=row["kind"],
            role=row.get("role") or "",
            clip=row.get("clip") or "",
            time_s=float(row.get("time") or 0.0),
        )
        for row in rows
    )


def load(item: Item) -> Picture:
    return np.asarray(cv2.cvtColor(cv2.imread(str(item.path)), cv2.COLOR_BGR2RGB), np.uint8)


def clip_scenes(items: Sequence[Item], kind: str) -> Iterator[Scene]:
    """Five stills in a row of each clip; a rest of fewer than three is left out."""
    clips: dict[str, list[Item]] = {}
    for item in items:
        clips.setdefault(item.clip, []).append(item)
    for clip in clips.values():
        ordered = sorted(clip, key=lambda item: item.time_s)
        for start in range(0, len(ordered), STILLS_PER_VIDEO):
            part = ordered[start : start + STILLS_PER_VIDEO]
            if len(part) >= min(3, len(ordered)):
                yield Scene(title_id=part[0].title_id, kind=kind, pictures=tuple(load(item) for item in part))


def poster_scene(item: Item, kind: str) -> Scene:
    """A slow zoom into one poster."""
    poster = load(item)
    height, width = poster.shape[:2]
    steps = [step * 0.03 for step in range(POSTER_MOMENTS)]
    zoomed = [
        poster[int(height * s) : height - int(height * s), int(width * s) : width - int(width * s)] for s in steps
    ]
    return Scene(title_id=item.title_id, kind=kind, pictures=tuple(zoomed))


def slide_scene(items: Sequence[Item], kind: str) -> Scene:
    """Several posters after each other: more chances to be taken for a title."""
    return Scene(title_id=None, kind=kind, pictures=tuple(covered(load(item), 300, 440) for item in items))


def card_scene(chance: Random) -> Scene:
    """Words on a plain or shaded ground, drawn here: what matches everything where nothing guards against it."""
    grounds = np.array([[chance.choice((0, 0, 8, 30, 120, 250)) for _ in range(3)] for _ in range(2)], np.float32)
    pictures: list[Picture] = []
    for _ in range(4):
        card = np.asarray(cv2.resize(grounds[:, None, :], (640, 360)), np.uint8)
        words = "".join(chance.choice("abcdefghilmnoprstuvw   ") for _ in range(chance.randint(4, 22)))
        size = chance.uniform(0.8, 2.6)
        ink = [255 - int(value) for value in card[180, 320]]
        place = (chance.randint(10, 200), chance.randint(80, 320))
        cv2.putText(card, words, place, cv2.FONT_HERSHEY_DUPLEX, size, ink, max(1, round(2 * size)), cv2.LINE_AA)
        pictures.append(card)
    return Scene(title_id=None, kind="synthetic card", pictures=tuple(pictures))


def edited(scene: Scene, edit: str, others: Sequence[Picture], seed: str) -> tuple[Picture, ...]:
    """The scene under one edit whose layout stays the same from frame to frame."""
    other = Random(f"{seed} other").choice(others)
    frames = [EDITS[edit](picture, other, Random(seed)) for picture in scene.pictures]
    height, width = frames[0].shape[:2]
    return tuple(frame if frame.shape == frames[0].shape else covered(frame, width, height) for frame in frames)


def fan_video(scene: Scene, edit: str, others: Sequence[Picture], seed: str) -> FanVideo:
    payload = encoded(edited(scene, edit, others, seed))
    return FanVideo(title_id=scene.title_id, kind=scene.kind, edit=edit, payload=payload)


def jpeg_again(picture: Picture) -> Picture:
    """As an uploaded picture arrives: encoded once more."""
    return decoded(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1])


def encoded(
    pictures: Sequence[Picture], *, rate: int = RATE, frames_each: int = FRAMES_PER_STILL, crf: int = 30
) -> bytes:
    """H.264 in MP4, each picture held for `frames_each` frames."""
    height, width = (side // 2 * 2 for side in pictures[0].shape[:2])
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number, picture in enumerate(_held(pictures, frames_each)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _held(pictures: Sequence[NDArray[np.uint8]], frames_each: int) -> Iterator[Picture]:
    for picture in pictures:
        for _ in range(frames_each):
            yield picture
