"""The journal: gives out revisions and commits each write together with its changes and its request id.

Every write is one transaction that first reads what it needs and at its end raises the one counter of revisions.
Two writes that raise it at once conflict, and one of them is done again: so commits happen in the order of their
revisions, there are no gaps, and whoever has seen revision r has seen every one before it. Writes of one process
queue up here instead of conflicting.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pymongo

from chassis import mongo
from chassis.clock import Clock
from chassis.mongo import Database, Document, RequestIdReused, Session, StoreConflict
from services.catalog.domain import ChangeType, FieldChange, Stored, Write
from services.catalog.plain import time_text
from services.catalog.store.indexes import preparing
from services.catalog.store.titles import document_of
from services.catalog.title import Title

TRIES_MAX = 30
CONFLICT_PAUSE_S = 0.005
POLL_S = 0.25  # how soon a commit of another process is noticed
REQUEST_KEPT = timedelta(days=1)
RECENT_TITLES_MAX = 4_000
BATCH_CHANGES_MAX = 1_000

_COUNTER = "revision"

Work = Callable[["Transaction"], Awaitable[Document]]


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit of this process wrote; the titles' content, without their new revisions."""

    first: int
    last: int
    titles: tuple[Title, ...]


@dataclass(slots=True)
class Noted:
    """A change whose revision is not known yet."""

    title_id: str
    change_type: ChangeType
    field_changes: tuple[FieldChange, ...]
    document: Document | None = None
    title: Title | None = None


@dataclass(slots=True)
class Transaction:
    """One write under way: reads through its session, notes what shall be changed."""

    session: Session
    now: datetime
    noted: list[Noted] = field(default_factory=list)
    created: dict[str, Document] = field(default_factory=dict)
    replaced: dict[str, Document] = field(default_factory=dict)
    further: list[Callable[[Session, int], Awaitable[object]]] = field(default_factory=list)

    def create(self, stored: Stored) -> Document:
        document = document_of(stored)
        document["create_time"] = time_text(self.now)
        self.created[stored.title.id] = document
        self.noted.append(Noted(stored.title.id, ChangeType.CREATED, (), document, stored.title))
        return document

    def replace(self, stored: Stored, change_type: ChangeType, field_changes: tuple[FieldChange, ...]) -> Document:
        document = document_of(stored)
        pending = self.created.get(stored.title.id)
        if pending is not None:
            document["create_time"] = pending["create_time"]
            self.created[stored.title.id] = document
        else:
            self.replaced[stored.title.id] = document
        self.noted.append(Noted(stored.title.id, change_type, field_changes, document, stored.title))
        return document

    def unchanged(self, stored: Stored) -> Document:
        """The document of a title that stays as it is, for the answer."""
        title = stored.title
        assert title.create_time is not None, "a stored title has its times"
        assert title.update_time is not None, "a stored title has its times"
        return {
            **document_of(stored),
            "revision": title.revision,
            "update_time": time_text(title.update_time),
        }

    def note(self, title_id: str, change_type: ChangeType, field_changes: tuple[FieldChange, ...]) -> None:
        """A change beside the title itself: its aliases or images."""
        self.noted.append(Noted(title_id, change_type, field_changes))

    def also(self, write: Callable[[Session, int], Awaitable[object]]) -> None:
        """Something else to write with it; it is told the last revision."""
        self.further.append(write)


