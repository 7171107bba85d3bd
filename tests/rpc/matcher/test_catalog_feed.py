"""The catalog over a real channel, as the follower reads it."""

import grpc.aio
import pytest

from chassis.client import Client
from chassis.server import Registration
from chassis.testing import running_server
from protos.catalog.v1 import catalog_pb2 as pb
from protos.catalog.v1 import catalog_pb2_grpc
from services.matcher.rpc.catalog_feed import GrpcCatalogFeed
from services.matcher.text.titles import NameKind


class CatalogStandIn(catalog_pb2_grpc.CatalogServiceServicer):
    """Three titles, a registry of two pages, reference images of two titles over three pages."""

    def __init__(self) -> None:
        self.titles = [pb.Title(id=f"t{k}", title=f"Title {k}", media_type=1, state=1) for k in range(3)]
        self.aliases = [
            pb.Alias(title_id="t0", name="T0", kind=pb.ALIAS_KIND_ABBREVIATION, prior=0.5),
            pb.Alias(title_id="t2", name="Song of Two", kind=pb.ALIAS_KIND_SOUNDTRACK, prior=0.5),
        ]
        self.images = [
            pb.ReferenceImage(id=f"r{k}", title_id=title, kind=1, pdq=["ab" * 32], pdq_quality=90, state=1)
            for k, title in enumerate(("t0", "t0", "t1"))
        ]
        self.asked: list[pb.ListChangesRequest] = []

    async def ExportTitles(self, request, context):  # noqa: N802 - the proto's name
        yield pb.ExportTitlesResponse(titles=self.titles[:2], revision=7)
        yield pb.ExportTitlesResponse(titles=self.titles[2:], revision=7)

    async def ListChanges(self, request, context):  # noqa: N802
        self.asked.append(request)
        change = pb.Change(revision=8, title_id="t0", change_type=pb.CHANGE_TYPE_ALIASES, title=self.titles[0])
        return pb.ListChangesResponse(changes=[change], latest_revision=9)

    async def BatchGetTitles(self, request, context):  # noqa: N802
        return pb.BatchGetTitlesResponse(titles=[title for title in self.titles if title.id in request.ids])

    async def ListAliases(self, request, context):  # noqa: N802
        found = [alias for alias in self.aliases if request.title_id in {"", alias.title_id}]
        at = int(request.page_token or 0)
        return pb.ListAliasesResponse(
            aliases=found[at : at + 1], next_page_token=str(at + 1) if at + 1 < len(found) else ""
        )

    async def ListReferenceImages(self, request, context):  # noqa: N802
        found = [image for image in self.images if request.title_id in {"", image.title_id}]
        at = int(request.page_token or 0)
        state = pb.REFERENCE_STATE_DISABLED
        return pb.ListReferenceImagesResponse(
            images=found[at : at + 1],
            next_page_token=str(at + 1) if at + 1 < len(found) else "",
            banks=[] if at else [pb.ReferenceBank(title_id="t1", state=state)],
        )


@pytest.fixture
async def stand_in():
    return CatalogStandIn()


@pytest.fixture
async def feed(stand_in):
    add = catalog_pb2_grpc.add_CatalogServiceServicer_to_server
    registration = Registration(add, stand_in, "spotlight.catalog.v1.CatalogService")
    async with running_server([registration]) as channel:
        yield GrpcCatalogFeed(Client(catalog_pb2_grpc.CatalogServiceStub, channel))


async def test_an_export_brings_all_titles_with_their_registered_names(feed):
    pieces = [piece async for piece in feed.export()]
    assert [revision for _, revision in pieces] == [7, 7]
    titles = {title.id: title for titles, _ in pieces for title in titles}
    assert list(titles) == ["t0", "t1", "t2"]
    assert [name.text for name in titles["t0"].names.names] == ["Title 0", "T0"]
    assert titles["t2"].names.names[-1].kind is NameKind.SOUNDTRACK


async def test_changes_come_with_the_newest_revision(feed, stand_in):
    changes, latest = await feed.changes(7, 0.5)
    assert ([change.revision for change in changes], latest) == ([8], 9)
    assert changes[0].touches_aliases
    assert (stand_in.asked[0].after_revision, stand_in.asked[0].wait_s) == (7, 0.5)


async def test_titles_are_read_again_with_their_registry(feed, stand_in):
    stand_in.aliases[0].name = "T-Zero"
    (title,) = await feed.titles(["t0", "t0"])
    assert [name.text for name in title.names.names] == ["Title 0", "T-Zero"]


async def test_banks_are_whole_though_they_come_in_pages(feed):
    banks = {bank.title_id: bank async for bank in feed.references()}
    assert {title_id: len(bank.references) for title_id, bank in banks.items()} == {"t0": 2, "t1": 1}
    assert (banks["t0"].is_enabled, banks["t1"].is_enabled) == (True, False)


async def test_a_title_without_images_has_an_empty_bank(feed):
    (bank,) = [bank async for bank in feed.references("t2") if bank.title_id == "t2"]
    assert bank.references == ()


async def test_a_catalog_that_is_gone_is_unavailable():
    from chassis.errors import Unavailable

    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        feed = GrpcCatalogFeed(Client(catalog_pb2_grpc.CatalogServiceStub, channel))
        with pytest.raises(Unavailable):
            await feed.changes(0, 0.0)
