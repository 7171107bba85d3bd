"""Reference images over a real channel: add, list, remove, and the switch over a title's bank."""

from typing import Any

import grpc
import pytest

from chassis import status
from chassis.errors import SpotlightError
from protos.catalog.v1 import catalog_pb2 as pb

PDQ = "0f" * 32


async def refusal(call: Any) -> SpotlightError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status.from_rpc_error(caught.value)


@pytest.fixture
async def titled(catalog: Any) -> Any:
    for title_id in ("movie:1", "movie:2"):
        title = pb.Title(id=title_id, media_type=pb.MEDIA_TYPE_MOVIE, title="Dune")
        await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=title))
    return catalog


def an_image(**given: Any) -> pb.ReferenceImage:
    return pb.ReferenceImage(**{"kind": pb.REFERENCE_IMAGE_KIND_STILL, "pdq": [PDQ], "pdq_quality": 80, **given})


def an_embedding(values: list[float], **given: Any) -> pb.ReferenceEmbedding:
    return pb.ReferenceEmbedding(**{"model": "m", "dim": len(values), "values": values, **given})


async def add(catalog: Any, *images: pb.ReferenceImage, title_id: str = "movie:1", **more: Any) -> Any:
    request = pb.AddReferenceImagesRequest(title_id=title_id, images=images, **more)
    return await catalog.stub.AddReferenceImages(request)


async def listed(catalog: Any, **asked: Any) -> tuple[list[pb.ReferenceImage], list[pb.ReferenceBank]]:
    images: list[pb.ReferenceImage] = []
    banks: dict[str, pb.ReferenceBank] = {}
    token = ""
    while True:
        page = await catalog.stub.ListReferenceImages(pb.ListReferenceImagesRequest(page_token=token, **asked))
        images += page.images
        banks |= {bank.title_id: bank for bank in page.banks}
        token = page.next_page_token
        if not token:
            return images, list(banks.values())


async def test_added_images_are_listed_with_their_fingerprints(titled) -> None:
    done = await add(titled, an_image(embeddings=[an_embedding([0.5, -1.0])]), an_image(id="two"))
    images, banks = await listed(titled, title_id="movie:1")
    assert images == list(done.images)
    assert images[0].id
    assert list(images[0].embeddings[0].values) == [0.5, -1.0]
    assert [(bank.title_id, bank.state, bank.image_count) for bank in banks] == [
        ("movie:1", pb.REFERENCE_STATE_ENABLED, 2)
    ]


async def test_pages_cover_one_bank_or_all(titled) -> None:
    await add(titled, *(an_image(id=f"a{n}") for n in range(7)))
    await add(titled, *(an_image(id=f"b{n}") for n in range(4)), title_id="movie:2")
    assert [each.id for each in (await listed(titled, page_size=3))[0]] == [
        *(f"a{n}" for n in range(7)),
        *(f"b{n}" for n in range(4)),
    ]
    assert len((await listed(titled, title_id="movie:2", page_size=3))[0]) == 4
    assert (await listed(titled, title_id="movie:none"))[0] == []


async def test_the_same_image_again_changes_nothing_and_another_content_replaces_it(titled) -> None:
    await add(titled, an_image(id="a"))
    again = await add(titled, an_image(id="a"))
    assert again.revision == 3
    changed = await add(titled, an_image(id="a", pdq_quality=50))
    assert changed.revision == 4
    images, _ = await listed(titled, title_id="movie:1")
    assert [each.pdq_quality for each in images] == [50]


async def test_a_repeated_request_adds_once(titled) -> None:
    first = await add(titled, an_image(), request_id="r")
    assert await add(titled, an_image(), request_id="r") == first
    assert len((await listed(titled))[0]) == 1


async def test_an_image_of_another_title_is_not_taken_over(titled) -> None:
    await add(titled, an_image(id="a"))
    assert (await refusal(add(titled, an_image(id="a"), title_id="movie:2"))).reason == "REFERENCE_IMAGE_NOT_FOUND"
    remove = pb.RemoveReferenceImageRequest(title_id="movie:2", id="a")
    assert (await refusal(titled.stub.RemoveReferenceImage(remove))).reason == "REFERENCE_IMAGE_NOT_FOUND"


async def test_a_removed_image_is_gone(titled) -> None:
    await add(titled, an_image(id="a"))
    removed = await titled.stub.RemoveReferenceImage(pb.RemoveReferenceImageRequest(title_id="movie:1", id="a"))
    assert removed.id == "a"
    assert (await listed(titled))[0] == []


