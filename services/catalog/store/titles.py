"""Titles as documents: what the content is in, how they are found by id, number and filter."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from chassis import mongo
from chassis.mongo import Database, Document, Session
from services.catalog.domain import Stored
from services.catalog.filter import Field, Operator, Term, TitleFilter
from services.catalog.plain import from_plain, time_of, to_plain
from services.catalog.store import windows
from services.catalog.store.indexes import preparing
from services.catalog.title import Title, TitleState

# With more ids in one $in the local SecantusDB reads the whole collection (0.7 s at 40,000 titles).
IDS_PER_QUERY_MAX = 100
SCAN_DOCUMENTS = 1_000
_ENVELOPE = ("id", "revision", "etag", "update_time")
_SIGNS = {
    Operator.NOT_EQUAL: "$ne",
    Operator.LESS: "$lt",
    Operator.LESS_OR_EQUAL: "$lte",
    Operator.GREATER: "$gt",
    Operator.GREATER_OR_EQUAL: "$gte",
}
# Fields that hold these are not in the document.
_DEFAULTS: Mapping[Field, str | int] = {
    Field.STUDIO_ID: "",
    Field.MEDIA_TYPE: "",
    Field.STATE: TitleState.ACTIVE.value,
    Field.YEAR: 0,
}


def etag_of(title_id: str, revision: int) -> str:
    return blake2b(f"{title_id}\x00{revision}".encode(), digest_size=9).hexdigest()


def document_of(stored: Stored) -> Document:
    """All but `revision` and `update_time`, which the journal sets at the commit."""
    body = to_plain(stored.title)
    create_time = body.pop("create_time", "")
    for name in _ENVELOPE:
        body.pop(name, None)
    return {
        "_id": stored.title.id,
        "ordinal": stored.ordinal,
        "digest": stored.digest,
        "before_deletion": stored.before_deletion.value,
        "create_time": create_time,
        "body": body,
    }


def stored_of(document: Document) -> Stored:
    return Stored(
        title=title_of(document),
        ordinal=document["ordinal"],
        digest=document["digest"],
        before_deletion=TitleState(document["before_deletion"]),
    )


def title_of(document: Document) -> Title:
    return replace(
        from_plain(Title, document["body"]),
        id=document["_id"],
        revision=document["revision"],
        etag=etag_of(document["_id"], document["revision"]),
        create_time=time_of(document["create_time"]),
        update_time=time_of(document["update_time"]),
    )


class Titles:
    """Reads of the titles collection; the journal writes it."""

    def __init__(self, database: Database) -> None:
        self._titles = database["titles"]

    async def prepare(self) -> None:
        """Ordinals are revisions, so they are unique without being told; a unique index makes an insert in a
        transaction of the local SecantusDB five times dearer (0.2 → 1.0 ms at 500 rows).
        """
        with preparing():
            await self._titles.create_index("ordinal")
            await self._titles.create_index([("body.studio_id", 1), ("ordinal", 1)])
            await self._titles.create_index([("body.year", 1), ("ordinal", 1)])
            await self._titles.create_index([("body.state", 1), ("ordinal", 1)])
            await self._titles.create_index([("body.media_type", 1), ("ordinal", 1)])

    async def get(self, title_id: str, session: Session | None = None) -> Stored | None:
        with mongo.deadline():
            found = await self._titles.find_one({"_id": title_id}, session=session)
        return stored_of(found) if found else None

    async def get_many(self, ids: Sequence[str], bytes_max: int) -> tuple[dict[str, Title], list[str]]:
        """The titles that exist, by id, and the ids that were not read because the rest was enough."""
        found: dict[str, Title] = {}
        for start in range(0, len(ids), IDS_PER_QUERY_MAX):
            part = ids[start : start + IDS_PER_QUERY_MAX]
            documents = await self.documents(part)
            for number, title_id in enumerate(part, start):
                document = documents.get(title_id)
                bytes_max -= windows.byte_count(document) if document else 0
                if bytes_max < 0 and found:
                    return found, list(ids[number:])
                if document:
                    found[title_id] = title_of(document)
        return found, []

    async def get_all(self, ids: Sequence[str]) -> dict[str, Title]:
        documents = await self.documents(ids)
        return {title_id: title_of(each) for title_id, each in documents.items()}

    async def documents(
        self,
        ids: Iterable[str],
        *,
        projection: Mapping[str, int] | None = None,
        session: Session | None = None,
    ) -> dict[str, Document]:
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Document] = {}
        for start in range(0, len(wanted), IDS_PER_QUERY_MAX):
            part = wanted[start : start + IDS_PER_QUERY_MAX]
            found |= {each["_id"]: each for each in await self._by_ids(part, projection, session)}
        return found

    async def page(
        self, chosen: TitleFilter, *, after: int, until: int, limit: int, bytes_max: int
    ) -> tuple[list[Stored], bool]:
        """The next titles by ordinal, and whether there are more."""
        query = query_of(chosen)
        documents = await windows.page(self._titles, query, key="ordinal", after=after, until=until, limit=limit + 1)
        fit = windows.fitting(documents[:limit], bytes_max)
        return [stored_of(each) for each in fit], len(fit) < len(documents)

    async def scan(self, names: Collection[str], *, until: int) -> AsyncIterator[list[Title]]:
        """Every title there was at revision `until`, with only the named fields, for whoever reads them all."""
        projection = {f"body.{name}": 1 for name in names}
        for start in range(0, until, SCAN_DOCUMENTS):
            end = min(start + SCAN_DOCUMENTS, until)
            documents = await windows.page(
                self._titles,
                {},
                key="ordinal",
                after=start,
                until=end,
                limit=SCAN_DOCUMENTS,
                projection=projection,
            )
            if documents:
                yield [replace(from_plain(Title, each.get("body", {})), id=each["_id"]) for each in documents]

    async def _by_ids(
        self,
        ids: list[str],
        projection: Mapping[str, int] | None = None,
        session: Session | None = None,
    ) -> list[Document]:
        with mongo.deadline():
            cursor = self._titles.find({"_id": {"$in": ids}}, projection, session=session)
            found: list[Document] = await cursor.to_list(None)
            return found


def query_of(chosen: TitleFilter) -> dict[str, Any]:
    """The filter as the database is asked."""
    queries = [_term_query(term) for term in chosen.terms]
    flat = {path: wanted for query in queries for path, wanted in query.items()}
    # One flat query lets the planner see its compound indexes; fields asked twice need $and.
    return flat if len(flat) == len(queries) else {"$and": queries}


def _term_query(term: Term) -> dict[str, Any]:
    path = f"body.{term.field}"
    absent = {path: {"$exists": False}}
    default_matches = TitleFilter((term,)).matches(_TITLE_OF_DEFAULTS)
    if term.operator is Operator.EQUAL:
        return absent if term.value == _DEFAULTS[term.field] else {path: term.value}
    if term.operator is Operator.NOT_EQUAL:
        return {path: {"$exists": True}} if term.value == _DEFAULTS[term.field] else {path: {"$ne": term.value}}
    ordered = {path: {_SIGNS[term.operator]: term.value}}
    return {"$or": [absent, ordered]} if default_matches else ordered


_TITLE_OF_DEFAULTS = Title()
