"""Hubs as both doors of this process hand them out: kept ones for now, fresh ones for another moment."""

from datetime import datetime

from chassis.errors import DeadlineExceeded, Unavailable
from gateway.cache.envelope import Entry
from gateway.cache.hubs import HubCache
from gateway.domain import HubKey, HubUnavailable
from gateway.render import Renderer
from gateway.service import HubService


class Hubs:
    """The way to a hub's bytes."""

    def __init__(self, service: HubService, cache: HubCache, renderer: Renderer) -> None:
        self._service = service
        self._cache = cache
        self._renderer = renderer

    def fresh(self, key: HubKey) -> Entry | None:
        """The hub at hand, if nothing needs to be waited for."""
        return self._cache.fresh(key)

    async def get(self, key: HubKey, at: datetime | None = None) -> Entry:
        """The hub as of now, kept; or as of another moment, made for this call."""
        if at is None:
            return await self._cache.get(key)
        try:
            return self._renderer.entry(await self._service.get_hub(key, at))
        except (Unavailable, DeadlineExceeded) as error:
            raise HubUnavailable(retry_after_s=1.0) from error
