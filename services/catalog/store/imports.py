"""How far each import came, committed together with the rows it counts."""

from chassis import mongo
from chassis.mongo import Database, Session
from services.catalog.domain import ImportState
from services.catalog.plain import from_plain, to_plain
from services.catalog.store.indexes import preparing


class Imports:
    """The imports collection."""

    def __init__(self, database: Database) -> None:
        self._imports = database["imports"]

    async def prepare(self) -> None:
        # A transaction may not make its collection.
        with preparing():
            await self._imports.create_index("body.start_time")

    async def get(self, import_id: str, session: Session | None = None) -> ImportState | None:
        with mongo.deadline():
            found = await self._imports.find_one({"_id": import_id}, session=session)
        return from_plain(ImportState, found["body"]) if found else None

    async def put(self, state: ImportState, session: Session) -> None:
        document = {"_id": state.import_id, "body": to_plain(state)}
        await self._imports.replace_one({"_id": state.import_id}, document, upsert=True, session=session)
