"""The alias registry: derived defaults, and what editors, imports and learning say over them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chassis import paging
from chassis.errors import InvalidArgument, Violation
from chassis.mongo import Document
from services.catalog import aliases as registry
from services.catalog.diff import diff
from services.catalog.domain import Alias, AliasBatch, AliasKind, AliasPage, AliasSource, ChangeType, Write
from services.catalog.errors import AliasNotFound, AliasPinned, TitleNotFound, UpdateMaskInvalid
from services.catalog.names import fold
from services.catalog.plain import from_plain, to_plain
from services.catalog.search.index import SearchIndex
from services.catalog.store import Aliases, Journal, Titles, Transaction
from services.catalog.store.aliases import key_of
from services.catalog.title import AmbiguityClass, Title

PAGE_MAX = 1_000
EDITABLE_FIELDS = ("ambiguity_class", "prior", "pinned")
_ID_ONLY = {"_id": 1}


class AliasCases:
    """What may be done with names."""

    def __init__(
        self,
        *,
        aliases: Aliases,
        titles: Titles,
        journal: Journal,
        index: SearchIndex,
        zipf: registry.Zipf,
        token_key: bytes,
    ) -> None:
        self._aliases, self._titles, self._journal = aliases, titles, journal
        self._index, self._zipf, self._token_key = index, zipf, token_key

    async def list_aliases(
        self, *, title_id: str, name: str, only_stored: bool, page_size: int, page_token: str
    ) -> AliasPage:
        size = min(page_size or paging.PAGE_SIZE_DEFAULT, PAGE_MAX)
        query = paging.query_hash("ListAliases", title_id, name, only_stored)
        position = paging.decode(self._token_key, query, page_token)
        start = int(position[0] or 0) if position else 0
        if not title_id and not name:
            return await self._list_stored(query, start, size)
        found = await self._of_title(title_id, only_stored) if title_id else await self._named(name, only_stored)
        if title_id and name:
            found = [each for each in found if fold(each.name) == fold(name)]
        token = paging.encode(self._token_key, query, [start + size]) if start + size < len(found) else ""
        return AliasPage(aliases=tuple(found[start : start + size]), next_page_token=token)

    async def update_alias(self, alias: Alias, mask: Sequence[str], write: Write) -> Alias:
        unknown = [name for name in mask if name not in EDITABLE_FIELDS]
        if unknown:
            raise UpdateMaskInvalid(violations=[Violation("update_mask", f"{unknown[0][:80]!r} may not be written")])
        title = await self._title(alias.title_id)
        key = key_of(alias.title_id, alias.kind, alias.name)

        async def work(under_way: Transaction) -> Document:
            known = (await self._aliases.get_many([key], under_way.session)).get(key)
            if known is not None and known.pinned and alias.source is not AliasSource.EDITED:
                raise AliasPinned
            base = known or self._default(title, alias) or replace(alias, ambiguity_class=AmbiguityClass.UNIQUE)
            after = _edited(base, alias, mask or EDITABLE_FIELDS)
            if known is None or _content(after) != _content(known):
                after = replace(after, update_time=under_way.now)
                _set(under_way, self._aliases, [(known, after)])
            return {"alias": to_plain(after)}

        return self._shared(from_plain(Alias, (await self._journal.commit(write, work))["alias"]))

    async def batch_update_aliases(self, aliases: Sequence[Alias], write: Write) -> AliasBatch:
        keys = [key_of(each.title_id, each.kind, each.name) for each in aliases]
        if len(set(keys)) < len(keys):
            raise InvalidArgument(violations=[Violation("aliases", "the same name is there twice")])

        async def work(under_way: Transaction) -> Document:
            await self._all_exist({each.title_id for each in aliases}, under_way)
            known = await self._aliases.get_many(keys, under_way.session)
            pairs = [(known.get(key), alias) for key, alias in zip(keys, aliases, strict=True)]
            free = [(old, new) for old, new in pairs if not _is_pinned_against(old, new)]
            changed = [
                (old, replace(_edited(new, new, ()), update_time=under_way.now))
                for old, new in free
                if old is None or _content(old) != _content(new)
            ]
            if changed:
                _set(under_way, self._aliases, changed)
            counts = (len(changed), len(free) - len(changed), len(pairs) - len(free))
            return {"counts": list(counts)}

        answer = await self._journal.commit(write, work)
        updated, unchanged, pinned = answer["counts"]
        return AliasBatch(
            updated_count=updated, unchanged_count=unchanged, pinned_count=pinned, revision=answer["revision"]
        )

    async def delete_alias(self, title_id: str, name: str, kind: AliasKind, write: Write) -> Alias | None:
        """Gives what the name is from now on: its default, or None."""
        key = key_of(title_id, kind, name)

        async def work(under_way: Transaction) -> Document:
            known = (await self._aliases.get_many([key], under_way.session)).get(key)
            if known is None:
                raise AliasNotFound
            under_way.note(title_id, ChangeType.ALIASES, diff(_path(known), {}))
            under_way.also(lambda session, _: self._aliases.remove(key, session))
            return {}

        await self._journal.commit(write, work)
        title = await self._title(title_id)
        return self._default(title, Alias(title_id=title_id, name=name, kind=kind))

    async def _list_stored(self, query: str, after: int, size: int) -> AliasPage:
        until = await self._journal.latest()
        found, ordinals = await self._aliases.page(after=after, until=until, limit=size + 1)
        token = paging.encode(self._token_key, query, [ordinals[size - 1]]) if len(found) > size else ""
        return AliasPage(aliases=tuple(map(self._shared, found[:size])), next_page_token=token)

    async def _of_title(self, title_id: str, only_stored: bool) -> list[Alias]:  # noqa: FBT001
        title = await self._title(title_id)
        stored = await self._aliases.of_title(title_id)
        if only_stored:
            return [self._shared(each) for each in stored]
        return [self._shared(each) for each in registry.overlaid(self._defaults(title), stored)]

    async def _named(self, name: str, only_stored: bool) -> list[Alias]:  # noqa: FBT001
        stored = await self._aliases.named(name)
        if only_stored:
            return [self._shared(each) for each in stored]
        folded = fold(name)
        ids = self._index.ids_named(folded)
        titles = await self._titles.get_all(ids)
        defaults = [
            each
            for title_id in ids
            if title_id in titles
            for each in self._defaults(titles[title_id])
            if fold(each.name) == folded
        ]
        by_title = {(each.title_id, each.kind): each for each in [*defaults, *stored]}
        return [self._shared(each) for each in by_title.values()]

    def _defaults(self, title: Title) -> list[Alias]:
        return list(registry.derived(title, self._sharing_of(title.id), self._zipf))

    def _default(self, title: Title, alias: Alias) -> Alias | None:
        folded = fold(alias.name)
        same = (each for each in self._defaults(title) if each.kind is alias.kind and fold(each.name) == folded)
        return next(same, None)

    def _sharing_of(self, title_id: str) -> registry.Sharing:
        return lambda folded: self._index.sharing(title_id, folded)

    def _shared(self, alias: Alias) -> Alias:
        """The entry beside what would be said of its name by default."""
        return registry.judged(alias, self._sharing_of(alias.title_id), self._zipf)

    async def _title(self, title_id: str) -> Title:
        stored = await self._titles.get(title_id)
        if stored is None:
            raise TitleNotFound(metadata={"title_id": title_id})
        return stored.title

    async def _all_exist(self, title_ids: Iterable[str], under_way: Transaction) -> None:
        wanted = set(title_ids)
        known = await self._titles.documents(wanted, projection=_ID_ONLY, session=under_way.session)
        if missing := sorted(wanted - known.keys()):
            raise TitleNotFound(metadata={"title_id": missing[0]})


def _set(under_way: Transaction, aliases: Aliases, changed: Sequence[tuple[Alias | None, Alias]]) -> None:
    """Notes one change for each title and writes all entries."""
    by_title: dict[str, tuple[dict[str, object], dict[str, object]]] = {}
    for old, new in changed:
        before, after = by_title.setdefault(new.title_id, ({}, {}))
        before |= _path(old) if old else {}
        after |= _path(new)
    for title_id, (before, after) in by_title.items():
        under_way.note(title_id, ChangeType.ALIASES, diff(before, after))
    under_way.also(lambda session, last: aliases.put([new for _, new in changed], last, session))


def _path(alias: Alias) -> dict[str, object]:
    """An entry as a field of its title, for the feed."""
    return {f"aliases[{alias.kind}:{fold(alias.name)}]": _content(alias)}


def _content(alias: Alias) -> dict[str, object]:
    plain = to_plain(replace(_bare(alias), update_time=None))
    return {name: part for name, part in plain.items() if name != "title_id"}


def _edited(base: Alias, alias: Alias, names: Sequence[str]) -> Alias:
    asked = {name: getattr(alias, name) for name in names}
    if asked.get("ambiguity_class") is AmbiguityClass.UNSPECIFIED:
        del asked["ambiguity_class"]
    return replace(_bare(base), **asked, name=alias.name, source=alias.source)


def _bare(alias: Alias) -> Alias:
    """Without what is worked out at each reading, which is never stored."""
    return replace(alias, shared_count=0, derived_prior=0.0, derived_class=AmbiguityClass.UNSPECIFIED)


def _is_pinned_against(old: Alias | None, new: Alias) -> bool:
    return old is not None and old.pinned and new.source is not AliasSource.EDITED
