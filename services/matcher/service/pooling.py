"""Joins the batches of concurrent calls into one run of the text engine.

Its cost is fixed for the most part: 100 posts alone take 120 µs each, 800 at once 36 µs
(`python -m benchmarks.match_rpc`).
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from services.matcher.index import LiveIndex, Names
from services.matcher.text.matches import TextMatch
from services.matcher.text.posts import Post

# Callers who are under way, or have just shared a run, come back a few milliseconds apart: whoever comes is waited for,
# the longer the more may come. A caller who is alone waits for nobody.
POOL_S = 0.01
POOL_PER_CALLER_S = 0.002
POOL_MAX_S = 0.05
SHARED_S = 0.5
# The loop stands still while the engine runs: about 40 ms for so many.
POSTS_MAX = 600

Found = Sequence[Sequence[TextMatch]]


class EnginePool:
    """One engine, many callers."""

    def __init__(self, index: LiveIndex) -> None:
        self._index = index
        self._waiting: list[tuple[Sequence[Post], asyncio.Future[tuple[Names, Found]]]] = []
        self._size = 0
        self._callers = 0
        self._shared_by = 0  # how many other calls a call shared the last run with, and when that was
        self._shared_at = 0.0
        self._due_at = 0.0  # when the first of those that wait has waited long enough
        self._timer: asyncio.Handle | None = None

    @contextlib.contextmanager
    def caller(self) -> Iterator[None]:
        """A call for as long as it lasts: what it does after the engine's run counts as load, too."""
        self._callers += 1
        try:
            yield
        finally:
            self._callers -= 1

    async def match(self, posts: Sequence[Post]) -> tuple[Names, Found]:
        """The matches of each post, and the names that were searched: all of one call by the same."""
        assert self._index.names, "an index that is not ready raises"
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[tuple[Names, Found]] = loop.create_future()
        self._waiting.append((posts, mine))
        self._size += len(posts)
        self._wait(loop)
        return await mine

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """The next run begins when nobody came for a while, or when it is full."""
        now = loop.time()
        if len(self._waiting) == 1:
            self._due_at = now + POOL_MAX_S
        if self._timer is not None:
            self._timer.cancel()
        pause_s = 0.0 if self._size >= POSTS_MAX else max(0.0, min(self._pause_s(now), self._due_at - now))
        self._timer = loop.call_later(pause_s, self._run)

    def _pause_s(self, now: float) -> float:
        shared_by = self._shared_by if now - self._shared_at < SHARED_S else 0
        others = max(self._callers - len(self._waiting), shared_by)
        return min(POOL_S, POOL_PER_CALLER_S * others)

    def _run(self) -> None:
        self._timer = None
        taken = self._taken()
        names = self._index.names
        try:
            found = names.engine.match_batch([post for posts, _ in taken for post in posts])
        except Exception as error:  # noqa: BLE001 - whoever sent what breaks the engine gets it, alone
            self._run_apart(names, taken, error)
            return
        at = 0
        for posts, future in taken:
            _tell(future, (names, found[at : at + len(posts)]))
            at += len(posts)
        self._shared_by, self._shared_at = len(taken) - 1, asyncio.get_running_loop().time()

    def _taken(self) -> list[tuple[Sequence[Post], asyncio.Future[tuple[Names, Found]]]]:
        """The calls to serve now; the rest waits for the next run."""
        count, size = 0, 0
        while count < len(self._waiting) and (count == 0 or size + len(self._waiting[count][0]) <= POSTS_MAX):
            size += len(self._waiting[count][0])
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._size -= size
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_soon(self._run)
        return taken

    def _run_apart(
        self,
        names: Names,
        taken: Sequence[tuple[Sequence[Post], asyncio.Future[tuple[Names, Found]]]],
        error: Exception,
    ) -> None:
        if len(taken) == 1:
            _tell(taken[0][1], error)
            return
        for posts, future in taken:
            try:
                _tell(future, (names, names.engine.match_batch(posts)))
            except Exception as own:  # noqa: BLE001 - as above
                _tell(future, own)


def _tell(future: asyncio.Future[tuple[Names, Found]], answer: tuple[Names, Found] | Exception) -> None:
    if future.done():
        return  # the caller has gone
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
