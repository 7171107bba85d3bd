"""The door to Redis: short waits, no retries, and a breaker, because a request can always do without.

Redis's defaults wait 5 s for a dead server. A request waits at most 50 ms here, and not at all while the breaker is
open: after three failures in a row it lets one call through every half second to see whether Redis is back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chassis.errors import Unavailable
from chassis.telemetry import Telemetry

REQUEST_TIMEOUT_S = 0.05
OPEN_TIMEOUT_S = 0.005
CONNECTIONS_MAX = 64
FAILURES_MAX = 3
PROBE_EVERY_S = 0.5

T = TypeVar("T")
Redis = redis.asyncio.Redis


class RedisUnavailable(Unavailable):
    """The cache does not answer at the moment."""

    reason = "CACHE_UNAVAILABLE"


def connect(redis_url: str, *, connections_max: int = CONNECTIONS_MAX, timeout_s: float = REQUEST_TIMEOUT_S) -> Redis:
    """A client for the request path: bytes in and out, 50 ms at most unless told, never a second try."""
    return redis.asyncio.from_url(
        redis_url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        max_connections=connections_max,
        protocol=3,
    )


def connect_consumer(redis_url: str) -> Redis:
    """A client for blocking reads (subscriptions, streams): it waits as long as there is nothing to read."""
    return redis.asyncio.from_url(
        redis_url, socket_timeout=None, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0), protocol=3
    )


class Breaker:
    """Keeps calls away from a Redis that fails."""

    def __init__(self, telemetry: Telemetry | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._probe_at = 0.0
        self._telemetry = telemetry
        self._gauge = telemetry.gauge("redis_breaker_open", "1 while Redis is left alone.") if telemetry else None

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES_MAX

    async def call(self, operation: Callable[[], Awaitable[T]], *, name: str = "call") -> T:
        """Runs the operation within the time a request may wait, or raises RedisUnavailable."""
        timeout_s = self._admit()
        start = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                result = await operation()
        except (RedisError, OSError, TimeoutError) as error:
            self._failed()
            self._observe(name, "error", start)
            raise RedisUnavailable from error
        self._failures = 0
        self._observe(name, "ok", start)
        return result

    def _admit(self) -> float:
        if not self.is_open:
            return REQUEST_TIMEOUT_S
        now = self._monotonic()
        if now < self._probe_at:
            raise RedisUnavailable
        self._probe_at = now + PROBE_EVERY_S
        return OPEN_TIMEOUT_S

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == FAILURES_MAX:
            self._probe_at = self._monotonic() + PROBE_EVERY_S

    def _observe(self, name: str, outcome: str, start: float) -> None:
        if self._telemetry is not None and self._gauge is not None:
            self._gauge.set(1 if self.is_open else 0)
            self._telemetry.observe_dependency("redis", name, outcome, time.perf_counter() - start)


async def ping(client: Redis) -> None:
    """Raises unless Redis answers."""
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise RedisUnavailable from error
