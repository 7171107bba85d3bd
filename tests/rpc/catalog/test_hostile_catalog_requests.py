"""Bad input: INVALID_ARGUMENT that names the field, nothing changed, the process alive."""

from typing import Any

import grpc
import pytest

from chassis import status
from protos.catalog.v1 import catalog_pb2 as pb

INJECTION = '{"$gt": ""}'


def a_title(**given: Any) -> pb.Title:
    return pb.Title(**{"media_type": pb.MEDIA_TYPE_MOVIE, "title": "Dune", **given})


def an_offer(**given: Any) -> pb.WatchOffer:
    return pb.WatchOffer(**{"provider_id": "n", "provider_name": "N", "offer_type": pb.OFFER_TYPE_RENT, **given})


def backwards() -> pb.WatchOffer:
    offer = an_offer()
    offer.availability_start_time.seconds = 10
    offer.availability_end_time.seconds = 10
    return offer


BAD_TITLES = [
    (a_title(title=""), "title.title"),
    (a_title(title="   "), "title.title"),
    (a_title(title="a\x00b"), "title.title"),
    (a_title(title="x" * 501), "title.title"),
    (a_title(overview="bell\a"), "title.overview"),
    (a_title(media_type=0), "title.media_type"),
    (a_title(media_type=99), "title.media_type"),
    (a_title(id=INJECTION), "title.id"),
    (a_title(id="a/b"), "title.id"),
    (a_title(id="x" * 129), "title.id"),
    (a_title(popularity=float("nan")), "title.popularity"),
    (a_title(popularity=float("inf")), "title.popularity"),
    (a_title(popularity=-1), "title.popularity"),
    (a_title(year=99999), "title.year"),
    (a_title(release_date="2020-13-01"), "title.release_date"),
    (a_title(release_date="2021-02-29"), "title.release_date"),
    (a_title(release_dates=[pb.ReleaseDate(release_date="2021-02-29")]), "title.release_dates[0].release_date"),
    (a_title(studio_id=INJECTION), "title.studio_id"),
    (a_title(original_language="not a language"), "title.original_language"),
    (a_title(homepage="javascript:alert(1)"), "title.homepage"),
    (a_title(origin_countries=["usa"]), "title.origin_countries[0]"),
    (a_title(hashtags=[pb.Hashtag(name="#x")]), "title.hashtags[0].name"),
    (a_title(watch_offers=[an_offer(iso_3166_1="us")]), "title.watch_offers[0].iso_3166_1"),
    (a_title(watch_offers=[an_offer(price="1e9", currency="USD")]), "title.watch_offers[0].price"),
    (a_title(watch_offers=[an_offer(price="3.99")]), "title.watch_offers[0]"),
    (a_title(watch_offers=[an_offer(), an_offer()]), "title.watch_offers[1]"),
    (a_title(watch_offers=[backwards()]), "title.watch_offers[0]"),
    (a_title(watch_offers=[an_offer(offer_type=0)]), "title.watch_offers[0].offer_type"),
    (a_title(parent_id="tv:1"), "title.parent_id"),
    (a_title(id="s", media_type=pb.MEDIA_TYPE_SEASON, parent_id="s"), "title.parent_id"),
    (a_title(year=2000, end_year=1999), "title.end_year"),
    (a_title(external_ids=pb.ExternalIds(others={"UP": "x"})), 'title.external_ids.others["UP"]'),
    (a_title(overview="x" * 20_000, translations=[pb.Translation(overview="y" * 20_000)] * 3), "title"),
]


@pytest.mark.parametrize(("title", "field"), BAD_TITLES, ids=[f"{n}-{f}" for n, (_, f) in enumerate(BAD_TITLES)])
async def test_a_bad_title_is_refused_and_its_field_named(catalog, title: pb.Title, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=title))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert status.from_rpc_error(caught.value).violations[0].field == field
    assert await catalog.wired.journal.latest() == 0


BAD_REQUESTS = [
    ("GetTitle", pb.GetTitleRequest(id=INJECTION), "id"),
    ("GetTitle", pb.GetTitleRequest(), "id"),
    ("BatchGetTitles", pb.BatchGetTitlesRequest(), "ids"),
    ("BatchGetTitles", pb.BatchGetTitlesRequest(ids=["a", "a"]), "ids"),
    ("BatchGetTitles", pb.BatchGetTitlesRequest(ids=[str(n) for n in range(1001)]), "ids"),
    ("ListTitles", pb.ListTitlesRequest(page_size=201), "page_size"),
    ("ListTitles", pb.ListTitlesRequest(page_size=-1), "page_size"),
    ("ListTitles", pb.ListTitlesRequest(filter="x" * 1001), "filter"),
    ("SearchTitles", pb.SearchTitlesRequest(q=""), "q"),
    ("SearchTitles", pb.SearchTitlesRequest(q="x" * 201), "q"),
    ("SearchTitles", pb.SearchTitlesRequest(q="a\x00"), "q"),
    ("CreateTitle", pb.CreateTitleRequest(), "title"),
    ("CreateTitle", pb.CreateTitleRequest(title=a_title(), request_id="a b"), "request_id"),
    ("DeleteTitle", pb.DeleteTitleRequest(id=INJECTION), "id"),
    ("ListChanges", pb.ListChangesRequest(after_revision=-1), "after_revision"),
    ("ListChanges", pb.ListChangesRequest(wait_s=float("nan")), "wait_s"),
    ("ListChanges", pb.ListChangesRequest(page_size=1001), "page_size"),
    ("UpdateAlias", pb.UpdateAliasRequest(alias=pb.Alias(title_id="a", name="b", kind=1, prior=1.5)), "alias.prior"),
    ("GetImport", pb.GetImportRequest(import_id=INJECTION), "import_id"),
]


@pytest.mark.parametrize(("method", "request_", "field"), BAD_REQUESTS)
async def test_a_bad_request_is_refused_and_its_field_named(catalog, method: str, request_: Any, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(catalog.stub, method)(request_)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert status.from_rpc_error(caught.value).violations[0].field == field


async def test_hostile_searches_are_answered(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title()))
    for q in ("a" * 200, "́" * 200, "\u202e" * 200, "鬼" * 200, "(" * 200, "%_$.*", INJECTION, "🎬", "'; --"):
        await catalog.search(q)
