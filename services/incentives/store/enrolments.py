"""Enrolments, and what is known of the videos and creators behind them.

An enrolment is one document with its submissions and ledger rows, changed on condition of its version. Videos and
creators are this service's own copy of what the match feed, metrics and the platform told; it can be rebuilt from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import pymongo
from pymongo import InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from chassis.mongo import Database, deadline
from services.incentives.domain import Creator
from services.incentives.errors import EnrolmentNotFound, SubmissionNotFound
from services.incentives.participation import Enrolment, Video
from services.incentives.store.documents import Document, decode, encode

_DUPLICATE = 11_000
V = TypeVar("V", Video, Creator)


def enrolment_id(campaign_id: str, creator_id: str) -> str:
    return f"{campaign_id}/{creator_id}"


class Enrolments:
    def __init__(self, database: Database) -> None:
        self._enrolments = database["enrolments"]

    async def ensure_indexes(self) -> None:
        with deadline():
            await self._enrolments.create_index("creator_id")
            await self._enrolments.create_index([("campaign_id", 1), ("revision", 1)])
            await self._enrolments.create_index([("campaign_id", 1), ("_id", 1)])
            await self._enrolments.create_index("submissions.video_id")
            await self._enrolments.create_index("seat_key", unique=True, sparse=True)
            await self._enrolments.create_index("pending", sparse=True)

    async def insert(self, enrolment: Enrolment) -> bool | None:
        """True when stored, False when the creator had joined before, None when the seat is taken."""
        with deadline():
            try:
                await self._enrolments.insert_one(_document(enrolment))
            except DuplicateKeyError as error:
                return None if "seat_key" in (error.details or {}).get("keyPattern", {}) else False
        return True

    async def replace(self, before: Enrolment, after: Enrolment) -> Enrolment | None:
        """Stores a change on condition of the version; None when somebody else was faster."""
        stored = replace(after, version=before.version + 1)
        with deadline():
            result = await self._enrolments.replace_one(
                {"_id": before.id, "version": before.version}, _document(stored)
            )
        return stored if result.matched_count else None

    async def get(self, campaign_id: str, creator_id: str) -> Enrolment:
        found = (await self.find_many([enrolment_id(campaign_id, creator_id)])).values()
        if not found:
            raise EnrolmentNotFound(metadata={"campaign_id": campaign_id, "creator_id": creator_id})
        return next(iter(found))

    async def find_many(self, ids: Iterable[str]) -> dict[str, Enrolment]:
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        with deadline():
            documents = await self._enrolments.find({"_id": {"$in": wanted}}).to_list(None)
        return {document["_id"]: decode(Enrolment, document) for document in documents}

    async def versions(self, ids: Iterable[str]) -> dict[str, int]:
        """The versions of enrolments: whether any changed since it was read."""
        with deadline():
            documents = await self._enrolments.find({"_id": {"$in": sorted(ids)}}, {"version": 1}).to_list(None)
        return {document["_id"]: int(document["version"]) for document in documents}

    async def of_creators(self, creator_ids: Iterable[str]) -> list[Enrolment]:
        wanted = sorted(set(creator_ids))
        if not wanted:
            return []
        with deadline():
            documents = await self._enrolments.find({"creator_id": {"$in": wanted}}).to_list(None)
        found = [decode(Enrolment, document) for document in documents]
        return sorted(found, key=lambda each: each.id, reverse=True)

    async def of_video(self, campaign_id: str, video_id: str) -> Enrolment:
        """Whose video it is in a campaign."""
        with deadline():
            documents = await self._enrolments.find({"submissions.video_id": video_id}).to_list(None)
        found = [document for document in documents if document["campaign_id"] == campaign_id]
        if not found:
            raise SubmissionNotFound(metadata={"campaign_id": campaign_id, "video_id": video_id})
        return decode(Enrolment, found[0])

    async def page(self, campaign_id: str, query: Mapping[str, object], after_id: str, limit: int) -> list[Enrolment]:
        full: Document = {"campaign_id": campaign_id, **query}
        if after_id:
            full["_id"] = {"$gt": after_id}
        with deadline():
            cursor = self._enrolments.find(full).sort("_id", pymongo.ASCENDING).limit(limit)
            return [decode(Enrolment, document) for document in await cursor.to_list(None)]

    async def count_by_revision(self, campaign_id: str) -> dict[int, int]:
        group = {"_id": "$revision", "count": {"$sum": 1}}
        with deadline():
            rows = await self._enrolments.aggregate(
                [{"$match": {"campaign_id": campaign_id}}, {"$group": group}]
            ).to_list(None)
        return {int(row["_id"]): int(row["count"]) for row in rows}

    async def count_by_campaign(self, campaign_ids: Iterable[str]) -> dict[str, int]:
        group = {"_id": "$campaign_id", "count": {"$sum": 1}}
        match = {"campaign_id": {"$in": sorted(campaign_ids)}}
        with deadline():
            rows = await self._enrolments.aggregate([{"$match": match}, {"$group": group}]).to_list(None)
        return {str(row["_id"]): int(row["count"]) for row in rows}

    async def last_seat(self, campaign_id: str) -> int:
        """The greatest seat taken. Seats are never given back, so it is also their number."""
        bounds = {"$gte": _seat_key(campaign_id, 0), "$lt": f"{campaign_id}$"}
        with deadline():
            cursor = self._enrolments.find({"seat_key": bounds}, {"seat": 1}).sort("seat_key", pymongo.DESCENDING)
            found = await cursor.limit(1).to_list(None)
        return int(found[0]["seat"]) if found else 0

    async def pending(self, limit: int) -> list[Enrolment]:
        """Enrolments with events that metrics has not taken yet."""
        with deadline():
            documents = await self._enrolments.find({"pending": True}).limit(limit).to_list(None)
        return [decode(Enrolment, document) for document in documents]

    async def sent(self, enrolments: Sequence[Enrolment]) -> None:
        """Empties the outboxes whose events metrics has: an enrolment announces itself once, when it is made."""
        if enrolments:
            ids = [each.id for each in enrolments]
            with deadline():
                await self._enrolments.update_many(
                    {"_id": {"$in": ids}}, {"$set": {"outbox": []}, "$unset": {"pending": ""}}
                )


class Videos:
    """This service's copy of videos, with the newest word about each of their matches."""

    def __init__(self, database: Database) -> None:
        self._videos = database["videos"]

    async def ensure_indexes(self) -> None:
        with deadline():
            for key in ("creator_id", "matches.title_id"):
                await self._videos.create_index(key)

    async def find_many(self, ids: Iterable[str]) -> dict[str, Video]:
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        with deadline():
            documents = await self._videos.find({"_id": {"$in": wanted}}).to_list(None)
        return {document["_id"]: decode(Video, document) for document in documents}

    async def of_creators(self, creator_ids: Iterable[str], title_ids: Iterable[str], limit: int) -> list[Video]:
        """Videos of some creators about some titles."""
        query = {"creator_id": {"$in": sorted(set(creator_ids))}, "matches.title_id": {"$in": sorted(set(title_ids))}}
        with deadline():
            return [decode(Video, each) for each in await self._videos.find(query).limit(limit).to_list(None)]

    async def of_titles(
        self, title_ids: Iterable[str], start: datetime, end: datetime, after_id: str, limit: int
    ) -> list[Video]:
        """Videos about some titles made in a period, in the order of their ids."""
        query: Document = {
            "matches.title_id": {"$in": sorted(set(title_ids))},
            "create_time": {"$gte": start, "$lt": end},
        }
        if after_id:
            query["_id"] = {"$gt": after_id}
        with deadline():
            cursor = self._videos.find(query).sort("_id", pymongo.ASCENDING).limit(limit)
            return [decode(Video, each) for each in await cursor.to_list(None)]

    async def put(self, before: Mapping[str, Video], after: Iterable[Video]) -> bool:
        """Stores what changed; False when somebody else changed some of it meanwhile: read again and decide anew."""
        return await _put(self._videos, before, after)


