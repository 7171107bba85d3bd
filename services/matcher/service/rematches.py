"""Matching stored videos again: those a changed title can touch, or all of them, at a bounded rate."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from chassis.clock import Clock
from chassis.errors import SpotlightError
from chassis.ids import NewId
from chassis.mongo import Document, run_idempotent
from services.matcher import audit
from services.matcher.domain import Cause, StoredVideo, Video
from services.matcher.errors import Contended, RematchNotFound, RematchRunning
from services.matcher.lifecycle import REMATCH, RematchAct, RematchState
from services.matcher.results import Rematch, RequestKey
from services.matcher.rulings import ruled
from services.matcher.seen import SeenVideos
from services.matcher.service.matching import ATTEMPTS_MAX, Matching
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale, Unit
from services.matcher.text.aliases import names_of
from services.matcher.titles import CatalogFeed, CatalogTitle
from services.matcher.touched import NameShape, TouchIndex, footprint_of, shape_of

VIDEOS_PER_STEP = 200
SWEEP_STEP = 200
HOLD_S = 60.0
LOOK_EVERY_S = 2.0
ARCHIVES_PER_READ = 200
SWEEP = "sweep:"

Decode = Callable[[bytes, bytes], Video]


class Rematching:
    """Keeps stored matches in step with the catalog and the policy, in the background."""

    def __init__(
        self,
        matching: Matching,
        regime: RegimeFollower,
        shelf: Shelf,
        *,
        feed: CatalogFeed,
        touch_index: TouchIndex,
        seen: SeenVideos,
        decode_video: Decode,
        clock: Clock,
        new_id: NewId,
        videos_per_s: int,
    ) -> None:
        self._matching = matching
        self._regime = regime
        self._database = shelf.database
        self._committer = shelf.committer
        self._videos = shelf.videos
        self._segments = shelf.segments
        self._rematches = shelf.rematches
        self._state = shelf.state
        self._feed = feed
        self._touch_index = touch_index
        self._seen = seen
        self._decode_video = decode_video
        self._clock = clock
        self._new_id = new_id
        self._videos_per_s = videos_per_s
        self._holder = new_id()
        self._wake = asyncio.Event()
        self._remembered = asyncio.Event()

    async def rematch_title(
        self,
        title_id: str,
        request: RequestKey,
        *,
        actor: str = "",
        videos_per_s: int = 0,
        is_whole_corpus: bool = False,
    ) -> Rematch:
        """Starts a rematch in the background, or goes on with the title's failed one."""

        async def start() -> Document:
            latest = await self._rematches.latest(title_id)
            if latest is not None and latest.state is RematchState.RUNNING:
                raise RematchRunning(metadata={"run_id": latest.id})
            now = self._clock.now()
            if latest is not None and latest.state is RematchState.FAILED:
                state = REMATCH[latest.state, RematchAct.RESUME]
                rematch = replace(latest, state=state, update_time=now)
            else:
                rematch = Rematch(
                    id=self._new_id(),
                    title_id=title_id,
                    state=RematchState.RUNNING,
                    create_time=now,
                    update_time=now,
                    videos_per_s=videos_per_s or self._videos_per_s,
                    is_whole_corpus=is_whole_corpus,
                )
            await self._rematches.put(rematch)
            entry = audit.entry(actor or "unknown", "title.rematch", f"title:{title_id}", now, run=rematch.id)
            await self._committer.commit(Unit(time=now, audit=[entry]))
            return {"id": rematch.id}

        done = await run_idempotent(self._database, request.id, request.body_hash, start)
        self._wake.set()
        return await self.get_rematch_run(str(done["id"]))

    async def get_rematch_run(self, rematch_id: str) -> Rematch:
        found = await self._rematches.get(rematch_id)
        if found is None:
            raise RematchNotFound
        return found

    async def remember(self) -> None:
        """Background, once: takes the footprints of the archive into the index of what names can touch."""
        known = set(self._touch_index.ids)
        async for page in self._segments.footprints():
            for each in page:
                if each.archive_id not in known:
                    self._touch_index.add(each.archive_id, each.tokens, each.tags, len(each.video_ids))
                    self._seen.add(each.video_ids)
            await asyncio.sleep(0)
        self._seen.complete()
        self._remembered.set()

    async def run(self) -> None:
        """Background: carries out rematches and sweeps, going on where a dead process stopped."""
        await self._remembered.wait()
        while True:
            self._wake.clear()
            await self.run_pending()
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def run_pending(self) -> None:
        """Carries out what is to be done now."""
        for name in await self._state.cursors(SWEEP):
            await self._sweep(name)
        for rematch in await self._rematches.running():
            await self._carry_out(rematch)

    async def touch(self, titles: Iterable[CatalogTitle]) -> int:
        """Matches again the videos that the names of these titles can touch, and those they hold."""
        await self._remembered.wait()
        names = {name for title in titles for name, _ in names_of(title.names)}
        shapes = [shape for shape in map(shape_of, names) if shape is not None]
        changed = 0
        for archive_id in self._touch_index.find(shapes):
            videos = await self._touched_in(archive_id, shapes)
            changed += await self._match_again(videos, Cause.TITLE, self._videos_per_s)
        for title in titles:
            async for page in self._videos.walk(title_id=title.id, lean=False, batch_size=VIDEOS_PER_STEP):
                kept = [self._decode_video(each.body, each.digest) for each in page]
                changed += await self._match_again(kept, Cause.TITLE, self._videos_per_s)
        return changed

    async def sweep_later(self, cause: Cause, title_id: str = "") -> None:
        """Decides stored matches anew, of one title or all; survives a restart."""
        await self._state.put_cursor(f"{SWEEP}{int(cause)}:{title_id}", "")
        self._wake.set()

    async def _sweep(self, name: str) -> None:
        cause, _, title_id = name.removeprefix(SWEEP).partition(":")
        after_id = await self._state.cursor(name)
        if after_id is None:
            return
        async for page in self._videos.walk(after_id=after_id, title_id=title_id, lean=False, batch_size=SWEEP_STEP):
            await self.decide_again(page, Cause(int(cause)))
            await self._state.put_cursor(name, page[-1].id)
            await asyncio.sleep(len(page) / self._videos_per_s)
        await self._state.drop_cursor(name)

    async def decide_again(self, videos: Sequence[StoredVideo], cause: Cause) -> int:
        """Decides the matches of these videos by what is in force."""
        for _ in range(ATTEMPTS_MAX):
            now = self._clock.now()
            regime = self._regime.now()
            rulings = [ruled(regime, now, video, None, basis=None, cause=cause) for video in videos]
            try:
                await self._matching.write_rulings(rulings, now)
            except Stale:
                videos = list((await self._videos.batch([video.id for video in videos])).values())
                continue
            return sum(len(ruling.changes) for ruling in rulings)
        raise Contended

    async def _carry_out(self, rematch: Rematch) -> None:
        now = self._clock.now()
        if not await self._rematches.claim(rematch, self._holder, now, now + timedelta(seconds=HOLD_S)):
            return
        try:
            rematch = await self._step_through(rematch)
            state = REMATCH[rematch.state, RematchAct.FINISH]
        except SpotlightError as error:
            structlog.get_logger("matcher").warning("a rematch failed", id=rematch.id, reason=error.reason)
            rematch = await self.get_rematch_run(rematch.id)
            state = REMATCH[rematch.state, RematchAct.FAIL]
        await self._rematches.put(replace(rematch, state=state, update_time=self._clock.now()))

    async def _step_through(self, rematch: Rematch) -> Rematch:
        shapes = [] if rematch.is_whole_corpus else await self._shapes(rematch.title_id)
        async for archive_id in self._archives(rematch, shapes):
            videos = await self._touched_in(archive_id, None if rematch.is_whole_corpus else shapes)
            changed = await self._match_again(videos, Cause.REMATCH, rematch.videos_per_s)
            rematch = replace(
                rematch,
                cursor=archive_id,
                video_count=rematch.video_count + len(videos),
                changed_count=rematch.changed_count + changed,
                update_time=self._clock.now(),
            )
            if videos:
                await self._rematches.put(rematch)
        return rematch

    async def _shapes(self, title_id: str) -> list[NameShape]:
        titles = await self._feed.titles([title_id])
        names = {name for title in titles for name, _ in names_of(title.names)}
        return [shape for shape in map(shape_of, names) if shape is not None]

    async def _archives(self, rematch: Rematch, shapes: Sequence[NameShape]) -> AsyncIterator[str]:
        """The batches still to do, in order: all of the archive, or those the names can touch."""
        if not rematch.is_whole_corpus:
            for archive_id in self._touch_index.find(shapes):
                if archive_id > rematch.cursor:
                    yield archive_id
            return
        after_id = rematch.cursor
        while page := await self._segments.ids_after(after_id, ARCHIVES_PER_READ):
            for archive_id in page:
                yield archive_id
            after_id = page[-1]

    async def _touched_in(self, archive_id: str, shapes: Sequence[NameShape] | None) -> list[Video]:
        """The videos of a batch that the names can touch, or all of them."""
        rows = await self._segments.segment(archive_id)
        videos = [self._decode_video(body, digest) for _, digest, body in rows]
        if shapes is not None:
            footprints = [footprint_of(video) for video in videos]
            videos = [
                video
                for video, footprint in zip(videos, footprints, strict=True)
                if any(shape.touches(footprint) for shape in shapes)
            ]
        if not videos:
            return []
        latest = await self._segments.digests([video.id for video in videos])
        return [video for video in videos if latest.get(video.id) == video.digest]

    async def _match_again(self, videos: Sequence[Video], cause: Cause, videos_per_s: int) -> int:
        if not videos:
            return 0
        began = self._clock.monotonic()
        for _ in range(ATTEMPTS_MAX):
            try:
                changed = await self._matching.match_again(videos, cause)
            except Stale:
                continue
            took_s = self._clock.monotonic() - began
            await asyncio.sleep(max(0.0, len(videos) / videos_per_s - took_s))
            return changed
        raise Contended
