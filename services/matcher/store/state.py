"""Policies, calibrations, kill switches, and how far background work came."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument

from chassis.ids import new_id
from chassis.mongo import Database, deadline, insert_attempt
from services.matcher.anchors import KillSwitch, SwitchScope
from services.matcher.calibration import NONE, Calibration, Term
from services.matcher.domain import AccountType
from services.matcher.errors import Contended
from services.matcher.lifecycle import RematchState
from services.matcher.policy import Policy
from services.matcher.results import Rematch
from services.matcher.store.documents import Document
from services.matcher.thresholds import BINS

ATTEMPTS_MAX = 8
ACTIVE, SWITCHES = "active", "switches"
DAY = "%Y-%m-%d"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveVersions:
    """Which versions decide, and the switches that are on."""

    policy_version: str
    calibration_version: str
    switches: tuple[KillSwitch, ...]
    epoch: int


class State:
    """Small documents that every replica follows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> ActiveVersions:
        """What is in force now, in one read."""
        with deadline():
            found = {
                each["_id"]: each async for each in self._database.state.find({"_id": {"$in": [ACTIVE, SWITCHES]}})
            }
        active, switches = found.get(ACTIVE, {}), found.get(SWITCHES, {})
        return ActiveVersions(
            policy_version=active.get("policy", ""),
            calibration_version=active.get("calibration", NONE),
            switches=tuple(_switch_of(each) for each in switches.get("on", ())),
            epoch=switches.get("epoch", 0),
        )

    async def activate(self, **versions: str) -> None:
        with deadline():
            await self._database.state.update_one({"_id": ACTIVE}, {"$set": versions}, upsert=True)

    async def set_switch(self, switch: KillSwitch, *, is_on: bool) -> None:
        """Sets or lifts one switch; setting a set one keeps the first."""
        key = {"scope": int(switch.scope), "target": switch.target}
        document = {**key, "note": switch.note, "actor": switch.actor, "time": switch.set_time}
        with deadline():
            await self._database.state.update_one(
                {"_id": SWITCHES}, {"$setOnInsert": {"on": [], "epoch": 0}}, upsert=True
            )
            if is_on:
                await self._database.state.update_one(
                    {"_id": SWITCHES, "on": {"$not": {"$elemMatch": key}}},
                    {"$push": {"on": document}, "$inc": {"epoch": 1}},
                )
            else:
                await self._database.state.update_one(
                    {"_id": SWITCHES, "on": {"$elemMatch": key}}, {"$pull": {"on": key}, "$inc": {"epoch": 1}}
                )

    async def cursor(self, name: str) -> Any:
        """How far a piece of background work came; None when it never began."""
        with deadline():
            document = await self._database.state.find_one({"_id": f"cursor:{name}"})
        return document["at"] if document else None

    async def put_cursor(self, name: str, at: object) -> None:
        with deadline():
            await self._database.state.update_one({"_id": f"cursor:{name}"}, {"$set": {"at": at}}, upsert=True)

    async def drop_cursor(self, name: str) -> None:
        with deadline():
            await self._database.state.delete_one({"_id": f"cursor:{name}"})

    async def cursors(self, prefix: str) -> dict[str, Any]:
        start = f"cursor:{prefix}"
        with deadline():
            cursor = self._database.state.find({"_id": {"$gte": start, "$lt": start + "\uffff"}})
            return {each["_id"].removeprefix("cursor:"): each["at"] async for each in cursor}

    async def count_probabilities(self, now: datetime, counts: Mapping[int, int]) -> None:
        """Adds to today's histogram of probabilities; `counts` by bin."""
        if not counts:
            return
        with deadline():
            await self._database.histograms.update_one(
                {"_id": now.strftime(DAY)},
                {"$inc": {f"b.{at}": count for at, count in counts.items()}, "$set": {"t": now}},
                upsert=True,
            )

    async def probabilities(self, now: datetime, days: float, *, until_days: float = 0.0) -> list[int]:
        """The histogram of the probabilities of the last days, up to so many days ago."""
        first = (now - timedelta(days=days)).strftime(DAY)
        last = (now - timedelta(days=until_days)).strftime(DAY)
        total = [0] * BINS
        with deadline():
            async for each in self._database.histograms.find({"_id": {"$gte": first, "$lte": last}}):
                for at, count in each["b"].items():
                    total[int(at)] += count
        return total


