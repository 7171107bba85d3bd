"""Matching stored videos again: those a changed title can touch, or all of them, at a bounded rate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
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
from services.matcher.service.backcatalog import VIDEOS_PER_STEP, BackCatalog, Decode, Step
from services.matcher.service.matching import ATTEMPTS_MAX, Matching
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale, Unit
from services.matcher.text.aliases import names_of
from services.matcher.titles import CatalogFeed, CatalogTitle
from services.matcher.touched import NameShapes, shape_of

SWEEP_STEP = 200
HOLD_S = 15.0  # so long after a process died another one goes on
LOOK_EVERY_S = 2.0
SWEEP = "sweep:"


class _TakenOver(Exception):
    """Another process goes on with the rematch: this one stood still for too long."""


class Rematching:
    """Keeps stored matches in step with the catalog and the policy, in the background."""

    def __init__(
        self,
        matching: Matching,
        regime: RegimeFollower,
        shelf: Shelf,
        *,
        feed: CatalogFeed,
        back_catalog: BackCatalog,
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
        self._rematches = shelf.rematches
        self._state = shelf.state
        self._feed = feed
        self._back_catalog = back_catalog
        self._decode_video = decode_video
        self._clock = clock
        self._new_id = new_id
        self._videos_per_s = videos_per_s
        self._holder = new_id()
        self._wake = asyncio.Event()

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

    async def run(self) -> None:
        """Background: carries out rematches and sweeps, going on where a dead process stopped."""
        await self._back_catalog.remembered()
        async with asyncio.TaskGroup() as group:
            # Apart: a kill switch is not to wait for a rematch of minutes.
            group.create_task(self._again_and_again(self._sweep_pending))
            group.create_task(self._again_and_again(self._rematch_pending))

    async def run_pending(self) -> None:
        """Carries out what is to be done now."""
        await self._sweep_pending()
        await self._rematch_pending()

    async def touch(self, titles: Sequence[CatalogTitle]) -> int:
        """Matches again the videos that the names of these titles can touch, and those they hold."""
        changed = 0
        async for step in self._back_catalog.touched(_shapes_of(titles)):
            changed += await self._match_all(step.videos, Cause.TITLE, self._videos_per_s)
        for title in titles:
            async for _, page in self._videos.walk(title_id=title.id, lean=False, batch_size=VIDEOS_PER_STEP):
                kept = [self._decode_video(each.body, each.digest) for each in page]
                changed += await self._match_all(kept, Cause.TITLE, self._videos_per_s)
        return changed

    async def sweep_later(self, cause: Cause, title_id: str = "") -> None:
        """Decides stored matches anew, of one title or all; survives a restart."""
        await self._state.put_cursor(f"{SWEEP}{int(cause)}:{title_id}", "")
        self._wake.set()

    async def _sweep(self, name: str) -> None:
        cause, _, title_id = name.removeprefix(SWEEP).partition(":")
        after = await self._state.cursor(name)
        if after is None:
            return
        async for cursor, page in self._videos.walk(after, title_id=title_id, lean=False, batch_size=SWEEP_STEP):
            await self.decide_again(page, Cause(int(cause)))
            await self._state.put_cursor(name, cursor)
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

    async def _again_and_again(self, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            self._wake.clear()
            await act()
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def _sweep_pending(self) -> None:
        for name in await self._state.cursors(SWEEP):
            await self._sweep(name)

    async def _rematch_pending(self) -> None:
        for rematch in await self._rematches.running():
            if await self._is_mine(rematch):
                await self._carry_out(rematch)

    async def _carry_out(self, rematch: Rematch) -> None:
        try:
            rematch = await self._step_through(rematch)
            state = REMATCH[rematch.state, RematchAct.FINISH]
        except _TakenOver:
            return
        except SpotlightError as error:
            structlog.get_logger("matcher").warning("a rematch failed", id=rematch.id, reason=error.reason)
            rematch = await self.get_rematch_run(rematch.id)
            state = REMATCH[rematch.state, RematchAct.FAIL]
        await self._rematches.advance(replace(rematch, state=state, update_time=self._clock.now()), self._holder)

    async def _step_through(self, rematch: Rematch) -> Rematch:
        async for step in self._steps(rematch):
            changed = await self._match_all(step.videos, Cause.REMATCH, rematch.videos_per_s, held=rematch)
            rematch = replace(
                rematch,
                cursor=step.cursor,
                video_count=rematch.video_count + len(step.videos),
                changed_count=rematch.changed_count + changed,
                update_time=self._clock.now(),
            )
            if step.videos and not await self._rematches.advance(rematch, self._holder):
                raise _TakenOver
        return rematch

    async def _steps(self, rematch: Rematch) -> AsyncIterator[Step]:
        """What is still to do."""
        if rematch.is_whole_corpus:
            steps = self._back_catalog.whole(rematch.cursor)
        else:
            titles = await self._feed.titles([rematch.title_id])
            steps = self._back_catalog.touched(_shapes_of(titles), rematch.cursor)
        async for step in steps:
            yield step

    async def _is_mine(self, rematch: Rematch) -> bool:
        """Takes a rematch for this process, or holds it for longer."""
        now = self._clock.now()
        return await self._rematches.claim(rematch, self._holder, now, now + timedelta(seconds=HOLD_S))

    async def _match_all(
        self, videos: Sequence[Video], cause: Cause, videos_per_s: int, *, held: Rematch | None = None
    ) -> int:
        """Matches the videos at the rate, a second's worth at most between two looks at the hold."""
        changed = 0
        size = min(VIDEOS_PER_STEP, videos_per_s)
        for at in range(0, len(videos), size):
            if held is not None and not await self._is_mine(held):
                raise _TakenOver
            changed += await self._match_again(videos[at : at + size], cause, videos_per_s)
        return changed

    async def _match_again(self, videos: Sequence[Video], cause: Cause, videos_per_s: int) -> int:
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


def _shapes_of(titles: Iterable[CatalogTitle]) -> NameShapes:
    names = {name for title in titles for name, _ in names_of(title.names)}
    return NameShapes(shape for shape in map(shape_of, names) if shape is not None)
