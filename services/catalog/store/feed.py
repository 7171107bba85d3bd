"""The change feed as it is stored: one document for each commit, its entries numbered by revision."""

from collections.abc import Iterator

from chassis import mongo
from chassis.mongo import Database, Document
from services.catalog.domain import Change, ChangeType, FieldChange
from services.catalog.plain import time_of
from services.catalog.store.journal import BATCH_CHANGES_MAX


class Feed:
    """Reads of the changes collection; the journal writes it."""

    def __init__(self, database: Database) -> None:
        self._changes = database["changes"]

    async def page(self, *, after: int, until: int, limit: int) -> list[Change]:
        """The changes with after < revision <= until, without their titles; revisions have no gaps."""
        end = min(until, after + limit)
        with mongo.deadline():
            cursor = self._changes.find({"last": {"$gt": after, "$lt": end + BATCH_CHANGES_MAX}})
            batches = await cursor.sort("last", 1).to_list(None)
        return [change for batch in batches for change in _changes(batch) if after < change.revision <= end]


def _changes(batch: Document) -> Iterator[Change]:
    time = time_of(batch["time"])
    for revision, entry in enumerate(batch["entries"], batch["first"]):
        yield Change(
            revision=revision,
            title_id=entry["title_id"],
            change_type=ChangeType(entry["change_type"]),
            field_changes=tuple(
                FieldChange(path=path, old_json=old, new_json=new) for path, old, new in entry["fields"]
            ),
            change_time=time,
            actor=batch["actor"],
        )
