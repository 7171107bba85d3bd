"""Reference images and the switches over their banks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from chassis import mongo
from chassis.mongo import Database, Document, Session
from services.catalog.domain import ReferenceBank, ReferenceImage, ReferencePicture, ReferenceState
from services.catalog.plain import from_plain, to_plain
from services.catalog.store import windows
from services.catalog.store.aliases import ORDINALS_PER_REVISION
from services.catalog.store.indexes import preparing


class ReferenceImages:
    """The reference_images and reference_banks collections."""

    def __init__(self, database: Database) -> None:
        self._images = database["reference_images"]
        self._banks = database["reference_banks"]
        self._pictures = database["reference_pictures"]

    async def prepare(self) -> None:
        with preparing():
            await self._images.create_index("ordinal")
            await self._images.create_index([("body.title_id", 1), ("ordinal", 1)])
            await self._banks.create_index("state")
            await self._pictures.create_index("title_id")

    async def page(
        self, title_id: str, *, after: int, until: int, limit: int, bytes_max: int
    ) -> tuple[list[ReferenceImage], int, bool]:
        """The next images, the last one's ordinal, and whether there are more."""
        documents = await windows.page(
            self._images,
            {"body.title_id": title_id} if title_id else {},
            key="ordinal",
            after=after,
            until=(until + 1) * ORDINALS_PER_REVISION,
            limit=limit + 1,
        )
        fit = windows.fitting(documents[:limit], bytes_max)
        return (
            [_image_of(each) for each in fit],
            fit[-1]["ordinal"] if fit else after,
            len(fit) < len(documents),
        )

    async def get_many(self, ids: Sequence[str], session: Session) -> dict[str, ReferenceImage]:
        documents = await self._images.find({"_id": {"$in": list(ids)}}, session=session).to_list(None)
        return {each["_id"]: _image_of(each) for each in documents}

    async def put(self, images: Iterable[ReferenceImage], last_revision: int, session: Session) -> None:
        documents = [
            {
                "_id": image.id,
                "ordinal": last_revision * ORDINALS_PER_REVISION + number,
                "body": to_plain(replace(image, id="")),
            }
            for number, image in enumerate(images)
        ]
        await self._images.delete_many({"_id": {"$in": [each["_id"] for each in documents]}}, session=session)
        await self._images.insert_many(documents, session=session)

    async def remove(self, image_id: str, session: Session) -> None:
        await self._images.delete_one({"_id": image_id}, session=session)
        await self._pictures.delete_one({"_id": image_id}, session=session)

    async def put_pictures(
        self, images: Sequence[ReferenceImage], pictures: Mapping[str, bytes], session: Session
    ) -> None:
        """The pictures of these images as they are now; the images' hashes say which is whose."""
        await self._pictures.delete_many({"_id": {"$in": [image.id for image in images]}}, session=session)
        documents = [
            {"_id": image.id, "title_id": image.title_id, "picture": pictures[image.picture_hash]}
            for image in images
            if image.picture_hash
        ]
        if documents:
            await self._pictures.insert_many(documents, session=session)

    async def pictures(self, ids: Sequence[str]) -> list[ReferencePicture]:
        with mongo.deadline():
            documents = await self._pictures.find({"_id": {"$in": list(ids)}}).to_list(None)
        return [
            ReferencePicture(id=each["_id"], title_id=each["title_id"], picture=bytes(each["picture"]))
            for each in documents
        ]

    async def count(self, title_id: str, session: Session | None = None) -> int:
        with mongo.deadline():
            found: int = await self._images.count_documents({"body.title_id": title_id}, session=session)
            return found

    async def banks(self, title_ids: Sequence[str]) -> list[ReferenceBank]:
        """The switches of these titles; one that was never touched is on."""
        with mongo.deadline():
            documents = await self._banks.find({"_id": {"$in": list(title_ids)}}).to_list(None)
        found = {each["_id"]: each for each in documents}
        return [
            replace(_bank_of(title_id, found.get(title_id)), image_count=await self.count(title_id))
            for title_id in title_ids
        ]

    async def put_bank(self, bank: ReferenceBank, session: Session) -> None:
        body = to_plain(replace(bank, image_count=0))
        await self._banks.replace_one(
            {"_id": bank.title_id}, {"_id": bank.title_id, "body": body}, upsert=True, session=session
        )


def _image_of(document: Document) -> ReferenceImage:
    return replace(from_plain(ReferenceImage, document["body"]), id=document["_id"])


def _bank_of(title_id: str, document: Document | None) -> ReferenceBank:
    if document is None:
        return ReferenceBank(title_id=title_id, state=ReferenceState.ENABLED)
    return from_plain(ReferenceBank, document["body"])
