"""The catalog as the follower reads it: export, feed, aliases, reference images."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence

from chassis.client import Client
from protos.catalog.v1 import catalog_pb2 as pb
from services.matcher.registry import Entry
from services.matcher.titles import CatalogChange, CatalogTitle, ReferenceBank
from services.matcher.wire import catalog as wire

PAGE_SIZE = 200
CHANGES_SIZE = 500
ALIASES_SIZE = 1_000
CALL_S = 10.0


class GrpcCatalogFeed:
    """The catalog over gRPC."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._aliases: dict[str, list[pb.Alias]] | None = None  # None: not read yet

    async def export(self) -> AsyncIterator[tuple[Sequence[CatalogTitle], int]]:
        self._aliases = aliases = await self._stored_aliases("")
        async for piece in self._client.stream("ExportTitles", pb.ExportTitlesRequest()):
            yield wire.titles_of(piece.titles, aliases), piece.revision

    async def changes(self, after_revision: int, wait_s: float) -> tuple[Sequence[CatalogChange], int]:
        request = pb.ListChangesRequest(after_revision=after_revision, page_size=CHANGES_SIZE, wait_s=wait_s)
        response = await self._client.call("ListChanges", request, timeout_s=wait_s + CALL_S)
        aliases = await self._known_aliases()
        found = [wire.change_of(change, aliases.get(change.title_id, ())) for change in response.changes]
        return found, response.latest_revision

    async def titles(self, title_ids: Sequence[str]) -> Sequence[CatalogTitle]:
        request = pb.BatchGetTitlesRequest(ids=list(dict.fromkeys(title_ids)))
        response = await self._client.call("BatchGetTitles", request, timeout_s=CALL_S)
        aliases = await self._known_aliases()
        for title in response.titles:
            aliases |= {title.id: []} | await self._stored_aliases(title.id)
        return wire.titles_of(response.titles, aliases)

    async def registry(self) -> Mapping[str, Sequence[Entry]]:
        aliases = await self._known_aliases()
        return {title_id: wire.entries_of(entries) for title_id, entries in aliases.items() if entries}

    async def references(self, title_id: str = "") -> AsyncIterator[ReferenceBank]:
        """Images come in order of their titles; a bank is whole when the next title begins."""
        images: dict[str, list[pb.ReferenceImage]] = defaultdict(list)
        states: dict[str, pb.ReferenceState.ValueType] = {title_id: pb.REFERENCE_STATE_ENABLED} if title_id else {}
        token = ""
        while True:
            request = pb.ListReferenceImagesRequest(title_id=title_id, page_size=PAGE_SIZE, page_token=token)
            page = await self._client.call("ListReferenceImages", request, timeout_s=CALL_S)
            states.update((bank.title_id, bank.state) for bank in page.banks)
            for image in page.images:
                images[image.title_id].append(image)
            token = page.next_page_token
            last = page.images[-1].title_id if page.images and token else ""
            for whole in [each for each in images if each != last]:
                yield wire.bank_of(whole, images.pop(whole), states.pop(whole, pb.REFERENCE_STATE_ENABLED))
            if not token:
                break
        for empty, state in states.items():
            yield wire.bank_of(empty, (), state)

    async def pictures(self, reference_ids: Sequence[str]) -> Mapping[str, bytes]:
        request = pb.BatchGetReferencePicturesRequest(ids=reference_ids)
        answer = await self._client.call("BatchGetReferencePictures", request, timeout_s=CALL_S)
        return {each.id: each.picture for each in answer.pictures}

    async def _known_aliases(self) -> dict[str, list[pb.Alias]]:
        """The registry as it was read at the start and changed since; a process with a saved index reads it first."""
        if self._aliases is None:
            self._aliases = await self._stored_aliases("")
        return self._aliases

    async def _stored_aliases(self, title_id: str) -> dict[str, list[pb.Alias]]:
        """What the alias registry says, of one title or of all."""
        found: dict[str, list[pb.Alias]] = defaultdict(list)
        token = ""
        while True:
            request = pb.ListAliasesRequest(
                title_id=title_id, only_stored=True, page_size=ALIASES_SIZE, page_token=token
            )
            page = await self._client.call("ListAliases", request, timeout_s=CALL_S)
            for alias in page.aliases:
                found[alias.title_id].append(alias)
            token = page.next_page_token
            if not token:
                return dict(found)
