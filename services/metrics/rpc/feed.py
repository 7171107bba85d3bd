"""Catalog's export and change feed over gRPC, as pieces of title facts."""

from collections.abc import AsyncIterator

from chassis.client import Client
from protos.catalog.v1 import catalog_pb2
from services.metrics.follow import Piece
from services.metrics.wire import catalog

EXPORT_S = 600.0
CHANGES_PAGE = 1_000
MARGIN_S = 2.0


class CatalogFeed:
    """What follow.Feed asks for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def export(self) -> AsyncIterator[Piece]:
        request = catalog_pb2.ExportTitlesRequest()
        async for message in self._client.stream("ExportTitles", request, timeout_s=EXPORT_S):
            yield Piece(titles=tuple(catalog.titles_of(message.titles)), revision=message.revision)

    async def changes(self, after_revision: int, wait_s: float) -> Piece:
        request = catalog_pb2.ListChangesRequest(after_revision=after_revision, page_size=CHANGES_PAGE, wait_s=wait_s)
        page = await self._client.call("ListChanges", request, timeout_s=wait_s + MARGIN_S)
        return Piece(titles=tuple(catalog.changed_titles(page)), revision=catalog.last_revision(page, after_revision))
