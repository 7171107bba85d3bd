"""Writes that belong together: all of a unit of work happens in one transaction, or nothing of it.

Numbers of the feed and links of the audit are given out here, in commit order: within a process commits come one
after another, between processes the unique `_id` of the next number orders them.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import pymongo.errors
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReplaceOne

from chassis.mongo import Database, Session, StoreConflict, deadline, transaction
from services.matcher import audit
from services.matcher.audit import AuditEntry
from services.matcher.domain import MatchChange, StoredVideo
from services.matcher.errors import Contended
from services.matcher.reviewing import Task
from services.matcher.store.documents import Document, MatchDocuments, changes_document, video_document
from services.matcher.store.segments import Archive, segment_document
from services.matcher.store.task_documents import (
    Appeal,
    Decision,
    appeal_document,
    decision_document,
    task_document,
)

ATTEMPTS_MAX = 8
CHANGES_PER_DOCUMENT_MAX = 500
GROUP_MAX = 16  # units in one transaction; so many batches of 100 stay far below what one may hold
_DUPLICATE_KEY = 11000

Collection = AsyncIOMotorCollection[Document]


class Stale(Exception):
    """Something was written since it was read; read again and decide anew."""


class _TailMoved(Exception):
    """Another process has taken the next number of the feed or the audit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is to be written together.

    `updated` and `tasks` are guarded by the version they were read at: `version - 1`, `(version, token)`.
    """

    time: datetime
    archives: Sequence[Archive] = ()
    created: Sequence[StoredVideo] = ()
    updated: Sequence[StoredVideo] = ()
    changes: Sequence[MatchChange] = ()
    new_tasks: Sequence[Task] = ()
    tasks: Sequence[tuple[Task, Task]] = ()
    new_appeals: Sequence[Appeal] = ()
    appeals: Sequence[tuple[Appeal, Appeal]] = ()
    decisions: Sequence[Decision] = ()
    audit: Sequence[AuditEntry] = ()
    requests: Sequence[Document] = ()


def merged(units: Sequence[Unit]) -> Unit:
    """Several units as one, in their order."""

    def all_of(name: str) -> list[Any]:
        return [each for unit in units for each in getattr(unit, name)]

    return Unit(time=units[-1].time, **{name: all_of(name) for name in _PARTS})


_PARTS = tuple(field.name for field in fields(Unit) if field.name != "time")


class Committer:
    """Commits units of work; knows where the feed and the audit end.

    What waits while a transaction is under way is written together by the next one: under load many batches share
    one commit. Where a group fails, each of its units is tried alone, so that only the guilty one is told.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Unit, asyncio.Future[None]]] = []
        self._drain: asyncio.Task[None] | None = None
        self._sequence: int | None = None
        self._reached = 0  # the feed goes so far at least
        self._link: tuple[int, str] | None = None
        self._moved = asyncio.Condition()

    async def commit(self, unit: Unit) -> None:
        """Writes the unit; raises Stale when something it rests on was written meanwhile."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit, done))
        if self._drain is None or self._drain.done():
            # In a context of its own: the deadline of the first caller is not that of the others.
            self._drain = asyncio.create_task(self._write_waiting(), context=contextvars.Context())
        await done

    async def _write_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
            try:
                await self._write(merged([unit for unit, _ in group]))
            except Exception as error:  # noqa: BLE001 - told to whom it belongs
                await self._write_apart(group, error)
                continue
            for _, done in group:
                _tell(done, None)

    async def _write_apart(self, group: Sequence[tuple[Unit, asyncio.Future[None]]], error: Exception) -> None:
        if len(group) == 1:
            _tell(group[0][1], error)
            return
        for unit, done in group:
            try:
                await self._write(unit)
            except Exception as own:  # noqa: BLE001 - likewise
                _tell(done, own)
            else:
                _tell(done, None)

    async def _write(self, unit: Unit) -> None:
        for attempt in range(ATTEMPTS_MAX):
            try:
                await self._attempt(unit)
            except (_TailMoved, StoreConflict):
                self._sequence = self._link = None
                await asyncio.sleep(0.005 * attempt)
            else:
                break
        else:
            raise Contended
        if unit.changes:
            async with self._moved:
                self._moved.notify_all()

    async def wait_for_change(self, wait_s: float) -> None:
        """Returns when this process wrote to the feed, at the latest after `wait_s`."""
        async with self._moved:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), wait_s)

    async def latest_sequence(self) -> int:
        """Where the feed ends, whoever wrote to it."""
        with deadline():
            cursor = self._database.changes.find({"at": {"$gt": self._reached}}, {"n": 1})
            ends = [document["_id"] + document["n"] - 1 async for document in cursor]
        self._reached = max([self._reached, *ends])
        return self._reached

    async def _attempt(self, unit: Unit) -> None:
        sequence = await self._tail_sequence() if unit.changes else 0
        link = await self._tail_link() if unit.audit else (0, "")
        links, matches = audit.chained(unit.audit, *link), MatchDocuments()
        with deadline():
            async with transaction(self._database) as session:
                await self._write_videos(unit, matches, session)
                await self._write_reviews(unit, session)
                await self._write_tails(unit, sequence, links, matches, session)
        if unit.changes:
            self._sequence = sequence + len(unit.changes)
        if links:
            self._link = (links[-1].sequence, links[-1].hash)

    async def _write_videos(self, unit: Unit, matches: MatchDocuments, session: Session) -> None:
        database = self._database
        await _insert(database.segments, map(segment_document, unit.archives), session)
        await _insert(database.videos, (video_document(video, matches) for video in unit.created), session)
        await _replace(
            database.videos,
            [({"_id": video.id, "v": video.version - 1}, video_document(video, matches)) for video in unit.updated],
            session,
        )
        await _insert(database.batches, unit.requests, session)

    async def _write_reviews(self, unit: Unit, session: Session) -> None:
        database = self._database
        await _insert(database.tasks, map(task_document, unit.new_tasks), session)
        await _replace(database.tasks, [_guarded(before, after) for before, after in unit.tasks], session)
        await _insert(database.appeals, map(appeal_document, unit.new_appeals), session)
        await _replace(
            database.appeals,
            [
                ({"_id": before.id, "state": int(before.state)}, appeal_document(after))
                for before, after in unit.appeals
            ],
            session,
        )
        await _insert(database.decisions, map(decision_document, unit.decisions), session)

    async def _write_tails(
        self, unit: Unit, sequence: int, links: Sequence[AuditEntry], matches: MatchDocuments, session: Session
    ) -> None:
        """The feed and the audit: their numbers must be the next ones."""
        changes = [
            changes_document(sequence + 1 + at, unit.changes[at : at + CHANGES_PER_DOCUMENT_MAX], unit.time, matches)
            for at in range(0, len(unit.changes), CHANGES_PER_DOCUMENT_MAX)
        ]
        try:
            await _insert(self._database.changes, changes, session)
            await _insert(self._database.audit, map(_link_document, links), session)
        except Stale:
            raise _TailMoved from None

    async def _tail_sequence(self) -> int:
        if self._sequence is None:
            self._sequence = await self.latest_sequence()
        return self._sequence

    async def _tail_link(self) -> tuple[int, str]:
        if self._link is None:
            with deadline():
                last = await self._database.audit.find_one({}, {"h": 1}, sort=[("_id", -1)])
            self._link = (last["_id"], last["h"]) if last else (0, audit.GENESIS)
        return self._link


def _tell(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return  # the caller has gone
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _guarded(before: Task, after: Task) -> tuple[Document, Document]:
    """A task changes only while its state, token and votes are those that were read."""
    guard = {
        "_id": before.id,
        "state": int(before.state),
        "tok": before.token,
        "nv": len(before.votes),
    }
    return guard, task_document(after)


async def _insert(collection: Collection, documents: Iterable[Document], session: Session) -> None:
    """Inserts new documents; one that exists makes the unit stale."""
    batch = list(documents)
    if not batch:
        return
    try:
        await collection.insert_many(batch, ordered=True, session=session)
    except pymongo.errors.BulkWriteError as error:
        if _is_duplicate(error):
            raise Stale from error
        raise


async def _replace(collection: Collection, guarded: Sequence[tuple[Document, Document]], session: Session) -> None:
    """Replaces documents that are still as they were read; one that is not makes the unit stale."""
    if not guarded:
        return
    result = await collection.bulk_write(
        [ReplaceOne(guard, document) for guard, document in guarded], ordered=True, session=session
    )
    if result.matched_count != len(guarded):
        raise Stale


def _is_duplicate(error: pymongo.errors.BulkWriteError) -> bool:
    errors: Sequence[Any] = (error.details or {}).get("writeErrors", ())
    return any(each.get("code") == _DUPLICATE_KEY for each in errors)


def _link_document(link: AuditEntry) -> Document:
    return {
        "_id": link.sequence,
        "t": link.time,
        "a": link.actor,
        "act": link.act,
        "s": link.subject,
        "d": link.detail_json,
        "p": link.previous_hash,
        "h": link.hash,
    }
