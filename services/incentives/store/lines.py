"""Waitlists, and leases of fresh numbers: one small document for each stock, changed by single atomic updates."""

from collections.abc import Sequence

import pymongo
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Database, deadline

# Claims carried out twice at once are seconds apart; a thousand refusals later nobody asks again.
REFUSED_KEPT_MAX = 1_000


class Lines:
    """The order in which creators wait: an array of grant ids, first come, first served.

    Who was refused is remembered beside it: a claim carried out twice at the same moment is then either in the line
    or refused, for both.
    """

    def __init__(self, database: Database) -> None:
        self._lines = database["lines"]

    async def ids(self, reward_key: str) -> tuple[str, ...]:
        with deadline():
            document = await self._lines.find_one({"_id": reward_key}, {"grant_ids": 1})
        return () if document is None else tuple(document["grant_ids"])

    async def keys(self, after_key: str, limit: int) -> list[str]:
        """Rewards somebody stands in line for, in the order of their keys."""
        query = {"_id": {"$gt": after_key}, "grant_ids.0": {"$exists": True}}
        with deadline():
            cursor = self._lines.find(query, {"_id": 1}).sort("_id", pymongo.ASCENDING).limit(limit)
            return [document["_id"] for document in await cursor.to_list(None)]

    async def join(self, reward_key: str, grant_ids: Sequence[str], length_max: int) -> bool:
        """Puts all of them at the end, or none when they do not fit, one stands there already, or was refused."""
        room = length_max - len(grant_ids)
        if room < 0:
            return False
        ids = list(grant_ids)
        fits = {
            "_id": reward_key,
            f"grant_ids.{room}": {"$exists": False},
            "grant_ids": {"$nin": ids},
            "refused_ids": {"$nin": ids},
        }
        await self._make(reward_key)
        with deadline():
            result = await self._lines.update_one(fits, {"$push": {"grant_ids": {"$each": ids}}})
        return result.modified_count == 1

    async def refuse(self, reward_key: str, grant_id: str) -> bool:
        """Says for good that this claim is not in the line; False when it is."""
        change = {"$push": {"refused_ids": {"$each": [grant_id], "$slice": -REFUSED_KEPT_MAX}}}
        with deadline():
            result = await self._lines.update_one({"_id": reward_key, "grant_ids": {"$nin": [grant_id]}}, change)
        return result.modified_count == 1

    async def readmit(self, reward_key: str, grant_ids: Sequence[str]) -> None:
        """Forgets refusals: the claims are made anew."""
        ids = list(grant_ids)
        with deadline():
            await self._lines.update_one(
                {"_id": reward_key, "refused_ids": {"$in": ids}}, {"$pull": {"refused_ids": {"$in": ids}}}
            )

    async def leave(self, reward_key: str, grant_id: str) -> None:
        with deadline():
            await self._lines.update_one({"_id": reward_key}, {"$pull": {"grant_ids": grant_id}})

    async def _make(self, reward_key: str) -> None:
        with deadline():
            if await self._lines.find_one({"_id": reward_key}, {"_id": 1}) is None:
                try:
                    await self._lines.insert_one({"_id": reward_key, "grant_ids": [], "refused_ids": []})
                except DuplicateKeyError:
                    return


class Leases:
    """The first numbers of each stock that were never leased to a process."""

    def __init__(self, database: Database) -> None:
        self._leases = database["leases"]

    async def lease(self, owner: str, count: int, total: int) -> range:
        """Numbers only this process tries first; an empty range when all up to `total` are leased."""
        with deadline():
            before = await self._leases.find_one_and_update(
                {"_id": owner, "next": {"$lte": total}}, {"$inc": {"next": count}}
            )
            if before is None:
                if await self._leases.find_one({"_id": owner}) is not None:
                    return range(0)
                try:
                    await self._leases.insert_one({"_id": owner, "next": count + 1})
                except DuplicateKeyError:
                    return await self.lease(owner, count, total)
                return range(1, min(count, total) + 1)
        return range(before["next"], min(before["next"] + count - 1, total) + 1)


class Cursors:
    """How far a follower has read; held by one process at a time, for as long as it says so."""

    def __init__(self, database: Database) -> None:
        self._cursors = database["cursors"]

    async def hold(self, name: str, holder: str, now_s: float, lease_s: float) -> int | None:
        """The position, when this process may follow now; None while another one does."""
        free = {"_id": name, "$or": [{"holder": holder}, {"until_s": {"$lte": now_s}}]}
        claim = {"$set": {"holder": holder, "until_s": now_s + lease_s}}
        with deadline():
            found = await self._cursors.find_one_and_update(free, claim, return_document=pymongo.ReturnDocument.AFTER)
            if found is None and await self._cursors.find_one({"_id": name}) is None:
                try:
                    await self._cursors.insert_one({"_id": name, "position": 0, **claim["$set"]})
                except DuplicateKeyError:
                    return None
                return 0
        return None if found is None else int(found["position"])

    async def advance(self, name: str, holder: str, position: int) -> bool:
        """Moves the position forward; False when the process lost its hold meanwhile."""
        with deadline():
            result = await self._cursors.update_one({"_id": name, "holder": holder}, {"$max": {"position": position}})
        return result.matched_count == 1
