"""The archived videos as a rematch walks them: some hundred a step, those that names can touch or all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from chassis import ids
from chassis.clock import Clock
from services.matcher.domain import Video
from services.matcher.seen import SeenVideos
from services.matcher.store.segments import ArchivedVideo, Segments
from services.matcher.touched import NameShapes, TouchIndex, footprint_of

VIDEOS_PER_STEP = 500  # the text engine costs a third a video of what it does with 100 (benchmarks/rematch.py)
ARCHIVES_PER_STEP = 8  # to begin with: batches hold one video or a thousand
ARCHIVES_PER_STEP_MAX = 500
FOOTPRINTS_PER_READ = 200
SHAPES_PER_LOOK = 8  # then calls have their turn: 20 new titles kept them waiting for 65 ms
COMMIT_LAG_S = 60.0  # a batch gets its id before its commit, which its call's deadline bounds
ANNOUNCE_EVERY_S = 3_600.0

Decode = Callable[[bytes, bytes], Video]


@dataclass(frozen=True, slots=True)
class Step:
    """Some videos as last sent; with them all batches up to `cursor` are done."""

    cursor: str
    videos: tuple[Video, ...]


class BackCatalog:
    """Knows which batches of the archive a name can touch, also those that other processes stored."""

    def __init__(
        self, segments: Segments, touch_index: TouchIndex, seen: SeenVideos, *, decode_video: Decode, clock: Clock
    ) -> None:
        self._segments = segments
        self._touch_index = touch_index
        self._seen = seen
        self._decode_video = decode_video
        self._clock = clock
        self._is_remembered = asyncio.Event()
        self._known_until = ""

    async def remember(self) -> None:
        """Once: takes the footprints of the archive into the index of what names can touch."""
        settled_s = self._clock.now().timestamp() - COMMIT_LAG_S
        await self._know(sorted(await self._segments.all_ids()))
        self._known_until = ids.earliest(settled_s)
        self._seen.complete()
        self._is_remembered.set()

    async def keep_announced(self) -> None:
        """Background: others look for the batches of this process as long as it says that it writes."""
        while True:
            await asyncio.sleep(ANNOUNCE_EVERY_S)
            await self._segments.announce(self._clock.now())

    async def remembered(self) -> None:
        await self._is_remembered.wait()

    async def touched(self, shapes: NameShapes, after: str = "") -> AsyncIterator[Step]:
        """The videos that the names can touch, by the index; what is not in it is not read."""
        await self._take_in()
        found: set[str] = set()
        for at in range(0, len(shapes.shapes), SHAPES_PER_LOOK):
            found.update(self._touch_index.find(shapes.shapes[at : at + SHAPES_PER_LOOK]))
            await asyncio.sleep(0)
        async for step in self._steps(found, after):
            yield Step(step.cursor, tuple(each for each in step.videos if shapes.touch(footprint_of(each))))

    async def whole(self, after: str = "") -> AsyncIterator[Step]:
        """All videos, in the order in which they were stored."""
        await self._take_in()
        async for step in self._steps(self._touch_index.ids, after):
            yield step

    async def _steps(self, archive_ids: Iterable[str], after: str) -> AsyncIterator[Step]:
        """The batches by their ids, which every store finds at once; a walk along `_id` is a scan for some."""
        left = sorted(each for each in archive_ids if each > after)
        at, count = 0, ARCHIVES_PER_STEP
        while at < len(left):
            chosen = left[at : at + count]
            videos = await self._read(await self._segments.segments(chosen))
            yield Step(chosen[-1], tuple(videos))
            at, count = at + len(chosen), _next_count(len(chosen), len(videos))

    async def _take_in(self) -> None:
        """What other processes stored since the last look; this one knows its own."""
        await self.remembered()
        settled_s = self._clock.now().timestamp() - COMMIT_LAG_S
        for writer in await self._segments.others():
            await self._know(await self._segments.ids_of(writer, self._known_until))
        self._known_until = ids.earliest(settled_s)

    async def _know(self, archive_ids: Iterable[str]) -> None:
        fresh = [each for each in archive_ids if not self._touch_index.knows(each)]
        for at in range(0, len(fresh), FOOTPRINTS_PER_READ):
            for each in await self._segments.footprints(fresh[at : at + FOOTPRINTS_PER_READ]):
                self._touch_index.add(each.archive_id, each.tokens, each.tags, len(each.video_ids))
                self._seen.add(each.video_ids)
            await asyncio.sleep(0)

    async def _read(self, rows: Sequence[ArchivedVideo]) -> list[Video]:
        """The videos of the rows, without those that were sent again later."""
        latest = await self._segments.latest([row.video_id for row in rows])
        return [self._decode_video(row.body, row.digest) for row in rows if latest.get(row.video_id) == row.archive_id]


def _next_count(archives: int, videos: int) -> int:
    """So many batches as hold a step of videos, going by those just read."""
    return max(1, min(ARCHIVES_PER_STEP_MAX, VIDEOS_PER_STEP * archives // max(1, videos)))
