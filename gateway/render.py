"""A hub as final bytes: protobuf, and JSON in every content coding, compressed once when it is kept."""

import gzip
import hashlib
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has none
import zstandard

from gateway import wire
from gateway.cache.envelope import Entry
from gateway.cache.hubs import Freshness
from gateway.domain import Hub
from gateway.transcode.encode import Encoder

COMPRESS_BYTES_MIN = 600
# Measured on hubs of 6 to 30 kB: stronger settings win under 3 % and cost ten times the time.
GZIP_LEVEL, BROTLI_QUALITY, ZSTD_LEVEL = 6, 5, 6

SCHEMA_VERSION = 1


def schema_id() -> int:
    """Changes with the message and with this file's way of writing it: old copies are then nobody's."""
    content = wire.hub_schema() + SCHEMA_VERSION.to_bytes(4, "big")
    return int.from_bytes(hashlib.blake2b(content, digest_size=4).digest(), "big")


def codings(body: bytes) -> dict[str, bytes]:
    """A body in each coding that makes it smaller."""
    bodies = {"identity": body}
    if len(body) >= COMPRESS_BYTES_MIN:
        bodies["gzip"] = gzip.compress(body, GZIP_LEVEL, mtime=0)
        bodies["br"] = brotli.compress(body, quality=BROTLI_QUALITY)
        bodies["zstd"] = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)
    return bodies


class Renderer:
    """Makes entries out of hubs."""

    def __init__(self, encoder: Encoder, freshness: Freshness) -> None:
        self._encoder = encoder
        self._freshness = freshness

    async def compose(self, hub: Awaitable[Hub]) -> Entry:
        """The entry of a hub that is being made."""
        return self.entry(await hub)

    def entry(self, hub: Hub) -> Entry:
        """The entry of a hub made now; no copy outlives the next edge of a window."""
        message = wire.hub_message(hub)
        made = hub.as_of_time.timestamp()
        soft_s = self._freshness.degraded_s if hub.unreachable else self._freshness.soft_s
        edge = hub.valid_until or hub.as_of_time + timedelta(seconds=self._freshness.hard_s)
        hard = min(made + self._freshness.hard_s, edge.timestamp())
        return Entry(
            made_time=made,
            soft_expiry=min(made + soft_s, hard),
            hard_expiry=hard,
            revision=hub.revision,
            etag=etag(message),
            protobuf=message.SerializeToString(deterministic=True),
            bodies=self._bodies(message),
        )

    def stale(self, entry: Entry) -> Entry:
        """The same hub, saying that it is a kept copy."""
        message = wire.parse_hub(entry.protobuf)
        message.is_stale = True
        return replace(
            entry,
            etag=etag(message),
            protobuf=message.SerializeToString(deterministic=True),
            bodies=self._bodies(message),
        )

    def _bodies(self, message: Any) -> Mapping[str, bytes]:
        return codings(self._encoder.to_json(message))


def etag(message: Any) -> str:
    """A weak tag of what the hub shows: the same however often it is made, in whatever coding."""
    content = wire.without_times(message).SerializeToString(deterministic=True)
    digest = hashlib.blake2b(content, digest_size=12).hexdigest()
    return f'W/"{digest}"'
