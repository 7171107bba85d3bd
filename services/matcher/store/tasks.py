"""Reads the review queue, appeals, decisions and the audit."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta

from chassis.mongo import Database, deadline
from services.matcher.audit import AuditEntry
from services.matcher.lifecycle import UNFINISHED, AppealState, TaskState
from services.matcher.results import Queue, TaskFilter
from services.matcher.reviewing import Task, Verdict, is_live
from services.matcher.store.documents import INDEX_S, Document
from services.matcher.store.task_documents import (
    Appeal,
    Decision,
    appeal_of,
    decision_of,
    task_of,
)

# Counting looks at some hundred tasks at once; a look spans a second to begin with, then more or less by what it found.
LOOK_TASKS, LOOK_FIRST, LOOK_GROWTH = 100, timedelta(seconds=1), 4
COUNTED = {"gold": 1, "ct": 1, "dt": 1}


class Tasks:
    """The review queue and what was said in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure_indexes(self) -> None:
        database = self._database
        with deadline(INDEX_S):
            await database.tasks.create_index([("state", 1), ("rank", -1), ("_id", 1)])
            await database.tasks.create_index([("state", 1), ("sla", 1)])
            await database.tasks.create_index([("state", 1), ("dt", 1)])
            await database.tasks.create_index("lease.h")
            await database.tasks.create_index("gold")
            await database.appeals.create_index([("state", 1), ("sla", 1)])
            await database.appeals.create_index("mid")
            await database.appeals.create_index([("c", 1), ("sla", 1)])
            await database.decisions.create_index([("mid", 1), ("_id", -1)])
            await database.decisions.create_index([("r", 1), ("_id", -1)])
            await database.audit.create_index([("s", 1), ("_id", 1)])

    async def get(self, task_id: str) -> Task | None:
        with deadline():
            document = await self._database.tasks.find_one({"_id": task_id})
        return task_of(document) if document else None

    async def batch(self, task_ids: Iterable[str]) -> dict[str, Task]:
        with deadline():
            cursor = self._database.tasks.find({"_id": {"$in": list(task_ids)}})
            return {document["_id"]: task_of(document) async for document in cursor}

    async def page(
        self, states: Iterable[TaskState], wanted: TaskFilter, after: Sequence[object], count: int
    ) -> list[Task]:
        """Tasks in the order of the queue, after a position; golden ones only while somebody holds them."""
        query: Document = {
            "state": {"$in": [int(state) for state in states]},
            "$and": [{"$or": [{"gold": None}, {"state": int(TaskState.LEASED)}]}],
            **_filter(wanted),
        }
        if after:
            rank, task_id = after
            query["$and"].append({"$or": [{"rank": {"$lt": rank}}, {"rank": rank, "_id": {"$gt": task_id}}]})
        with deadline():
            cursor = self._database.tasks.find(query, sort=[("rank", -1), ("_id", 1)]).limit(count)
            return [task_of(document) async for document in cursor]

    async def free(self, wanted: TaskFilter, now: datetime, count: int) -> list[Task]:
        """Tasks that nobody holds, in the order of the queue; no golden ones."""
        query: Document = {
            "$or": [
                {"state": int(TaskState.OPEN)},
                {"state": int(TaskState.LEASED), "lease.exp": {"$lte": now}},
            ],
            "gold": None,
            **_filter(wanted),
        }
        with deadline():
            cursor = self._database.tasks.find(query, sort=[("rank", -1), ("_id", 1)]).limit(count)
            return [task_of(document) async for document in cursor]

    async def free_goldens(self, wanted: TaskFilter, now: datetime, count: int) -> list[Task]:
        """Golden tasks that nobody holds; few among many, they have an index of their own."""
        with deadline():
            cursor = self._database.tasks.find(
                {"gold": {"$gte": int(min(Verdict))}, **_filter(wanted)}, sort=[("gold", 1)]
            )
            found = [task_of(document) async for document in cursor.limit(count)]
        return sorted((task for task in found if not is_live(task, now)), key=lambda task: -task.rank)

    async def held_by(self, reviewer_id: str) -> list[Task]:
        with deadline():
            cursor = self._database.tasks.find({"lease.h": reviewer_id, "state": int(TaskState.LEASED)})
            return [task_of(document) async for document in cursor]

    async def overdue(self, now: datetime, count: int) -> list[Task]:
        """Unfinished tasks whose SLA ran out; goldens wait for ever.

        By exactly the fields of an index: for any more the local store reads all tasks.
        """
        found: list[Task] = []
        for state in UNFINISHED:
            with deadline():
                async for each in self._database.tasks.find({"state": int(state), "sla": {"$lt": now}}):
                    if len(found) == count:
                        break
                    if each["gold"] is None:
                        found.append(task_of(each))
        return found

    async def queue(self, now: datetime, sla: timedelta, at_risk_before: datetime, *, rest: float = 0.0) -> Queue:
        """What waits, without goldens; `sla` is what new tasks have, `rest` as in `_back`."""
        counts, at_risk, oldest = dict.fromkeys(UNFINISHED, 0), 0, None
        for state in UNFINISHED:
            # Overdue ones are few: their clocks have just run out.
            async for task in self._back(state, "sla", now + sla, now, with_older=True, rest=rest):
                counts[state] += 1
                at_risk += task["ct"] < at_risk_before
                if state is TaskState.OPEN:
                    oldest = min(oldest or task["ct"], task["ct"])
        return Queue(
            open_count=counts[TaskState.OPEN],
            leased_count=counts[TaskState.LEASED],
            at_risk_count=at_risk,
            oldest_time=oldest,
        )

    async def decided_since(self, since: datetime, now: datetime, *, rest: float = 0.0) -> int:
        return sum([True async for _ in self._back(TaskState.DECIDED, "dt", now, since, rest=rest)])

    async def _back(
        self,
        state: TaskState,
        field: str,
        newest: datetime,
        oldest: datetime,
        *,
        with_older: bool = False,
        rest: float = 0.0,
    ) -> AsyncIterator[Document]:
        """Tasks of a state but goldens, from the newest time of a field back to the oldest.

        Some hundred a look, and after it a rest of so many times as long as it took: the local store needs 0.1 ms a
        task and serves one command after the other.
        """
        start: datetime | None = newest
        end: datetime | None = None
        step = LOOK_FIRST
        while True:
            within = ({} if start is None else {"$gte": start}) | ({} if end is None else {"$lt": end})
            began = time.monotonic()
            with deadline():
                found = await self._database.tasks.find({"state": int(state), field: within}, COUNTED).to_list(None)
            await asyncio.sleep(rest * (time.monotonic() - began))
            for task in found:
                if task["gold"] is None:
                    yield task
            if start is None or (start == oldest and not with_older):
                return
            step *= min(max(LOOK_TASKS / max(len(found), 1), 1 / LOOK_GROWTH), LOOK_GROWTH)
            end, start = start, max(start - step, oldest) if start > oldest else None

    async def decisions(
        self, *, match_id: str = "", reviewer_id: str = "", before: str = "", count: int
    ) -> list[Decision]:
        """Votes, newest first."""
        query: Document = {}
        if match_id:
            query["mid"] = match_id
        if reviewer_id:
            query["r"] = reviewer_id
        if before:
            query["_id"] = {"$lt": before}
        with deadline():
            cursor = self._database.decisions.find(query, sort=[("_id", -1)]).limit(count)
            return [decision_of(document) async for document in cursor]


