"""Takes units for grants: inserts grants that carry numbers, and believes the unique indexes.

One journaled insert takes the units of a whole batch of claims. A number somebody else took meanwhile is tried no more,
and the claim goes on with another one; "sold out" is said only when no number is fresh, given back, forgotten by a dead
process, or still on its way here.
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
from services.incentives.service.line import Line
from services.incentives.service.numbers import Numbers, Source
from services.incentives.store.grants import CAMPAIGN_UNITS, UNITS, KeyTakenError, Taken
from services.incentives.store.stores import Stores

# Each round, each number that was taken by somebody else is one grant more for somebody: it cannot go on for ever.
ROUNDS_MAX = 100
PROMOTED_MAX = 100
# Another batch of this process answers within a write's time.
FLIGHT_S = 0.005

_SLOTS = frozenset({Taken.HOLDER, Taken.CAMPAIGN_HOLDER})


@dataclass(slots=True, kw_only=True)
class Try:
    """A claim on its way to a unit: open until it has an outcome or turns out to be a repeat."""

    draft: Grant
    terms: Terms
    # Their slots are looked up before they are tried: earlier grants were given under other rules.
    has_moved: bool = False
    outcome: Grant | SpotlightError | None = None
    is_repeat: bool = False
    # Somebody else changed the grant since it was written.
    may_have_moved: bool = False
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
    def units(self) -> Source | None:
        """The reward's own stock; None when it has no bound."""
        if self.reward.is_unlimited:
            return None
        return Source(numbering=UNITS, owner=self.reward_key, total=self.total)

    @property
    def campaign_units(self) -> Source | None:
        """The campaign's bound over all rewards, where it has one."""
        most = self.campaign.terms.limits.grants_max
        return Source(numbering=CAMPAIGN_UNITS, owner=self.campaign.id, total=most) if most else None


