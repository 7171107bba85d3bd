"""Looking at frames and listening to sounds, where videos bring any, and joining it with what was read."""

import asyncio
from collections.abc import Sequence

from services.matcher.domain import Candidate, Video
from services.matcher.index import LiveIndex
from services.matcher.seeing import frames_of, fused, has_frames


class Pictures:
    """Searches frames in the visual index."""

    def __init__(self, index: LiveIndex) -> None:
        self._index = index

    async def fused(
        self, videos: Sequence[Video], found: Sequence[Sequence[Candidate]], at: str
    ) -> list[tuple[Candidate, ...]]:
        """The candidates of each video by words and pictures; videos without frames keep theirs."""
        return [
            await self._fused(at.format(number), video, tuple(candidates))
            if video.sound_title or has_frames(video)
            else tuple(candidates)
            for number, (video, candidates) in enumerate(zip(videos, found, strict=True))
        ]

    async def _fused(self, at: str, video: Video, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        heard = self._index.sounds.hear(video.sound_title, video.sound_author) if video.sound_title else ()
        if not has_frames(video):
            return fused(candidates, (), heard) if heard else candidates
        counts = {each.reference_id: each.inlier_count for each in video.likenesses}
        seen = await asyncio.to_thread(self._index.visual.match, frames_of(video, at), counts)
        return fused(candidates, seen, heard)
