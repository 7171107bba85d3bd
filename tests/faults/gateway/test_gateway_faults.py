"""What the hub still answers while something behind the gateway is away, and that nothing waits for long."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chassis import embedded, redis
from gateway.cache.shelf import RedisShelf
from gateway.domain import HubKey
from gateway.render import schema_id
from protos.catalog.v1 import catalog_pb2
from protos.matcher.v1 import matcher_pb2
from tests.gateway_world import World, gateway_world


class OwnRedis:
    """A Redis of this test's own, on one port, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = embedded.free_port()
        self._folder = folder
        self._running: embedded.Running | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        command = embedded.redis_command(self.port, self._folder)
        self._running = embedded.start(command, self.port, self._folder / "log")

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


@pytest.fixture
def own_redis(tmp_path: Path):
    found = OwnRedis(tmp_path / "redis")
    found.start()
    yield found
    found.stop()


@pytest_asyncio.fixture
async def world(own_redis: OwnRedis, tmp_path: Path) -> AsyncIterator[World]:
    settings = {"hub_soft_s": 0.2, "hub_stale_max_s": 0.2, "hub_panel_s": 0.3, "hub_title_s": 0.5}
    async with gateway_world(own_redis.url, tmp_path, **settings) as running:
        running.catalog.put("dune", title="Dune", media_type=catalog_pb2.MEDIA_TYPE_MOVIE)
        running.matcher.videos["v1"] = matcher_pb2.Video(id="v1")
        await until(lambda: running.gateway.side.follower.position == 1)
        yield running


async def until(is_so, timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.01)


async def hub_of(world: World, region: str = "US") -> dict:
    answer = await world.get(f"/v1/hubs/dune?region={region}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("backend", "panel"), [("matcher", "fan_videos"), ("metrics", "counts"), ("incentives", "campaigns")]
)
async def test_a_service_that_is_away_costs_its_panel_and_comes_back(world: World, backend: str, panel: str) -> None:
    await world.backends[backend].stop()
    hub = await hub_of(world)
    assert hub["unreachable"] == [panel]
    assert hub["title"]["title"] == "Dune"
    await world.backends[backend].start()
    async with asyncio.timeout(30):
        while (await hub_of(world))["unreachable"]:
            await asyncio.sleep(0.05)


async def test_all_panels_away_still_answer_in_time(world: World) -> None:
    for name in ("matcher", "metrics", "incentives"):
        await world.backends[name].stop()
    start = time.monotonic()
    assert sorted((await hub_of(world))["unreachable"]) == ["campaigns", "counts", "fan_videos"]
    assert time.monotonic() - start < 5


async def test_a_kept_copy_stands_in_for_catalog_and_says_so(world: World) -> None:
    fresh = await hub_of(world)
    assert not fresh["is_stale"]
    await world.backends["catalog"].stop()
    await asyncio.sleep(0.5)
    kept = await hub_of(world)
    assert kept["is_stale"]
    assert kept["title"] == fresh["title"]
    assert kept["as_of_time"] == fresh["as_of_time"]
    unknown = await world.get("/v1/hubs/dune?region=JP")
    assert (unknown.status_code, unknown.json()["reason"]) == (503, "HUB_UNAVAILABLE")
    assert unknown.headers["retry-after"] == "1"
    page = await world.http.get("/hubs/dune?region=US", headers={"accept": "text/html"})
    assert "This is a copy from" in page.text
    await world.backends["catalog"].start()
    async with asyncio.timeout(30):
        while (await hub_of(world))["is_stale"]:
            await asyncio.sleep(0.05)


async def test_without_redis_hubs_come_from_near_and_from_the_services_without_waiting(
    world: World, own_redis: OwnRedis
) -> None:
    own_redis.stop()
    start = time.monotonic()
    for region in ("US", "DE", "FR", "IT", "ES", "JP"):
        assert (await hub_of(world, region))["title"]["title"] == "Dune"
    assert time.monotonic() - start < 10
    times = []
    for _ in range(20):
        start = time.monotonic()
        await hub_of(world)
        times.append(time.monotonic() - start)
    assert statistics.median(times) < 0.25
    assert (await world.http.get("/readyz")).status_code == 200


