"""Takes units for grants: finds numbers worth a try, inserts grants that carry them, and believes the unique index.

One journaled insert takes the units of a whole batch of claims. A number somebody else took meanwhile is tried no more,
and the claim goes on with another one; "sold out" is said only when no number is fresh, given back, or forgotten by a
dead process.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.errors import SpotlightError, Unavailable
from services.incentives import grants
from services.incentives.claims import next_slots
from services.incentives.domain import Campaign, Reward, Terms
from services.incentives.errors import CampaignLimitReached, SoldOut
from services.incentives.participation import Grant, GrantState
from services.incentives.stock import Pool
from services.incentives.store.grants import CAMPAIGN_UNITS, UNITS, KeyTakenError, Numbering, Taken
from services.incentives.store.stores import Stores

# Each round, each number that was taken by somebody else is one grant more for somebody: it cannot go on for ever.
ROUNDS_MAX = 64
PROMOTED_MAX = 100

Outcome = Grant | SpotlightError | None


@dataclass(slots=True, kw_only=True)
class Try:
    """A claim on its way to a unit. `outcome` is None while it is on its way, and a Repeat's stays None."""

    draft: Grant
    terms: Terms
    outcome: Outcome = None
    is_repeat: bool = False
    unit: int = 0
    campaign_unit: int = 0

    @property
    def is_open(self) -> bool:
        return self.outcome is None and not self.is_repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What the units of one reward are taken from."""

    campaign: Campaign
    reward: Reward
    total: int

    @property
    def reward_key(self) -> str:
        return f"{self.campaign.id}/{self.reward.id}"

    @property
    def grants_max(self) -> int:
        return self.campaign.terms.limits.grants_max


class Stockroom:
    """Units for grants, one process's way to them."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._pools: dict[tuple[str, str], Pool] = {}
        self._promoting: dict[str, asyncio.Lock] = {}

    async def total(self, campaign: Campaign, reward: Reward) -> int:
        """Units a reward has: what its terms say, or its pool of codes."""
        key = f"{campaign.id}/{reward.id}"
        if not reward.kind.has_codes:
            return reward.stock_count
        pool = (await self._stores.codes.pools([key])).get(key)
        return pool.total if pool else 0

    async def take(self, shelf: Shelf, tries: Sequence[Try], now: datetime) -> None:
        """Gives each try a grant with a unit, or a refusal; what is a repeat is left to be read."""
        for _ in range(ROUNDS_MAX):
            waiting = [each for each in tries if each.is_open]
            if not waiting:
                return
            await self._number(shelf, waiting)
            ready = [each for each in waiting if each.is_open]
            built = [
                grants.reserved(
                    replace(each.draft, unit_number=each.unit, campaign_number=each.campaign_unit), shelf.reward, now
                )
                for each in ready
            ]
            taken = await self._stores.grants.insert_many(built)
            await self._wipe(shelf, ready, taken)
            for each, grant, key in zip(ready, built, taken, strict=True):
                each.outcome = grant if key is None else None
                self._after(shelf, each, key)
            await self._next_slots(shelf, ready, taken)
        self._give_up(tries)

    async def wait(self, shelf: Shelf, tries: Sequence[Try], now: datetime) -> None:
        """Writes claims down as waiting; their place in the line comes after."""
        for _ in range(ROUNDS_MAX):
            ready = [each for each in tries if each.is_open]
            if not ready:
                return
            built = [grants.waitlisted(each.draft, shelf.reward, now) for each in ready]
            taken = await self._stores.grants.insert_many(built)
            for each, grant, key in zip(ready, built, taken, strict=True):
                each.outcome = grant if key is None else None
                each.is_repeat = key is Taken.ID
            await self._next_slots(shelf, ready, taken)
        self._give_up(tries)

    async def promote(self, shelf: Shelf, now: Callable[[], datetime]) -> int:
        """Gives free units to those who wait, first come, first served; says how many were given."""
        lock = self._promoting.setdefault(shelf.reward_key, asyncio.Lock())
        async with lock:
            given = 0
            while ids := (await self._stores.lines.ids(shelf.reward_key))[:PROMOTED_MAX]:
                found = await self._stores.grants.find_many(ids)
                before = given
                for grant_id in ids:
                    grant = found.get(grant_id)
                    if grant is not None and grant.state is GrantState.WAITLISTED:
                        if not await self._promoted(shelf, grant, now):
                            return given
                        given += 1
                    await self._stores.lines.leave(shelf.reward_key, grant_id)
                if given == before and len(ids) < PROMOTED_MAX:
                    return given
            return given

    async def _promoted(self, shelf: Shelf, grant: Grant, now: Callable[[], datetime]) -> bool:
        """One who waits gets a unit; False when there is none, or somebody else changed the grant."""
        for _ in range(ROUNDS_MAX):
            unit = await self._one(UNITS, shelf.reward_key, shelf.total)
            bounded = shelf.grants_max > 0
            campaign_unit = await self._one(CAMPAIGN_UNITS, shelf.campaign.id, shelf.grants_max) if bounded else 0
            if unit is None or campaign_unit is None:
                self._return(shelf, unit or 0, campaign_unit or 0)
                return False
            try:
                stored = await self._stores.grants.replace(grant, grants.promoted(grant, unit, campaign_unit, now()))
            except KeyTakenError as error:
                of_reward = error.taken is Taken.UNIT
                self._return(shelf, 0 if of_reward else unit, campaign_unit if of_reward else 0)
                await self._wipe_numbers(shelf, [unit] if of_reward else [], [] if of_reward else [campaign_unit])
                continue
            if stored is None:
                self._return(shelf, unit, campaign_unit)
                return False
            await self._wipe_numbers(shelf, [unit], [campaign_unit])
            return True
        return False

    async def _number(self, shelf: Shelf, waiting: Sequence[Try]) -> None:
        """A number of each bounded stock for each try; those who go without are refused."""
        if not shelf.reward.is_unlimited:
            pool = await self._filled(UNITS, shelf.reward_key, shelf.total, sum(not each.unit for each in waiting))
            for each in waiting:
                each.unit = each.unit or pool.take() or 0
                if not each.unit:
                    each.outcome = SoldOut(metadata={"reward_id": shelf.reward.id})
        if shelf.grants_max:
            still = [each for each in waiting if each.is_open]
            pool = await self._filled(
                CAMPAIGN_UNITS, shelf.campaign.id, shelf.grants_max, sum(not each.campaign_unit for each in still)
            )
            for each in still:
                each.campaign_unit = each.campaign_unit or pool.take() or 0
                if not each.campaign_unit:
                    each.outcome = CampaignLimitReached(metadata={"limit": str(shelf.grants_max)})
        for each in waiting:
            if not each.is_open:
                self._return(shelf, each.unit, each.campaign_unit)

    async def _one(self, numbering: Numbering, owner: str, total: int) -> int | None:
        return (await self._filled(numbering, owner, total, 1)).take()

    async def _filled(self, numbering: Numbering, owner: str, total: int, need: int) -> Pool:
        """The pool, with at least `need` numbers if there are so many: leased, given back, or forgotten ones."""
        pool = self._pools.setdefault((numbering.key, owner), Pool())
        stores = self._stores
        if len(pool) < need and pool.leased_through < total:
            lease = await stores.leases.lease(owner, pool.lease_size(need - len(pool), total), total)
            pool.add(lease)
            if not lease or lease.stop > total:
                pool.leased_through = total
        if len(pool) < need:
            pool.add_returned(await stores.grants.freed_numbers(numbering, owner))
        for first, last in pool.chunks(total):
            if len(pool) >= need:
                break
            pool.searched((first, last), await stores.grants.used_numbers(numbering, owner, first, last))
        return pool

    def _after(self, shelf: Shelf, each: Try, key: Taken | None) -> None:
        """What an insert's answer means for the numbers it tried."""
        if key is None:
            return
        if key is Taken.UNIT:
            each.unit = 0
        elif key is Taken.CAMPAIGN_UNIT:
            each.campaign_unit = 0
        elif key is Taken.ID:
            each.is_repeat = True
            self._return(shelf, each.unit, each.campaign_unit)

    async def _next_slots(self, shelf: Shelf, tries: Sequence[Try], taken: Sequence[Taken | None]) -> None:
        """Who has a grant of this reward or campaign already takes the next slot, or has as many as one gets."""
        held = {Taken.HOLDER, Taken.CAMPAIGN_HOLDER}
        late = [each for each, key in zip(tries, taken, strict=True) if key in held]
        if not late:
            return
        mine = await self._stores.grants.of_creators(shelf.campaign.id, [each.draft.creator_id for each in late])
        for each in late:
            kept = each.terms.reward(shelf.reward.id) or shelf.reward
            own = [grant for grant in mine if grant.creator_id == each.draft.creator_id]
            if any(grant.id == each.draft.id for grant in own):
                # The index of the creator's place answered before the one of the request's id.
                each.is_repeat = True
                self._return(shelf, each.unit, each.campaign_unit)
                continue
            try:
                slots = next_slots(each.draft, own, kept.per_creator_max, each.terms.limits.rewards_per_creator_max)
            except SpotlightError as refusal:
                each.outcome = refusal
                self._return(shelf, each.unit, each.campaign_unit)
            else:
                each.draft = replace(each.draft, reward_slot=slots[0], campaign_slot=slots[1])

    async def _wipe(self, shelf: Shelf, tries: Sequence[Try], taken: Sequence[Taken | None]) -> None:
        """Marks of numbers that are carried now, by us or by somebody else."""
        pairs = list(zip(tries, taken, strict=True))
        units = [each.unit for each, key in pairs if key in {None, Taken.UNIT}]
        campaign_units = [each.campaign_unit for each, key in pairs if key in {None, Taken.CAMPAIGN_UNIT}]
        await self._wipe_numbers(shelf, units, campaign_units)

    async def _wipe_numbers(self, shelf: Shelf, units: Sequence[int], campaign_units: Sequence[int]) -> None:
        for numbering, owner, numbers in (
            (UNITS, shelf.reward_key, units),
            (CAMPAIGN_UNITS, shelf.campaign.id, campaign_units),
        ):
            pool = self._pools.get((numbering.key, owner))
            givers = [giver for number in numbers if pool and (giver := pool.giver(number))]
            await self._stores.grants.wipe_freed(numbering, givers)

    def _return(self, shelf: Shelf, unit: int, campaign_unit: int) -> None:
        """Numbers that were not used after all."""
        for numbering, owner, number in (
            (UNITS, shelf.reward_key, unit),
            (CAMPAIGN_UNITS, shelf.campaign.id, campaign_unit),
        ):
            if number:
                self._pools.setdefault((numbering.key, owner), Pool()).put_back(number)

    def _give_up(self, tries: Sequence[Try]) -> None:
        for each in tries:
            if each.is_open:
                each.outcome = Unavailable(retry_after_s=0.1)