class Creators:
    """What is known of creators."""

    def __init__(self, database: Database) -> None:
        self._creators = database["creators"]

    async def find_many(self, ids: Iterable[str]) -> dict[str, Creator]:
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        with deadline():
            documents = await self._creators.find({"_id": {"$in": wanted}}).to_list(None)
        return {document["_id"]: decode(Creator, document) for document in documents}

    async def put(self, before: Mapping[str, Creator], after: Iterable[Creator]) -> bool:
        """Stores what changed; False when somebody else changed some of it meanwhile: read again and decide anew."""
        return await _put(self._creators, before, after)


async def _put(collection: Any, before: Mapping[str, V], after: Iterable[V]) -> bool:
    """Each change on condition of its version; new ones are inserted together, which is one write to the journal."""
    changed = [each for each in after if before.get(each.id) != each]
    stored = {each.id: encode(replace(each, version=each.version + 1)) for each in changed}
    fresh = [InsertOne(stored[each.id]) for each in changed if each.id not in before]
    known = [
        ReplaceOne({"_id": each.id, "version": before[each.id].version}, stored[each.id])
        for each in changed
        if each.id in before
    ]
    with deadline():
        done = True
        if fresh:
            try:
                await collection.bulk_write(fresh, ordered=False)
            except BulkWriteError as error:
                if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
                    raise
                done = False
        if known:
            result = await collection.bulk_write(known, ordered=False)
            done = done and result.matched_count == len(known)
    return done


def _seat_key(campaign_id: str, seat: int) -> str:
    return f"{campaign_id}#{seat:010d}"


def _document(enrolment: Enrolment) -> Document:
    document: Document = encode(enrolment)
    if enrolment.seat:
        document["seat_key"] = _seat_key(enrolment.campaign_id, enrolment.seat)
    if enrolment.outbox:
        document["pending"] = True
    return document