class Stockroom:
    """Units for grants, one process's way to them."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._numbers = Numbers(stores)
        self.line = Line(stores)
        self._promoting: dict[str, asyncio.Lock] = {}

    async def shelf(self, campaign: Campaign, reward: Reward) -> Shelf:
        return Shelf(campaign=campaign, reward=reward, total=await self.total(campaign, reward))

    async def total(self, campaign: Campaign, reward: Reward) -> int:
        """Units a reward has: what its terms say, or its pool of codes."""
        if not reward.kind.has_codes:
            return reward.stock_count
        key = f"{campaign.id}/{reward.id}"
        pool = (await self._stores.codes.pools([key])).get(key)
        return pool.total if pool else 0

    async def take(self, shelf: Shelf, tries: Sequence[Try], now: datetime) -> None:
        """Gives each try a grant with a unit, or a refusal; what is a repeat is left to be read."""
        try:
            for _ in range(ROUNDS_MAX):
                waiting = [each for each in tries if each.is_open]
                if not waiting:
                    return
                ready = await self._numbered(shelf, waiting)
                if ready:
                    await self._insert(shelf, ready, now)
                elif any(each.is_open for each in waiting):
                    await asyncio.sleep(FLIGHT_S)
            _give_up(tries)
        finally:
            # Whatever is still on its way after a failure is carried, or is found again as a hole.
            self._land(shelf, tries)

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
            await self.next_slots_of(shelf, [each for each, key in zip(ready, taken, strict=True) if key in _SLOTS])
        _give_up(tries)

    async def stands(self, campaign: Campaign, grant: Grant) -> bool:
        """Whether a grant counts: one that waits counts once it has its place."""
        if grant.state is not GrantState.WAITLISTED:
            return True
        reward = campaign.terms.reward(grant.reward_id)
        return await self.line.settled(grant, reward.waitlist_max if reward else 0)

    async def promote(self, shelf: Shelf, now: Callable[[], datetime]) -> int:
        """Gives free units to those who wait, first come, first served; says how many were given."""
        given = 0
        async with self._promoting.setdefault(shelf.reward_key, asyncio.Lock()):
            while ids := (await self._stores.lines.ids(shelf.reward_key))[:PROMOTED_MAX]:
                found = await self._stores.grants.find_many(ids)
                for grant_id in ids:
                    grant = found.get(grant_id)
                    if grant is not None and grant.state is GrantState.WAITLISTED:
                        if not await self._promoted(shelf, grant, now):
                            return given
                        given += 1
                    await self._stores.lines.leave(shelf.reward_key, grant_id)
        return given

    async def _promoted(self, shelf: Shelf, grant: Grant, now: Callable[[], datetime]) -> bool:
        """One who waits gets a unit; False when there is none, or somebody else changed the grant."""
        each = Try(draft=grant, terms=shelf.campaign.terms)
        try:
            for _ in range(ROUNDS_MAX):
                if not await self._numbered(shelf, [each], slots_known=True):
                    return False
                after = grants.promoted(grant, each.unit, each.campaign_unit, now())
                try:
                    stored = await self._stores.grants.replace(grant, after)
                except KeyTakenError as error:
                    await self._carried(shelf, [each], [error.taken])
                    _forget(each, error.taken)
                    continue
                if stored is None:
                    self._put_back(shelf, each)
                    return False
                await self._carried(shelf, [each], [None])
                return True
        finally:
            self._land(shelf, [each])
        return False

    async def _numbered(self, shelf: Shelf, waiting: Sequence[Try], *, slots_known: bool = False) -> list[Try]:
        """Those who have a number of each bounded stock. The others are refused once no number can come any more."""
        short: list[tuple[Try, SpotlightError]] = []
        if shelf.units is not None:
            pool = await self._numbers.filled(shelf.units, sum(not each.unit for each in waiting))
            for each in waiting:
                each.unit = each.unit or pool.take() or 0
                if not each.unit and not pool.has_flying:
                    short.append((each, SoldOut(metadata={"reward_id": shelf.reward.id})))
        bounded = [each for each in waiting if each.unit or shelf.units is None]
        if shelf.campaign_units is not None:
            pool = await self._numbers.filled(shelf.campaign_units, sum(not each.campaign_unit for each in bounded))
            for each in bounded:
                each.campaign_unit = each.campaign_unit or pool.take() or 0
                if not each.campaign_unit and not pool.has_flying:
                    limit = str(shelf.campaign_units.total)
                    short.append((each, CampaignLimitReached(metadata={"limit": limit})))
        if short and not slots_known:
            # Who has the reward already hears that, not that there is no more of it.
            await self.next_slots_of(shelf, [each for each, _ in short])
        for each, refusal in short:
            each.outcome = each.outcome or (None if each.is_repeat else refusal)
            self._put_back(shelf, each)
        bound = shelf.campaign_units is not None
        return [each for each in bounded if each.is_open and (each.campaign_unit or not bound)]

    async def _insert(self, shelf: Shelf, ready: Sequence[Try], now: datetime) -> None:
        """One write for all; each learns what it got."""
        built = [
            grants.reserved(
                replace(each.draft, unit_number=each.unit, campaign_number=each.campaign_unit), shelf.reward, now
            )
            for each in ready
        ]
        taken = await self._stores.grants.insert_many(built)
        await self._carried(shelf, ready, taken)
        for each, grant, key in zip(ready, built, taken, strict=True):
            if key is None:
                each.outcome = grant
            elif key is Taken.ID:
                each.is_repeat = True
                self._put_back(shelf, each)
            else:
                _forget(each, key)
        await self.next_slots_of(shelf, [each for each, key in zip(ready, taken, strict=True) if key in _SLOTS])

    async def next_slots_of(self, shelf: Shelf, late: Sequence[Try]) -> None:
        """Who has a grant of this reward or campaign already takes the next slot, or has as many as one gets."""
        if not late:
            return
        mine = await self._stores.grants.of_creators(shelf.campaign.id, [each.draft.creator_id for each in late])
        for each in late:
            own = [
                grant
                for grant in mine
                if grant.creator_id == each.draft.creator_id and await self.stands(shelf.campaign, grant)
            ]
            if any(grant.id == each.draft.id for grant in own):
                # The index of the creator's place answered before the one of the request's id.
                each.is_repeat = True
                self._put_back(shelf, each)
                continue
            kept = each.terms.reward(shelf.reward.id) or shelf.reward
            try:
                slots = next_slots(each.draft, own, kept.per_creator_max, each.terms.limits.rewards_per_creator_max)
            except SpotlightError as refusal:
                each.outcome = refusal
                self._put_back(shelf, each)
            else:
                each.draft = replace(each.draft, reward_slot=slots[0], campaign_slot=slots[1])

    async def _carried(self, shelf: Shelf, tries: Sequence[Try], taken: Sequence[Taken | None]) -> None:
        """Numbers that are carried now, by us or by somebody else."""
        pairs = list(zip(tries, taken, strict=True))
        if shelf.units is not None:
            await self._numbers.carried(shelf.units, [each.unit for each, key in pairs if key in {None, Taken.UNIT}])
        if shelf.campaign_units is not None:
            numbers = [each.campaign_unit for each, key in pairs if key in {None, Taken.CAMPAIGN_UNIT}]
            await self._numbers.carried(shelf.campaign_units, numbers)

    def _put_back(self, shelf: Shelf, each: Try) -> None:
        """Numbers that were not used after all."""
        if shelf.units is not None and each.unit:
            self._numbers.pool(shelf.units).put_back(each.unit)
        if shelf.campaign_units is not None and each.campaign_unit:
            self._numbers.pool(shelf.campaign_units).put_back(each.campaign_unit)
        each.unit = each.campaign_unit = 0

    def _land(self, shelf: Shelf, tries: Sequence[Try]) -> None:
        if shelf.units is not None:
            self._numbers.pool(shelf.units).landed(each.unit for each in tries)
        if shelf.campaign_units is not None:
            self._numbers.pool(shelf.campaign_units).landed(each.campaign_unit for each in tries)


def _forget(each: Try, key: Taken) -> None:
    """A number somebody else carries is tried no more."""
    if key is Taken.UNIT:
        each.unit = 0
    elif key is Taken.CAMPAIGN_UNIT:
        each.campaign_unit = 0


def _give_up(tries: Sequence[Try]) -> None:
    for each in tries:
        if each.is_open:
            each.outcome = Unavailable(retry_after_s=0.1)
