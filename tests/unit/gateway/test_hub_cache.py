"""Kept hubs: freshness, single flight, stale copies, refusals, drops, and envelopes that cannot lie."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.clock import FakeClock
from chassis.errors import Kind, NotFound, Unavailable
from chassis.telemetry import Telemetry
from gateway.cache.anchors import AnchorCache
from gateway.cache.envelope import Entry, Refused, pack, unpack
from gateway.cache.flight import Flights
from gateway.cache.hubs import Freshness, HubCache
from gateway.cache.near import NearCache
from gateway.domain import HubKey, HubUnavailable

KEY = HubKey(title_id="t", region="US", language="en")
FRESHNESS = Freshness(soft_s=10, stale_max_s=20, hard_s=100, negative_s=3, degraded_s=2, jitter=0)


class Shelf:
    def __init__(self) -> None:
        self.kept: dict[HubKey, Entry] = {}

    async def fetch(self, key: HubKey) -> Entry | None:
        return self.kept.get(key)

    async def store(self, key: HubKey, entry: Entry) -> None:
        self.kept[key] = entry


class World:
    """A cache whose composing answers what the test says."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.near = NearCache(bytes_max=10_000)
        self.shelf = Shelf()
        self.calls = 0
        self.revision = 1
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.cache = HubCache(
            near=self.near,
            shelf=self.shelf,
            compose=self.compose,
            mark_stale=lambda entry: replace(entry, etag=entry.etag + "-stale"),
            freshness=FRESHNESS,
            clock=self.clock,
            telemetry=Telemetry(),
            chance=random.Random(1),
        )

    @property
    def now(self) -> float:
        return self.clock.now().timestamp()

    async def compose(self, key: HubKey) -> Entry:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.entry()

    def entry(self) -> Entry:
        return Entry(
            made_time=self.now,
            soft_expiry=self.now + 10,
            hard_expiry=self.now + 100,
            revision=self.revision,
            etag=f"e{self.calls}",
        )

    async def get(self) -> str:
        return (await self.cache.get(KEY)).etag

    async def settled(self) -> None:
        await asyncio.sleep(0)
        await self.cache.settle(1)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_fresh_copy_is_composed_once(world: World) -> None:
    assert world.cache.fresh(KEY) is None
    assert [await world.get() for _ in range(3)] == ["e1"] * 3
    assert world.calls == 1
    assert world.cache.fresh(KEY).etag == "e1"


