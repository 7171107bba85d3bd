"""The change feed: ordered, without gaps, complete under concurrent writers, waiting when asked to."""

import asyncio
import time
from typing import Any

import grpc
import pytest

from chassis import status
from protos.catalog.v1 import catalog_pb2 as pb


def a_title(title_id: str, **given: Any) -> pb.Title:
    return pb.Title(id=title_id, media_type=pb.MEDIA_TYPE_MOVIE, **{"title": "Dune", **given})


async def create(catalog: Any, title_id: str, **given: Any) -> pb.Title:
    return await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(title_id, **given)))


async def changes_after(catalog: Any, revision: int, **more: Any) -> pb.ListChangesResponse:
    return await catalog.stub.ListChanges(pb.ListChangesRequest(after_revision=revision, **more))


async def test_every_change_is_told_with_its_fields_and_the_whole_title(catalog) -> None:
    await create(catalog, "movie:1", year=1984)
    await catalog.stub.UpdateTitle(
        pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=2021, genres=["Epic"]), actor="ann")
    )
    await catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:1"))
    await catalog.stub.UndeleteTitle(pb.UndeleteTitleRequest(id="movie:1"))
    page = await changes_after(catalog, 0)
    assert [(each.revision, each.change_type) for each in page.changes] == [
        (1, pb.CHANGE_TYPE_CREATED),
        (2, pb.CHANGE_TYPE_UPDATED),
        (3, pb.CHANGE_TYPE_DELETED),
        (4, pb.CHANGE_TYPE_UNDELETED),
    ]
    assert page.latest_revision == 4
    assert page.changes[1].actor == "ann"
    assert [(each.path, each.old_json, each.new_json) for each in page.changes[1].field_changes] == [
        ("genres", "", '["Epic"]'),
        ("year", "1984", "2021"),
    ]
    assert [each.path for each in page.changes[2].field_changes] == ["state"]
    current = await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1"))
    assert all(each.title == current for each in page.changes)


async def test_a_page_ends_where_it_was_asked_to_and_the_next_goes_on(catalog) -> None:
    for number in range(5):
        await create(catalog, f"movie:{number}")
    seen: list[int] = []
    while len(seen) < 5:
        page = await changes_after(catalog, seen[-1] if seen else 0, page_size=2)
        assert len(page.changes) <= 2
        seen += [each.revision for each in page.changes]
    assert seen == [1, 2, 3, 4, 5]


async def test_a_follower_that_is_ahead_is_told_to_start_over(catalog) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await changes_after(catalog, 7)
    error = status.from_rpc_error(caught.value)
    assert (error.reason, error.metadata["latest_revision"]) == ("REVISION_AHEAD", "0")


async def test_waiting_ends_with_the_next_change(catalog) -> None:
    waiting = asyncio.create_task(changes_after(catalog, 0, wait_s=20))
    await asyncio.sleep(0.1)
    start = time.monotonic()
    await create(catalog, "movie:1")
    page = await waiting
    assert [each.title_id for each in page.changes] == ["movie:1"]
    assert time.monotonic() - start < 10  # half of what it would wait


async def test_waiting_ends_empty_when_nothing_happens(catalog) -> None:
    page = await changes_after(catalog, 0, wait_s=0.1)
    assert (list(page.changes), page.latest_revision) == ([], 0)


async def test_waiting_ends_before_the_callers_deadline(catalog) -> None:
    page = await catalog.stub.ListChanges(pb.ListChangesRequest(wait_s=30), timeout=1)
    assert list(page.changes) == []


async def test_a_change_of_another_process_ends_the_waiting_too(catalog, another_catalog) -> None:
    async with another_catalog() as second:
        waiting = asyncio.create_task(changes_after(catalog, 0, wait_s=20))
        await asyncio.sleep(0.05)
        await create(second, "movie:1")
        page = await asyncio.wait_for(waiting, 30)
        assert [each.title_id for each in page.changes] == ["movie:1"]
        assert [hit.title.id for hit in await catalog.search("dune")] == ["movie:1"]


async def test_concurrent_writers_of_two_processes_leave_no_gap_and_followers_miss_nothing(
    catalog, another_catalog
) -> None:
    async with another_catalog() as second:
        stop = asyncio.Event()

        async def write(which: Any, name: str) -> None:
            for number in range(12):
                await create(which, f"movie:{name}-{number}")

        async def follow(which: Any) -> list[tuple[int, str]]:
            """Reads greedily while others write: any change that becomes visible late would be jumped over."""
            seen: list[tuple[int, str]] = []
            while True:
                is_over = stop.is_set()
                page = await changes_after(which, seen[-1][0] if seen else 0, page_size=1000)
                seen += [(each.revision, each.title_id) for each in page.changes]
                if is_over and not page.changes:
                    return seen
                await asyncio.sleep(0)

        followers = [asyncio.create_task(follow(which)) for which in (catalog, second)]
        await asyncio.gather(
            *(write(which, f"{place}-{n}") for place, which in enumerate((catalog, second)) for n in range(3))
        )
        stop.set()
        first, other = await asyncio.gather(*followers)
        assert [revision for revision, _ in first] == list(range(1, 73))
        assert first == other
        assert len({title_id for _, title_id in first}) == 72


async def test_concurrent_updates_with_the_same_etag_let_one_through(catalog, another_catalog) -> None:
    created = await create(catalog, "movie:1")
    async with another_catalog() as second:
        requests = [
            which.stub.UpdateTitle(
                pb.UpdateTitleRequest(title=pb.Title(id="movie:1", etag=created.etag, year=1900 + number))
            )
            for number, which in enumerate((catalog, second) * 4)
        ]
        results = await asyncio.gather(*requests, return_exceptions=True)
    assert sum(isinstance(each, pb.Title) for each in results) == 1


async def test_an_import_beside_other_writers_keeps_the_order(catalog) -> None:
    rows = [
        pb.ImportTitlesRequest(
            rows=[pb.ImportRow(line=line, title=a_title(f"movie:i{line}")) for line in range(start, start + 50)]
        )
        for start in range(1, 301, 50)
    ]
    imported = catalog.stub.ImportTitles(iter(rows))
    for number in range(10):
        await create(catalog, f"movie:{number}")
    await imported
    page = await changes_after(catalog, 0, page_size=1000)
    assert [each.revision for each in page.changes] == list(range(1, 311))
    by_id = {each.title_id: each.revision for each in page.changes}
    assert all(each.title.revision == by_id[each.title_id] for each in page.changes)


async def test_a_caller_that_goes_away_leaves_no_half_write(catalog) -> None:
    calls = [catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(f"movie:{n}"))) for n in range(20)]
    await asyncio.sleep(0.01)
    for call in calls:
        call.cancel()
    await asyncio.sleep(0.5)
    await catalog.wired.journal.drain()
    page = await changes_after(catalog, 0, page_size=1000)
    listed = (await catalog.stub.ListTitles(pb.ListTitlesRequest(page_size=200))).titles
    assert [each.revision for each in page.changes] == list(range(1, len(page.changes) + 1))
    assert {each.title_id for each in page.changes} == {each.id for each in listed}
