"""Reference images: adding, listing, removing, and the switch over a title's whole bank."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chassis import ids, paging
from chassis.ids import NewId
from chassis.mongo import Document
from services.catalog.domain import (
    BANK_IMAGES_MAX,
    ChangeType,
    FieldChange,
    ReferenceBank,
    ReferenceBatch,
    ReferenceImage,
    ReferencePage,
    ReferencePicture,
    ReferenceState,
    Write,
)
from services.catalog.errors import ReferenceBankFull, ReferenceImageNotFound, TitleNotFound
from services.catalog.plain import from_plain, to_plain
from services.catalog.store import Journal, ReferenceImages, Titles, Transaction

PAGE_BYTES_MAX = 1_000_000


class ReferenceCases:
    """What may be done with reference images."""

    def __init__(
        self,
        *,
        images: ReferenceImages,
        titles: Titles,
        journal: Journal,
        new_id: NewId,
        token_key: bytes,
    ) -> None:
        self._images, self._titles, self._journal = images, titles, journal
        self._new_id, self._token_key = new_id, token_key

    async def add_reference_images(
        self, title_id: str, images: Sequence[ReferenceImage], pictures: Mapping[str, bytes], write: Write
    ) -> ReferenceBatch:
        """An image whose id the title has already is replaced; `pictures` are kept apart, by their hashes here."""

        async def work(under_way: Transaction) -> Document:
            await self._check_title(title_id, under_way)
            named = [self._named(each, number, title_id, write) for number, each in enumerate(images)]
            unique = {each.id: each for each in named}
            known = await self._images.get_many(list(unique), under_way.session)
            if any(each.title_id != title_id for each in known.values()):
                raise ReferenceImageNotFound
            count = await self._images.count(title_id, under_way.session)
            if count + len(unique) - len(known) > BANK_IMAGES_MAX:
                raise ReferenceBankFull
            added = [
                replace(each, create_time=known[each.id].create_time if each.id in known else under_way.now)
                for each in unique.values()
            ]
            differing = [each for each in added if known.get(each.id) != each]
            if differing:
                under_way.note(title_id, ChangeType.REFERENCE_IMAGES, _noted(differing, known))
                under_way.also(lambda session, last: self._images.put(differing, last, session))
                under_way.also(lambda session, _: self._images.put_pictures(differing, pictures, session))
            return {"images": [to_plain(each) for each in added]}

        answer = await self._journal.commit(write, work)
        return ReferenceBatch(
            images=tuple(from_plain(ReferenceImage, each) for each in answer["images"]),
            revision=answer["revision"],
        )

    async def list_reference_images(self, title_id: str, page_size: int, page_token: str) -> ReferencePage:
        query = paging.query_hash("ListReferenceImages", title_id)
        position = paging.decode(self._token_key, query, page_token)
        found, last, more = await self._images.page(
            title_id,
            after=int(position[0] or 0) if position else 0,
            until=await self._journal.latest(),
            limit=paging.size(page_size),
            bytes_max=PAGE_BYTES_MAX,
        )
        title_ids = list(dict.fromkeys([each.title_id for each in found] or ([title_id] if title_id else [])))
        return ReferencePage(
            images=tuple(found),
            banks=tuple(await self._images.banks(title_ids)),
            next_page_token=paging.encode(self._token_key, query, [last]) if more else "",
        )

    async def batch_get_reference_pictures(self, ids: Sequence[str]) -> list[ReferencePicture]:
        return await self._images.pictures(list(dict.fromkeys(ids)))

    async def remove_reference_image(self, title_id: str, image_id: str, write: Write) -> ReferenceImage:
        async def work(under_way: Transaction) -> Document:
            known = (await self._images.get_many([image_id], under_way.session)).get(image_id)
            if known is None or known.title_id != title_id:
                raise ReferenceImageNotFound
            change = FieldChange(path=f"reference_images[{image_id}]", old_json=f'"{known.state}"')
            under_way.note(title_id, ChangeType.REFERENCE_IMAGES, (change,))
            under_way.also(lambda session, _: self._images.remove(image_id, session))
            return {"image": to_plain(known)}

        return from_plain(ReferenceImage, (await self._journal.commit(write, work))["image"])

    async def set_reference_bank_state(self, title_id: str, state: ReferenceState, write: Write) -> ReferenceBank:
        async def work(under_way: Transaction) -> Document:
            await self._check_title(title_id, under_way)
            (known,) = await self._images.banks([title_id])
            bank = replace(known, state=state, update_time=under_way.now)
            if known.state is not state:
                change = FieldChange(path="reference_bank", old_json=f'"{known.state}"', new_json=f'"{state}"')
                under_way.note(title_id, ChangeType.REFERENCE_IMAGES, (change,))
                under_way.also(lambda session, _: self._images.put_bank(bank, session))
            return {"bank": to_plain(bank)}

        return from_plain(ReferenceBank, (await self._journal.commit(write, work))["bank"])

    def _named(self, image: ReferenceImage, number: int, title_id: str, write: Write) -> ReferenceImage:
        made = ids.derived_id(write.request_id, str(number)) if write.request_id else self._new_id()
        return replace(image, id=image.id or made, title_id=title_id)

    async def _check_title(self, title_id: str, under_way: Transaction) -> None:
        if await self._titles.get(title_id, under_way.session) is None:
            raise TitleNotFound(metadata={"title_id": title_id})


def _noted(images: Sequence[ReferenceImage], known: dict[str, ReferenceImage]) -> tuple[FieldChange, ...]:
    """Which images, and whether they count; their fingerprints are read from the bank, not from the feed."""
    return tuple(
        FieldChange(
            path=f"reference_images[{each.id}]",
            old_json=f'"{known[each.id].state}"' if each.id in known else "",
            new_json=f'"{each.state}"',
        )
        for each in images
    )