async def test_many_who_ask_at_once_share_one_flight(world: World) -> None:
    world.gate = asyncio.Event()
    asking = [asyncio.create_task(world.get()) for _ in range(50)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    world.gate.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == ["e1"] * 49
    assert world.calls == 1


async def test_a_stale_copy_is_shown_while_it_is_refreshed(world: World) -> None:
    await world.get()
    world.clock.advance(15)
    assert await world.get() == "e1"
    await world.settled()
    assert await world.get() == "e2"


async def test_an_old_copy_waits_for_the_new_one_and_stands_in_only_when_there_is_none(world: World) -> None:
    await world.get()
    world.clock.advance(50)
    world.error = Unavailable()
    assert await world.get() == "e1-stale"
    assert await world.get() == "e1-stale"
    world.error = None
    world.clock.advance(23)
    assert await world.get() == "e3"
    world.clock.advance(200)
    world.error = Unavailable()
    with pytest.raises(HubUnavailable):
        await world.get()


async def test_another_processs_copy_is_taken_and_refreshed_when_stale(world: World) -> None:
    world.shelf.kept[KEY] = world.entry()
    assert await world.get() == "e0"
    assert world.calls == 0
    other = World()
    other.shelf.kept[KEY] = other.entry()
    other.clock.advance(15)
    assert await other.get() == "e0"
    await other.settled()
    assert await other.get() == "e1"


async def test_a_refusal_is_remembered_shortly_here_and_for_others(world: World) -> None:
    world.error = NotFound("Gone.", reason="TITLE_WITHDRAWN")
    for _ in range(3):
        with pytest.raises(NotFound, match=r"Gone\.") as caught:
            await world.get()
        assert caught.value.reason == "TITLE_WITHDRAWN"
    assert world.calls == 1
    assert world.cache.fresh(KEY) is None
    await world.settled()
    assert world.shelf.kept[KEY].refused is not None
    world.error = None
    world.shelf.kept.clear()
    world.clock.advance(4)
    assert await world.get() == "e2"


async def test_a_refusal_is_no_copy_to_stand_in(world: World) -> None:
    world.error = NotFound()
    with pytest.raises(NotFound):
        await world.get()
    world.clock.advance(4)
    world.shelf.kept.clear()
    world.error = Unavailable()
    with pytest.raises(HubUnavailable):
        await world.get()


async def test_a_hub_made_from_facts_older_than_a_known_change_is_not_kept(world: World) -> None:
    world.gate = asyncio.Event()
    asking = asyncio.create_task(world.get())
    await asyncio.sleep(0.01)
    world.near.drop_title("t", 2)
    world.gate.set()
    assert await asking == "e1"
    assert world.near.get(KEY) is None
    world.revision = 2
    assert await world.get() == "e2"
    assert world.near.get(KEY) is not None


async def test_a_dropped_title_has_no_copy_to_stand_in(world: World) -> None:
    await world.get()
    await world.settled()
    world.near.drop_title("t", 2)
    world.error = Unavailable()
    world.clock.advance(50)
    with pytest.raises(HubUnavailable):
        await world.get()


def test_the_near_cache_is_bounded_and_forgets_what_was_used_longest_ago() -> None:
    near = NearCache(bytes_max=2_000)
    entry = Entry(made_time=0, soft_expiry=1, hard_expiry=2, revision=1)
    keys = [replace(KEY, region=region) for region in ("US", "DE", "FR", "IT")]
    for key in keys[:3]:
        near.put(key, entry)
    near.get(keys[0])
    near.put(keys[3], entry)
    assert [near.get(key) is not None for key in keys] == [True, False, True, True]
    assert near.size_bytes == 3 * entry.size_bytes
    assert near.drop_title("t", 5) == 3
    assert (len(near), near.size_bytes) == (0, 0)
    assert not near.put(KEY, entry)
    near.clear()
    assert not near.put(KEY, entry), "clearing forgets copies, not what is known of titles"


BODIES = st.dictionaries(st.sampled_from(["identity", "gzip", "br", "zstd"]), st.binary(min_size=1, max_size=20))
REFUSALS = st.none() | st.builds(Refused, kind=st.sampled_from(Kind), reason=st.just("R"), message=st.text(max_size=9))
ENTRIES = st.builds(
    Entry,
    made_time=st.floats(0, 2e9),
    soft_expiry=st.floats(0, 2e9),
    hard_expiry=st.floats(0, 2e9),
    revision=st.integers(0, 2**62),
    etag=st.text(max_size=9),
    protobuf=st.binary(max_size=30),
    bodies=BODIES,
    refused=REFUSALS,
)


@given(ENTRIES)
def test_an_envelope_opens_to_what_was_put_in(entry: Entry) -> None:
    assert unpack(pack(entry, schema_id=7), schema_id=7) == entry
    assert unpack(pack(entry, schema_id=7), schema_id=8) is None


@given(entry=ENTRIES, data=st.data())
def test_a_damaged_envelope_is_treated_as_absent(entry: Entry, data: st.DataObject) -> None:
    packed = bytearray(pack(entry, schema_id=7))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    assert unpack(bytes(packed), schema_id=7) is None
    assert unpack(bytes(packed[:place]), schema_id=7) is None


async def test_a_failed_flight_fails_those_who_wait_and_the_next_one_flies_anew() -> None:
    flights: Flights[str, int] = Flights()

    async def fail() -> int:
        raise ValueError

    results = await asyncio.gather(flights.join("k", fail), flights.join("k", fail), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    assert "k" not in flights

    async def forever() -> int:
        await asyncio.sleep(60)
        return 1

    flights.start("k", forever)
    assert len(flights) == 1
    await flights.settle(0.01)
    await asyncio.sleep(0.01)
    assert len(flights) == 0
    await flights.settle(0.01)


async def test_anchors_are_asked_once_a_second_and_never_when_told_so() -> None:
    clock, asked = FakeClock(), []

    async def ask(video_ids: tuple[str, ...], region: str) -> dict[str, list[str]]:
        asked.append((video_ids, region))
        return {"a": ["A1", "A2"]}

    cache: AnchorCache[str] = AnchorCache(ask, kept_s=1, clock=clock, telemetry=Telemetry())
    assert await cache.get(["b", "a", "b"], "US") == ["A1", "A2"]
    assert await cache.get(["a", "c"], "US") == ["A1", "A2"]
    assert await cache.get(["a"], "DE") == ["A1", "A2"]
    clock.advance(1.1)
    await cache.get(["a"], "US")
    assert asked == [(("b", "a"), "US"), (("c",), "US"), (("a",), "DE"), (("a",), "US")]
    eager: AnchorCache[str] = AnchorCache(ask, kept_s=0, clock=clock, telemetry=Telemetry())
    await eager.get(["a"], "US")
    await eager.get(["a"], "US")
    assert len(asked) == 6
