"""The child of the frame worker: reads files of unknown origin under hard limits of the operating system.

It inherits no secrets, opens no sockets, writes no files; it may crash or be ended at any moment.
"""

import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import cv2

from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.frame_model import FrameModel
from services.matcher.visual.layout import small_grey
from services.matcher.visual.ocr import Recogniser, ScreenTextUnavailable, rapid_recogniser, screen_text
from services.matcher.visual.pictures import DEFAULT_LIMITS, Limits, PayloadKind, checked_kind, read_picture
from services.matcher.visual.signals import Frame, ReferenceKind, SignalRefused, refused
from services.matcher.visual.thumbnail import thumbnail_of
from services.matcher.visual.verify import GREY_PX
from services.matcher.visual.videos import Moment, read_video
from services.matcher.visual.worker_codec import (
    LENGTH_BYTES,
    Task,
    fingerprints_said,
    framed,
    frames_said,
    grey_said,
    task_from,
)

ADDRESS_SPACE_BYTES_MAX = 3 * 1024**3  # the frame model's libraries map 1 GB, a 24-megapixel picture 72 MB
OPEN_FILES_MAX = 64


def main(arguments: list[str]) -> int:
    """Serve tasks from standard input until it ends. Arguments: [frame model file, its name]."""
    model = FrameModel(Path(arguments[0]), arguments[1] or None) if arguments else None
    fingerprinter = Fingerprinter(model)
    cv2.setNumThreads(1)
    confine()
    serve(sys.stdin.buffer, sys.stdout.buffer, fingerprinter, DEFAULT_LIMITS)
    return 0


def confine() -> None:
    """Hard limits: no large memory, no written files, no core dumps."""
    for what, limit in (
        (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
    ):
        resource.setrlimit(what, (limit, limit))


def serve(requests: BinaryIO, answers: BinaryIO, fingerprinter: Fingerprinter, limits: Limits) -> None:
    answers.write(framed({"ready": True}))
    answers.flush()
    while length := requests.read(LENGTH_BYTES):
        task = task_from(requests.read(int.from_bytes(length, "big")))
        files = [requests.read(size) for size in task.sizes]
        answers.write(framed(answer(task, files, fingerprinter, limits)))
        answers.flush()


def answer(task: Task, files: list[bytes], fingerprinter: Fingerprinter, limits: Limits) -> dict[str, Any]:
    """The fingerprints, or which file was refused and why; nothing a file contains ends the child."""
    try:
        return _done(task, files, fingerprinter, limits)
    except SignalRefused as error:
        violation = error.violations[0]
        return {"refused": violation.description, "at": violation.field}
    except ScreenTextUnavailable as error:
        return {"unavailable": str(error)}
    except MemoryError:
        return {"refused": "needs too much memory to read", "at": ""}
    except Exception as error:  # noqa: BLE001  a decoder may raise anything; the text stays here
        return {"refused": f"not readable ({type(error).__name__})", "at": ""}


def _done(task: Task, files: list[bytes], fingerprinter: Fingerprinter, limits: Limits) -> dict[str, Any]:
    if task.act == "video":
        if checked_kind(files[0], limits, at="") is not PayloadKind.MP4:
            raise refused("", "not an MP4 file")
        return frames_said(_frames(fingerprinter, read_video(files[0], limits, at="")))
    if task.act == "images":
        moments = [
            Moment(t_ms=t_ms, picture=_picture(payload, limits, at=f"[{place}]"))
            for place, (t_ms, payload) in enumerate(zip(task.times_ms, files, strict=True))
        ]
        return frames_said(_frames(fingerprinter, moments))
    if task.act == "text":
        return {"lines": screen_text(_pictures(files, limits), _recogniser())}
    picture = _picture(files[0], limits, at="")
    if task.act == "grey":
        return {"grey": grey_said(small_grey(picture, GREY_PX))}
    assert task.act == "reference"
    return fingerprints_said(fingerprinter.of_reference(picture, ReferenceKind(task.kind)))


def _frames(fingerprinter: Fingerprinter, moments: Sequence[Moment]) -> list[Frame]:
    """Fingerprinted moments, each with a small picture of itself."""
    frames = fingerprinter.of_video(moments)
    return [
        replace(frame, thumbnail=thumbnail_of(moment.picture)) for frame, moment in zip(frames, moments, strict=True)
    ]


@cache
def _recogniser() -> Recogniser:
    return rapid_recogniser()


def _pictures(files: list[bytes], limits: Limits) -> list[Any]:
    """The pictures of a video, or those that were sent."""
    if checked_kind(files[0], limits, at="") is PayloadKind.MP4:
        return [moment.picture for moment in read_video(files[0], limits, at="")]
    return [_picture(payload, limits, at=f"[{place}]") for place, payload in enumerate(files)]


def _picture(payload: bytes, limits: Limits, *, at: str) -> Any:
    kind = checked_kind(payload, limits, at=at)
    if kind is PayloadKind.MP4:
        raise refused(at, "a video where a JPEG or PNG is expected")
    return read_picture(payload, kind, limits, at=at)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
