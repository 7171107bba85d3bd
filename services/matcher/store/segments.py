"""The archive of videos as they were sent: append-only, a batch to a document, found by the ids in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.mongo import Database, deadline
from services.matcher.store.documents import INDEX_S, Document

DIGEST_BYTES = 16
SCAN_S = 120.0
LAST_ID = "~"  # sorts after every id
# A process announces itself once an hour; who did not for so long writes no more.
WRITER_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One batch of videos as sent. Later ids sort later; of a video sent twice the later counts.

    `tokens` are the sorted hashes of the words in it, `tags` its distinct hashtags: what touched.py looks up.
    """

    id: str
    writer: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedVideo:
    """One video of one batch, as it was sent."""

    archive_id: str
    video_id: str
    digest: bytes
    body: bytes


def segment_document(archive: Archive) -> Document:
    assert all(len(digest) == DIGEST_BYTES for digest in archive.digests), "digests have one length"
    return {
        "_id": archive.id,
        "at": _place(archive.writer, archive.id),
        "ids": list(archive.video_ids),
        "ds": b"".join(archive.digests),
        "bs": list(archive.bodies),
        "tok": archive.tokens,
        "tag": "\n".join(archive.tags),
    }


def _place(writer: str, archive_id: str) -> str:
    """Where a batch lies among those of its writer: others read only what they did not write themselves."""
    return f"{writer}:{archive_id}"


class Segments:
    """Reads the archive; `writer` names this process in it."""

    def __init__(self, database: Database, writer: str) -> None:
        self._segments = database.segments
        self._writers = database.archive_writers
        self.writer = writer

    async def ensure_indexes(self) -> None:
        with deadline(INDEX_S):
            await self._segments.create_index("ids")
            await self._segments.create_index("at")

    async def announce(self, now: datetime) -> None:
        """Tells other processes that this one writes; those that did not for long are forgotten."""
        with deadline():
            await self._writers.update_one({"_id": self.writer}, {"$set": {"t": now}}, upsert=True)
            async for writer in self._writers.find({}):
                if writer["t"] < now - WRITER_KEPT:
                    await self._writers.delete_one({"_id": writer["_id"], "t": writer["t"]})

    async def others(self) -> list[str]:
        """The other processes that write."""
        with deadline():
            return [each["_id"] async for each in self._writers.find({}) if each["_id"] != self.writer]

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

    async def latest(self, video_ids: Sequence[str]) -> dict[str, str]:
        """The last batch each of these videos is in: of a video kept twice only that counts."""
        wanted = set(video_ids)
        found: dict[str, str] = {}
        with deadline():
            cursor = self._segments.find({"ids": {"$in": list(wanted)}}, {"ids": 1})
            async for document in cursor:
                for video_id in wanted.intersection(document["ids"]):
                    found[video_id] = max(document["_id"], found.get(video_id, ""))
        return found

    async def bodies(self, video_ids: Iterable[str]) -> dict[str, tuple[bytes, bytes]]:
        """Digest and body of each of these videos, as last sent."""
        wanted = set(video_ids)
        found: dict[str, tuple[bytes, bytes]] = {}
        with deadline():
            cursor = self._segments.find({"ids": {"$in": list(wanted)}}, sort=[("_id", 1)])
            async for document in cursor:
                found |= {row.video_id: (row.digest, row.body) for row in _rows(document) if row.video_id in wanted}
        return found

    async def segments(self, archive_ids: Sequence[str]) -> list[ArchivedVideo]:
        """The videos of these batches, in order."""
        with deadline():
            cursor = self._segments.find({"_id": {"$in": list(archive_ids)}}, _WHOLE, sort=[("_id", 1)])
            return [row async for document in cursor for row in _rows(document)]

    async def all_ids(self) -> list[str]:
        """Every batch of the archive, in no order: one scan, when a process begins."""
        with deadline(SCAN_S):
            return [document["_id"] async for document in self._segments.find({}, {"_id": 1})]

    async def ids_of(self, writer: str, after: str) -> list[str]:
        """The batches of a writer that came after an id."""
        within = {"at": {"$gt": _place(writer, after), "$lt": _place(writer, LAST_ID)}}
        with deadline():
            return [document["_id"] async for document in self._segments.find(within, {"_id": 1})]

    async def footprints(self, archive_ids: Sequence[str]) -> list[Footprint]:
        """The footprints of these batches."""
        with deadline():
            cursor = self._segments.find({"_id": {"$in": list(archive_ids)}}, {"tok": 1, "tag": 1, "ids": 1})
            return [
                Footprint(each["_id"], each["tok"], tuple(each["tag"].split()), tuple(each["ids"]))
                async for each in cursor
            ]


_WHOLE = {"ids": 1, "ds": 1, "bs": 1}


def _rows(document: Document) -> list[ArchivedVideo]:
    digests = document["ds"]
    return [
        ArchivedVideo(
            archive_id=document["_id"],
            video_id=video_id,
            digest=digests[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES],
            body=document["bs"][at],
        )
        for at, video_id in enumerate(document["ids"])
    ]
