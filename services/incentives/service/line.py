"""Places in waitlists: a claim that waits is written down first and placed second, and is acknowledged with both.

Whoever meets a waiting claim without a place finishes it: it gets the next place, or, where the line is full, it is
refused for good and forgotten. So nobody waits for a process that died between the two writes.
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
        """Places claims that were written down now, in their order; gives those that found a place."""
        lines = self._stores.lines
        # An earlier try of the same request may have been refused; this one is made anew.
        await lines.readmit(reward_key, grant_ids)
        if await lines.join(reward_key, grant_ids, length_max):
            return set(grant_ids)
        placed = set(await lines.ids(reward_key)).intersection(grant_ids)
        for grant_id in grant_ids:
            if grant_id not in placed and (
                await lines.join(reward_key, [grant_id], length_max) or not await self._refused(reward_key, grant_id)
            ):
                placed.add(grant_id)
        return placed

    async def settled(self, grant: Grant, length_max: int) -> bool:
        """Finishes a waiting claim: True when it has its place, False when it was refused and forgotten."""
        key, lines = grant.reward_key, self._stores.lines
        if grant.id in await lines.ids(key) or await lines.join(key, [grant.id], length_max):
            return True
        return not await self._refused(key, grant.id)

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
