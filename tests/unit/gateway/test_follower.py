"""The follower of catalog's changes: what it drops, where it begins, how it goes on."""

import asyncio

import pytest

from chassis.clock import FakeClock
from chassis.errors import OutOfRange, Unavailable
from chassis.telemetry import Telemetry
from gateway import follower as module
from gateway.cache.envelope import Entry
from gateway.cache.near import NearCache
from gateway.domain import HubKey
from gateway.follower import Changes, Follower, TitleChange


class Feed:
    def __init__(self) -> None:
        self.all: list[TitleChange] = []
        self.errors: list[Exception] = []

    def change(self, title_id: str) -> None:
        revision = len(self.all) + 1
        self.all.append(TitleChange(revision=revision, title_id=title_id, title_revision=revision))

    async def changes(self, after_revision: int, *, wait_s: float) -> Changes:
        if self.errors:
            raise self.errors.pop(0)
        if wait_s:
            await asyncio.sleep(0.001)
        return Changes(changes=self.all[after_revision : after_revision + 2], latest_revision=len(self.all))


class Shelf:
    def __init__(self, cursor: int | None = None) -> None:
        self.position, self.dropped, self.forgotten = cursor, [], 0

    async def drop(self, title_id: str, revision: int) -> bool:
        self.dropped.append((title_id, revision))
        return True

    async def settle_owed(self) -> bool:
        return True

    async def cursor(self) -> int | None:
        return self.position

    async def advance(self, revision: int) -> None:
        self.position = revision

    async def forget_all(self) -> None:
        self.forgotten += 1


def a_follower(feed: Feed, shelf: Shelf, near: NearCache | None = None) -> Follower:
    near = near or NearCache(bytes_max=1000)
    return Follower(feed=feed, near=near, shelf=shelf, clock=FakeClock(), telemetry=Telemetry())


async def test_without_a_known_position_everything_kept_is_void() -> None:
    feed, shelf = Feed(), Shelf()
    feed.change("old")
    following = a_follower(feed, shelf)
    await following.step(wait_s=0)
    assert (following.position, shelf.forgotten, shelf.dropped, shelf.position) == (1, 1, [], 1)


async def test_from_a_known_position_only_what_changed_since_is_dropped() -> None:
    feed, shelf, near = Feed(), Shelf(cursor=1), NearCache(bytes_max=10_000)
    for title_id in ("a", "b", "c", "d"):
        feed.change(title_id)
    key = HubKey(title_id="b", region="US", language="en")
    near.put(key, Entry(made_time=0, soft_expiry=1, hard_expiry=2, revision=1))
    following = a_follower(feed, shelf, near)
    await following.step(wait_s=0)
    assert (shelf.dropped, following.position) == ([("b", 2), ("c", 3)], 3)
    assert near.get(key) is None
    await following.step(wait_s=0)
    assert (shelf.dropped[2:], shelf.position, shelf.forgotten) == ([("d", 4)], 4, 0)


async def test_a_position_catalog_never_gave_out_starts_over() -> None:
    feed, shelf = Feed(), Shelf(cursor=9)
    feed.change("a")
    await a_follower(feed, shelf).step(wait_s=0)
    assert shelf.forgotten == 1


async def test_it_goes_on_after_catalog_was_away_or_another_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "OWED_EVERY_S", 0.001)
    feed, shelf = Feed(), Shelf(cursor=0)
    feed.change("a")
    feed.errors = [Unavailable(), OutOfRange()]
    following = a_follower(feed, shelf)
    running = asyncio.create_task(following.run())
    async with asyncio.timeout(30):
        while following.position != 1:
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert shelf.forgotten == 1
    assert following.lag_s == 0