async def test_a_bank_is_switched_off_and_on_and_the_feed_tells(titled) -> None:
    await add(titled, an_image(id="a"))
    for state in (pb.REFERENCE_STATE_DISABLED, pb.REFERENCE_STATE_DISABLED, pb.REFERENCE_STATE_ENABLED):
        bank = await titled.stub.SetReferenceBankState(pb.SetReferenceBankStateRequest(title_id="movie:1", state=state))
        assert (bank.state, bank.image_count) == (state, 1)
        assert (await listed(titled, title_id="movie:1"))[1][0].state == state
    page = await titled.stub.ListChanges(pb.ListChangesRequest(after_revision=2))
    assert [(each.change_type, each.title_id) for each in page.changes] == [
        (pb.CHANGE_TYPE_REFERENCE_IMAGES, "movie:1")
    ] * 3
    assert [each.field_changes[0].path for each in page.changes] == [
        "reference_images[a]",
        "reference_bank",
        "reference_bank",
    ]


JPEG = b"\xff\xd8\xff" + b"x" * 500


async def pictures(catalog: Any, *ids: str) -> dict[str, bytes]:
    answer = await catalog.stub.BatchGetReferencePictures(pb.BatchGetReferencePicturesRequest(ids=ids))
    return {each.id: each.picture for each in answer.pictures}


async def test_pictures_are_kept_apart_and_follow_their_image(titled) -> None:
    done = await add(titled, an_image(id="a", picture=JPEG), an_image(id="b"))
    assert [(bool(each.picture_hash), each.picture) for each in done.images] == [(True, b""), (False, b"")]
    images, _ = await listed(titled, title_id="movie:1")
    assert images == list(done.images)
    assert await pictures(titled, "a", "b", "unheard-of") == {"a": JPEG}
    assert (await add(titled, an_image(id="a", picture=JPEG))).revision == done.revision
    assert (await add(titled, an_image(id="a", picture=JPEG + b"y"))).revision > done.revision
    assert await pictures(titled, "a") == {"a": JPEG + b"y"}
    await add(titled, an_image(id="a"))
    assert await pictures(titled, "a") == {}
    await add(titled, an_image(id="a", picture=JPEG))
    await titled.stub.RemoveReferenceImage(pb.RemoveReferenceImageRequest(title_id="movie:1", id="a"))
    assert await pictures(titled, "a") == {}


async def test_a_picture_that_is_no_small_jpeg_is_refused(titled) -> None:
    for picture in (b"<html>", JPEG + b"x" * 40_000):
        said = await refusal(add(titled, an_image(), an_image(picture=picture)))
        assert said.violations[0].field == "images[1].picture"
    asked = pb.BatchGetReferencePicturesRequest(ids=[f"a{n}" for n in range(25)])
    assert (await refusal(titled.stub.BatchGetReferencePictures(asked))).violations[0].field == "ids"


async def test_a_full_bank_takes_no_more(titled, monkeypatch) -> None:
    from services.catalog.service import references

    monkeypatch.setattr(references, "BANK_IMAGES_MAX", 3)
    await add(titled, *(an_image(id=f"a{n}") for n in range(3)))
    assert (await refusal(add(titled, an_image()))).reason == "REFERENCE_BANK_FULL"
    await add(titled, an_image(id="a0", pdq_quality=1))


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (an_image(pdq=["0f"]), "images[0].pdq[0]"),
        (an_image(pdq=["XX" * 32]), "images[0].pdq[0]"),
        (an_image(embeddings=[an_embedding([1.0], dim=2)]), "images[0].embeddings[0]"),
        (an_image(embeddings=[an_embedding([float("nan")])]), "images[0].embeddings[0].values[0]"),
        (an_image(kind=0), "images[0].kind"),
        (an_image(pdq_quality=101), "images[0].pdq_quality"),
    ],
)
async def test_broken_fingerprints_are_refused_and_the_field_named(titled, image, field) -> None:
    assert (await refusal(add(titled, image))).violations[0].field == field


async def test_images_of_unknown_titles_are_refused(titled) -> None:
    assert (await refusal(add(titled, an_image(), title_id="movie:none"))).reason == "TITLE_NOT_FOUND"
    request = pb.SetReferenceBankStateRequest(title_id="movie:none", state=pb.REFERENCE_STATE_DISABLED)
    assert (await refusal(titled.stub.SetReferenceBankState(request))).reason == "TITLE_NOT_FOUND"
