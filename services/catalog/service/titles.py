"""Reading and editing titles: the use cases of single titles, lists and exports."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import fields, replace

from chassis import paging
from chassis.errors import Violation
from chassis.ids import NewId
from chassis.mongo import Document
from services.catalog import filter as filters
from services.catalog import lifecycle
from services.catalog.diff import diff
from services.catalog.domain import ChangeType, Stored, TitleBatch, TitlePage, Write
from services.catalog.errors import EtagMismatch, TitleExists, TitleInvalid, TitleNotFound, UpdateMaskInvalid
from services.catalog.importing import content_of
from services.catalog.lifecycle import Act
from services.catalog.store import Journal, Titles, Transaction, title_of
from services.catalog.title import ENVELOPE_FIELDS, Title, TitleState
from services.catalog.validity import settled

PAGE_BYTES_MAX = 2_000_000
EXPORT_TITLES_MAX = 100
EXPORT_BYTES_MAX = 1_000_000
WRITABLE_FIELDS = frozenset(each.name for each in fields(Title)) - ENVELOPE_FIELDS


class TitleCases:
    """What may be done with titles one by one."""

    def __init__(self, *, titles: Titles, journal: Journal, new_id: NewId, token_key: bytes) -> None:
        self._titles, self._journal, self._new_id, self._token_key = titles, journal, new_id, token_key

    async def get_title(self, title_id: str) -> Title:
        return (await _existing(await self._titles.get(title_id), title_id)).title

    async def batch_get_titles(self, ids: Sequence[str]) -> TitleBatch:
        found, unread = await self._titles.get_many(ids, PAGE_BYTES_MAX)
        read = ids[: len(ids) - len(unread)]
        return TitleBatch(
            titles=tuple(found[each] for each in read if each in found),
            missing_ids=tuple(each for each in read if each not in found),
            unread_ids=tuple(unread),
        )

    async def list_titles(self, filter_text: str, page_size: int, page_token: str) -> TitlePage:
        query = paging.query_hash("ListTitles", filter_text)
        position = paging.decode(self._token_key, query, page_token)
        found, more = await self._titles.page(
            filters.parse(filter_text),
            after=int(position[0] or 0) if position else 0,
            until=await self._journal.latest(),
            limit=paging.size(page_size),
            bytes_max=PAGE_BYTES_MAX,
        )
        token = paging.encode(self._token_key, query, [found[-1].ordinal]) if more else ""
        return TitlePage(titles=tuple(each.title for each in found), next_page_token=token)

    async def create_title(self, title: Title, write: Write) -> Title:
        if title.state is TitleState.DELETED:
            raise TitleInvalid(violations=[Violation("title.state", "a title is not created deleted")])
        named = replace(title, id=title.id or f"{title.media_type}:{self._new_id().lower()}")
        checked = settled(named)

        async def work(under_way: Transaction) -> Document:
            if await self._titles.get(checked.id, under_way.session) is not None:
                raise TitleExists
            return {"title": under_way.create(Stored(title=checked))}

        return title_of((await self._journal.commit(write, work))["title"])

    async def update_title(self, title: Title, mask: Sequence[str], present: frozenset[str], write: Write) -> Title:
        """`present` are the fields the caller set; `mask` which of them count, empty for just those."""
        names = _fields_of(mask, present)

        async def work(under_way: Transaction) -> Document:
            stored = await self._current(title.id, title.etag, under_way)
            changed = replace(stored.title, **{name: getattr(title, name) for name in names})
            state = lifecycle.after(stored.title.state, _act_of(changed.state, "state" in names))
            checked = settled(replace(changed, state=state))
            return self._replaced(under_way, stored, checked, ChangeType.UPDATED)

        return title_of((await self._journal.commit(write, work))["title"])

    async def delete_title(self, title_id: str, etag: str, write: Write) -> Title:
        async def work(under_way: Transaction) -> Document:
            stored = await self._current(title_id, etag, under_way)
            state = lifecycle.after(stored.title.state, Act.DELETE)
            before = replace(stored, before_deletion=stored.title.state)
            return self._replaced(under_way, before, replace(stored.title, state=state), ChangeType.DELETED)

        return title_of((await self._journal.commit(write, work))["title"])

    async def undelete_title(self, title_id: str, etag: str, write: Write) -> Title:
        async def work(under_way: Transaction) -> Document:
            stored = await self._current(title_id, etag, under_way)
            state = lifecycle.after(stored.title.state, Act.UNDELETE, before_deletion=stored.before_deletion)
            return self._replaced(under_way, stored, replace(stored.title, state=state), ChangeType.UNDELETED)

        return title_of((await self._journal.commit(write, work))["title"])

    async def export_titles(
        self, filter_text: str, after_title_id: str
    ) -> AsyncIterator[tuple[tuple[Title, ...], int]]:
        """Pieces of all titles, with the revision from which to follow the feed."""
        chosen = filters.parse(filter_text)
        revision = await self._journal.latest()
        after = 0
        if after_title_id:
            after = (await _existing(await self._titles.get(after_title_id), after_title_id)).ordinal
        more = True
        while more:
            found, more = await self._titles.page(
                chosen, after=after, until=revision, limit=EXPORT_TITLES_MAX, bytes_max=EXPORT_BYTES_MAX
            )
            after = found[-1].ordinal if found else after
            yield tuple(each.title for each in found), revision

    async def _current(self, title_id: str, etag: str, under_way: Transaction) -> Stored:
        stored = await _existing(await self._titles.get(title_id, under_way.session), title_id)
        if etag and etag != stored.title.etag:
            raise EtagMismatch
        return stored

    def _replaced(self, under_way: Transaction, stored: Stored, title: Title, change_type: ChangeType) -> Document:
        """Notes the change, unless there is none."""
        field_changes = diff(content_of(stored.title), content_of(title))
        if not field_changes:
            return {"title": under_way.unchanged(stored)}
        return {"title": under_way.replace(replace(stored, title=title), change_type, field_changes)}


async def _existing(stored: Stored | None, title_id: str) -> Stored:
    if stored is None:
        raise TitleNotFound(metadata={"title_id": title_id})
    return stored


def _fields_of(mask: Sequence[str], present: frozenset[str]) -> frozenset[str]:
    """The fields an update writes. "*" never brings back a withdrawn title just by leaving state out."""
    if not mask:
        return present & WRITABLE_FIELDS
    if list(mask) == ["*"]:
        return WRITABLE_FIELDS - {"state"} | present & {"state"}
    unknown = [name for name in mask if name not in WRITABLE_FIELDS]
    if "state" in mask and "state" not in present:
        unknown.append("state")
    if unknown:
        raise UpdateMaskInvalid(
            violations=[Violation("update_mask", f"{name[:80]!r} may not be written so") for name in unknown]
        )
    return frozenset(mask)


def _act_of(state: TitleState, is_asked: bool) -> Act:  # noqa: FBT001 - of one caller
    if not is_asked:
        return Act.EDIT
    if state is TitleState.DELETED:
        raise UpdateMaskInvalid(violations=[Violation("title.state", "use DeleteTitle")])
    return Act.WITHDRAW if state is TitleState.WITHDRAWN else Act.REINSTATE
