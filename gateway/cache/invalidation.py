"""Listens to what other gateway processes drop, and forgets it here too."""

import asyncio

import structlog
from redis.exceptions import RedisError

from chassis.redis import connect_consumer
from gateway.cache.near import NearCache
from gateway.cache.shelf import CHANNEL

RECONNECT_S = 0.5
POLL_S = 1.0


class Invalidation:
    """One subscription; when it breaks, everything near is forgotten, for messages may have been missed."""

    def __init__(self, url: str, near: NearCache) -> None:
        self._client = connect_consumer(url)
        self._near = near
        self._log = structlog.get_logger("invalidation")
        self.is_listening = False

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            while True:
                try:
                    await self._listen()
                except (RedisError, OSError, TimeoutError) as error:
                    if self.is_listening:
                        self._log.warning("invalidation lost", error=type(error).__name__)
                        self._near.clear()
                    self.is_listening = False
                await asyncio.sleep(RECONNECT_S)
        finally:
            await self._client.aclose()

    async def _listen(self) -> None:
        async with self._client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                message = await subscription.get_message(timeout=POLL_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self.is_listening = True
                elif message["type"] == "message":
                    title_id, _, revision = message["data"].decode().partition(" ")
                    self._near.drop_title(title_id, int(revision))
