"""Follows the catalog: the first load, the feed, and the file that makes a restart quick."""

import asyncio
import gc
import queue
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import structlog

from chassis.clock import Clock
from chassis.errors import OutOfRange, SpotlightError
from chassis.telemetry import Telemetry
from services.matcher import index as indexes
from services.matcher.domain import Cause
from services.matcher.index import LiveIndex, Saved
from services.matcher.service.rematches import Rematching
from services.matcher.store.state import State
from services.matcher.text.titles import TitleNames
from services.matcher.titles import CatalogChange, CatalogFeed

POLL_WAIT_S = 5.0
RETRY_S = 1.0
# Each change of the index copies it, whose cost the calls of that moment share: who has caught up takes the changes of
# a second together. The promise is that a new title is found within five.
GATHER_S = 1.0
# After so many changed titles the index is saved; until then a restart replays the feed.
UNSAVED_MAX = 2_000
SAVE_EVERY_S = 300.0
# So far behind, an export is quicker than the feed; after so many changes, dead rows are worth a rebuild.
REBUILD_BEHIND = 20_000
REBUILD_AFTER = 200_000
# What an index knows of its catalog as a whole (how many titles say nothing of their popularity) is learnt when it is
# built: one that doubled, as a new house's does, is built anew.
DOUBLED_MIN = 1_000
QUEUE_BATCHES = 20  # at most so much of an export waits in memory
PUT_WAIT_S = 0.02
TOUCHED = "touched"  # the catalog revision up to which stored videos were matched again


