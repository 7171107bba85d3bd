"""What the matcher makes of pixels that were sent: fingerprints at once, pictures for people, a closer look later."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chassis.clock import Clock
from services.matcher.domain import FramePicture, Match, Video
from services.matcher.seeing import made_of
from services.matcher.service.anchors import DecodeVideo
from services.matcher.service.shelf import Shelf
from services.matcher.text.matches import SignalType
from services.matcher.visual.ocr import is_sampled
from services.matcher.visual.signals import Frame
from services.matcher.visual.worker import FrameWorker

IMAGE_STEP_MS = 1_000  # images sent without times count as one a second
WAITING_MAX = 256
WAITING_BYTES_MAX = 64 * 1024 * 1024
TIDY_EVERY_S = 60.0

WithMade = Callable[[Video], Video]  # the video with a body that says what was made of its pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A video whose pixels were read just now, and its frames with their small pictures."""

    video: Video
    frames: tuple[Frame, ...]

    @property
    def size_bytes(self) -> int:
        files = sum(map(len, self.video.images)) + len(self.video.clip)
        return files + sum(frame.picture.nbytes for frame in self.frames if frame.picture is not None)


class LookQueue:
    """Videos that wait for a closer look, the oldest first; bounded in number and bytes, what is too much is lost.

    File bytes are kept only of videos whose screen is to be read: `screen_text_share` of them.
    """

    def __init__(self, screen_text_share: float) -> None:
        self.screen_text_share = screen_text_share
        self.dropped_count = 0
        self._waiting: deque[Look] = deque()
        self._size_bytes = 0
        self._has_some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def is_read(self, video: Video) -> bool:
        return is_sampled(video.id, self.screen_text_share)

    def offer(self, look: Look) -> None:
        if not self.is_read(look.video):
            look = replace(look, video=look.video._replace(images=(), clip=b""))
        if len(self._waiting) >= WAITING_MAX or self._size_bytes + look.size_bytes > WAITING_BYTES_MAX:
            self.dropped_count += 1
            return
        self._waiting.append(look)
        self._size_bytes += look.size_bytes
        self._has_some.set()

    async def take(self) -> Look:
        """The next look, waiting for one."""
        while not self._waiting:
            self._has_some.clear()
            await self._has_some.wait()
        look = self._waiting.popleft()
        self._size_bytes -= look.size_bytes
        return look


class Looking:
    """Reads pixels through the frame worker; a video sent again with the same pixels is not read again."""

    def __init__(
        self,
        shelf: Shelf,
        worker: FrameWorker,
        queue: LookQueue,
        *,
        decode_video: DecodeVideo,
        with_made: WithMade,
        clock: Clock,
    ) -> None:
        self._segments = shelf.segments
        self._pictures = shelf.pictures
        self._worker = worker
        self._queue = queue
        self._decode_video = decode_video
        self._with_made = with_made
        self._clock = clock

    async def read(self, videos: Sequence[Video], at: str, *, is_news: bool) -> tuple[list[Video], list[Look]]:
        """The videos with what was made of their pixels, and a look for each whose pixels were read now."""
        wanted = [video.id for video in videos if video.images or video.clip]
        if not wanted:
            return list(videos), []
        kept = {} if is_news else await self._segments.bodies(wanted)
        read: list[Video] = []
        looks: list[Look] = []
        for number, video in enumerate(videos):
            digest, body = kept.get(video.id, (b"", b""))
            if not (video.images or video.clip):
                read.append(video)
            elif digest == video.digest:
                read.append(self._decode_video(body, digest))
            else:
                look = await self._look(video, at.format(number))
                read.append(look.video)
                looks.append(look)
        return read, looks

    async def keep_pictures(self, looks: Sequence[Look], matches: Mapping[str, Sequence[Match]]) -> None:
        """Keeps small pictures of the frames that stand as evidence in these matches, by video."""
        for look in looks:
            times = {
                each.segment.start_ms
                for match in matches.get(look.video.id, ())
                for each in match.candidate.evidence
                if each.signal_type is SignalType.VISUAL and each.segment is not None
            }
            shown = {frame.t_ms: frame.thumbnail for frame in look.frames if frame.t_ms in times}
            if shown:
                pictures = [FramePicture(t_ms=t_ms, jpeg=shown[t_ms]) for t_ms in sorted(shown)]
                await self._pictures.put(look.video.id, pictures, self._clock.now())

    def look_closer(self, looks: Sequence[Look]) -> None:
        """Queues what costs more than a caller can wait for."""
        for look in looks:
            self._queue.offer(look)

    async def list_frame_pictures(self, video_id: str) -> tuple[FramePicture, ...]:
        return await self._pictures.of(video_id, self._clock.now())

    async def tidy(self) -> None:
        """Background: the pictures stay within their bounds."""
        while True:
            await self._pictures.trim(self._clock.now())
            await asyncio.sleep(TIDY_EVERY_S)

    async def _look(self, video: Video, at: str) -> Look:
        frames: tuple[Frame, ...] = ()
        if video.images:
            timed = [(number * IMAGE_STEP_MS, image) for number, image in enumerate(video.images)]
            frames += await self._worker.of_images(timed, at=f"{at}.images")
        if video.clip:
            frames += await self._worker.of_video(video.clip, at=f"{at}.video")
        return Look(video=self._with_made(video._replace(made=made_of(frames))), frames=frames)
