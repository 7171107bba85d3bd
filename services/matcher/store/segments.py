"""The archive of videos as they were sent: append-only, a batch to a document, found by the ids in it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from chassis.mongo import Database, deadline
from services.matcher.store.documents import Document

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One batch of videos as sent. Later ids sort later; of a video sent twice the later counts.

    `tokens` are the sorted hashes of the words in it, `tags` its distinct hashtags: what touched.py looks up.
    """

    id: str
    video_ids: tuple[str, ...]
    digests: tuple[bytes, ...]
    bodies: tuple[bytes, ...]
    tokens: bytes = b""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """Which words and tags an archived batch holds."""

    archive_id: str
    tokens: bytes
    tags: tuple[str, ...]
    video_ids: tuple[str, ...]


def segment_document(archive: Archive) -> Document:
    assert all(len(digest) == DIGEST_BYTES for digest in archive.digests), "digests have one length"
    return {
        "_id": archive.id,
        "ids": list(archive.video_ids),
        "ds": b"".join(archive.digests),
        "bs": list(archive.bodies),
        "tok": archive.tokens,
        "tag": "\n".join(archive.tags),
    }


class Segments:
    """Reads the archive."""

    def __init__(self, database: Database) -> None:
        self._segments = database.segments

    async def ensure_indexes(self) -> None:
        with deadline():
            await self._segments.create_index("ids")

    async def digests(self, video_ids: Sequence[str]) -> dict[str, bytes]:
        """The digest of each of these videos that was ever sent."""
        wanted = set(video_ids)
        found: dict[str, tuple[str, bytes]] = {}
        with deadline():
            cursor = self._segments.find({"ids": {"$in": list(wanted)}}, {"ids": 1, "ds": 1})
            async for document in cursor:
                digests = document["ds"]
                for at, video_id in enumerate(document["ids"]):
                    if video_id in wanted and document["_id"] > found.get(video_id, ("",))[0]:
                        start = at * DIGEST_BYTES
                        found[video_id] = (document["_id"], digests[start : start + DIGEST_BYTES])
        return {video_id: digest for video_id, (_, digest) in found.items()}

    async def bodies(self, video_ids: Iterable[str]) -> dict[str, tuple[bytes, bytes]]:
        """Digest and body of each of these videos, as last sent."""
        wanted = set(video_ids)
        found: dict[str, tuple[bytes, bytes]] = {}
        with deadline():
            cursor = self._segments.find({"ids": {"$in": list(wanted)}}, sort=[("_id", 1)])
            async for document in cursor:
                found |= {each[0]: each[1:] for each in _rows(document) if each[0] in wanted}
        return found

    async def segment(self, archive_id: str) -> list[tuple[str, bytes, bytes]]:
        """Id, digest and body of each video of one batch."""
        with deadline():
            document = await self._segments.find_one({"_id": archive_id})
        return _rows(document) if document else []

    async def ids_after(self, archive_id: str, count: int) -> list[str]:
        """The next batches of the archive, in order."""
        with deadline():
            cursor = self._segments.find({"_id": {"$gt": archive_id}}, {"_id": 1}, sort=[("_id", 1)])
            return [document["_id"] async for document in cursor.limit(count)]

    async def footprints(self, after_id: str = "", batch_size: int = 500) -> AsyncIterator[list[Footprint]]:
        """The footprints of all batches after one, in order."""
        while True:
            with deadline():
                cursor = self._segments.find(
                    {"_id": {"$gt": after_id}}, {"tok": 1, "tag": 1, "ids": 1}, sort=[("_id", 1)]
                ).limit(batch_size)
                page = [
                    Footprint(each["_id"], each["tok"], tuple(each["tag"].split()), tuple(each["ids"]))
                    async for each in cursor
                ]
            if not page:
                return
            yield page
            after_id = page[-1].archive_id


def _rows(document: Document) -> list[tuple[str, bytes, bytes]]:
    digests = document["ds"]
    return [
        (video_id, digests[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES], document["bs"][at])
        for at, video_id in enumerate(document["ids"])
    ]
