"""Counts for readers who come often: stocks at most once a second for each campaign, joined creators every 5 s."""

import asyncio
from collections.abc import Callable, Iterable

from services.incentives.domain import Campaign, Stock
from services.incentives.service.stockroom import Stockroom
from services.incentives.store.stores import Stores

FRESH_S = 1.0
JOINED_FRESH_S = 5.0
CAMPAIGNS_MAX = 1_000


class StockBoard:
    def __init__(self, stores: Stores, stockroom: Stockroom, monotonic: Callable[[], float]) -> None:
        self._stores = stores
        self._stockroom = stockroom
        self._monotonic = monotonic
        self._counted: dict[str, tuple[float, dict[str, Stock]]] = {}
        self._counting: dict[str, asyncio.Lock] = {}

    async def stocks(self, campaign: Campaign) -> dict[str, Stock]:
        """The stock of each reward, at most a second old; one count at a time."""
        async with self._counting.setdefault(campaign.id, asyncio.Lock()):
            counted_at, counted = self._counted.get(campaign.id, (0.0, {}))
            rewards = {reward.id for reward in campaign.terms.rewards}
            if counted.keys() == rewards and self._monotonic() - counted_at < FRESH_S:
                return counted
            fresh = await self.count(campaign)
            if len(self._counted) >= CAMPAIGNS_MAX:
                self._counted.clear()
                self._counting = {campaign.id: self._counting[campaign.id]}
            self._counted[campaign.id] = (self._monotonic(), fresh)
            return fresh

    async def count(self, campaign: Campaign) -> dict[str, Stock]:
        """The stock of each reward, counted now."""
        totals = {each.id: await self._stockroom.total(campaign, each) for each in campaign.terms.rewards}
        return await self._stores.grants.stocks(campaign.id, totals)


class JoinBoard:
    """How many creators take part in campaigns, a few seconds old: a million enrolments take a while to count."""

    def __init__(self, stores: Stores, monotonic: Callable[[], float]) -> None:
        self._stores = stores
        self._monotonic = monotonic
        self._counted: dict[str, tuple[float, int]] = {}
        self._counting = asyncio.Lock()

    async def counts(self, campaign_ids: Iterable[str]) -> dict[str, int]:
        """Creators by campaign; one count at a time."""
        wanted = set(campaign_ids)
        async with self._counting:
            now = self._monotonic()
            stale = {
                each for each in wanted if each not in self._counted or now - self._counted[each][0] >= JOINED_FRESH_S
            }
            if stale:
                found = await self._stores.enrolments.count_by_campaign(stale)
                if len(self._counted) > CAMPAIGNS_MAX:
                    self._counted = {each: self._counted[each] for each in wanted - stale}
                self._counted |= {each: (now, found.get(each, 0)) for each in stale}
            return {each: self._counted[each][1] for each in wanted}
