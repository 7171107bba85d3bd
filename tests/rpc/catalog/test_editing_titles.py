"""Creating, reading, changing, withdrawing, deleting and undeleting titles over a real channel."""

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis import status
from chassis.errors import SpotlightError
from protos.catalog.v1 import catalog_pb2 as pb


def a_title(**given: Any) -> pb.Title:
    return pb.Title(**{"media_type": pb.MEDIA_TYPE_MOVIE, "title": "Dune", **given})


async def refusal(call: Any) -> SpotlightError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status.from_rpc_error(caught.value)


async def test_a_created_title_is_read_back_with_revision_etag_and_times(catalog) -> None:
    created = await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1", year=2021)))
    assert created.revision == 1
    assert created.etag
    assert created.state == pb.TITLE_STATE_ACTIVE
    assert created.create_time == created.update_time
    assert await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1")) == created


async def test_a_title_without_id_gets_one(catalog) -> None:
    created = await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title()))
    assert created.id.startswith("movie:")


async def test_an_existing_id_is_refused(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    error = await refusal(catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1"))))
    assert error.reason == "TITLE_EXISTS"


async def test_a_repeated_request_id_answers_the_same_and_writes_once(catalog) -> None:
    request = pb.CreateTitleRequest(title=a_title(), request_id="r1")
    first = await catalog.stub.CreateTitle(request)
    assert await catalog.stub.CreateTitle(request) == first
    assert await catalog.wired.journal.latest() == 1


async def test_another_body_under_the_same_request_id_is_refused(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(), request_id="r1"))
    other = pb.CreateTitleRequest(title=a_title(title="Alien"), request_id="r1")
    assert (await refusal(catalog.stub.CreateTitle(other))).reason == "REQUEST_ID_REUSED"


async def test_an_update_changes_only_what_the_mask_names(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1", year=2021, tagline="Fear")))
    updated = await catalog.stub.UpdateTitle(
        pb.UpdateTitleRequest(
            title=pb.Title(id="movie:1", year=1984, tagline="Sleep"), update_mask=FieldMask(paths=["year"])
        )
    )
    assert (updated.year, updated.tagline, updated.title) == (1984, "Fear", "Dune")
    assert updated.revision == 2


async def test_an_update_without_mask_changes_what_is_set(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1", year=2021, tagline="Fear")))
    updated = await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=1984)))
    assert (updated.year, updated.tagline) == (1984, "Fear")


async def test_a_star_mask_replaces_all_but_keeps_a_withdrawn_title_withdrawn(catalog) -> None:
    await catalog.stub.CreateTitle(
        pb.CreateTitleRequest(title=a_title(id="movie:1", tagline="Fear", state=pb.TITLE_STATE_WITHDRAWN))
    )
    updated = await catalog.stub.UpdateTitle(
        pb.UpdateTitleRequest(title=a_title(id="movie:1"), update_mask=FieldMask(paths=["*"]))
    )
    assert updated.tagline == ""
    assert updated.state == pb.TITLE_STATE_WITHDRAWN


async def test_an_update_that_changes_nothing_makes_no_revision(catalog) -> None:
    created = await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1", year=2021)))
    updated = await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=2021)))
    assert updated == created


async def test_an_old_etag_is_refused(catalog) -> None:
    created = await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    first = pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=1984, etag=created.etag))
    await catalog.stub.UpdateTitle(first)
    second = pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=1985, etag=created.etag))
    assert (await refusal(catalog.stub.UpdateTitle(second))).reason == "ETAG_MISMATCH"


@pytest.mark.parametrize("path", ["nonsense", "revision", "credits.cast", "id", "state"])
async def test_a_mask_of_fields_that_may_not_be_written_is_refused(catalog, path: str) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    request = pb.UpdateTitleRequest(title=pb.Title(id="movie:1"), update_mask=FieldMask(paths=[path]))
    error = await refusal(catalog.stub.UpdateTitle(request))
    assert error.reason == "UPDATE_MASK_INVALID"
    assert error.violations[0].field == "update_mask"


async def test_an_update_of_a_title_that_does_not_exist_is_not_found(catalog) -> None:
    request = pb.UpdateTitleRequest(title=pb.Title(id="movie:none", year=1))
    assert (await refusal(catalog.stub.UpdateTitle(request))).reason == "TITLE_NOT_FOUND"


async def test_an_update_without_id_names_the_field(catalog) -> None:
    error = await refusal(catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(year=1))))
    assert error.violations[0].field == "title.id"


async def test_withdrawing_and_reinstating_go_through_the_state(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    for state in (pb.TITLE_STATE_WITHDRAWN, pb.TITLE_STATE_ACTIVE):
        updated = await catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:1", state=state)))
        assert updated.state == state


async def test_a_title_cannot_be_deleted_by_an_update_nor_created_deleted(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    request = pb.UpdateTitleRequest(title=pb.Title(id="movie:1", state=pb.TITLE_STATE_DELETED))
    assert (await refusal(catalog.stub.UpdateTitle(request))).reason == "UPDATE_MASK_INVALID"
    born = pb.CreateTitleRequest(title=a_title(state=pb.TITLE_STATE_DELETED))
    assert (await refusal(catalog.stub.CreateTitle(born))).reason == "TITLE_INVALID"


async def test_undelete_brings_back_the_state_before(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1", state=pb.TITLE_STATE_WITHDRAWN)))
    deleted = await catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:1"))
    assert deleted.state == pb.TITLE_STATE_DELETED
    error = await refusal(catalog.stub.UpdateTitle(pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=1))))
    assert error.reason == "TITLE_DELETED"
    back = await catalog.stub.UndeleteTitle(pb.UndeleteTitleRequest(id="movie:1"))
    assert back.state == pb.TITLE_STATE_WITHDRAWN
    again = await refusal(catalog.stub.UndeleteTitle(pb.UndeleteTitleRequest(id="movie:1")))
    assert again.reason == "TITLE_NOT_DELETED"


async def test_deleting_twice_or_with_an_old_etag_is_refused(catalog) -> None:
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    old = await refusal(catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:1", etag="old")))
    assert old.reason == "ETAG_MISMATCH"
    await catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:1"))
    twice = await refusal(catalog.stub.DeleteTitle(pb.DeleteTitleRequest(id="movie:1")))
    assert twice.reason == "TITLE_DELETED"


async def test_validate_only_checks_and_writes_nothing(catalog) -> None:
    tried = await catalog.stub.CreateTitle(
        pb.CreateTitleRequest(title=a_title(id="movie:1"), validate_only=True, request_id="r1")
    )
    assert (tried.id, tried.revision) == ("movie:1", 0)
    assert await catalog.wired.journal.latest() == 0
    assert (await refusal(catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1")))).reason == "TITLE_NOT_FOUND"
    created = await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=a_title(id="movie:1")))
    for request, call in (
        (pb.UpdateTitleRequest(title=pb.Title(id="movie:1", year=7), validate_only=True), "UpdateTitle"),
        (pb.DeleteTitleRequest(id="movie:1", validate_only=True), "DeleteTitle"),
    ):
        await getattr(catalog.stub, call)(request)
    assert await catalog.stub.GetTitle(pb.GetTitleRequest(id="movie:1")) == created
