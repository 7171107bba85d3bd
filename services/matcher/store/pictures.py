"""Small pictures of frames that stand as evidence: one document a video, bounded in number and in time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.mongo import Database, deadline
from services.matcher.domain import FramePicture

TRIM_STEP = 500


class FramePictures:
    """The frame_pictures collection. Days 0 keeps none."""

    def __init__(self, database: Database, *, days: int, videos_max: int) -> None:
        self._pictures = database.frame_pictures
        self._days = days
        self._videos_max = videos_max

    async def ensure_indexes(self) -> None:
        with deadline():
            await self._pictures.create_index("x", expireAfterSeconds=0)

    async def put(self, video_id: str, pictures: Sequence[FramePicture], now: datetime) -> None:
        """The pictures of a video, in place of those it had."""
        if not self._days:
            return
        document = {
            "_id": video_id,
            "x": now + timedelta(days=self._days),
            "p": [{"t": each.t_ms, "j": each.jpeg} for each in pictures],
        }
        with deadline():
            await self._pictures.replace_one({"_id": video_id}, document, upsert=True)

    async def of(self, video_id: str, now: datetime) -> tuple[FramePicture, ...]:
        """A video's pictures in order of time; none when their time is over."""
        with deadline():
            found = await self._pictures.find_one({"_id": video_id, "x": {"$gt": now}})
        return tuple(FramePicture(t_ms=each["t"], jpeg=bytes(each["j"])) for each in found["p"]) if found else ()

    async def trim(self, now: datetime) -> int:
        """Drops what expired and, above the bound, what expires first; how many videos lost their pictures."""
        with deadline():
            gone = (await self._pictures.delete_many({"x": {"$lte": now}})).deleted_count
            excess = await self._pictures.estimated_document_count() - self._videos_max
        while excess > 0:
            with deadline():
                cursor = self._pictures.find({}, {"_id": 1}, sort=[("x", 1)]).limit(min(excess, TRIM_STEP))
                ids = [document["_id"] async for document in cursor]
                gone += (await self._pictures.delete_many({"_id": {"$in": ids}})).deleted_count
            excess -= len(ids)
            if not ids:
                break
        return int(gone)