class Versions:
    """Versions of policies and calibrations: written once, never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policy(self, version: str) -> Policy | None:
        with deadline():
            document = await self._database.policies.find_one({"_id": version})
        return _policy_of(document) if document else None

    async def add_policy(self, policy: Policy) -> Policy:
        """Stores the policy under the next version; a policy that brings its version keeps it."""
        return _policy_of(await self._add("policies", "p", _policy_document(policy)))

    async def policies(self, before: str, count: int) -> list[Policy]:
        return [_policy_of(each) for each in await self._page("policies", before, count)]

    async def calibration(self, version: str) -> Calibration | None:
        with deadline():
            document = await self._database.calibrations.find_one({"_id": version})
        return _calibration_of(document) if document else None

    async def add_calibration(self, calibration: Calibration) -> Calibration:
        return _calibration_of(await self._add("calibrations", "c", _calibration_document(calibration)))

    async def calibrations(self, before: str, count: int) -> list[Calibration]:
        return [_calibration_of(each) for each in await self._page("calibrations", before, count)]

    async def _add(self, collection: str, prefix: str, document: Document) -> Document:
        """Inserts under the next number; tries again where another process took it."""
        versions, attempt = self._database[collection], new_id()
        for _ in range(ATTEMPTS_MAX):
            with deadline():
                last = await versions.find_one({}, {"_id": 1}, sort=[("_id", -1)])
            number = int(last["_id"].split("-")[1]) + 1 if last else 1
            numbered = {**document, "_id": document["_id"] or f"{prefix}-{number:06d}", "attempt": attempt}
            if await insert_attempt(versions, numbered) is None:
                return numbered
        raise Contended

    async def _page(self, collection: str, before: str, count: int) -> list[Document]:
        query: Document = {"_id": {"$lt": before}} if before else {}
        with deadline():
            cursor = self._database[collection].find(query, sort=[("_id", -1)]).limit(count)
            return [each async for each in cursor]


class Rematches:
    """Rematches and how far they came."""

    def __init__(self, database: Database) -> None:
        self._rematches = database.rematches

    async def get(self, rematch_id: str) -> Rematch | None:
        with deadline():
            document = await self._rematches.find_one({"_id": rematch_id})
        return _rematch_of(document) if document else None

    async def running(self) -> list[Rematch]:
        query = {"state": int(RematchState.RUNNING)}
        with deadline():
            return [_rematch_of(each) async for each in self._rematches.find(query, sort=[("_id", 1)])]

    async def latest(self, title_id: str) -> Rematch | None:
        with deadline():
            document = await self._rematches.find_one({"title_id": title_id}, sort=[("_id", -1)])
        return _rematch_of(document) if document else None

    async def put(self, rematch: Rematch) -> None:
        document = {**asdict(rematch), "state": int(rematch.state)}
        document["_id"] = document.pop("id")
        with deadline():
            await self._rematches.update_one({"_id": rematch.id}, {"$set": document}, upsert=True)

    async def advance(self, rematch: Rematch, holder: str) -> bool:
        """Writes how far this process came, unless another one holds the rematch by now."""
        document = {**asdict(rematch), "state": int(rematch.state)}
        del document["id"]
        with deadline():
            done = await self._rematches.update_one({"_id": rematch.id, "holder": holder}, {"$set": document})
        return bool(done.matched_count)

    async def claim(self, rematch: Rematch, holder: str, now: datetime, until: datetime) -> bool:
        """Takes a running rematch for this process, unless another holds it."""
        with deadline():
            found = await self._rematches.find_one_and_update(
                {
                    "_id": rematch.id,
                    "$or": [{"holder": None}, {"holder": holder}, {"held_until": {"$lt": now}}],
                },
                {"$set": {"holder": holder, "held_until": until}},
                return_document=ReturnDocument.AFTER,
            )
        return found is not None


def _rematch_of(document: Document) -> Rematch:
    given = {field.name: document[field.name] for field in fields(Rematch) if field.name != "id"}
    return Rematch(id=document["_id"], **{**given, "state": RematchState(document["state"])})


def _switch_of(document: Document) -> KillSwitch:
    return KillSwitch(
        scope=SwitchScope(document["scope"]),
        target=document["target"],
        note=document["note"],
        actor=document["actor"],
        set_time=document["time"],
    )


def _policy_document(policy: Policy) -> Document:
    document = asdict(policy) | {"account_types": [int(kind) for kind in policy.account_types]}
    document["_id"] = document.pop("version")
    return document


def _policy_of(document: Document) -> Policy:
    # A version stored before a field was thought of has its default.
    given = {field.name: document[field.name] for field in fields(Policy) if field.name in document}
    given |= {name: tuple(given[name]) for name in ("creator_regions", "viewer_regions", "blocked_viewer_regions")}
    given["account_types"] = tuple(AccountType(kind) for kind in given["account_types"])
    return Policy(version=document["_id"], **given)


_SCALARS: Sequence[str] = (
    "model_version",
    "decision_count",
    "held_out_count",
    "ece_before",
    "ece_after",
    "create_time",
    "proposed_approve_threshold",
    "proposed_review_threshold",
)


def _calibration_document(calibration: Calibration) -> Document:
    terms = [
        (term.kind, term.key, term.shift, term.approved_weight, term.rejected_weight) for term in calibration.terms
    ]
    return {name: getattr(calibration, name) for name in _SCALARS} | {
        "_id": "" if calibration.version == NONE else calibration.version,
        "terms": terms,
    }


def _calibration_of(document: Document) -> Calibration:
    terms = (
        Term(kind=kind, key=key, shift=shift, approved_weight=approved, rejected_weight=rejected)
        for kind, key, shift, approved, rejected in document["terms"]
    )
    return Calibration.of(terms, version=document["_id"], **{name: document[name] for name in _SCALARS})
