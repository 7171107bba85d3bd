"""Looking at frames and listening to sounds, where videos bring any, and joining it with what was read."""

import asyncio
from collections.abc import Sequence

from services.matcher.domain import Candidate, Video
from services.matcher.index import LiveIndex
from services.matcher.seeing import frames_of, fused, has_frames
from services.matcher.visual.signals import Frame
from services.matcher.visual.worker import FrameWorker

IMAGE_STEP_MS = 1_000  # images sent without times count as one a second


class Pictures:
    """Searches frames in the visual index; pixels go through a child process first."""

    def __init__(self, index: LiveIndex, worker: FrameWorker) -> None:
        self._index = index
        self._worker = worker

    async def fused(self, videos: Sequence[Video], found: Sequence[Sequence[Candidate]]) -> list[tuple[Candidate, ...]]:
        """The candidates of each video by words and pictures; videos without frames keep theirs."""
        return [
            await self._fused(f"videos[{number}]", video, tuple(candidates))
            for number, (video, candidates) in enumerate(zip(videos, found, strict=True))
        ]

    async def _fused(self, at: str, video: Video, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        heard = self._index.sounds.hear(video.sound_title, video.sound_author) if video.sound_title else ()
        if not (has_frames(video) or video.images or video.clip):
            return fused(candidates, (), heard) if heard else candidates
        frames = [*frames_of(video, at), *await self._read(video, at)]
        seen = await asyncio.to_thread(self._index.visual.match, frames)
        return fused(candidates, seen, heard)

    async def _read(self, video: Video, at: str) -> tuple[Frame, ...]:
        """Frames from pixels that were sent along."""
        frames: tuple[Frame, ...] = ()
        if video.images:
            timed = [(number * IMAGE_STEP_MS, image) for number, image in enumerate(video.images)]
            frames += await self._worker.of_images(timed, at=f"{at}.images")
        if video.clip:
            frames += await self._worker.of_video(video.clip, at=f"{at}.video")
        return frames