def _filter(wanted: TaskFilter) -> Document:
    given = {"lang": wanted.language, "studio": wanted.studio_id, "media": wanted.media_type}
    return {name: value for name, value in given.items() if value}


class Appeals:
    """Creators' appeals."""

    def __init__(self, database: Database) -> None:
        self._appeals = database.appeals

    async def get(self, appeal_id: str) -> Appeal | None:
        with deadline():
            document = await self._appeals.find_one({"_id": appeal_id})
        return appeal_of(document) if document else None

    async def of_match(self, match_id: str) -> list[Appeal]:
        with deadline():
            return [appeal_of(each) async for each in self._appeals.find({"mid": match_id})]

    async def page(
        self, state: AppealState | None, creator_id: str, after: Sequence[object], count: int
    ) -> list[Appeal]:
        """Appeals, nearest deadline first, after a position."""
        query: Document = {}
        if state is not None:
            query["state"] = int(state)
        if creator_id:
            query["c"] = creator_id
        if after:
            query["_id"] = {"$gt": after[0]}
        with deadline():
            cursor = self._appeals.find(query, sort=[("_id", 1)]).limit(count)
            return [appeal_of(document) async for document in cursor]

    async def overdue(self, now: datetime, count: int) -> list[Appeal]:
        query = {"state": int(AppealState.OPEN), "sla": {"$lt": now}}
        with deadline():
            return [appeal_of(each) async for each in self._appeals.find(query).limit(count)]

    async def count_open(self) -> int:
        with deadline():
            return int(await self._appeals.count_documents({"state": int(AppealState.OPEN)}))


class Audit:
    """The audit chain, in order."""

    def __init__(self, database: Database) -> None:
        self._audit = database.audit

    async def page(self, subject: str, after_sequence: int, count: int) -> list[AuditEntry]:
        query: Document = {"_id": {"$gt": after_sequence}} | ({"s": subject} if subject else {})
        with deadline():
            return [_entry_of(each) async for each in self._audit.find(query, sort=[("_id", 1)]).limit(count)]

    async def at(self, sequence: int) -> AuditEntry | None:
        with deadline():
            document = await self._audit.find_one({"_id": sequence})
        return _entry_of(document) if document else None

    async def latest_sequence(self) -> int:
        with deadline():
            last = await self._audit.find_one({}, {"_id": 1}, sort=[("_id", -1)])
        return last["_id"] if last else 0


def _entry_of(document: Document) -> AuditEntry:
    return AuditEntry(
        actor=document["a"],
        act=document["act"],
        subject=document["s"],
        time=document["t"],
        detail_json=document["d"],
        sequence=document["_id"],
        previous_hash=document["p"],
        hash=document["h"],
    )
