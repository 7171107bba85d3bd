"""Lists, batches, exports and search over a real channel."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from chassis import status
from chassis.errors import SpotlightError
from protos.catalog.v1 import catalog_pb2 as pb


async def fill(catalog: Any, count: int, **given: Any) -> None:
    rows = [
        pb.ImportRow(
            line=n + 1,
            title=pb.Title(
                **{
                    "id": f"movie:{n}",
                    "media_type": pb.MEDIA_TYPE_MOVIE,
                    "title": f"Film {n}",
                    "year": 2000 + n % 3,
                    "studio_id": f"studio:{n % 2}",
                    **given,
                }
            ),
        )
        for n in range(count)
    ]
    pieces = [pb.ImportTitlesRequest(rows=rows[start : start + 500]) for start in range(0, count, 500)]
    await catalog.stub.ImportTitles(iter(pieces))


async def refusal(call: Any) -> SpotlightError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status.from_rpc_error(caught.value)


async def listed(catalog: Any, **asked: Any) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        page = await catalog.stub.ListTitles(pb.ListTitlesRequest(page_token=token, **asked))
        found += [each.id for each in page.titles]
        token = page.next_page_token
        if not token:
            return found


async def test_all_pages_together_are_all_titles_once(catalog) -> None:
    await fill(catalog, 25)
    assert await listed(catalog, page_size=7) == [f"movie:{n}" for n in range(25)]
    assert await listed(catalog, page_size=25) == [f"movie:{n}" for n in range(25)]


async def test_filters_choose(catalog) -> None:
    await fill(catalog, 12)
    assert await listed(catalog, filter='studio_id = "studio:1" AND year >= 2001', page_size=2) == [
        f"movie:{n}" for n in range(12) if n % 2 == 1 and n % 3 >= 1
    ]
    await catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:0"))
    assert "movie:0" not in await listed(catalog)
    assert await listed(catalog, filter="state = deleted") == ["movie:0"]


async def test_a_sparse_filter_looks_through_everything(catalog) -> None:
    await fill(catalog, 900)
    await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:899", year=1900)))
    assert await listed(catalog, filter="year = 1900") == ["movie:899"]


async def test_page_tokens_that_were_not_given_for_this_query_are_refused(catalog) -> None:
    await fill(catalog, 5)
    page = await catalog.stub.ListTitles(pb.ListTitlesRequest(page_size=2))
    for token in ("forged", page.next_page_token[:-2] + "AA", "x" * 1999):
        error = await refusal(catalog.stub.ListTitles(pb.ListTitlesRequest(page_token=token)))
        assert error.violations[0].field == "page_token"
    other = pb.ListTitlesRequest(filter="year = 2000", page_token=page.next_page_token)
    assert (await refusal(catalog.stub.ListTitles(other))).violations[0].field == "page_token"


@pytest.mark.parametrize("text", ['{"$gt": ""}', "nonsense", "year = {$gt: 1}"])
async def test_a_filter_that_cannot_be_read_names_the_field(catalog, text: str) -> None:
    error = await refusal(catalog.stub.ListTitles(pb.ListTitlesRequest(filter=text)))
    assert (error.reason, error.violations[0].field) == ("FILTER_INVALID", "filter")


async def test_a_page_ends_before_it_is_too_large(catalog) -> None:
    await fill(catalog, 60, overview="x" * 19_000, translations=[pb.Translation(overview="y" * 19_000)] * 2)
    page = await catalog.stub.ListTitles(pb.ListTitlesRequest(page_size=200))
    assert 0 < len(page.titles) < 60
    assert len(await listed(catalog, page_size=200)) == 60
    batch = await catalog.stub.BatchGetTitles(pb.BatchGetTitlesRequest(ids=[f"movie:{n}" for n in range(60)]))
    assert len(batch.titles) + len(batch.unread_ids) == 60
    assert batch.unread_ids
    exported = [piece async for piece in catalog.stub.ExportTitles(pb.ExportTitlesRequest())]
    assert sum(len(piece.titles) for piece in exported) == 60
    feed = await catalog.stub.ListChanges(pb.ListChangesRequest(page_size=1000))
    assert 0 < len(feed.changes) < 60


async def test_a_batch_keeps_the_order_and_names_what_is_missing(catalog) -> None:
    await fill(catalog, 130)
    ids = [f"movie:{n}" for n in range(129, -1, -1)]
    batch = await catalog.stub.BatchGetTitles(pb.BatchGetTitlesRequest(ids=[*ids, "movie:none"]))
    assert [each.id for each in batch.titles] == ids
    assert list(batch.missing_ids) == ["movie:none"]


async def test_an_export_has_everything_and_the_revision_to_follow_from(catalog) -> None:
    await fill(catalog, 250)
    pieces = [piece async for piece in catalog.stub.ExportTitles(pb.ExportTitlesRequest())]
    assert [len(piece.titles) for piece in pieces] == [100, 100, 50]
    assert {piece.revision for piece in pieces} == {250}
    rest = [piece async for piece in catalog.stub.ExportTitles(pb.ExportTitlesRequest(after_title_id="movie:247"))]
    assert [each.id for piece in rest for each in piece.titles] == ["movie:248", "movie:249"]
    odd = [p async for p in catalog.stub.ExportTitles(pb.ExportTitlesRequest(filter="studio_id = studio:1"))]
    assert sum(len(piece.titles) for piece in odd) == 125


async def test_an_export_behind_a_title_that_does_not_exist_is_refused(catalog) -> None:
    stream = catalog.stub.ExportTitles(pb.ExportTitlesRequest(after_title_id="movie:none"))
    assert (await refusal(stream.read())).reason == "TITLE_NOT_FOUND"


async def test_an_empty_export_still_tells_the_revision(catalog) -> None:
    pieces = [piece async for piece in catalog.stub.ExportTitles(pb.ExportTitlesRequest())]
    assert [(list(piece.titles), piece.revision) for piece in pieces] == [([], 0)]


async def test_search_finds_any_name_and_says_which_and_how(catalog) -> None:
    title = pb.Title(
        id="movie:1",
        media_type=pb.MEDIA_TYPE_MOVIE,
        title="Parasite",
        original_title="기생충",
        alternative_titles=[pb.AlternativeTitle(title="Παράσιτα")],
        hashtags=[pb.Hashtag(name="ParasiteMovie")],
    )
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=title))
    for q, name, how in (
        ("parasite", "Parasite", pb.MATCHED_BY_EXACT),
        ("기생", "기생충", pb.MATCHED_BY_PREFIX),
        ("ΠΑΡΑΣΙΤΑ", "Παράσιτα", pb.MATCHED_BY_EXACT),
        ("#parasitemovie", "ParasiteMovie", pb.MATCHED_BY_EXACT),
        ("parsite", "Parasite", pb.MATCHED_BY_TYPO),
    ):
        (hit,) = await catalog.search(q)
        assert (hit.title.id, hit.matched_name, hit.matched_by) == ("movie:1", name, how)


async def test_search_follows_changes(catalog) -> None:
    await fill(catalog, 3)
    await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:1", title="Arrakis")))
    await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:2", state=pb.TITLE_STATE_WITHDRAWN)))
    assert [hit.title.id for hit in await catalog.search("arrakis")] == ["movie:1"]
    assert [hit.title.id for hit in await catalog.search("film")] == ["movie:0"]
    assert {hit.title.id for hit in await catalog.search("film", include_hidden=True)} == {"movie:0", "movie:2"}


async def test_an_embargoed_title_is_found_from_the_moment_it_lifts(catalog) -> None:
    title = pb.Title(id="movie:1", media_type=pb.MEDIA_TYPE_MOVIE, title="Dune")
    title.embargo_lift_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=1.5))
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=title))
    assert await catalog.search("dune") == []
    async with asyncio.timeout(30):
        while not await catalog.search("dune"):
            await asyncio.sleep(0.1)


async def test_pages_of_hits_go_on_where_the_last_ended(catalog) -> None:
    await fill(catalog, 20)
    await catalog.settled()
    found: list[str] = []
    token = ""
    while True:
        page = await catalog.stub.SearchTitles(pb.SearchTitlesRequest(q="film", page_size=7, page_token=token))
        found += [hit.title.id for hit in page.hits]
        token = page.next_page_token
        if not token:
            break
    assert sorted(found) == sorted(f"movie:{n}" for n in range(20))
    assert page.revision == 20


async def test_search_answers_unavailable_until_its_index_is_built(catalog) -> None:
    await catalog.settled()
    catalog.wired.catalog.search._is_ready = False
    error = await refusal(catalog.stub.SearchTitles(pb.SearchTitlesRequest(q="dune")))
    assert error.reason == "INDEX_NOT_READY"
    assert error.retry_after_s
    catalog.wired.catalog.search._is_ready = True


async def test_a_restarted_catalog_finds_everything_again(catalog, another_catalog) -> None:
    await fill(catalog, 1500)
    async with another_catalog() as second:
        (hit,) = [hit for hit in await second.search("film 1499") if hit.matched_by == pb.MATCHED_BY_EXACT]
        assert hit.title.id == "movie:1499"


async def test_many_changes_are_followed_and_segments_stay_few(catalog) -> None:
    for number in range(30):
        await catalog.stub.CreateTitle(
            pb.CreateTitleRequest(title=pb.Title(media_type=pb.MEDIA_TYPE_TV, title=f"Show {number}"))
        )
        await catalog.settled()
    assert len(await catalog.search("show", page_size=200)) == 30
    assert len(catalog.wired.catalog.search._index._segments) <= 9
