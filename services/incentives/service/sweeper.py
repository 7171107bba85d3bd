"""What happens because time passed or a process died: campaigns start and end, reservations expire, lines move.

Every step is a conditional write of one document, so several sweepers, or one that was interrupted, do no harm.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.incentives import grants
from services.incentives.domain import SYSTEM_ACTOR, Campaign
from services.incentives.lifecycle import COUNTING, claims_open, due_act
from services.incentives.participation import Grant, GrantAct, GrantState
from services.incentives.service.campaigns import CampaignCases
from services.incentives.service.ledger import Ledger
from services.incentives.service.stockroom import Stockroom
from services.incentives.store.stores import Stores

BATCH_MAX = 200
LINES_MAX = 50
# Before everybody who waits.
FIRST = (datetime(1970, 1, 1, tzinfo=UTC), "")
LEASE_S = 5.0
# A claim gets its place within seconds of being written down; after that its process is taken for dead.
UNPLACED = timedelta(seconds=10)
DRIFT_EVERY = 60


class Sweeper:
    def __init__(
        self,
        stores: Stores,
        cases: CampaignCases,
        stockroom: Stockroom,
        ledger: Ledger,
        *,
        holder: str,
        now: Callable[[], datetime],
        sweep_s: float,
        report: Callable[[str, float], None],
    ) -> None:
        self._stores = stores
        self._cases = cases
        self._stockroom = stockroom
        self._ledger = ledger
        self._holder = holder
        self._now = now
        self._sweep_s = sweep_s
        self._report = report
        # Where the next round goes on among those who wait, and among the lines.
        self._waiting_after = FIRST
        self._line_after = ""

    async def run(self) -> None:
        """Goes on for ever, in one process at a time."""
        rounds = 0
        while True:
            moment = self._now().timestamp()
            if await self._stores.cursors.hold("sweep", self._holder, moment, LEASE_S) is not None:
                await self.sweep()
                if rounds % DRIFT_EVERY == 0:
                    await self.look_over()
                rounds += 1
            await asyncio.sleep(self._sweep_s)

    async def sweep(self) -> None:
        """One round."""
        now = self._now()
        for campaign in await self._stores.campaigns.due(now, BATCH_MAX):
            act = due_act(campaign, now)
            if act is not None:
                await self._cases.tick(campaign, act, SYSTEM_ACTOR)
        freed = [grant for grant in await self._stores.grants.due(now, BATCH_MAX) if await self.expired(grant)]
        waiting = await self._some_waiting()
        keys = dict.fromkeys([*(grant.reward_key for grant in (*freed, *waiting)), *await self._some_lines()])
        owners = {key: key.partition("/")[0] for key in keys}
        campaigns = await self._stores.campaigns.find_many(owners.values())
        for key in keys:
            in_line = [each for each in waiting if each.reward_key == key]
            await self._move_line(campaigns[owners[key]], key, in_line)

    async def _some_waiting(self) -> list[Grant]:
        """The next of those who wait: however many there are, everybody's turn comes."""
        found = await self._stores.grants.waiting(self._waiting_after, BATCH_MAX)
        self._waiting_after = (found[-1].create_time, found[-1].id) if len(found) == BATCH_MAX else FIRST
        return found

    async def _some_lines(self) -> list[str]:
        """The next of the rewards somebody stands in line for."""
        found = await self._stores.lines.keys(self._line_after, LINES_MAX)
        self._line_after = found[-1] if len(found) == LINES_MAX else ""
        return found

    async def expired(self, grant: Grant) -> bool:
        """Ends a reservation; False when it was redeemed or ended meanwhile."""
        if grant.state is not GrantState.RESERVED:
            return False
        over = grants.ended(grant, GrantAct.EXPIRE, self._now(), SYSTEM_ACTOR, "not redeemed in time")
        return await self._stores.grants.replace(grant, over) is not None

    async def _move_line(self, campaign: Campaign, reward_key: str, waiting: list[Grant]) -> None:
        """Places those who were forgotten, then gives free units to the first; when claims are over, all go home."""
        reward = campaign.terms.reward(reward_key.rpartition("/")[2])
        assert reward is not None, "a reward that was granted is never taken away"
        now = self._now()
        if not claims_open(campaign, now):
            until = campaign.terms.claims_until
            if until is not None and until <= now:
                for each in waiting:
                    await self._sent_home(each)
            return
        standing = await self._stores.lines.ids(reward_key)
        for each in sorted(waiting, key=lambda late: (late.create_time, late.id)):
            if each.id not in standing and each.create_time <= now - UNPLACED:
                await self._stockroom.line.settled(each, reward.waitlist_max)
        if waiting or standing:
            await self._stockroom.promote(await self._stockroom.shelf(campaign, reward), self._now)

    async def _sent_home(self, grant: Grant) -> None:
        over = grants.ended(grant, GrantAct.EXPIRE, self._now(), SYSTEM_ACTOR, "claims are over")
        if await self._stores.grants.replace(grant, over) is not None:
            await self._stores.lines.leave(grant.reward_key, grant.id)

    async def look_over(self) -> None:
        """Stock less ledger, over all running campaigns: anything but 0 is a bug. Lines are tidied on the way."""
        drift = 0
        for campaign in await self._stores.campaigns.in_states(COUNTING):
            for reward in campaign.terms.rewards:
                if reward.waitlist_max:
                    await self._stockroom.line.tidied(f"{campaign.id}/{reward.id}")
            for balance in await self._ledger.balances(campaign):
                drift += abs(balance.balance - balance.available_count)
        self._report("stock_drift", drift)
