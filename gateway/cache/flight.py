"""One flight per key: whoever asks while an answer is being fetched waits for that same answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """The work under way by key. A caller who leaves does not end it for the others."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    async def join(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The result of the work under way for this key, started if there is none."""
        return await asyncio.shield(self.start(key, work))

    def start(self, key: K, work: Callable[[], Awaitable[V]]) -> "asyncio.Task[V]":
        """The task for this key; its failure belongs to those who wait, if anyone does."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._run(key, work))
            task.add_done_callback(_seen)
            self._tasks[key] = task
        return task

    async def settle(self, timeout_s: float) -> None:
        """Wait for what is under way, then stop the rest: for the end of the process and of tests."""
        if self._tasks:
            _, pending = await asyncio.wait(set(self._tasks.values()), timeout=timeout_s)
            for task in pending:
                task.cancel()

    async def _run(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        try:
            return await work()
        finally:
            del self._tasks[key]


def _seen(task: "asyncio.Task[object]") -> None:
    """Take note of an error, so that a refresh nobody waits for does not warn at garbage collection."""
    if not task.cancelled():
        task.exception()