class CatalogFollower:
    """Keeps the index in step with the catalog, without a pause for those who search it."""

    def __init__(
        self,
        index: LiveIndex,
        feed: CatalogFeed,
        rematching: Rematching,
        *,
        state: State,
        folder: Path,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._index = index
        self._feed = feed
        self._rematching = rematching
        self._state = state
        self._folder = folder
        self._clock = clock
        self._saved_at = clock.monotonic()
        self._unsaved = 0
        self._is_caught_up = False
        self._built_titles = 0
        self._has_references = False
        self._pending: dict[str, CatalogChange] = {}
        self._pending_revision = 0
        self._wake = asyncio.Event()
        self._log = structlog.get_logger("matcher")
        self._lag = telemetry.gauge(
            "matcher_index_lag_seconds", "Seconds since the index last agreed with the catalog."
        )
        self._revisions = telemetry.gauge("matcher_index_revision_lag", "Catalog revisions the index is behind.")
        self._build = telemetry.histogram("matcher_index_change_seconds", "Time to put changed titles into the index.")

    async def restore(self) -> bool:
        """Loads the saved index, if there is one; seconds instead of half a minute."""
        found = await asyncio.to_thread(indexes.load, self._folder, self._index.text_class)
        if found is None:
            return False
        self._index.cards.update(found.cards)
        self._index.put_songs(found.soundtracks)
        self._built_titles = len(found.cards)
        gc.freeze()  # the cards stay: a collection that walks 418,173 of them costs as much as matching 4,000 posts
        self._index.swap(found.text, found.revision)
        self._log.info("index restored", revision=found.revision, titles=len(found.cards))
        return True

    async def follow(self) -> None:
        """Background: first load, then the feed, for ever."""
        while not self._index.is_ready:
            try:
                if not await self.restore():
                    await self.first_load()
            except SpotlightError as error:
                self._log.info("the catalog cannot be read yet", reason=error.reason)
                await asyncio.sleep(RETRY_S)
        self._wake.set()
        while True:
            try:
                changed = await self.step(POLL_WAIT_S)
                if changed and self._index.revision == self._index.latest_revision:
                    await asyncio.sleep(GATHER_S)
            except OutOfRange:
                await self.start_over()
            except SpotlightError as error:
                self._log.warning("the catalog does not answer", reason=error.reason)
                await asyncio.sleep(RETRY_S)
            self._observe()

    async def start_over(self) -> None:
        """The catalog never gave out our revision: it was set up anew, and the index is another catalog's."""
        self._log.warning("the catalog begins anew", revision=self._index.revision)
        self._index.forget()
        await self.first_load()
        await self._state.put_cursor(TOUCHED, self._index.revision)
        self._is_caught_up = False
        self._wake.set()

    async def first_load(self) -> None:
        """Builds the index from an export; names stream into the builder, so that memory stays flat."""
        stream = NameStream()
        build = asyncio.create_task(asyncio.to_thread(self._index.text_class.build, stream))
        revision = 0
        try:
            async for titles, at in self._feed.export():
                self._index.put_cards(titles)
                # The export says at each piece which revision it began at: the feed goes on from there.
                revision = at
                await stream.put([title.names for title in titles if title.is_matchable])
        finally:
            await stream.end()
        text = await build
        self._built_titles = len(self._index.cards)
        gc.freeze()  # as in `restore`
        self._index.swap(text, revision)
        self._index.overlay_size = 0
        self._index.see_latest(revision)
        self._has_references = False
        if await self._state.cursor(TOUCHED) is None:
            await self._state.put_cursor(TOUCHED, revision)
        await self.save()
        self._log.info("index built", revision=revision, titles=len(self._index.cards))

    async def step(self, wait_s: float) -> int:
        """Takes one page of the feed into the index; the number of changes."""
        if not self._has_references:
            for title_id, entries in (await self._feed.registry()).items():
                self._index.put_registry(title_id, entries)  # a saved index holds no registry
            await self._load_references()
            self._has_references = True
        changes, latest = await self._feed.changes(self._index.revision, wait_s)
        if latest - self._index.revision > REBUILD_BEHIND or self._is_outgrown():
            await self.first_load()
            self._is_caught_up = False
            self._wake.set()
            return len(changes)
        if changes:
            await self.apply(changes)
        self._index.see_latest(latest)
        unsaved_s = self._clock.monotonic() - self._saved_at
        if self._unsaved >= UNSAVED_MAX or (self._unsaved and unsaved_s > SAVE_EVERY_S):
            await self.save()
        return len(changes)

    def _is_outgrown(self) -> bool:
        return self._index.overlay_size > min(REBUILD_AFTER, max(DOUBLED_MIN, self._built_titles))

    async def apply(self, changes: Sequence[CatalogChange]) -> None:
        """Cards first: a withdrawn title's anchors vanish before anything is searched anew."""
        self._index.put_cards([change.title for change in changes])
        revision = changes[-1].revision
        aliased = [change.title.id for change in changes if change.touches_aliases]
        titles = [change.title for change in changes]
        for at in range(0, len(aliased), 100):
            titles += await self._feed.titles(aliased[at : at + 100])
        self._index.put_songs({title.id: indexes.songs_of(title) for title in titles[len(changes) :]})
        for title in titles[len(changes) :]:
            self._index.put_registry(title.id, title.registry)
        with self._build.time():
            text = await asyncio.to_thread(indexes.changed, self._index.names.text, titles)
        self._index.swap(text, revision)
        self._index.overlay_size += len(titles)
        self._unsaved += len(titles)
        for change in changes:
            if change.touches_references:
                await self._load_references(change.title.id)
            if change.touches_names or change.touches_aliases or change.touches_state:
                self._pending[change.title.id] = change
        self._pending_revision = revision
        self._wake.set()

    async def touch(self) -> None:
        """Background: matches again the videos that changed titles can touch."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if not self._is_caught_up:
                    await self.catch_up()
                    self._is_caught_up = True
                await self.touch_pending()
            except BaseException:
                self._wake.set()  # what was not done is done when this begins again
                raise

    async def touch_pending(self) -> None:
        pending, revision = dict(self._pending), self._pending_revision
        self._pending.clear()
        try:
            await self._touch(pending.values())
        except BaseException:
            self._pending = pending | self._pending  # nothing is forgotten; newer changes of a title count
            raise
        if revision:
            await self._state.put_cursor(TOUCHED, revision)

    async def _touch(self, pending: Collection[CatalogChange]) -> None:
        for change in pending:
            if change.touches_state:
                await self._rematching.sweep_later(Cause.TITLE, change.title.id)
        named = [change.title for change in pending if change.touches_names or change.touches_aliases]
        await self._rematching.touch([title for title in named if title.is_matchable])

    async def catch_up(self) -> None:
        """After a restart: changes the index holds already, but that no stored video was matched against."""
        touched: int | None = await self._state.cursor(TOUCHED)
        after = self._index.revision if touched is None else touched
        while after < self._index.revision:
            changes, _ = await self._feed.changes(after, 0.0)
            changes = [change for change in changes if change.revision <= self._index.revision]
            if not changes:
                return
            self._pending |= {change.title.id: change for change in changes}
            after = self._pending_revision = changes[-1].revision
            await self.touch_pending()

    async def save(self) -> None:
        """Writes the index to its file; searches go on meanwhile."""
        names = self._index.names
        self._unsaved = 0
        saved = Saved(
            text=names.text,
            revision=names.revision,
            cards=self._index.cards,
            soundtracks=self._index.soundtracks,
        )
        await asyncio.to_thread(indexes.save, saved, self._folder)
        self._saved_at = self._clock.monotonic()

    async def _load_references(self, title_id: str = "") -> None:
        """Takes the reference banks of one title, or of all, into the visual index."""
        async for bank in self._feed.references(title_id):
            await asyncio.to_thread(self._index.put_bank, bank)

    def _observe(self) -> None:
        self._lag.set(self._index.lag_s)
        self._revisions.set(max(0, self._index.latest_revision - self._index.revision))


class NameStream:
    """Hands titles from the event loop to the builder's thread, a bounded number at a time."""

    def __init__(self) -> None:
        self._batches: queue.Queue[Sequence[TitleNames] | None] = queue.Queue(QUEUE_BATCHES)

    def __iter__(self) -> Iterator[TitleNames]:
        while (batch := self._batches.get()) is not None:
            yield from batch

    async def put(self, names: Sequence[TitleNames] | None) -> None:
        while True:
            try:
                self._batches.put_nowait(names)
            except queue.Full:
                await asyncio.sleep(PUT_WAIT_S)
            else:
                return

    async def end(self) -> None:
        await self.put(None)
