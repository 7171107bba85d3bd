"""How the frame worker and its child speak: length-prefixed JSON, file bytes after it. Never pickle: the child reads
hostile files, and what it says is data.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.matcher.visual.signals import Embedding, Fingerprint, Frame, Region

LENGTH_BYTES = 4
HEADER_BYTES_MAX = 8 * 1024 * 1024
FILES_MAX = 64

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the child is to do: `video` (one MP4), `images` (one file a moment), `reference` or `grey` (one image),
    `text` (one MP4 or some images).
    """

    act: str
    sizes: tuple[int, ...]
    times_ms: tuple[int, ...] = ()
    kind: str = ""


def task_header(task: Task) -> bytes:
    return framed({"act": task.act, "sizes": task.sizes, "times_ms": task.times_ms, "kind": task.kind})


def task_from(header: bytes) -> Task:
    said = orjson.loads(header)
    return Task(act=said["act"], sizes=tuple(said["sizes"]), times_ms=tuple(said["times_ms"]), kind=said["kind"])


def framed(said: Mapping[str, Any]) -> bytes:
    body = orjson.dumps(said)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def frames_said(frames: Sequence[Frame]) -> dict[str, Any]:
    return {"frames": [_frame_said(frame) for frame in frames]}


def frames_from(said: Mapping[str, Any]) -> tuple[Frame, ...]:
    return tuple(_frame_from(one) for one in said["frames"])


def fingerprints_said(fingerprints: Sequence[Fingerprint]) -> dict[str, Any]:
    return {"fingerprints": [_fingerprint_said(one) for one in fingerprints]}


def fingerprints_from(said: Mapping[str, Any]) -> tuple[Fingerprint, ...]:
    return tuple(_fingerprint_from(one) for one in said["fingerprints"])


def _frame_said(frame: Frame) -> dict[str, Any]:
    picture = frame.picture
    return {
        "t_ms": frame.t_ms,
        "fingerprints": [_fingerprint_said(one) for one in frame.fingerprints],
        "picture": None if picture is None else grey_said(picture),
        "thumbnail": _text(frame.thumbnail),
    }


def _frame_from(said: Mapping[str, Any]) -> Frame:
    return Frame(
        t_ms=said["t_ms"],
        fingerprints=tuple(_fingerprint_from(one) for one in said["fingerprints"]),
        picture=None if said["picture"] is None else grey_from(said["picture"]),
        thumbnail=_bytes(said["thumbnail"]),
    )


def grey_said(picture: Grey) -> list[Any]:
    return [*picture.shape, _text(picture.tobytes())]


def grey_from(said: Sequence[Any]) -> Grey:
    height, width, pixels = said
    return np.frombuffer(_bytes(pixels), np.uint8).reshape(height, width)


def _fingerprint_said(one: Fingerprint) -> dict[str, Any]:
    return {
        "region": one.region.value,
        "mirrored": one.mirrored,
        "pdq": None if one.pdq is None else one.pdq.hex(),
        "pdq_quality": one.pdq_quality,
        "embedding": None if one.embedding is None else [one.embedding.model, _text(one.embedding.values)],
    }


def _fingerprint_from(said: Mapping[str, Any]) -> Fingerprint:
    embedding = said["embedding"]
    return Fingerprint(
        region=Region(said["region"]),
        mirrored=said["mirrored"],
        pdq=None if said["pdq"] is None else bytes.fromhex(said["pdq"]),
        pdq_quality=said["pdq_quality"],
        embedding=None if embedding is None else Embedding(model=embedding[0], values=_bytes(embedding[1])),
    )


def _text(payload: bytes) -> str:
    return base64.b64encode(payload).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
