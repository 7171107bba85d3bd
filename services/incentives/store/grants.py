"""Grants: one document holds the unit, the creator's place, the ledger rows and the event of a grant.

Four unique sparse indexes keep the promises: `unit` (a unit is carried by one grant), `campaign_unit` (the campaign's
bound), `holder` and `campaign_holder` (the creator's bounds). A key is there only while it is held. `freed` and
`campaign_freed` mark a number that was given back, and are set by the very write that takes the key away.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pymongo
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chassis.mongo import Database, deadline
from services.incentives.domain import Stock
from services.incentives.errors import GrantNotFound
from services.incentives.participation import Grant, GrantState
from services.incentives.store.documents import Document, decode, encode

_DUPLICATE = 11_000
NUMBER_DIGITS = 7
FREED_MAX = 256


class Taken(enum.Enum):
    """Which key of a grant somebody else holds already."""

    ID = "_id"
    UNIT = "unit"
    CAMPAIGN_UNIT = "campaign_unit"
    HOLDER = "holder"
    CAMPAIGN_HOLDER = "campaign_holder"


@dataclass(frozen=True, slots=True)
class Numbering:
    """The fields of one of the two stocks a grant takes a number from."""

    key: str
    number: str
    freed: str


UNITS = Numbering("unit", "unit_number", "freed")
CAMPAIGN_UNITS = Numbering("campaign_unit", "campaign_number", "campaign_freed")


def keyed(owner: str, number: int) -> str:
    """The key of a number; padded, so that a range of numbers is a range of keys."""
    return f"{owner}#{number:0{NUMBER_DIGITS}d}"


def keys_of(grant: Grant) -> dict[str, str]:
    """The unique keys a grant holds now."""
    keys: dict[str, str] = {}
    if grant.holds_unit and grant.unit_number:
        keys["unit"] = keyed(grant.reward_key, grant.unit_number)
    if grant.holds_unit and grant.campaign_number:
        keys["campaign_unit"] = keyed(grant.campaign_id, grant.campaign_number)
    if grant.holds_slot:
        keys["holder"] = f"{grant.reward_key}/{grant.creator_id}#{grant.reward_slot}"
        if grant.campaign_slot:
            keys["campaign_holder"] = f"{grant.campaign_id}/{grant.creator_id}#{grant.campaign_slot}"
    return keys


class Grants:
    def __init__(self, database: Database) -> None:
        self._grants = database["grants"]

    async def ensure_indexes(self) -> None:
        with deadline():
            for key in ("unit", "campaign_unit", "holder", "campaign_holder"):
                await self._grants.create_index(key, unique=True, sparse=True)
            for key in ("freed", "campaign_freed", "due_time", "pending", "device_key", "cluster_key", "in_line"):
                await self._grants.create_index(key, sparse=True)
            for key in ("creator_id", "campaign_id"):
                await self._grants.create_index(key)

    async def insert_many(self, grants: Sequence[Grant]) -> list[Taken | None]:
        """Inserts what it can in one journaled write; says for each of the others which key was taken."""
        outcome: list[Taken | None] = [None] * len(grants)
        if not grants:
            return outcome
        with deadline():
            try:
                await self._grants.insert_many([_document(grant) for grant in grants], ordered=False)
            except BulkWriteError as error:
                for each in error.details["writeErrors"]:
                    if each["code"] != _DUPLICATE:
                        raise
                    outcome[each["index"]] = _taken(each)
        return outcome

    async def replace(self, before: Grant, after: Grant) -> Grant | None:
        """Stores a change on condition of the version; None when somebody else was faster.

        A key that somebody else holds raises KeyTaken: only a promotion takes new keys.
        """
        change = _document(after)
        change["version"] = before.version + 1
        removed = {key: "" for key in _VOLATILE if key not in change}
        for numbering, key in ((UNITS, before.reward_key), (CAMPAIGN_UNITS, before.campaign_id)):
            if before.holds_unit and not after.holds_unit and getattr(before, numbering.number):
                change[numbering.freed] = key
        identity = change.pop("_id")
        with deadline():
            try:
                document = await self._grants.find_one_and_update(
                    {"_id": identity, "version": before.version},
                    {"$set": change, "$unset": removed},
                    return_document=pymongo.ReturnDocument.AFTER,
                )
            except DuplicateKeyError as error:
                raise KeyTakenError(_taken(error.details or {})) from None
        return None if document is None else decode(Grant, document)

    async def get(self, grant_id: str) -> Grant:
        found = (await self.find_many([grant_id])).get(grant_id)
        if found is None:
            raise GrantNotFound(metadata={"grant_id": grant_id})
        return found

    async def find_many(self, grant_ids: Iterable[str]) -> dict[str, Grant]:
        wanted = sorted(set(grant_ids))
        if not wanted:
            return {}
        with deadline():
            documents = await self._grants.find({"_id": {"$in": wanted}}).to_list(None)
        return {document["_id"]: decode(Grant, document) for document in documents}

    async def of_creators(self, campaign_id: str, creator_ids: Iterable[str]) -> list[Grant]:
        """All grants of some creators in a campaign, in the order of their ids."""
        query = {"creator_id": {"$in": sorted(set(creator_ids))}, "campaign_id": campaign_id}
        with deadline():
            documents = await self._grants.find(query).to_list(None)
        return sorted((decode(Grant, document) for document in documents), key=lambda grant: grant.id)

    async def delete(self, grant: Grant) -> None:
        """Forgets a claim that was refused after it had been written down: nobody was told of it."""
        with deadline():
            await self._grants.delete_one({"_id": grant.id, "version": grant.version})

    async def sharing(self, campaign_id: str, devices: Iterable[str], clusters: Iterable[str]) -> list[Grant]:
        """Grants of the campaign that came from one of these devices or identity clusters."""
        found: dict[str, Grant] = {}
        for key, values in (("device_key", devices), ("cluster_key", clusters)):
            wanted = sorted({f"{campaign_id}/{value}" for value in values if value})
            if wanted:
                with deadline():
                    documents = await self._grants.find({key: {"$in": wanted}}).limit(1_000).to_list(None)
                found |= {document["_id"]: decode(Grant, document) for document in documents}
        return [grant for grant in found.values() if grant.is_open]

    async def page(self, query: Mapping[str, Any], after_id: str, limit: int) -> list[Grant]:
        """Grants in the order of their ids."""
        full = {**query, **({"_id": {"$gt": after_id}} if after_id else {})}
        with deadline():
            cursor = self._grants.find(full).sort("_id", pymongo.ASCENDING).limit(limit)
            return [decode(Grant, document) for document in await cursor.to_list(None)]

    async def used_numbers(self, numbering: Numbering, owner: str, first: int, last: int) -> set[int]:
        """Numbers of a range that a grant carries, or that bear the mark of having been given back."""
        # Marks first: what is taken again meanwhile is then seen as carried, and a false hole does no harm anyway.
        marked = set((await self.freed_numbers(numbering, owner, limit=0)).keys())
        query = {numbering.key: {"$gte": keyed(owner, first), "$lte": keyed(owner, last)}}
        with deadline():
            documents = await self._grants.find(query, {numbering.number: 1, "_id": 0}).to_list(None)
        return marked | {document[numbering.number] for document in documents}

    async def freed_numbers(self, numbering: Numbering, owner: str, limit: int = FREED_MAX) -> dict[int, str]:
        """Numbers that were given back, each with the grant that bears the mark."""
        with deadline():
            cursor = self._grants.find({numbering.freed: owner}, {numbering.number: 1}).limit(limit)
            return {document[numbering.number]: document["_id"] for document in await cursor.to_list(None)}

    async def wipe_freed(self, numbering: Numbering, grant_ids: Sequence[str]) -> None:
        """Takes the marks away: the numbers are carried again."""
        if grant_ids:
            with deadline():
                await self._grants.update_many({"_id": {"$in": list(grant_ids)}}, {"$unset": {numbering.freed: ""}})

    async def due(self, now: datetime, limit: int) -> list[Grant]:
        """Reservations whose time is over."""
        with deadline():
            documents = await self._grants.find({"due_time": {"$lte": now}}).limit(limit).to_list(None)
        return [decode(Grant, document) for document in documents]

    async def waiting(self, after: tuple[datetime, str], limit: int) -> list[Grant]:
        """Grants that wait in any line behind a moment and an id, oldest first."""
        moment, grant_id = after
        order = [("in_line", pymongo.ASCENDING), ("_id", pymongo.ASCENDING)]
        # Two questions, as for one with "or" in it the local store reads all grants.
        with deadline():
            same = await self._grants.find({"in_line": moment}).to_list(None)
            later = await self._grants.find({"in_line": {"$gt": moment}}).sort(order).limit(limit).to_list(None)
        same = sorted((each for each in same if each["_id"] > grant_id), key=lambda each: str(each["_id"]))
        return [decode(Grant, document) for document in [*same, *later][:limit]]

    async def pending(self, limit: int) -> list[Grant]:
        """Grants with events that metrics has not taken yet."""
        with deadline():
            documents = await self._grants.find({"pending": True}).limit(limit).to_list(None)
        return [decode(Grant, document) for document in documents]

    async def sent(self, grants: Sequence[Grant]) -> None:
        """Empties the outboxes whose events metrics has; a grant announces itself once, so nothing new is lost."""
        if grants:
            ids = [grant.id for grant in grants]
            with deadline():
                await self._grants.update_many(
                    {"_id": {"$in": ids}}, {"$set": {"outbox": []}, "$unset": {"pending": ""}}
                )

    async def stocks(self, campaign_id: str, totals: Mapping[str, int]) -> dict[str, Stock]:
        """Where the units of each reward are, counted from the grants themselves."""
        group = {
            "_id": {"reward_id": "$reward_id", "state": "$state", "holds_unit": "$holds_unit"},
            "count": {"$sum": 1},
        }
        with deadline():
            rows = await self._grants.aggregate([{"$match": {"campaign_id": campaign_id}}, {"$group": group}]).to_list(
                None
            )
        return {reward_id: _stock(total, reward_id, rows) for reward_id, total in totals.items()}

    async def stock_deltas(self, campaign_id: str) -> dict[str, int]:
        """What the ledger rows in the grants sum up to, reward by reward."""
        stages: list[Document] = [
            {"$match": {"campaign_id": campaign_id}},
            {"$unwind": "$ledger"},
            {"$group": {"_id": "$reward_id", "delta": {"$sum": "$ledger.stock_delta"}}},
        ]
        with deadline():
            rows = await self._grants.aggregate(stages).to_list(None)
        return {row["_id"]: int(row["delta"]) for row in rows}


class KeyTakenError(Exception):
    """Somebody else holds a key that the change would take."""

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        super().__init__(taken.value)


_VOLATILE = ("unit", "campaign_unit", "holder", "campaign_holder", "due_time", "pending", "in_line")


def _document(grant: Grant) -> Document:
    document: Document = encode(grant)
    document |= keys_of(grant)
    if grant.expire_time is not None:
        document["due_time"] = grant.expire_time
    if grant.outbox:
        document["pending"] = True
    if grant.state is GrantState.WAITLISTED:
        document["in_line"] = grant.create_time
    if grant.device_id_hash:
        document["device_key"] = f"{grant.campaign_id}/{grant.device_id_hash}"
    if grant.identity_cluster_id:
        document["cluster_key"] = f"{grant.campaign_id}/{grant.identity_cluster_id}"
    return document


def _taken(error: Mapping[str, Any]) -> Taken:
    """The index that refused; its key pattern names its one field."""
    return Taken(next(iter(error["keyPattern"])))


def _stock(total: int, reward_id: str, rows: Iterable[Mapping[str, Any]]) -> Stock:
    counts: dict[str, int] = dict.fromkeys(("reserved", "redeemed", "fulfilled", "revoked", "waitlisted"), 0)
    for row in rows:
        key = row["_id"]
        state = key["state"]
        if key["reward_id"] == reward_id and (key["holds_unit"] or state == "waitlisted") and state in counts:
            counts[state] += row["count"]
    return Stock(
        total_count=total,
        reserved_count=counts["reserved"],
        redeemed_count=counts["redeemed"],
        fulfilled_count=counts["fulfilled"],
        burned_count=counts["revoked"],
        waitlisted_count=counts["waitlisted"],
    )
