"""The event log, stored rollups and what is kept of titles, as documents.

event_log      {_id: position, time_ms, writer, token, count, ids: 16 bytes an event, frame: zstd columns}
state          {_id: "secret", value}

and in each layout of rollups, named by it, as `v2_segments`:

rollup_pages   {_id: "first-last:table:page", data}         immutable
rollup_names   {_id: "first-last:names:page", digests, names}     immutable
segments       {_id: "first-last", first, last, level, time_ms, tables: {name: first keys of its pages}}
title_numbers  {_id: number of the first, names}
state          {_id: "manifest", version, segments, position, title_count}
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pymongo
import pymongo.errors
import zstandard
from bson import Binary
from motor.motor_asyncio import AsyncIOMotorCollection

from chassis.mongo import Database, Document, deadline
from services.metrics.domain import U64
from services.metrics.fold import Table
from services.metrics.rows import KEYS_END, Span, places
from services.metrics.segment import Manifest, Segment
from services.metrics.texts import Texts

Collection: TypeAlias = AsyncIOMotorCollection[Document]

# Of keys and pages; a new one for whatever changes them.
LAYOUT = "v2"
# The log write has a short leash: a stalled store must become an answer, and the entry is repeated by its token.
APPEND_S = 2.0
READ_BATCH = 8
IDS_BATCH = 64
PAGES_A_WRITE = 32  # a report that reads meanwhile waits for one such write
DROPPED_AT_ONCE = 200
PAGES_A_READ = 64  # several such reads at once take half the time of one
SECRET_BYTES = 32
LEVEL = 1
DUPLICATE_KEY = 11_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One document of the event log."""

    position: int
    time_ms: int
    writer: str
    token: str
    count: int
    id_digests: bytes
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Digests and the names behind them, sorted by digest."""

    digests: U64
    names: Texts

    def between(self, span: Span) -> "Names":
        """Those whose digest lies in a span."""
        (first,), (end,) = places(self.digests, [span])
        chosen = np.arange(first, end)
        return Names(digests=self.digests[chosen], names=self.names.take(chosen))


class Store:
    """Metrics' collections; `prefix` names another set of rollups of the same log.

    So does each layout of their keys: rollups stored in another one stay what they are to processes that know it, and
    a process that finds none in its own derives them from the log.
    """

    def __init__(self, database: Database, prefix: str = "") -> None:
        prefix = f"{prefix}{LAYOUT}_"
        self._log = database["event_log"]
        self._pages = database[f"{prefix}rollup_pages"]
        self._names = database[f"{prefix}rollup_names"]
        self._segments = database[f"{prefix}segments"]
        self._titles = database[f"{prefix}title_numbers"]
        self._state = database[f"{prefix}state"]
        self._secrets = database["state"]
        self._shelf = database["title_facts"]

    async def secret(self) -> bytes:
        """The deployment's secret, made once."""
        with deadline():
            with contextlib.suppress(pymongo.errors.DuplicateKeyError):
                await self._secrets.insert_one({"_id": "secret", "value": Binary(secrets.token_bytes(SECRET_BYTES))})
            found = await self._secrets.find_one({"_id": "secret"})
        assert found is not None, "the secret was just written"
        return bytes(found["value"])

    # The log

    async def append(self, entry: LogEntry) -> bool:
        """Writes the entry at its position; False when another entry has that place. Safe to repeat."""
        document = {
            "_id": entry.position,
            "time_ms": entry.time_ms,
            "writer": entry.writer,
            "token": entry.token,
            "count": entry.count,
            "ids": Binary(entry.id_digests),
            "frame": Binary(entry.frame),
        }
        with deadline(APPEND_S):
            try:
                await self._log.insert_one(document)
            except pymongo.errors.DuplicateKeyError:
                found = await self._log.find_one({"_id": entry.position}, {"token": 1})
                return found is not None and found["token"] == entry.token
        return True

    async def entries(self, after: int) -> AsyncIterator[LogEntry]:
        """The log after a position, in order, up to the first gap."""
        while batch := await self._entries(after):
            for document in batch:
                if document["_id"] != after + 1:
                    return
                after += 1
                yield _entry(document)

    async def _entries(self, after: int) -> list[Document]:
        return await self._at(range(after + 1, after + 1 + READ_BATCH))

    async def _at(self, positions: range, projection: Document | None = None) -> list[Document]:
        """The entries at these positions, in order; by id, as the local store reads the whole log for a range."""
        with deadline():
            found = await self._log.find({"_id": {"$in": list(positions)}}, projection).to_list(len(positions))
        return sorted(found, key=lambda document: int(document["_id"]))

    async def time_of(self, position: int) -> int | None:
        """When an entry was received."""
        with deadline():
            found = await self._log.find_one({"_id": position}, {"time_ms": 1})
        return None if found is None else int(found["time_ms"])

    async def first_since(self, time_ms: int, last: int) -> int:
        """The first position up to `last` received since, or the one after it; times never fall along the log."""
        low, high = 1, last + 1
        while low < high:
            middle = (low + high) // 2
            received = await self.time_of(middle)
            assert received is not None, "the log has no gap"
            low, high = (middle + 1, high) if received < time_ms else (low, middle)
        return low

    async def ids_between(self, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
        """Time and id digests of entries, without their frames."""
        for start in range(first, last + 1, IDS_BATCH):
            positions = range(start, min(start + IDS_BATCH, last + 1))
            for document in await self._at(positions, {"time_ms": 1, "ids": 1}):
                yield int(document["time_ms"]), bytes(document["ids"])

    async def last_position(self, known: int) -> int:
        """Where the log ends; it reaches `known` for sure."""
        while found := await self._at(range(known + 1, known + 1 + IDS_BATCH), {"_id": 1}):
            known = int(found[-1]["_id"])
        return known

    # Stored rollups

    async def manifest(self) -> Manifest:
        with deadline():
            found = await self._state.find_one({"_id": "manifest"})
        if found is None:
            return Manifest()
        return Manifest(
            version=found["version"],
            segments=tuple(found["segments"]),
            position=found["position"],
            title_count=found["title_count"],
            accepted_count=found["accepted_count"],
        )

    async def replace_manifest(self, manifest: Manifest) -> bool:
        """Puts the manifest in the place of the version before it; False when somebody else did."""
        document = {
            "version": manifest.version,
            "segments": list(manifest.segments),
            "position": manifest.position,
            "title_count": manifest.title_count,
            "accepted_count": manifest.accepted_count,
        }
        with deadline():
            if manifest.version == 1:
                try:
                    await self._state.insert_one({"_id": "manifest", **document})
                except pymongo.errors.DuplicateKeyError:
                    return await self.manifest() == manifest
                return True
            before = {"_id": "manifest", "version": manifest.version - 1}
            done = await self._state.update_one(before, {"$set": document})
        # A repeated write whose first try went through finds the version moved on by itself.
        return done.modified_count == 1 or await self.manifest() == manifest

    async def segment(self, id_: str) -> Segment:
        with deadline():
            found = await self._segments.find_one({"_id": id_})
        assert found is not None, "a manifest names segments that are stored"
        return _segment(found)

    async def put_segment(self, segment: Segment) -> None:
        firsts = {table.value: Binary(keys.astype("<u8").tobytes()) for table, keys in segment.firsts.items()}
        document = {
            "first": segment.first,
            "last": segment.last,
            "level": segment.level,
            "time_ms": segment.time_ms,
            "tables": firsts,
        }
        with deadline():
            await self._segments.replace_one({"_id": segment.id}, document, upsert=True)

    async def put_pages(self, pages: Sequence[tuple[str, bytes]]) -> None:
        """Writes pages; those that are there already hold the same bytes."""
        for start in range(0, len(pages), PAGES_A_WRITE):
            documents = [{"_id": id_, "data": Binary(data)} for id_, data in pages[start : start + PAGES_A_WRITE]]
            await _insert_missing(self._pages, documents)

    async def pages(self, ids: Sequence[str]) -> dict[str, bytes]:
        starts = range(0, len(ids), PAGES_A_READ)
        with deadline():
            pieces = await asyncio.gather(*(self._pages_of(ids[start : start + PAGES_A_READ]) for start in starts))
        return {document["_id"]: document["data"] for piece in pieces for document in piece}

    async def _pages_of(self, ids: Sequence[str]) -> list[Document]:
        return await self._pages.find({"_id": {"$in": list(ids)}}).to_list(PAGES_A_READ)

    async def put_names(self, id_: str, names: Names) -> None:
        document = {
            "_id": id_,
            "digests": Binary(names.digests.astype("<u8").tobytes()),
            "names": Binary(_packed(names.names.lines())),
        }
        await _insert_missing(self._names, [document])

    async def names(self, ids: Sequence[str]) -> dict[str, Names]:
        with deadline():
            documents = await self._names.find({"_id": {"$in": list(ids)}}).to_list(len(ids))
        return {document["_id"]: _names(document) for document in documents}

    async def put_titles(self, start: int, names: Sequence[str]) -> None:
        await _insert_missing(self._titles, [{"_id": start, "names": Binary(_packed(Texts.of(names).lines()))}])

    async def titles(self, count: int) -> list[str]:
        """The first titles in order of their numbers."""
        found: list[str] = []
        with deadline():
            async for document in self._titles.find({"_id": {"$lt": count}}).sort("_id", 1):
                found.extend(_unpacked(bytes(document["names"])).decode().split("\n"))
        assert len(found) >= count, "title numbers are stored before the manifest that counts them"
        return found[:count]

    async def merged_away(self, segments: Sequence[Segment]) -> list[Segment]:
        """Segments that lie within a live one: a process died before it dropped them."""
        live = {segment.id for segment in segments}
        found: list[Segment] = []
        for segment in segments:
            within = {"first": {"$gte": segment.first}, "last": {"$lte": segment.last}, "level": {"$lt": segment.level}}
            with deadline():
                found += [_segment(document) async for document in self._segments.find(within)]
        return [segment for segment in found if segment.id not in live]

    async def drop_segments(self, segments: Iterable[Segment]) -> None:
        """Deletes segments that no manifest names any more; by id, as the local store reads all for a range of ids."""
        for segment in segments:
            ids = {table: segment.pages(table, [(0, KEYS_END)]) for table in segment.firsts}
            await _delete(self._names, ids.pop(Table.NAMES, []))
            await _delete(self._pages, [id_ for of_table in ids.values() for id_ in of_table])
            with deadline():
                await self._segments.delete_one({"_id": segment.id})

    async def drop_all(self) -> None:
        """Empties this set of rollups; the log stays."""
        for collection in (self._pages, self._names, self._segments, self._titles):
            with deadline():
                await collection.delete_many({})
        with deadline():
            await self._state.delete_one({"_id": "manifest"})

    # What catalog told of titles

    async def read_titles(self) -> tuple[int, list[bytes]]:
        """The revision and the documents of the last complete write."""
        with deadline():
            head = await self._shelf.find_one({"_id": "head"})
            if head is None:
                return 0, []
            pieces = await self._shelf.find({"revision": head["revision"], "piece": {"$gte": 0}}).to_list(None)
        if len(pieces) != head["pieces"]:
            return 0, []
        return head["revision"], [zstandard.ZstdDecompressor().decompress(bytes(each["data"])) for each in pieces]

    async def write_titles(self, revision: int, documents: Sequence[bytes]) -> None:
        """New pieces first, then the head that names them, then the old ones go."""
        for piece, document in enumerate(documents):
            data = Binary(zstandard.ZstdCompressor(level=LEVEL).compress(document))
            body = {"revision": revision, "piece": piece, "data": data}
            with deadline():
                await self._shelf.replace_one({"_id": f"{revision}:{piece}"}, body, upsert=True)
        head = {"revision": revision, "pieces": len(documents)}
        with deadline():
            await self._shelf.replace_one({"_id": "head"}, head, upsert=True)
            await self._shelf.delete_many({"piece": {"$gte": 0}, "revision": {"$ne": revision}})


async def _delete(collection: Collection, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), DROPPED_AT_ONCE):
        with deadline():
            await collection.delete_many({"_id": {"$in": ids[start : start + DROPPED_AT_ONCE]}})


async def _insert_missing(collection: Collection, documents: list[Document]) -> None:
    """Inserts the documents that are not there yet."""
    with deadline():
        try:
            await collection.insert_many(documents, ordered=False)
        except pymongo.errors.BulkWriteError as error:
            if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise


def _entry(document: Document) -> LogEntry:
    return LogEntry(
        position=document["_id"],
        time_ms=document["time_ms"],
        writer=document["writer"],
        token=document["token"],
        count=document["count"],
        id_digests=bytes(document["ids"]),
        frame=bytes(document["frame"]),
    )


def _segment(document: Document) -> Segment:
    return Segment(
        first=document["first"],
        last=document["last"],
        level=document["level"],
        time_ms=document["time_ms"],
        firsts={Table(name): np.frombuffer(bytes(keys), "<u8") for name, keys in document["tables"].items()},
    )


def _names(document: Document) -> Names:
    digests = np.frombuffer(bytes(document["digests"]), "<u8")
    return Names(digests=digests, names=Texts.of_lines(_unpacked(bytes(document["names"])), len(digests)))


def _packed(lines: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(lines)


def _unpacked(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)
