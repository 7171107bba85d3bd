"""Puts a hub together: asks catalog and the panels at once, waits for each no longer than its slice."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from chassis.clock import Clock
from chassis.errors import SpotlightError
from chassis.telemetry import Telemetry
from gateway.compose import compose
from gateway.domain import FanVideo, Hub, HubCampaign, HubCounts, HubKey, Panel, Panels, TitleFacts

T = TypeVar("T")


class HubSources(Protocol):
    """What a hub is made from."""

    async def title(self, title_id: str) -> TitleFacts: ...
    async def fan_videos(self, title_id: str, region: str) -> tuple[FanVideo, ...]: ...
    async def campaigns(self, title_id: str, region: str) -> tuple[HubCampaign, ...]: ...
    async def counts(self, title_id: str, region: str) -> HubCounts: ...


class HubService:
    """The use case behind every hub that is not kept."""

    def __init__(self, sources: HubSources, *, clock: Clock, telemetry: Telemetry) -> None:
        self._sources = sources
        self._clock = clock
        self._log = structlog.get_logger("hub")
        missed = telemetry.counter("hub_panels_missed_total", "Panels a hub went without.", ("panel",))
        self._missed = {panel: missed.labels(panel.value) for panel in Panel}

    async def get_hub(self, key: HubKey, at: datetime | None = None) -> Hub:
        """The hub as of `at` (left out: now). Panels that fail are missing; a title that fails is the answer."""
        panels = asyncio.create_task(self._panels(key))
        try:
            title = await self._sources.title(key.title_id)
            now = self._clock.now()
            # Composed without panels first: a hidden title must not wait for them.
            nothing = Panels(fan_videos=None, counts=None, campaigns=None)
            compose(key=key, title=title, panels=nothing, at=at or now, now=now)
            return compose(key=key, title=title, panels=await panels, at=at or now, now=now)
        finally:
            panels.cancel()

    async def _panels(self, key: HubKey) -> Panels:
        fan_videos, counts, campaigns = await asyncio.gather(
            self._panel(Panel.FAN_VIDEOS, self._sources.fan_videos(key.title_id, key.region)),
            self._panel(Panel.COUNTS, self._sources.counts(key.title_id, key.region)),
            self._panel(Panel.CAMPAIGNS, self._sources.campaigns(key.title_id, key.region)),
        )
        return Panels(fan_videos=fan_videos, counts=counts, campaigns=campaigns)

    async def _panel(self, panel: Panel, answer: Awaitable[T]) -> T | None:
        try:
            return await answer
        except SpotlightError as error:
            self._missed[panel].inc()
            self._log.info("a panel is missing", panel=panel.value, reason=error.reason)
            return None
