"""The servicer: from the wire, call, to the wire."""
# ruff: noqa: N802 - the methods have the names of the proto

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from protos.catalog.v1 import catalog_pb2 as pb
from protos.catalog.v1 import catalog_pb2_grpc
from services.catalog.service import Catalog
from services.catalog.wire import enums, registry, requests, responses
from services.catalog.wire.title import present_fields, title_to

Call = grpc.aio.ServicerContext[Any, Any]
SERVICE_NAME = "spotlight.catalog.v1.CatalogService"


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """spotlight.catalog.v1.CatalogService, in the proto's order."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def GetTitle(self, request: pb.GetTitleRequest, _: Call) -> pb.Title:
        title = await self._catalog.titles.get_title(request.id)
        return title_to(title)

    async def BatchGetTitles(self, request: pb.BatchGetTitlesRequest, _: Call) -> pb.BatchGetTitlesResponse:
        batch = await self._catalog.titles.batch_get_titles(request.ids)
        return responses.title_batch_to(batch)

    async def ListTitles(self, request: pb.ListTitlesRequest, _: Call) -> pb.ListTitlesResponse:
        page = await self._catalog.titles.list_titles(request.filter, request.page_size, request.page_token)
        return responses.title_page_to(page)

    async def SearchTitles(self, request: pb.SearchTitlesRequest, _: Call) -> pb.SearchTitlesResponse:
        page = await self._catalog.search.search_titles(
            request.q,
            media_type=enums.MEDIA_TYPES[request.media_type],
            studio_id=request.studio_id,
            include_hidden=request.include_hidden,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return responses.search_page_to(page)

    async def CreateTitle(self, request: pb.CreateTitleRequest, _: Call) -> pb.Title:
        title = requests.given_title(request)
        created = await self._catalog.titles.create_title(title, requests.write_of(request))
        return title_to(created)

    async def UpdateTitle(self, request: pb.UpdateTitleRequest, _: Call) -> pb.Title:
        title = requests.changed_title(request)
        updated = await self._catalog.titles.update_title(
            title, request.update_mask.paths, present_fields(request.title), requests.write_of(request)
        )
        return title_to(updated)

    async def DeleteTitle(self, request: pb.DeleteTitleRequest, _: Call) -> pb.Title:
        deleted = await self._catalog.titles.delete_title(request.id, request.etag, requests.write_of(request))
        return title_to(deleted)

    async def UndeleteTitle(self, request: pb.UndeleteTitleRequest, _: Call) -> pb.Title:
        title = await self._catalog.titles.undelete_title(request.id, request.etag, requests.write_of(request))
        return title_to(title)

    async def ImportTitles(
        self, request_iterator: AsyncIterator[pb.ImportTitlesRequest], _: Call
    ) -> pb.ImportTitlesResponse:
        state = await self._catalog.imports.import_titles(requests.pieces_of(request_iterator))
        return responses.import_state_to(state)

    async def GetImport(self, request: pb.GetImportRequest, _: Call) -> pb.ImportTitlesResponse:
        state = await self._catalog.imports.get_import(request.import_id)
        return responses.import_state_to(state)

    async def ExportTitles(self, request: pb.ExportTitlesRequest, _: Call) -> AsyncIterator[pb.ExportTitlesResponse]:
        async for piece in self._catalog.titles.export_titles(request.filter, request.after_title_id):
            yield responses.export_piece_to(piece)

    async def ListChanges(self, request: pb.ListChangesRequest, _: Call) -> pb.ListChangesResponse:
        page = await self._catalog.feed.list_changes(request.after_revision, request.page_size, request.wait_s)
        return responses.change_page_to(page)

    async def ListAliases(self, request: pb.ListAliasesRequest, _: Call) -> pb.ListAliasesResponse:
        page = await self._catalog.aliases.list_aliases(
            title_id=request.title_id,
            name=request.name,
            only_stored=request.only_stored,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return responses.alias_page_to(page)

    async def UpdateAlias(self, request: pb.UpdateAliasRequest, _: Call) -> pb.Alias:
        alias = requests.given_alias(request)
        updated = await self._catalog.aliases.update_alias(alias, request.update_mask.paths, requests.write_of(request))
        return registry.alias_to(updated)

    async def BatchUpdateAliases(self, request: pb.BatchUpdateAliasesRequest, _: Call) -> pb.BatchUpdateAliasesResponse:
        aliases = requests.given_aliases(request)
        batch = await self._catalog.aliases.batch_update_aliases(aliases, requests.write_of(request))
        return responses.alias_batch_to(batch)

    async def DeleteAlias(self, request: pb.DeleteAliasRequest, _: Call) -> pb.DeleteAliasResponse:
        default = await self._catalog.aliases.delete_alias(
            request.title_id, request.name, enums.ALIAS_KINDS[request.kind], requests.write_of(request)
        )
        return responses.deleted_alias_to(default)

    async def AddReferenceImages(self, request: pb.AddReferenceImagesRequest, _: Call) -> pb.AddReferenceImagesResponse:
        images, pictures = requests.given_images(request), registry.pictures_from(request.images)
        batch = await self._catalog.references.add_reference_images(
            request.title_id, images, pictures, requests.write_of(request)
        )
        return responses.reference_batch_to(batch)

    async def ListReferenceImages(
        self, request: pb.ListReferenceImagesRequest, _: Call
    ) -> pb.ListReferenceImagesResponse:
        page = await self._catalog.references.list_reference_images(
            request.title_id, request.page_size, request.page_token
        )
        return responses.reference_page_to(page)

    async def BatchGetReferencePictures(
        self, request: pb.BatchGetReferencePicturesRequest, _: Call
    ) -> pb.BatchGetReferencePicturesResponse:
        pictures = await self._catalog.references.batch_get_reference_pictures(request.ids)
        return responses.reference_pictures_to(pictures)

    async def RemoveReferenceImage(self, request: pb.RemoveReferenceImageRequest, _: Call) -> pb.ReferenceImage:
        removed = await self._catalog.references.remove_reference_image(
            request.title_id, request.id, requests.write_of(request)
        )
        return registry.image_to(removed)

    async def SetReferenceBankState(self, request: pb.SetReferenceBankStateRequest, _: Call) -> pb.ReferenceBank:
        bank = await self._catalog.references.set_reference_bank_state(
            request.title_id, enums.REFERENCE_STATES[request.state], requests.write_of(request)
        )
        return registry.bank_to(bank)
