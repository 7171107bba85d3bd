"""Reads videos with matches, and the feed of their changes."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from pymongo import UpdateOne

from chassis.mongo import Database, deadline
from services.matcher.domain import MatchChange, MatchState, Stats, StoredVideo
from services.matcher.store.commit import CHANGES_PER_DOCUMENT_MAX
from services.matcher.store.documents import LEAN, Document, changes_of, title_key, video_of

BATCH_KEPT_S = 24 * 3600


class Videos:
    """Videos with at least one match, by id and by title."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._videos = database.videos

    async def ensure_indexes(self) -> None:
        with deadline():
            await self._videos.create_index([("k", 1), ("n", -1), ("_id", 1)])
            await self._database.batches.create_index("t", expireAfterSeconds=BATCH_KEPT_S)
            for name in ("changes", "audit", "stats"):
                await self._database[name].create_index("t")

    async def get(self, video_id: str) -> StoredVideo | None:
        with deadline():
            document = await self._videos.find_one({"_id": video_id})
        return video_of(document) if document else None

    async def batch(self, video_ids: Iterable[str], *, lean: bool = False) -> dict[str, StoredVideo]:
        """The videos among these that have matches; lean: without evidence and bodies."""
        with deadline():
            cursor = self._videos.find({"_id": {"$in": list(video_ids)}}, LEAN if lean else None)
            return {document["_id"]: video_of(document) async for document in cursor}

    async def of_title(
        self, title_id: str, states: Iterable[MatchState], after: Sequence[object], count: int
    ) -> list[StoredVideo]:
        """Videos with a match to the title in one of the states, most viewed first, after a position."""
        query: Document = {"k": {"$in": [title_key(state, title_id) for state in states]}}
        if after:
            views, video_id = after
            query["$or"] = [{"n": {"$lt": views}}, {"n": views, "_id": {"$gt": video_id}}]
        with deadline():
            cursor = self._videos.find(query, sort=[("n", -1), ("_id", 1)]).limit(count)
            return [video_of(document) async for document in cursor]

    async def walk(
        self, *, after_id: str = "", title_id: str = "", lean: bool = True, batch_size: int = 500
    ) -> AsyncIterator[list[StoredVideo]]:
        """All videos with matches (to a title) in order of their ids, some at a time."""
        query: Document = {"k": {"$in": [title_key(state, title_id) for state in MatchState]}} if title_id else {}
        while True:
            with deadline():
                cursor = self._videos.find(
                    {**query, "_id": {"$gt": after_id}}, LEAN if lean else None, sort=[("_id", 1)]
                )
                page = [video_of(document) async for document in cursor.limit(batch_size)]
            if not page:
                return
            yield page
            after_id = page[-1].id

    async def known_request(self, request_id: str) -> str | None:
        """The body hash of a batch that was written under this request id."""
        with deadline():
            document = await self._database.batches.find_one({"_id": request_id})
        return str(document["h"]) if document else None

    async def changes(self, after_sequence: int, count: int) -> list[MatchChange]:
        """The next entries of the feed."""
        with deadline():
            cursor = self._database.changes.find(
                {"_id": {"$gt": after_sequence - CHANGES_PER_DOCUMENT_MAX}}, sort=[("_id", 1)]
            )
            found: list[MatchChange] = []
            async for document in cursor:
                found += [each for each in changes_of(document) if each.sequence > after_sequence]
                if len(found) >= count:
                    break
        return found[:count]

    async def stats_of(self, video_ids: Iterable[str]) -> dict[str, Stats]:
        """The newest numbers of videos that have no match yet."""
        with deadline():
            cursor = self._database.stats.find({"_id": {"$in": list(video_ids)}})
            return {document["_id"]: _stats_of(document) async for document in cursor}

    async def put_stats(self, rows: Sequence[Stats], time: datetime) -> None:
        """Keeps numbers of videos that have no match yet; older ones than those kept change nothing."""
        if not rows:
            return
        operations = [
            UpdateOne({"_id": row.video_id}, {"$set": _stats_document(row, time)}, upsert=True) for row in rows
        ]
        with deadline():
            await self._database.stats.bulk_write(operations, ordered=False)


_NUMBERS = (
    "view_count",
    "like_count",
    "comment_count",
    "share_count",
    "follower_count",
    "strike_score",
)


def _stats_document(row: Stats, time: datetime) -> Document:
    given = {name: getattr(row, name) for name in _NUMBERS}
    return {"t": time, "ot": row.observe_time_s} | {name: value for name, value in given.items() if value is not None}


def _stats_of(document: Document) -> Stats:
    return Stats(
        video_id=document["_id"],
        observe_time_s=document["ot"],
        **{name: document.get(name) for name in _NUMBERS},
    )