async def test_a_title_withdrawn_while_redis_is_away_is_not_read_from_it_afterwards(
    world: World, own_redis: OwnRedis
) -> None:
    await hub_of(world)
    shelf = world.gateway.side.follower._shelf
    key = HubKey(title_id="dune", region="US", language="en")
    await until(lambda: len(world.gateway.side.near) == 1)
    # Redis seems away to the one that drops, while its content survives: the worst case.
    await asyncio.sleep(0.1)
    client, shelf._drop_script = shelf._drop_script, Broken()
    world.catalog.put("dune", state=catalog_pb2.TITLE_STATE_WITHDRAWN)
    await until(lambda: shelf._owed)
    assert await shelf.fetch(key) is None
    answer = await world.get("/v1/hubs/dune?region=US")
    assert answer.json()["reason"] == "TITLE_WITHDRAWN"
    shelf._drop_script = client
    await until(lambda: not shelf._owed)
    other = RedisShelf(
        redis.connect(own_redis.url),
        schema_id=schema_id(),
        clock=world.gateway.site.clock,
        telemetry=world.telemetry,
    )
    assert await other.fetch(key) is None


class Broken:
    """A script that Redis cannot run."""

    async def __call__(self, **_: object) -> None:
        raise ConnectionError


async def test_a_withdrawn_title_has_no_kept_copy_while_catalog_is_away(world: World) -> None:
    await hub_of(world)
    world.catalog.put("dune", state=catalog_pb2.TITLE_STATE_WITHDRAWN)
    await until(lambda: world.gateway.side.follower.position == 2)
    await world.backends["catalog"].stop()
    answer = await world.get("/v1/hubs/dune?region=US")
    assert answer.status_code in (404, 503)


async def test_another_process_drops_what_is_near_here(world: World, own_redis: OwnRedis, tmp_path: Path) -> None:
    await hub_of(world)
    near = world.gateway.side.near
    await until(lambda: world.gateway.side.invalidation.is_listening)
    other = RedisShelf(
        redis.connect(own_redis.url),
        schema_id=schema_id(),
        clock=world.gateway.site.clock,
        telemetry=world.telemetry,
    )
    assert await other.drop("dune", 7)
    await until(lambda: not len(near))


async def test_losing_the_drops_of_others_forgets_what_is_near(world: World, own_redis: OwnRedis) -> None:
    await hub_of(world)
    await until(lambda: world.gateway.side.invalidation.is_listening)
    own_redis.stop()
    await until(lambda: not world.gateway.side.invalidation.is_listening)
    own_redis.start()
    await until(lambda: world.gateway.side.invalidation.is_listening)


async def test_a_restarted_process_drops_what_changed_while_it_was_down(own_redis: OwnRedis, tmp_path: Path) -> None:
    async with gateway_world(own_redis.url, tmp_path) as first:
        first.catalog.put("dune", title="Dune")
        await until(lambda: first.gateway.side.follower.position == 1)
        await hub_of(first)
        await asyncio.sleep(0.2)
        shelf = first.gateway.side.follower._shelf
        assert await shelf.cursor() == 1
        assert await shelf.fetch(HubKey(title_id="dune", region="US", language="en")) is not None
        assert await shelf.drop("dune", 2)
        assert await shelf.fetch(HubKey(title_id="dune", region="US", language="en")) is None


async def test_rates_are_counted_without_redis_too(own_redis: OwnRedis, tmp_path: Path) -> None:
    async with gateway_world(own_redis.url, tmp_path, rate_person_per_min=3) as world:
        own_redis.stop()
        answers = [await world.get("/v1/reviewTasks", "studio") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [403] * 3 + [429] * 2
