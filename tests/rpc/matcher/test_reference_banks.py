"""Reference images from a real catalog to a matcher that follows it, while videos are matched without a pause."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from chassis import mongo
from chassis.client import Client
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.matcher.v1 import matcher_pb2 as pb
from services.matcher.rpc.catalog_feed import GrpcCatalogFeed
from services.matcher.visual.fingerprint import pdq_of
from tests.matcher_world import a_video, a_world
from tests.pictures import a_scene, jpeg_of
from tests.rpc.catalog.conftest import running_catalog

SWITCHED_S = 10.0  # what the catalog's contract promises


@pytest.fixture
async def house(database, mongo_url, tmp_path) -> AsyncIterator[SimpleNamespace]:
    """A catalog with two titles and a matcher beside it, each with a database of its own."""
    own = mongo.connect(mongo_url, f"{database.name}_catalog")
    async with running_catalog(own) as catalog:
        for title_id in ("movie:1", "movie:2"):
            title = catalog_pb2.Title(id=title_id, media_type=catalog_pb2.MEDIA_TYPE_MOVIE, title=f"Film {title_id}")
            await catalog.stub.CreateTitle(catalog_pb2.CreateTitleRequest(title=title))
        feed = GrpcCatalogFeed(Client(catalog_pb2_grpc.CatalogServiceStub, catalog.channel))
        async with a_world(database, tmp_path, feed=feed) as world:
            following = asyncio.create_task(world.wired.follower.follow())
            yield SimpleNamespace(catalog=catalog.stub, world=world)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    await own.client.drop_database(own.name)
    mongo.close(own)


async def add(house, title_id: str, *scenes: int, **more) -> None:
    images = [
        catalog_pb2.ReferenceImage(
            id=f"{title_id}-{n}",
            kind=catalog_pb2.REFERENCE_IMAGE_KIND_STILL,
            pdq=[pdq_of(a_scene(n))[0].hex()],
            pdq_quality=90,
            picture=jpeg_of(a_scene(n)),
            **more,
        )
        for n in scenes
    ]
    request = catalog_pb2.AddReferenceImagesRequest(title_id=title_id, images=images)
    await house.catalog.AddReferenceImages(request)


async def switch(house, title_id: str, state) -> None:
    request = catalog_pb2.SetReferenceBankStateRequest(title_id=title_id, state=state)
    await house.catalog.SetReferenceBankState(request)


async def seen(house, scene: int) -> list[str]:
    """The titles a video of this scene is matched to; nothing is stored."""
    pdq = pdq_of(a_scene(scene))[0].hex()
    video = a_video(f"v{scene}", "wow", frames=[pb.FrameSignal(t_ms=0, pdq=pdq, pdq_quality=90)])
    response = await house.world.match(video, validate_only=True)
    return [match.title_id for match in response.results[0].matches]


async def info(house) -> pb.IndexInfo:
    return await house.world.matcher.GetIndexInfo(pb.GetIndexInfoRequest())


async def until_seen(house, scene: int, titles: list[str]) -> float:
    """How long it took, in seconds, until a scene is matched to these titles."""
    began = time.monotonic()
    while await seen(house, scene) != titles:
        assert time.monotonic() - began < SWITCHED_S
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_a_bank_is_off_and_on_again_within_what_is_promised_and_matching_never_pauses(house):
    answered = []

    async def keep_asking() -> None:
        while True:
            answered.append(await seen(house, 1))

    asking = asyncio.create_task(keep_asking())
    await add(house, "movie:1", 1, 2)
    await add(house, "movie:2", 3)
    await until_seen(house, 1, ["movie:1"])
    await until_seen(house, 3, ["movie:2"])
    said = await info(house)
    assert (said.reference_image_count, said.pdq_row_count, list(said.disabled_bank_titles)) == (3, 3, [])

    await switch(house, "movie:1", catalog_pb2.REFERENCE_STATE_DISABLED)
    await until_seen(house, 1, [])
    said = await info(house)
    assert (said.reference_image_count, said.pdq_row_count) == (3, 1)
    assert list(said.disabled_bank_titles) == ["movie:1"]
    assert await seen(house, 3) == ["movie:2"]

    await switch(house, "movie:1", catalog_pb2.REFERENCE_STATE_ENABLED)
    await until_seen(house, 1, ["movie:1"])
    await house.catalog.RemoveReferenceImage(
        catalog_pb2.RemoveReferenceImageRequest(title_id="movie:1", id="movie:1-1")
    )
    await until_seen(house, 1, [])
    assert await seen(house, 2) == ["movie:1"]
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking  # any other end would be a call that failed
    assert {tuple(each) for each in answered} == {(), ("movie:1",)}


async def test_a_single_image_can_be_switched_off_and_idents_are_refused(house):
    await add(house, "movie:1", 1)
    await until_seen(house, 1, ["movie:1"])
    await add(house, "movie:1", 1, state=catalog_pb2.REFERENCE_STATE_DISABLED)
    await until_seen(house, 1, [])
    for number in range(3, 7):
        title_id = f"movie:{number}"
        title = catalog_pb2.Title(id=title_id, media_type=catalog_pb2.MEDIA_TYPE_MOVIE, title=title_id)
        await house.catalog.CreateTitle(catalog_pb2.CreateTitleRequest(title=title))
        await add_ident(house, title_id)
    while (await info(house)).refused_reference_count != 4:
        await asyncio.sleep(0.01)
    assert await seen(house, 9) == []


async def add_ident(house, title_id: str) -> None:
    image = catalog_pb2.ReferenceImage(
        id=f"{title_id}-ident", kind=catalog_pb2.REFERENCE_IMAGE_KIND_TITLE_CARD, pdq_quality=90,
        pdq=[pdq_of(a_scene(9))[0].hex()],
    )  # fmt: skip
    await house.catalog.AddReferenceImages(catalog_pb2.AddReferenceImagesRequest(title_id=title_id, images=[image]))


async def test_pictures_of_reference_images_come_from_the_catalog(house):
    await add(house, "movie:1", 1)
    feed = house.world.outside.feed
    assert await feed.pictures(["movie:1-1", "unheard-of"]) == {"movie:1-1": jpeg_of(a_scene(1))}


async def test_embeddings_are_searched_by_their_model_and_shown_by_it(house):
    values = [1.0] + [0.0] * 7
    vector = catalog_pb2.ReferenceEmbedding(model="m", dim=8, values=values)
    image = catalog_pb2.ReferenceImage(kind=catalog_pb2.REFERENCE_IMAGE_KIND_POSTER, embeddings=[vector])
    await house.catalog.AddReferenceImages(catalog_pb2.AddReferenceImagesRequest(title_id="movie:1", images=[image]))
    while not (await info(house)).frame_models:
        await asyncio.sleep(0.01)
    (rows,) = (await info(house)).frame_models
    assert (rows.model, rows.dim, rows.row_count) == ("m", 8, 1)
    for model, titles in (("m", ["movie:1"]), ("another", [])):
        sent = pb.Embedding(model=model, dim=8, dtype="float32", values=values)
        response = await house.world.match(a_video("v", "wow", embeddings=[sent]), validate_only=True)
        assert [match.title_id for match in response.results[0].matches] == titles


async def test_a_soundtrack_of_the_catalog_adds_to_a_title_found_otherwise_and_finds_none_alone(house):
    film = catalog_pb2.Title(id="movie:9", media_type=catalog_pb2.MEDIA_TYPE_MOVIE, title="Skyfall", popularity=4.0)
    await house.catalog.CreateTitle(catalog_pb2.CreateTitleRequest(title=film))
    song = catalog_pb2.Alias(
        title_id="movie:9", name="Let the Sky Fall - Adele", kind=catalog_pb2.ALIAS_KIND_SOUNDTRACK
    )
    await house.catalog.UpdateAlias(catalog_pb2.UpdateAliasRequest(alias=song))
    sound = pb.Sound(title="let the sky fall (slowed)", author="Adele")
    named, both, sound_only, another = (
        a_video("named", "Skyfall"),
        a_video("both", "Skyfall", sound=sound),
        a_video("alone", "wow", sound=sound),
        a_video("another", "Skyfall", sound=pb.Sound(title="Let the Sky Fall", author="Somebody Else")),
    )
    while not house.world.wired.index.sounds.hear(sound.title, sound.author):
        await asyncio.sleep(0.01)
    response = await house.world.match(named, both, sound_only, another, validate_only=True)
    by_words, with_sound, alone, other_song = ([*each.matches] for each in response.results)
    assert alone == []
    assert with_sound[0].probability > by_words[0].probability
    (evidence,) = [each for each in with_sound[0].evidence if each.signal_type == pb.SIGNAL_TYPE_SOUND]
    assert (evidence.value, evidence.contribution) == ("Let the Sky Fall - Adele", 2.5)
    assert other_song[0].probability == by_words[0].probability
