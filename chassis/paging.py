"""Page tokens: where the next page begins, opaque and signed, good only for the query that made them."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence

from chassis.config import ConfigError, Settings, read_secret
from chassis.errors import InvalidArgument, Violation

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200
TOKEN_CHARACTERS_MAX = 2_048
_SIGNATURE_BYTES = 16

Position = Sequence[str | int | float | None]


class InvalidPageToken(InvalidArgument):
    """The page token is not one we gave for this query."""

    reason = "INVALID_PAGE_TOKEN"

    def __init__(self) -> None:
        super().__init__(violations=[Violation("page_token", "is not a token we gave for this query")])


def token_key(settings: Settings) -> bytes:
    """The key that signs: from its file; a local process may make one up, and its tokens end with it."""
    if settings.page_token_key_file is not None:
        return read_secret(settings.page_token_key_file)
    if not settings.local:
        msg = "page_token_key_file: needed unless local"
        raise ConfigError(msg)
    return secrets.token_bytes(32)


def query_hash(*parts: object) -> str:
    """What the pages of one query have in common: its method, parent, filter and order."""
    return hashlib.sha256(json.dumps(parts, default=str, ensure_ascii=False).encode()).hexdigest()[:16]


def size(page_size: int) -> int:
    """The page size to use for the one asked for: 0 means the default, more than the most means the most."""
    return min(page_size, PAGE_SIZE_MAX) if page_size > 0 else PAGE_SIZE_DEFAULT


def encode(token_key: bytes, query_hash: str, position: Position) -> str:
    body = json.dumps(list(position), separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_signature(token_key, query_hash, body) + body).rstrip(b"=").decode()


def decode(token_key: bytes, query_hash: str, token: str) -> list[str | int | float | None]:
    """The position a token holds; [] for the empty token of a first page."""
    if not token:
        return []
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise InvalidPageToken
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise InvalidPageToken from None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(token_key, query_hash, body)):
        raise InvalidPageToken
    position: list[str | int | float | None] = json.loads(body)
    return position


def _signature(token_key: bytes, query_hash: str, body: bytes) -> bytes:
    return hmac.digest(token_key, query_hash.encode() + b"\x00" + body, "sha256")[:_SIGNATURE_BYTES]
