"""Runs the child that turns files into fingerprints: one file at a time, bounded waiting, restarted when it dies."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from chassis.errors import ResourceExhausted, Unavailable, Unimplemented
from services.matcher.visual.pictures import DEFAULT_LIMITS, Limits, checked_kind
from services.matcher.visual.signals import Fingerprint, Frame, ReferenceKind, refused
from services.matcher.visual.worker_codec import (
    FILES_MAX,
    HEADER_BYTES_MAX,
    LENGTH_BYTES,
    Grey,
    Task,
    fingerprints_from,
    frames_from,
    grey_from,
    task_header,
)

WAITING_MAX = 32
MANY = {"images", "text"}  # acts whose refusals say which file
START_S_MAX = 20.0
FILES_PER_CHILD_MAX = 2_000  # decoders leak a little: a fresh child keeps memory flat


class FramesBusy(ResourceExhausted):
    """Too many files wait to be read; send hashes or embeddings, or come back later."""

    reason = "FRAMES_BUSY"


class ScreenTextMissing(Unimplemented):
    """Words on the screen are not read here: RapidOCR is not installed."""

    reason = "SCREEN_TEXT_UNAVAILABLE"


class FramesUnreadable(Unavailable):
    """The process that reads pictures could not be started."""

    reason = "FRAME_WORKER_DOWN"


class FrameWorker:
    """An async context manager around one child process.

    `async with FrameWorker(frame_model=path) as worker: frames = await worker.of_video(payload, at="video")`
    """

    def __init__(
        self,
        *,
        frame_model: Path | None = None,
        model_name: str = "",
        limits: Limits = DEFAULT_LIMITS,
        files_per_child_max: int = FILES_PER_CHILD_MAX,
    ) -> None:
        self._files_per_child_max = files_per_child_max
        self._arguments = [str(frame_model), model_name] if frame_model is not None else []
        self._limits = limits
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._child: Process | None = None
        self._files_read = 0
        self.restart_count = 0

    async def start(self) -> None:
        """Starts the child now rather than with the first file; raises FramesUnreadable when it cannot."""
        async with self._turn:
            await self._started()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end_child()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def of_video(self, payload: bytes, *, at: str) -> tuple[Frame, ...]:
        """The sampled frames of an MP4, fingerprinted."""
        return frames_from(await self._ask(Task(act="video", sizes=(len(payload),)), (payload,), at=at))

    async def of_images(self, images: Sequence[tuple[int, bytes]], *, at: str) -> tuple[Frame, ...]:
        """Frames sent as (time in ms, JPEG or PNG), fingerprinted; `at` names the list."""
        if len(images) > FILES_MAX:
            raise refused(at, f"at most {FILES_MAX} pictures")
        task = Task(
            act="images",
            sizes=tuple(len(payload) for _, payload in images),
            times_ms=tuple(t_ms for t_ms, _ in images),
        )
        return frames_from(await self._ask(task, tuple(payload for _, payload in images), at=at))

    async def of_reference(self, payload: bytes, kind: ReferenceKind, *, at: str) -> tuple[Fingerprint, ...]:
        """The fingerprints of a title's image; none if it is flat."""
        task = Task(act="reference", sizes=(len(payload),), kind=kind.value)
        return fingerprints_from(await self._ask(task, (payload,), at=at))

    async def grey_of(self, payload: bytes, *, at: str) -> Grey:
        """A picture's grey pixels at the size of the geometric check."""
        return grey_from((await self._ask(Task(act="grey", sizes=(len(payload),)), (payload,), at=at))["grey"])

    async def text_of(self, files: Sequence[bytes], *, at: str) -> tuple[str, ...]:
        """The words on an MP4 or on pictures. Slow: use a worker of its own, off the request path, on a sample."""
        if not 0 < len(files) <= FILES_MAX:
            raise refused(at, f"1 to {FILES_MAX} files")
        task = Task(act="text", sizes=tuple(map(len, files)))
        said = await self._ask(task, tuple(files), at=at)
        if "unavailable" in said:
            raise ScreenTextMissing(str(said["unavailable"]))
        return tuple(said["lines"])

    async def _ask(self, task: Task, files: tuple[bytes, ...], *, at: str) -> dict[str, Any]:
        for place, payload in enumerate(files):
            checked_kind(payload, self._limits, at=f"{at}[{place}]" if task.act in MANY else at)
        if self._waiting >= WAITING_MAX:
            raise FramesBusy(retry_after_s=1.0)
        self._waiting += 1
        try:
            async with self._turn:
                said = await self._exchange(task, files)
        finally:
            self._waiting -= 1
        if "refused" in said:
            raise refused(f"{at}{said['at']}", str(said["refused"]))
        return said

    async def _exchange(self, task: Task, files: tuple[bytes, ...]) -> dict[str, Any]:
        """One task to the child and its answer; a child that dies or dawdles is replaced, the file refused."""
        child = await self._started()
        is_done = False
        try:
            async with asyncio.timeout(self._limits.file_s_max * len(files)):
                assert child.stdin is not None
                child.stdin.write(b"".join((task_header(task), *files)))
                await child.stdin.drain()
                said = await _answer(child)
                is_done = True
        except TimeoutError:
            said = {"refused": "takes too long to read", "at": ""}
        except (asyncio.IncompleteReadError, OSError):
            said = {"refused": "the reader broke on this file", "at": ""}
        finally:  # also when our caller is cancelled: a late answer must never meet the next task
            self._files_read += len(files)
            if not is_done or self._files_read >= self._files_per_child_max:
                await self._end_child()
        return said

    async def _started(self) -> Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        self.restart_count += self._child is not None
        self._files_read = 0
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.matcher.visual.worker_main",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # decoders print what files tell them to
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath, "OMP_NUM_THREADS": "1"},
        )
        self._child = child
        try:
            async with asyncio.timeout(START_S_MAX):
                await _answer(child)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await self._end_child()
            raise FramesUnreadable from error
        return child

    async def _end_child(self) -> None:
        child = self._child
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _answer(child: Process) -> dict[str, Any]:
    assert child.stdout is not None
    length = int.from_bytes(await child.stdout.readexactly(LENGTH_BYTES), "big")
    if length > HEADER_BYTES_MAX:
        raise OSError
    said: dict[str, Any] = orjson.loads(await child.stdout.readexactly(length))
    return said
