"""The form in which a hub is kept: final bytes with what is needed to trust and to expire them."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from chassis.errors import Kind

CODINGS = ("identity", "gzip", "br", "zstd")

_SEAL = struct.Struct(">4sII")
"""magic, schema id, checksum of all that follows"""
_HEAD = struct.Struct(">?ddqd")
"""negative, soft, hard, revision, made"""
_LENGTH = struct.Struct(">I")
_MAGIC = b"SPH2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why there is no hub: what a negative entry keeps."""

    kind: Kind
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept answer. Times are seconds since 1970 on the wall clock: processes share them."""

    made_time: float
    soft_expiry: float
    """From here on it is refreshed, while it is still shown."""
    hard_expiry: float
    """From here on it is shown to nobody."""
    revision: int
    etag: str = ""
    protobuf: bytes = b""
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    """JSON by content coding."""
    refused: Refused | None = None

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return len(self.protobuf) + sum(len(body) for body in self.bodies.values()) + 512


def pack(entry: Entry, *, schema_id: int) -> bytes:
    """The entry as Redis keeps it."""
    refused = entry.refused
    reason = f"{refused.kind.value}\n{refused.reason}\n{refused.message}" if refused else ""
    parts = [entry.etag.encode(), reason.encode(), entry.protobuf]
    parts += [entry.bodies.get(coding, b"") for coding in CODINGS]
    head = (refused is not None, entry.soft_expiry, entry.hard_expiry, entry.revision, entry.made_time)
    content = _HEAD.pack(*head) + b"".join(_LENGTH.pack(len(part)) + part for part in parts)
    return _SEAL.pack(_MAGIC, schema_id, zlib.crc32(content)) + content


def unpack(data: bytes, *, schema_id: int) -> Entry | None:
    """The entry, or None when the bytes are of another schema or damaged."""
    if len(data) < _SEAL.size + _HEAD.size:
        return None
    magic, found_schema, checksum = _SEAL.unpack_from(data)
    if magic != _MAGIC or found_schema != schema_id or zlib.crc32(data[_SEAL.size :]) != checksum:
        return None
    negative, soft, hard, revision, made = _HEAD.unpack_from(data, _SEAL.size)
    etag, reason, protobuf, *bodies = _parts(data[_SEAL.size + _HEAD.size :])
    return Entry(
        made_time=made,
        soft_expiry=soft,
        hard_expiry=hard,
        revision=revision,
        etag=etag.decode(),
        protobuf=protobuf,
        bodies={coding: body for coding, body in zip(CODINGS, bodies, strict=True) if body},
        refused=_refused(reason.decode()) if negative else None,
    )


def _parts(content: bytes) -> list[bytes]:
    parts: list[bytes] = []
    position = 0
    while position < len(content):
        (length,) = _LENGTH.unpack_from(content, position)
        position += _LENGTH.size
        parts.append(content[position : position + length])
        position += length
    return parts


def _refused(text: str) -> Refused:
    kind, reason, message = text.split("\n", 2)
    return Refused(kind=Kind(kind), reason=reason, message=message)
