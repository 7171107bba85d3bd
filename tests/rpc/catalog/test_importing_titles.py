"""Imports over a real channel: idempotent, resumable, bad rows reported by line and passed over."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from chassis import status
from protos.catalog.v1 import catalog_pb2 as pb

Rows = Sequence[pb.ImportRow]


def a_row(line: int, **given: Any) -> pb.ImportRow:
    title = pb.Title(**{"id": f"movie:{line}", "media_type": pb.MEDIA_TYPE_MOVIE, "title": f"Title {line}", **given})
    return pb.ImportRow(line=line, title=title)


def pieces(*rows: Rows, **first: Any) -> list[pb.ImportTitlesRequest]:
    return [pb.ImportTitlesRequest(rows=each, **(first if number == 0 else {})) for number, each in enumerate(rows)]


async def imported(catalog: Any, *rows: Rows, **first: Any) -> pb.ImportTitlesResponse:
    return await catalog.stub.ImportTitles(iter(pieces(*rows, **first)))


async def test_rows_become_titles_in_order_of_their_lines(catalog) -> None:
    done = await imported(catalog, [a_row(1), a_row(2)], [a_row(5)], import_id="i", source="file")
    assert (done.created_count, done.acknowledged_line, done.revision) == (3, 5, 3)
    assert done.source == "file"
    title = await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:5"))
    assert (title.title, title.revision) == ("Title 5", 3)
    assert await catalog.stub.GetImport(pb.GetImportRequest(import_id="i")) == done


async def test_bad_rows_are_reported_by_line_and_the_rest_goes_on(catalog) -> None:
    rows = [
        a_row(1),
        a_row(2, title=""),
        a_row(3, popularity=float("nan")),
        a_row(4, title="bell\a"),
        a_row(5, overview="x" * 19_000, translations=[pb.Translation(overview="y" * 19_000)] * 3),
        pb.ImportRow(line=6, problem=pb.ImportError(reason="ROW_UNREADABLE", description="not JSON")),
        pb.ImportRow(line=7),
        a_row(8, id='{"$gt": ""}'),
        a_row(9, release_date="2023-02-30"),
        a_row(10),
    ]
    done = await imported(catalog, rows)
    assert (done.created_count, done.error_count, done.acknowledged_line) == (2, 8, 10)
    assert [(error.line, error.reason, error.field) for error in done.errors] == [
        (2, "TITLE_INVALID", "title.title"),
        (3, "TITLE_INVALID", "popularity"),
        (4, "TITLE_INVALID", "title"),
        (5, "TITLE_TOO_LARGE", "title"),
        (6, "ROW_UNREADABLE", ""),
        (7, "ROW_EMPTY", ""),
        (8, "TITLE_INVALID", "id"),
        (9, "TITLE_INVALID", "title.release_date"),
    ]


async def test_importing_the_same_again_changes_nothing(catalog) -> None:
    rows = [a_row(1), a_row(2)]
    await imported(catalog, rows)
    again = await imported(catalog, rows)
    assert (again.created_count, again.updated_count, again.unchanged_count) == (0, 0, 2)
    assert await catalog.wired.journal.latest() == 2


async def test_only_what_differs_is_updated(catalog) -> None:
    await imported(catalog, [a_row(1, year=1999, genres=["a"]), a_row(2)])
    done = await imported(catalog, [a_row(1, year=2000), a_row(2)])
    assert (done.updated_count, done.unchanged_count) == (1, 1)
    title = await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1"))
    assert (title.year, list(title.genres)) == (2000, ["a"])
    changes = (await catalog.stub.ListChanges(pb.ListChangesRequest(after_revision=2))).changes
    assert [(each.path, each.old_json, each.new_json) for each in changes[0].field_changes] == [
        ("year", "1999", "2000")
    ]


async def test_an_editors_correction_survives_a_repeated_import(catalog) -> None:
    await imported(catalog, [a_row(1, tagline="Worng")])
    await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:1", tagline="Wrong")))
    await imported(catalog, [a_row(1, tagline="Worng")])
    assert (await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1"))).tagline == "Wrong"


async def test_replace_mode_makes_the_row_the_whole_title_but_keeps_its_state(catalog) -> None:
    await imported(catalog, [a_row(1, tagline="Fear", state=pb.TITLE_STATE_WITHDRAWN)])
    done = await imported(catalog, [a_row(1)], mode=pb.IMPORT_MODE_REPLACE)
    title = await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1"))
    assert done.updated_count == 1
    assert (title.tagline, title.state) == ("", pb.TITLE_STATE_WITHDRAWN)


async def test_create_only_mode_leaves_existing_titles_alone(catalog) -> None:
    await imported(catalog, [a_row(1)])
    done = await imported(catalog, [a_row(1, year=1), a_row(2)], mode=pb.IMPORT_MODE_CREATE_ONLY)
    assert (done.created_count, done.skipped_count) == (1, 1)


async def test_deleted_titles_stay_deleted(catalog) -> None:
    await imported(catalog, [a_row(1)])
    await catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:1"))
    done = await imported(catalog, [a_row(1, year=3)])
    assert done.skipped_count == 1
    assert (await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1"))).state == pb.TITLE_STATE_DELETED


async def test_the_same_title_twice_in_one_piece_is_created_then_updated(catalog) -> None:
    done = await imported(
        catalog,
        [a_row(1, id="movie:x"), a_row(2, id="movie:x", year=7), a_row(3, id="movie:x", title="Title 2", year=7)],
    )
    assert (done.created_count, done.updated_count, done.unchanged_count) == (1, 1, 1)
    title = await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:x"))
    assert (title.title, title.year, title.revision) == ("Title 2", 7, 2)
    listed = await catalog.stub.ListTitles(pb.ListTitlesRequest())
    assert [each.id for each in listed.titles] == ["movie:x"]


async def test_a_row_settled_at_a_glance_and_another_of_the_same_title_both_count(catalog) -> None:
    await imported(catalog, [a_row(1, id="movie:x")])
    done = await imported(catalog, [a_row(1, id="movie:x"), a_row(2, id="movie:x", title="Title 1", year=7)])
    assert (done.unchanged_count, done.updated_count) == (1, 1)


async def test_rows_without_id_get_one(catalog) -> None:
    done = await imported(catalog, [a_row(1, id="")])
    assert done.created_count == 1


async def test_an_import_goes_on_behind_the_acknowledged_line(catalog) -> None:
    first = await imported(catalog, [a_row(1), a_row(2)], import_id="i")
    assert first.acknowledged_line == 2
    again = await imported(catalog, [a_row(1), a_row(2)], [a_row(3)], import_id="i")
    assert (again.created_count, again.unchanged_count, again.acknowledged_line) == (3, 0, 3)
    part = await imported(catalog, [a_row(3), a_row(4)], import_id="i")
    assert (part.created_count, part.acknowledged_line) == (4, 4)


async def test_what_was_committed_stays_when_the_stream_breaks_off(catalog) -> None:
    async def broken() -> Any:
        yield pieces([a_row(1)], import_id="i")[0]
        yield pieces([a_row(2)])[0]
        await asyncio.sleep(0.3)
        raise RuntimeError

    call = catalog.stub.ImportTitles(broken())
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call
    async with asyncio.timeout(30):
        while await catalog.wired.journal.latest() < 2:
            await asyncio.sleep(0.02)
    state = await catalog.stub.GetImport(pb.GetImportRequest(import_id="i"))
    assert state.acknowledged_line == 2


async def test_lines_that_do_not_grow_are_refused(catalog) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await imported(catalog, [a_row(2), a_row(2)])
    assert status.from_rpc_error(caught.value).reason == "IMPORT_OUT_OF_ORDER"
    assert await catalog.wired.journal.latest() == 0


async def test_an_empty_import_changes_nothing(catalog) -> None:
    assert (await imported(catalog, [], import_id="i")).import_id == "i"
    assert (await imported(catalog)).created_count == 0
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await catalog.stub.GetImport(pb.GetImportRequest(import_id="i"))
    assert status.from_rpc_error(caught.value).reason == "IMPORT_NOT_FOUND"


async def test_a_file_cannot_bring_in_a_deleted_title(catalog) -> None:
    await imported(catalog, [a_row(1, state=pb.TITLE_STATE_DELETED)])
    assert (await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1"))).state == pb.TITLE_STATE_ACTIVE


async def test_errors_are_kept_up_to_a_thousand_and_all_counted(catalog) -> None:
    bad = [pb.ImportRow(line=line) for line in range(1, 1001)]
    more = [pb.ImportRow(line=line) for line in range(1001, 1101)]
    done = await imported(catalog, bad, more)
    assert (done.error_count, len(done.errors), done.acknowledged_line) == (1100, 1000, 1100)
