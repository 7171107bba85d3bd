"""Follows catalog's changes and drops the hubs they touch, near and in Redis, within moments."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from chassis.clock import Clock
from chassis.errors import OutOfRange, SpotlightError
from chassis.telemetry import Telemetry
from gateway.cache.near import NearCache

WAIT_S = 10.0
RETRY_S = 0.5
OWED_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleChange:
    """One change: hubs of the title made from facts older than `title_revision` are void."""

    revision: int
    title_id: str
    title_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """One page of the feed."""

    changes: Sequence[TitleChange]
    latest_revision: int


class Feed(Protocol):
    """Catalog's change feed."""

    async def changes(self, after_revision: int, *, wait_s: float) -> Changes:
        """What happened after a revision, waiting for the next change when there is none."""


class DropShelf(Protocol):
    """What the follower needs of Redis."""

    async def drop(self, title_id: str, revision: int) -> bool: ...
    async def settle_owed(self) -> bool: ...
    async def cursor(self) -> int | None: ...
    async def advance(self, revision: int) -> None: ...
    async def forget_all(self) -> None: ...


class Follower:
    """One position in the feed, moved forward for as long as the process runs."""

    def __init__(self, *, feed: Feed, near: NearCache, shelf: DropShelf, clock: Clock, telemetry: Telemetry) -> None:
        self._feed = feed
        self._near = near
        self._shelf = shelf
        self._clock = clock
        self._position: int | None = None
        self._agreed = clock.monotonic()
        self._log = structlog.get_logger("follower")
        self._dropped = telemetry.counter("hub_cache_dropped_total", "Titles dropped by a catalog change.")
        lag = telemetry.gauge("catalog_follow_lag_seconds", "Time since the follower last agreed with catalog.")
        lag.set_function(lambda: self.lag_s)

    @property
    def position(self) -> int | None:
        """The revision up to which changes were applied; None before the first answer."""
        return self._position

    @property
    def lag_s(self) -> float:
        """How long ago the follower last agreed with catalog; up to WAIT_S while nothing changes."""
        return self._clock.monotonic() - self._agreed

    async def run(self) -> None:
        """Follow until cancelled; catalog being away only makes it wait."""
        settling = asyncio.create_task(self._settle())
        try:
            while True:
                try:
                    await self.step(wait_s=WAIT_S)
                except OutOfRange:
                    await self._start_over()
                except SpotlightError as error:
                    self._log.info("catalog's feed is away", reason=error.reason)
                    await asyncio.sleep(RETRY_S)
        finally:
            settling.cancel()

    async def step(self, *, wait_s: float) -> None:
        """Apply one page of changes."""
        if self._position is None:
            self._position = await self._begin()
        page = await self._feed.changes(self._position, wait_s=wait_s)
        for change in page.changes:
            self._near.drop_title(change.title_id, change.title_revision)
            await self._shelf.drop(change.title_id, change.title_revision)
            self._dropped.inc()
            self._position = change.revision
        if page.changes:
            await self._shelf.advance(self._position)
        self._agreed = self._clock.monotonic()

    async def _begin(self) -> int:
        """Where drops were last done; when nobody knows, every kept hub is void."""
        page = await self._feed.changes(0, wait_s=0)
        cursor = await self._shelf.cursor()
        if cursor is not None and cursor <= page.latest_revision:
            return cursor
        await self._shelf.forget_all()
        self._near.clear()
        await self._shelf.advance(page.latest_revision)
        return page.latest_revision

    async def _start_over(self) -> None:
        """Catalog reads another database than before: nothing kept can be trusted."""
        self._log.warning("catalog's revisions began anew", position=self._position)
        self._near.clear()
        await self._shelf.forget_all()
        self._position = None
        await asyncio.sleep(RETRY_S)

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(OWED_EVERY_S)
            await self._shelf.settle_owed()
