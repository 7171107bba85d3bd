"""Stored entries of the alias registry: what editors, imports and learning said of a name."""

from collections.abc import Iterable, Sequence

from chassis import mongo
from chassis.mongo import Database, Document, Session
from services.catalog.domain import Alias, AliasKind
from services.catalog.names import fold
from services.catalog.plain import from_plain, to_plain
from services.catalog.store import windows
from services.catalog.store.indexes import preparing
from services.catalog.store.titles import IDS_PER_QUERY_MAX

# Entries of one commit share its revision; this keeps their numbers apart.
ORDINALS_PER_REVISION = 1_024


def key_of(title_id: str, kind: AliasKind, name: str) -> str:
    return f"{title_id}|{kind}|{fold(name)}"


class Aliases:
    """The aliases collection."""

    def __init__(self, database: Database) -> None:
        self._aliases = database["aliases"]

    async def prepare(self) -> None:
        with preparing():
            await self._aliases.create_index("ordinal")
            await self._aliases.create_index("body.title_id")
            await self._aliases.create_index("folded")

    async def of_title(self, title_id: str) -> list[Alias]:
        return await self._find({"body.title_id": title_id})

    async def named(self, name: str) -> list[Alias]:
        return await self._find({"folded": fold(name)})

    async def page(self, *, after: int, until: int, limit: int) -> tuple[list[Alias], list[int]]:
        """The next entries with their ordinals."""
        documents = await windows.page(
            self._aliases,
            {},
            key="ordinal",
            after=after,
            until=(until + 1) * ORDINALS_PER_REVISION,
            limit=limit,
        )
        return [_alias_of(each) for each in documents], [each["ordinal"] for each in documents]

    async def get_many(self, keys: Sequence[str], session: Session | None = None) -> dict[str, Alias]:
        found: dict[str, Alias] = {}
        for start in range(0, len(keys), IDS_PER_QUERY_MAX):
            part = list(keys[start : start + IDS_PER_QUERY_MAX])
            with mongo.deadline():
                documents = await self._aliases.find({"_id": {"$in": part}}, session=session).to_list(None)
            found |= {each["_id"]: _alias_of(each) for each in documents}
        return found

    async def put(self, aliases: Iterable[Alias], last_revision: int, session: Session) -> None:
        documents = [
            {
                "_id": key_of(alias.title_id, alias.kind, alias.name),
                "folded": fold(alias.name),
                "ordinal": last_revision * ORDINALS_PER_REVISION + number,
                "body": to_plain(alias),
            }
            for number, alias in enumerate(aliases)
        ]
        # An entry set anew moves to the end: delete and insert cost less than upserts in the local store.
        await self._aliases.delete_many({"_id": {"$in": [each["_id"] for each in documents]}}, session=session)
        await self._aliases.insert_many(documents, session=session)

    async def remove(self, key: str, session: Session) -> None:
        await self._aliases.delete_one({"_id": key}, session=session)

    async def _find(self, query: dict[str, str]) -> list[Alias]:
        with mongo.deadline():
            documents = await self._aliases.find(query).to_list(None)
        return [_alias_of(each) for each in documents]


def _alias_of(document: Document) -> Alias:
    return from_plain(Alias, document["body"])
