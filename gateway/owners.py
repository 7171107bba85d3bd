"""Whose titles, campaigns, grants and videos are: asked once, remembered shortly, for the rules of access."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from chassis.clock import Clock
from gateway.access import Owners

KEPT_S = 30.0
"""A title may change hands; a campaign, a grant and a video do not."""
ENTRIES_MAX = 20_000


class KnownOwners:
    """Owners, as the services said them a moment ago."""

    def __init__(self, owners: Owners, *, clock: Clock) -> None:
        self._owners = owners
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    async def studio_of_title(self, title_id: str) -> str:
        """The studio that owns a title."""
        return await self._once("title", title_id, self._owners.studio_of_title)

    async def studio_of_campaign(self, campaign_id: str) -> str:
        """The studio that runs a campaign."""
        return await self._once("campaign", campaign_id, self._owners.studio_of_campaign)

    async def campaign_of_grant(self, grant_id: str) -> str:
        """The campaign a grant belongs to."""
        return await self._once("grant", grant_id, self._owners.campaign_of_grant)

    async def creator_of_video(self, video_id: str) -> str:
        """The creator who posted a video."""
        return await self._once("video", video_id, self._owners.creator_of_video)

    async def _once(self, kind: str, name: str, ask: Callable[[str], Awaitable[str]]) -> str:
        now = self._clock.monotonic()
        kept = self._kept.get((kind, name))
        if kept is not None and now < kept[0]:
            return kept[1]
        owner = await ask(name)
        self._kept[kind, name] = (now + KEPT_S, owner)
        if len(self._kept) > ENTRIES_MAX:
            self._kept.popitem(last=False)
        return owner
