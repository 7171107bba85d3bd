"""A closer look at videos whose pixels were sent, in the background: doubtful likenesses, words on the screen.

What it finds is kept with the video, which is then matched and decided anew. It may lose a video (a full queue, a
restart): then borderline likenesses stay with the reviewers and the screen stays unread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import structlog

from chassis.errors import InvalidArgument, SpotlightError
from chassis.telemetry import Telemetry
from services.matcher.domain import Likeness, Video
from services.matcher.index import LiveIndex
from services.matcher.seeing import frames_of
from services.matcher.service.looking import Look, LookQueue, WithMade
from services.matcher.service.matching import Matching
from services.matcher.titles import CatalogFeed
from services.matcher.visual.signals import VisualEvidence
from services.matcher.visual.verify import CHECKS_MAX, INLIERS_MIN, best_of, inliers, shown_at
from services.matcher.visual.worker import FrameWorker, ScreenTextMissing

TRIES_MAX = 3
RETRY_S = 1.0

T = TypeVar("T")


class Outcome(StrEnum):
    """What became of a check or a reading."""

    AGREED = "agreed"
    REFUTED = "refuted"
    NO_PICTURE = "no_picture"
    READ = "read"
    NOTHING = "nothing"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    DROPPED = "dropped"


class CloserLook:
    """Takes one video after the other; `reader` reads screens, in a process of its own."""

    def __init__(
        self,
        queue: LookQueue,
        matching: Matching,
        index: LiveIndex,
        feed: CatalogFeed,
        *,
        worker: FrameWorker,
        reader: FrameWorker,
        has_checks: bool,
        with_made: WithMade,
        telemetry: Telemetry,
    ) -> None:
        self._queue = queue
        self._matching = matching
        self._index = index
        self._feed = feed
        self._worker = worker
        self._reader = reader
        self._has_checks = has_checks
        self._with_made = with_made
        self._log = structlog.get_logger("matcher")
        self._is_reading = True
        self._waiting = telemetry.gauge("matcher_closer_look_waiting", "Videos that wait for a closer look.")
        self._took = telemetry.histogram("matcher_closer_look_seconds", "Time of one closer look.")
        self._outcomes = telemetry.counter(
            "matcher_closer_looks_total",
            "Closer looks by what was done (likeness, screen_text, video) and what became of it.",
            ("what", "outcome"),
        )

    async def run(self) -> None:
        """Background: one look after the other, for ever."""
        while True:
            await self.step()

    async def step(self) -> None:
        """One closer look, once there is a video to look at."""
        look = await self._queue.take()
        self._outcomes.labels("video", Outcome.DROPPED).inc(self._queue.dropped_count)
        self._queue.dropped_count = 0
        self._waiting.set(len(self._queue))
        with self._took.time():
            await self._look(look)

    async def _look(self, look: Look) -> None:
        likenesses = await self._tried("likeness", lambda: self._likenesses(look)) or ()
        lines = await self._tried("screen_text", lambda: self._screen_text(look.video)) or ()
        if not likenesses and not lines:
            return
        seen = look.video._replace(images=(), clip=b"", screen_text=lines, likenesses=likenesses)
        await self._tried("video", lambda: self._matching.revise(self._with_made(seen)))

    async def _tried(self, what: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """The result of some work; what is away for a moment is tried again, what stays away is counted and left."""
        for attempt in range(TRIES_MAX):
            try:
                return await work()
            except InvalidArgument as error:
                self._outcomes.labels(what, Outcome.REFUSED).inc()
                self._log.info("a closer look was refused", what=what, reason=error.reason)
                return None
            except SpotlightError as error:
                self._log.info("a closer look failed", what=what, reason=error.reason, attempt=attempt)
                await asyncio.sleep(RETRY_S)
        self._outcomes.labels(what, Outcome.UNAVAILABLE).inc()
        return None

    async def _likenesses(self, look: Look) -> tuple[Likeness, ...]:
        """Counts the agreeing details of borderline likenesses."""
        if not self._has_checks:
            return ()
        matches = await asyncio.to_thread(self._index.visual.match, frames_of(look.video, "video"))
        doubtful = [best_of(match) for match in matches if match.is_borderline][:CHECKS_MAX]
        if not doubtful:
            return ()
        pictures = await self._feed.pictures([each.reference_id for each in doubtful])
        found = [await self._likeness(each, look, pictures) for each in doubtful]
        return tuple(each for each in found if each is not None)

    async def _likeness(self, evidence: VisualEvidence, look: Look, pictures: Mapping[str, bytes]) -> Likeness | None:
        jpeg, shown = pictures.get(evidence.reference_id), shown_at(evidence, look.frames)
        if jpeg is None or shown is None:
            self._outcomes.labels("likeness", Outcome.NO_PICTURE).inc()
            return None
        reference = await self._worker.grey_of(jpeg, at="picture")
        count = await asyncio.to_thread(inliers, shown, reference)
        self._outcomes.labels("likeness", Outcome.AGREED if count >= INLIERS_MIN else Outcome.REFUTED).inc()
        return Likeness(reference_id=evidence.reference_id, inlier_count=count)

    async def _screen_text(self, video: Video) -> tuple[str, ...]:
        """The words on the screen of a sampled video."""
        files: Sequence[bytes] = (video.clip,) if video.clip else video.images
        if not files or not self._is_reading:
            return ()
        try:
            lines = await self._reader.text_of(files, at="files")
        except ScreenTextMissing as error:
            self._is_reading = False
            self._outcomes.labels("screen_text", Outcome.UNAVAILABLE).inc()
            self._log.error("screens are to be read, but cannot be", reason=str(error))
            return ()
        self._outcomes.labels("screen_text", Outcome.READ if lines else Outcome.NOTHING).inc()
        return lines
