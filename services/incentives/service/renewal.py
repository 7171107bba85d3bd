"""Brings enrolments up to date with what is known: the one way progress moves, whoever notices the news.

The enrolment is written with its ledger rows in one document; then the grants it carries are held or let go. Both steps
give the same result when they are repeated, so whoever dies in between is followed by somebody who does it again.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime

from chassis.mongo import StoreConflict
from services.incentives import grants
from services.incentives.claims import check_unlocked
from services.incentives.domain import Campaign, Creator, Terms
from services.incentives.errors import RewardLocked, RewardOfAnotherTeam
from services.incentives.lifecycle import COUNTING, state_now
from services.incentives.participation import Enrolment, Grant, HoldCode
from services.incentives.progress import reconciled
from services.incentives.store.stores import Stores

TRIES_MAX = 16
VIDEOS_MAX = 1_000


def _as_it_is(enrolment: Enrolment) -> Enrolment:
    return enrolment


async def until_stored(write: Callable[[], Awaitable[bool]]) -> None:
    """Does a write that reads and decides anew each time, until nobody else came between."""
    for _ in range(TRIES_MAX):
        if await write():
            return
    raise StoreConflict


class Renewal:
    def __init__(self, stores: Stores, now: Callable[[], datetime]) -> None:
        self._stores = stores
        self._now = now

    async def renewed(
        self,
        campaign: Campaign,
        creator_id: str,
        change: Callable[[Enrolment], Enrolment] = _as_it_is,
    ) -> Enrolment:
        """The enrolment after `change` and after what the newest facts make of it.

        It is looked at until there is nothing to change: facts that came between the reading and the writing have had
        their own renewal, which may have found the enrolment as it should be, before this one wrote.
        """
        for _ in range(TRIES_MAX):
            before = await self._stores.enrolments.get(campaign.id, creator_id)
            after = await self.looked_at(campaign, change(before))
            if after == before:
                await self.settle(campaign, before)
                return before
            if await self._stores.enrolments.replace(before, replace(after, counted_time=self._now())) is not None:
                change = _as_it_is
        raise StoreConflict

    async def looked_at(self, campaign: Campaign, enrolment: Enrolment) -> Enrolment:
        """What the newest facts make of an enrolment."""
        terms = await self._stores.campaigns.terms_at(campaign, enrolment.revision)
        creator_id = enrolment.creator_id
        found = await self._stores.videos.of_creators([creator_id], terms.title_ids, VIDEOS_MAX)
        videos = {video.id: video for video in found}
        entered = {each.video_id for each in enrolment.submissions} - videos.keys()
        videos |= {
            video.id: video
            for video in (await self._stores.videos.find_many(entered)).values()
            if video.creator_id == creator_id
        }
        creator = (await self._stores.creators.find_many([creator_id])).get(creator_id, Creator(id=creator_id))
        return reconciled(enrolment, terms, videos, creator, self._now())

    async def settle(self, campaign: Campaign, enrolment: Enrolment) -> None:
        """Holds the grants whose tasks are not done any more, and lets go those whose tasks are done again."""
        terms = await self._stores.campaigns.terms_at(campaign, enrolment.revision)
        mine = await self._stores.grants.of_creators(campaign.id, [enrolment.creator_id])
        for grant in mine:
            for _ in range(TRIES_MAX):
                after = self._settled(terms, enrolment, grant)
                if after is grant or await self._stores.grants.replace(grant, after) is not None:
                    break
                grant = await self._stores.grants.get(grant.id)  # noqa: PLW2901 - read again after a lost race

    def _settled(self, terms: Terms, enrolment: Enrolment, grant: Grant) -> Grant:
        reward = terms.reward(grant.reward_id)
        if not grant.is_open or reward is None:
            return grant
        try:
            check_unlocked(terms, reward, enrolment)
        except (RewardLocked, RewardOfAnotherTeam) as lost:
            detail = ", ".join(lost.metadata.values())
            return grants.with_hold(grant, HoldCode.PROGRESS_LOST, detail, self._now())
        return grants.unfrozen(grant, self._now())

    async def renew_creators(self, creator_ids: Iterable[str]) -> int:
        """Brings every enrolment of these creators up to date where videos still count; says how many there are."""
        found = await self._stores.enrolments.of_creators(creator_ids)
        campaigns = await self._stores.campaigns.find_many(each.campaign_id for each in found)
        now = self._now()  # the clock may have opened a campaign whose new state nobody has stored yet
        wanted = [each for each in found if state_now(campaigns[each.campaign_id], now) in COUNTING]
        for enrolment in wanted:
            await self.renewed(campaigns[enrolment.campaign_id], enrolment.creator_id)
        return len(wanted)
