"""Batches of concurrent calls share a run of the engine, and nobody's trouble is another's."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from chassis.clock import FakeClock
from services.matcher.errors import IndexLoading
from services.matcher.index import LiveIndex
from services.matcher.service.pooling import POOL_PER_CALLER_S, POOL_S, POSTS_MAX, EnginePool
from services.matcher.text.posts import Post


class CountingEngine:
    """Answers each post with its caption; "bad" breaks the whole run."""

    model_version = "toy"

    def __init__(self) -> None:
        self.runs: list[int] = []

    def match_batch(self, posts):
        self.runs.append(len(posts))
        if any(post.caption == "bad" for post in posts):
            raise ValueError("bad")
        return [[post.caption] for post in posts]


@pytest.fixture
def engine():
    return CountingEngine()


@pytest.fixture
def pool(engine):
    index = LiveIndex(FakeClock(), lambda text: engine)
    index.swap(SimpleNamespace(), 1)
    return EnginePool(index)


def posts(word: str, count: int = 2) -> list[Post]:
    return [Post(caption=f"{word}{number}") for number in range(count)]


async def test_each_caller_gets_the_answers_to_his_posts(pool, engine):
    answers = await asyncio.gather(*[pool.match(posts(word)) for word in "abc"])
    assert [found for _, found in answers] == [[[f"{word}0"], [f"{word}1"]] for word in "abc"]
    assert engine.runs == [6]


async def test_a_run_takes_no_more_than_its_limit(pool, engine):
    await asyncio.gather(*[pool.match(posts(word, 250)) for word in "abcd"])
    assert sum(engine.runs) == 1_000
    assert max(engine.runs) <= POSTS_MAX


async def test_a_batch_larger_than_the_limit_runs_alone(pool, engine):
    _, found = await pool.match(posts("a", POSTS_MAX + 5))
    assert len(found) == POSTS_MAX + 5


async def test_a_batch_that_breaks_the_engine_fails_alone(pool):
    good, bad = await asyncio.gather(pool.match(posts("a")), pool.match([Post(caption="bad")]), return_exceptions=True)
    assert good[1] == [["a0"], ["a1"]]
    assert isinstance(bad, ValueError)
    with pytest.raises(ValueError, match="bad"):
        await pool.match([Post(caption="bad")])


async def called_later(pool: EnginePool, word: str, pause_s: float) -> None:
    await asyncio.sleep(pause_s)
    with pool.caller():
        await pool.match(posts(word))


async def test_a_caller_who_is_alone_waits_for_nobody(pool, engine):
    await asyncio.gather(called_later(pool, "a", 0.0), called_later(pool, "b", POOL_PER_CALLER_S))
    assert engine.runs == [2, 2]


async def test_while_others_are_under_way_those_who_come_one_by_one_share_a_run(pool, engine):
    with contextlib.ExitStack() as others:
        for _ in range(5):
            others.enter_context(pool.caller())
        await asyncio.gather(*[called_later(pool, word, at * POOL_S / 2) for at, word in enumerate("abc")])
    assert engine.runs == [6]


async def test_a_caller_who_left_is_not_told(pool, engine):
    leaving = asyncio.create_task(pool.match(posts("a")))
    await asyncio.sleep(0)
    leaving.cancel()
    _, found = await pool.match(posts("b"))
    assert found == [["b0"], ["b1"]]


async def test_without_an_index_nobody_waits():
    with pytest.raises(IndexLoading):
        await EnginePool(LiveIndex(FakeClock(), lambda text: CountingEngine())).match(posts("a"))
