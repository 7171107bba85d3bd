"""Pools of sealed ticket codes: code number n belongs to unit number n, so giving a unit gives its code.

An import first inserts the codes under the next numbers, in order, and then raises the pool's total. A process that
dies in between leaves numbers nobody can claim yet; the next import, or the same one repeated, makes them count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pymongo
from pymongo.errors import BulkWriteError

from chassis.mongo import Database, deadline
from services.incentives.codes import SealedCode
from services.incentives.errors import CodeUnreadable
from services.incentives.store.documents import decode, encode
from services.incentives.store.grants import keyed

_DUPLICATE = 11_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolImport:
    """That a pool grew."""

    request_id: str
    count: int
    actor: str
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePool:
    """The pool of one reward."""

    id: str
    total: int = 0
    version: int = 1
    imports: tuple[PoolImport, ...] = ()


class Codes:
    def __init__(self, database: Database) -> None:
        self._codes = database["codes"]
        self._pools = database["code_pools"]

    async def ensure_indexes(self) -> None:
        with deadline():
            await self._codes.create_index([("reward_key", 1), ("fingerprint", 1)], unique=True)

    async def pools(self, reward_keys: Sequence[str]) -> dict[str, CodePool]:
        if not reward_keys:
            return {}
        with deadline():
            documents = await self._pools.find({"_id": {"$in": list(reward_keys)}}).to_list(None)
        return {document["_id"]: decode(CodePool, document) for document in documents}

    async def known(self, reward_key: str, fingerprints: Sequence[str]) -> dict[str, str]:
        """Fingerprints that are in the pool, each with the request that brought it."""
        query = {"reward_key": reward_key, "fingerprint": {"$in": list(fingerprints)}}
        with deadline():
            documents = await self._codes.find(query, {"fingerprint": 1, "request_id": 1}).to_list(None)
        return {document["fingerprint"]: document["request_id"] for document in documents}

    async def last_number(self, reward_key: str, total: int) -> int:
        """The greatest number there is a code for; it is at least the pool's total."""
        query = {"_id": {"$gte": keyed(reward_key, total), "$lt": f"{reward_key}$"}}
        with deadline():
            found = await self._codes.find(query, {"number": 1}).sort("_id", pymongo.DESCENDING).limit(1).to_list(None)
        return int(found[0]["number"]) if found else total

    async def insert(self, reward_key: str, request_id: str, sealed: Sequence[tuple[int, SealedCode]]) -> bool:
        """Inserts codes in the order of their numbers; False when somebody else imports at the same moment."""
        documents = [
            {
                "_id": keyed(reward_key, number),
                "reward_key": reward_key,
                "number": number,
                "request_id": request_id,
                **encode(each),
            }
            for number, each in sealed
        ]
        with deadline():
            try:
                # Ordered: it stops at the first that cannot be, so the numbers have no holes.
                await self._codes.insert_many(documents, ordered=True)
            except BulkWriteError as error:
                if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
                    raise
                return False
        return True

    async def raise_total(self, pool: CodePool, after: CodePool) -> bool:
        """Makes numbers up to the new total claimable; False when somebody else changed the pool."""
        document = encode(after) | {"version": pool.version + 1}
        with deadline():
            if pool.total == 0 and not pool.imports:
                try:
                    await self._pools.insert_one(document)
                except pymongo.errors.DuplicateKeyError:
                    return False
                return True
            result = await self._pools.replace_one({"_id": pool.id, "version": pool.version}, document)
        return result.matched_count == 1

    async def sealed(self, reward_key: str, number: int) -> SealedCode:
        with deadline():
            document = await self._codes.find_one({"_id": keyed(reward_key, number)})
        if document is None:
            raise CodeUnreadable
        return decode(SealedCode, document)
