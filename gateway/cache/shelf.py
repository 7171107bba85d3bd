"""The copies in Redis, shared by all gateway processes.

One hash a title (`spotlight:hub:{id}`): a field for each region and language, and `floor`, the revision
below which nothing may be kept, so that dropping a title is one command and a late writer cannot bring
back what a change removed. Scripts keep check and write in one step.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from redis.exceptions import RedisError

from chassis.clock import Clock
from chassis.redis import Breaker, Redis, RedisUnavailable
from chassis.telemetry import Telemetry
from gateway.cache.envelope import Entry, pack, unpack
from gateway.domain import HubKey

FIELDS_MAX = 400
FLOOR_KEPT_MS = 86_400_000

CHANNEL = "spotlight:hub:drop"
"""Messages are `title_id revision`."""

_STORE = """
local floor = redis.call('HGET', KEYS[1], 'floor')
if floor and tonumber(floor) > tonumber(ARGV[3]) then return 0 end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  redis.call('DEL', KEYS[1])
  if floor then redis.call('HSET', KEYS[1], 'floor', floor) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
"""
_DROP = """
local floor = tonumber(redis.call('HGET', KEYS[1], 'floor') or '0')
local revision = math.max(floor, tonumber(ARGV[1]))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'floor', string.format('%.0f', revision))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4] .. ' ' .. string.format('%.0f', revision))
return 1
"""
_ADVANCE = """
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > known then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
"""
_CURSOR = "spotlight:hub-cursor"
FORGET_ALL_S = 10.0

T = TypeVar("T")


class RedisShelf:
    """Keeps hubs in Redis. What Redis cannot do in time counts as a miss."""

    def __init__(
        self,
        client: Redis,
        *,
        schema_id: int,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._client = client
        self._schema_id = schema_id
        self._clock = clock
        self._breaker = Breaker(telemetry)
        self._owed: dict[str, int] = {}
        self._log = structlog.get_logger("hub_shelf")
        self._store_script = client.register_script(_STORE)
        self._advance_script = client.register_script(_ADVANCE)
        self._drop_script = client.register_script(_DROP)
        self._unreadable = telemetry.counter(
            "hub_cache_unreadable_total", "Copies of another schema or damaged, treated as absent."
        )

    async def fetch(self, key: HubKey) -> Entry | None:
        """The copy, if there is one that can be trusted."""
        if key.title_id in self._owed:
            return None
        data = await self._try("fetch", lambda: self._fetch(key))
        if not data:
            return None
        entry = unpack(data, schema_id=self._schema_id)
        if entry is None:
            self._unreadable.inc()
        return entry

    async def store(self, key: HubKey, entry: Entry) -> None:
        """Keep a copy until its hard expiry, unless its title has changed since."""
        life_ms = int((entry.hard_expiry - self._clock.now().timestamp()) * 1000)
        if life_ms <= 0 or key.title_id in self._owed:
            return
        data = pack(entry, schema_id=self._schema_id)
        arguments = (_field(key), data, entry.revision, life_ms, FIELDS_MAX)
        await self._try("store", lambda: self._store_script(keys=[_key(key.title_id)], args=arguments))

    async def drop(self, title_id: str, revision: int) -> bool:
        """Forget a title's hubs for all processes. What fails is owed: not read until it was done."""
        done = await self._try("drop", lambda: self._drop(title_id, revision))
        if done is None:
            self._owed[title_id] = max(revision, self._owed.get(title_id, 0))
        return done is not None

    async def settle_owed(self) -> bool:
        """Do the drops that Redis could not take; says whether none is left."""
        for title_id, revision in tuple(self._owed.items()):
            if await self._try("drop", lambda t=title_id, r=revision: self._drop(t, r)) is None:  # type: ignore[misc]
                return False
            if self._owed.get(title_id) == revision:
                del self._owed[title_id]
        return not self._owed

    async def cursor(self) -> int | None:
        """Up to which catalog revision all drops were done; None when nobody knows."""
        found = await self._try("cursor", self._read_cursor)
        return int(found) if found else None

    async def advance(self, revision: int) -> None:
        """Note that all drops up to a revision are done."""
        if not self._owed:
            await self._try("cursor", lambda: self._advance_script(keys=[_CURSOR], args=[revision]))

    async def forget_all(self) -> None:
        """Remove every hub: nobody knows which of them still hold. A maintenance act, not for the request path."""
        try:
            async with asyncio.timeout(FORGET_ALL_S):
                async for name in self._client.scan_iter(match="spotlight:hub:*", count=500):
                    await self._client.unlink(name)
        except (RedisError, TimeoutError, OSError) as error:
            self._log.warning("kept hubs could not be removed", error=type(error).__name__)

    async def _read_cursor(self) -> bytes:
        found: Any = await self._client.get(_CURSOR)
        return bytes(found or b"")

    async def _fetch(self, key: HubKey) -> bytes:
        found: Any = await self._client.hget(_key(key.title_id), _field(key))
        return bytes(found or b"")

    async def _drop(self, title_id: str, revision: int) -> Any:
        arguments = (revision, FLOOR_KEPT_MS, CHANNEL, title_id)
        return await self._drop_script(keys=[_key(title_id)], args=arguments)

    async def _try(self, operation: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """The result, or None when Redis fails or is slower than it may be."""
        try:
            return await self._breaker.call(work, name=operation)
        except RedisUnavailable:
            return None


def _key(title_id: str) -> str:
    return f"spotlight:hub:{{{title_id}}}"


def _field(key: HubKey) -> str:
    return f"{key.region} {key.language}"
