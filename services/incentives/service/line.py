"""Places in waitlists: a claim that waits is written down first and placed second, and is acknowledged with both.

Whoever meets a waiting claim without a place finishes it: it gets the next place, or, where the line is full, it is
refused for good and forgotten. So nobody waits for a process that died between the two writes. Because two may finish
the same claim at once, whoever placed one looks at it again: if it has a unit by now, it leaves the line.
"""

from collections.abc import Sequence

from services.incentives.participation import Grant, GrantState
from services.incentives.store.stores import Stores


class Line:
    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def ids(self, reward_key: str) -> tuple[str, ...]:
        return await self._stores.lines.ids(reward_key)

    async def stand(self, reward_key: str, grant_ids: Sequence[str], length_max: int) -> set[str]:
        """Places claims that were written down now, in their order; gives those that were not refused."""
        lines = self._stores.lines
        # An earlier try of the same request may have been refused; this one is made anew.
        await lines.readmit(reward_key, grant_ids)
        if await lines.join(reward_key, grant_ids, length_max):
            return await self._kept(reward_key, grant_ids)
        placed = set(await lines.ids(reward_key)).intersection(grant_ids)
        for grant_id in grant_ids:
            if grant_id not in placed and await self._placed(reward_key, grant_id, length_max):
                placed.add(grant_id)
        return placed

    async def settled(self, grant: Grant, length_max: int) -> bool:
        """Finishes a waiting claim: True when it has its place, False when it was refused and forgotten."""
        if grant.id in await self._stores.lines.ids(grant.reward_key):
            return True
        return await self._placed(grant.reward_key, grant.id, length_max)

    async def tidied(self, reward_key: str) -> None:
        """Takes out whoever does not wait any more: a process may have died before it looked again."""
        await self._kept(reward_key, await self._stores.lines.ids(reward_key))

    async def _placed(self, reward_key: str, grant_id: str, length_max: int) -> bool:
        if await self._stores.lines.join(reward_key, [grant_id], length_max):
            return bool(await self._kept(reward_key, [grant_id]))
        return not await self._refused(reward_key, grant_id)

    async def _kept(self, reward_key: str, grant_ids: Sequence[str]) -> set[str]:
        """Those whose claim exists; who does not wait any more leaves the line."""
        found = await self._stores.grants.find_many(grant_ids)
        for grant_id in grant_ids:
            grant = found.get(grant_id)
            if grant is None or grant.state is not GrantState.WAITLISTED:
                await self._stores.lines.leave(reward_key, grant_id)
        return set(found)

    async def _refused(self, reward_key: str, grant_id: str) -> bool:
        """True when the claim is out of the line for good; False when it got in, or has a unit already."""
        if not await self._stores.lines.refuse(reward_key, grant_id):
            return False
        found = (await self._stores.grants.find_many([grant_id])).get(grant_id)
        if found is None:
            return True
        if found.state is not GrantState.WAITLISTED:
            return False
        await self._stores.grants.delete(found)
        return True