class Journal:
    """All writes of the catalog, and the newest revision this process knows of."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = asyncio.Lock()
        self._latest = 0
        self._newer = asyncio.Event()
        self._recent: deque[Committed] = deque()
        self._under_way: set[asyncio.Task[Document]] = set()

    async def prepare(self) -> None:
        """Makes collections, indexes and the counter: a transaction may not make them."""
        with preparing():
            await self._database["changes"].create_index("last", unique=True)
            await self._database["write_requests"].create_index("expire_time", expireAfterSeconds=0)
            await self._database["meta"].update_one({"_id": _COUNTER}, {"$setOnInsert": {"value": 0}}, upsert=True)
        await self.latest()

    async def commit(self, write: Write, work: Work) -> Document:
        """Does the work once for a request id, all or nothing; gives its answer with `revision` set.

        A caller that goes away does not stop it halfway: it ends in a task of its own.
        """
        task = asyncio.create_task(self._in_turn(write, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Waits for the writes whose callers went away."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def latest(self) -> int:
        """The newest revision, read from the database."""
        with mongo.deadline():
            counter = await self._database["meta"].find_one({"_id": _COUNTER})
        self._reached(counter["value"] if counter else 0)
        return counter["value"] if counter else 0

    async def wait_for_newer(self, revision: int, timeout_s: float) -> None:
        """Returns when there is a newer revision, or when the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._latest <= revision:
                    await self._newer.wait()
        except TimeoutError:
            return

    async def watch(self) -> None:
        """Notices the commits of other processes; to be run for as long as the process lives."""
        while True:
            await asyncio.sleep(POLL_S)
            await self.latest()

    def recent_after(self, revision: int) -> Committed | None:
        """What this process committed right after a revision, while it is remembered."""
        return next((each for each in self._recent if each.first == revision + 1), None)

    async def _in_turn(self, write: Write, work: Work) -> Document:
        async with self._lock:
            for attempt in range(TRIES_MAX):
                try:
                    return await self._once(write, work)
                except StoreConflict:
                    if attempt == TRIES_MAX - 1:
                        raise
                pause_s = CONFLICT_PAUSE_S * random.uniform(0.5, 1 + attempt)  # noqa: S311 - spreads retries
                await asyncio.sleep(pause_s)
        raise AssertionError

    async def _once(self, write: Write, work: Work) -> Document:
        with mongo.deadline():
            async with mongo.transaction(self._database) as session:
                known = await self._answered(write, session)
                if known is not None:
                    return known
                under_way = Transaction(session=session, now=self._clock.now())
                answer = await work(under_way)
                if write.validate_only:
                    await session.abort_transaction()
                    return _as_if_written(under_way, answer)
                last = await self._flush(under_way, write)
                answer["revision"] = last
                await self._remember(write, answer, under_way)
        self._publish(under_way, last)
        return answer

    async def _answered(self, write: Write, session: Session) -> Document | None:
        if not write.request_id:
            return None
        found = await self._database["write_requests"].find_one({"_id": write.request_id}, session=session)
        if found is None:
            return None
        if found["body_hash"] != write.body_hash:
            raise RequestIdReused
        answer: Document = found["answer"]
        return answer

    async def _remember(self, write: Write, answer: Document, under_way: Transaction) -> None:
        if not write.request_id:
            return
        await self._database["write_requests"].insert_one(
            {
                "_id": write.request_id,
                "body_hash": write.body_hash,
                "answer": answer,
                "expire_time": under_way.now + REQUEST_KEPT,
            },
            session=under_way.session,
        )

    async def _flush(self, under_way: Transaction, write: Write) -> int:
        """Gives the noted changes their revisions and writes everything."""
        count, session = len(under_way.noted), under_way.session
        if count == 0:
            for also in under_way.further:
                await also(session, self._latest)
            return self._latest
        counter = await self._database["meta"].find_one_and_update(
            {"_id": _COUNTER},
            {"$inc": {"value": count}},
            return_document=pymongo.ReturnDocument.AFTER,
            session=session,
        )
        last: int = counter["value"]
        _number(under_way, last - count + 1)
        titles = self._database["titles"]
        if under_way.created:
            await titles.insert_many(list(under_way.created.values()), session=session)
        if under_way.replaced:
            replacements = [pymongo.ReplaceOne({"_id": key}, each) for key, each in under_way.replaced.items()]
            await titles.bulk_write(replacements, session=session)
        await self._database["changes"].insert_one(_batch(under_way, write.actor, last), session=session)
        for also in under_way.further:
            await also(session, last)
        return last

    def _publish(self, under_way: Transaction, last: int) -> None:
        if not under_way.noted:
            return
        titles = tuple(noted.title for noted in under_way.noted if noted.title is not None)
        self._recent.append(Committed(last - len(under_way.noted) + 1, last, titles))
        while len(self._recent) > 1 and sum(len(each.titles) for each in self._recent) > RECENT_TITLES_MAX:
            self._recent.popleft()
        self._reached(last)

    def _reached(self, revision: int) -> None:
        if revision > self._latest:
            self._latest = revision
            self._newer.set()
            self._newer = asyncio.Event()


def _number(under_way: Transaction, first: int) -> None:
    """Each changed title carries the revision of its last change."""
    ordinals: dict[str, int] = {}
    for revision, noted in enumerate(under_way.noted, first):
        if noted.document is None:
            continue
        noted.document["revision"] = revision
        noted.document["update_time"] = time_text(under_way.now)
        if noted.change_type is ChangeType.CREATED:
            ordinals[noted.title_id] = revision
        if noted.title_id in ordinals:
            noted.document["ordinal"] = ordinals[noted.title_id]


def _as_if_written(under_way: Transaction, answer: Document) -> Document:
    """The answer of a write that was only tried: its titles have no revision."""
    _number(under_way, 0)
    for noted in under_way.noted:
        if noted.document is not None:
            noted.document["revision"] = 0
    answer["revision"] = 0
    return answer


def _batch(under_way: Transaction, actor: str, last: int) -> dict[str, Any]:
    return {
        "last": last,
        "first": last - len(under_way.noted) + 1,
        "time": time_text(under_way.now),
        "actor": actor,
        "entries": [
            {
                "title_id": noted.title_id,
                "change_type": noted.change_type.value,
                "fields": [[each.path, each.old_json, each.new_json] for each in noted.field_changes],
            }
            for noted in under_way.noted
        ],
    }
