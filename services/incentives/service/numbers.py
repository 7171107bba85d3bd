"""Where this process finds numbers worth a try, for the units of rewards and for the bound of a campaign."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.incentives.stock import Pool
from services.incentives.store.grants import Numbering
from services.incentives.store.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One stock of numbers: whose it is, and how many there are."""

    numbering: Numbering
    owner: str
    total: int


class Numbers:
    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._pools: dict[tuple[str, str], Pool] = {}

    def pool(self, source: Source) -> Pool:
        return self._pools.setdefault((source.numbering.key, source.owner), Pool())

    async def filled(self, source: Source, need: int) -> Pool:
        """The pool, with at least `need` numbers if there are so many: leased, given back, or forgotten ones."""
        pool, total = self.pool(source), source.total
        if len(pool) < need and pool.leased_through < total:
            lease = await self._stores.leases.lease(source.owner, pool.lease_size(need - len(pool), total), total)
            pool.add(lease)
            if not lease or lease.stop > total:
                pool.leased_through = total
        if len(pool) < need:
            pool.add_returned(await self._stores.grants.freed_numbers(source.numbering, source.owner))
        for first, last in pool.chunks(total):
            if len(pool) >= need:
                break
            used = await self._stores.grants.used_numbers(source.numbering, source.owner, first, last)
            pool.searched((first, last), used)
        return pool

    async def carried(self, source: Source, numbers: Iterable[int]) -> None:
        """Numbers that a grant carries now: the marks of those who gave them back are wiped."""
        pool, held = self.pool(source), [number for number in numbers if number]
        pool.landed(held)
        givers = [giver for number in held if (giver := pool.giver(number))]
        await self._stores.grants.wipe_freed(source.numbering, givers)
