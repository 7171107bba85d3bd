"""Spikes and insights as documents.

spikes    {_id, title_id, end, spike: {...}}       index (title_id, end)
insights  {_id, title_id, studio_id, state, priority, insight: {...}}   indexes by title and by studio
"""

from collections.abc import Sequence
from dataclasses import asdict
from enum import IntEnum
from typing import Any

from chassis.mongo import Database, Document, deadline
from services.metrics.causes import Contribution, ContributorKind, Evidence, Spike, SpikeCause
from services.metrics.domain import EventType
from services.metrics.insights import Draft, Insight, InsightKind, InsightState, Outcome

SPIKES_READ_MAX = 1_000
INSIGHTS_READ_MAX = 2_000


class Findings:
    """What was found in the rollups."""

    def __init__(self, database: Database) -> None:
        self._spikes = database["spikes"]
        self._insights = database["insights"]

    async def ensure(self) -> None:
        with deadline():
            await self._spikes.create_index([("title_id", 1), ("end", 1)])
            await self._insights.create_index([("title_id", 1), ("state", 1)])
            await self._insights.create_index([("studio_id", 1), ("state", 1)])

    async def spikes(self, title_id: str, start: int, end: int) -> list[Spike]:
        """A title's spikes that touch a period, latest first."""
        chosen = {"title_id": title_id, "end": {"$gt": start}, "start": {"$lt": end}}
        with deadline():
            cursor = self._spikes.find(chosen).sort("end", -1).limit(SPIKES_READ_MAX)
            documents = await cursor.to_list(SPIKES_READ_MAX)
        return [spike_of(document) for document in documents]

    async def put_spike(self, spike: Spike) -> None:
        with deadline():
            await self._spikes.replace_one({"_id": spike.id}, plain(spike), upsert=True)

    async def drop_spikes(self, ids: Sequence[str]) -> None:
        with deadline():
            await self._spikes.delete_many({"_id": {"$in": list(ids)}})

    async def insights(
        self, *, title_id: str = "", studio_id: str = "", states: Sequence[InsightState] = ()
    ) -> list[Insight]:
        """Suggestions by title or studio, most urgent first."""
        chosen: dict[str, Any] = {}
        if title_id:
            chosen["title_id"] = title_id
        if studio_id:
            chosen["studio_id"] = studio_id
        if states:
            chosen["state"] = {"$in": [int(state) for state in states]}
        with deadline():
            cursor = self._insights.find(chosen).sort([("priority", -1), ("_id", 1)]).limit(INSIGHTS_READ_MAX)
            documents = await cursor.to_list(INSIGHTS_READ_MAX)
        return [insight_of(document) for document in documents]

    async def insight(self, id_: str) -> Insight | None:
        with deadline():
            found = await self._insights.find_one({"_id": id_})
        return None if found is None else insight_of(found)

    async def put_insight(self, insight: Insight, *, etag: str = "") -> bool:
        """Stores it; with an etag only over the version that has it, False when it moved on."""
        document = {**plain(insight), "etag": insight.etag}
        with deadline():
            if not etag:
                await self._insights.replace_one({"_id": insight.id}, document, upsert=True)
                return True
            done = await self._insights.replace_one({"_id": insight.id, "etag": etag}, document)
            if done.matched_count:
                return True
            found = await self._insights.find_one({"_id": insight.id}, {"etag": 1})
        return found is not None and found["etag"] == insight.etag


def plain(value: Spike | Insight) -> Document:
    """The value as a document of plain types."""
    document: Document = _plain(asdict(value))
    document["_id"] = document.pop("id")
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, IntEnum) else value


def spike_of(document: Document) -> Spike:
    return Spike(
        id=document["_id"],
        title_id=document["title_id"],
        event_type=EventType(document["event_type"]),
        start=document["start"],
        end=document["end"],
        peak=document["peak"],
        detect=document["detect"],
        count=document["count"],
        expected=document["expected"],
        score=document["score"],
        cause=SpikeCause(document["cause"]),
        contributions=tuple(
            Contribution(**{**each, "kind": ContributorKind(each["kind"])}) for each in document["contributions"]
        ),
        evidence=tuple(Evidence(**{**each, "cause": SpikeCause(each["cause"])}) for each in document["evidence"]),
        viewers=document["viewers"],
    )


def insight_of(document: Document) -> Insight:
    outcome = document["outcome"]
    return Insight(
        id=document["_id"],
        title_id=document["title_id"],
        studio_id=document["studio_id"],
        kind=InsightKind(document["kind"]),
        subject=document["subject"],
        observation=document["observation"],
        reason=document["reason"],
        action=document["action"],
        facts=tuple((name, value) for name, value in document["facts"]),
        draft=Draft(**document["draft"]),
        priority=document["priority"],
        create_minute=document["create_minute"],
        update_minute=document["update_minute"],
        state=InsightState(document["state"]),
        decide_minute=document["decide_minute"],
        decided_by=document["decided_by"],
        outcome=None if outcome is None else Outcome(**outcome),
    )
