"""Reads videos with matches, and the feed of their changes."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from pymongo import UpdateOne

from chassis.mongo import Database, deadline
from services.matcher.domain import MatchChange, MatchState, Stats, StoredVideo
from services.matcher.store.commit import CHANGES_PER_DOCUMENT_MAX
from services.matcher.store.documents import BUCKETS, INDEX_S, LEAN, Document, changes_of, title_key, video_of

BATCH_KEPT_S = 24 * 3600
FIRST_BUCKETS = 16  # to begin with: of a million videos they hold four thousand
WIDE = 4  # times a page's size may be read at once
SCAN_S = 60.0


class Videos:
    """Videos with at least one match, by id and by title."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._videos = database.videos

    async def ensure_indexes(self) -> None:
        with deadline(INDEX_S):
            await self._videos.create_index([("k", 1), ("n", -1), ("_id", 1)])
            await self._videos.create_index("g")
            await self._database.changes.create_index("at")
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
        self, after: str = "", *, title_id: str = "", lean: bool = True, batch_size: int = 500
    ) -> AsyncIterator[tuple[str, list[StoredVideo]]]:
        """All videos with matches (to a title), some at a time, each time with where to go on after them."""
        steps = self._title_steps(title_id, after, batch_size) if title_id else self._bucket_steps(after, batch_size)
        async for before, end, query in steps:
            with deadline():
                found = [video_of(each) async for each in self._videos.find(query, LEAN if lean else None)]
            for at in range(0, len(found), batch_size):
                chunk = found[at : at + batch_size]
                yield end if at + batch_size >= len(found) else before, chunk

    async def _title_steps(self, title_id: str, after: str, count: int) -> AsyncIterator[tuple[str, str, Document]]:
        """By the ids of the title's videos, which are few."""
        keys = {"k": {"$in": [title_key(state, title_id) for state in MatchState]}}
        with deadline(SCAN_S):
            found = sorted([each["_id"] async for each in self._videos.find(keys, {"_id": 1}) if each["_id"] > after])
        for at in range(0, len(found), count):
            chosen = found[at : at + count]
            yield after, chosen[-1], {"_id": {"$in": chosen}}
            after = chosen[-1]

    async def _bucket_steps(self, after: str, count: int) -> AsyncIterator[tuple[str, str, Document]]:
        """By ranges of buckets, as many as hold about so many videos: no store has to walk along `_id`, and whoever
        stops early has seen a fair sample.
        """
        at, width = int(after or 0), FIRST_BUCKETS
        while at < BUCKETS:
            end = min(BUCKETS, at + width)
            query = {"g": {"$gte": at, "$lt": end}}
            with deadline():
                held = await self._videos.count_documents(query)
            if held <= WIDE * count or width == 1:
                yield str(at), str(end), query
                at = end
            width = max(1, min(4 * width, width * count // max(1, held)))

    async def known_request(self, request_id: str) -> str | None:
        """The body hash of a batch that was written under this request id."""
        with deadline():
            document = await self._database.batches.find_one({"_id": request_id})
        return str(document["h"]) if document else None

    async def changes(self, after_sequence: int, count: int) -> list[MatchChange]:
        """The next entries of the feed."""
        window = {"$gt": after_sequence - CHANGES_PER_DOCUMENT_MAX, "$lte": after_sequence + count}
        with deadline():
            cursor = self._database.changes.find({"at": window}, sort=[("at", 1)])
            found = [each async for document in cursor for each in changes_of(document)]
        return [each for each in found if each.sequence > after_sequence][:count]

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
