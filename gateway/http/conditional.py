"""What HTTP lets a client say about copies it has and codings it reads."""

from collections.abc import Mapping
from functools import lru_cache

from gateway.cache.envelope import CODINGS

_PREFERENCE = ("br", "zstd", "gzip")
"""Smallest first; measured on hubs."""


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the client has this version; tags compare weakly."""
    if not if_none_match or not etag:
        return False
    if if_none_match.strip() == "*":
        return True
    opaque = etag.removeprefix("W/")
    return any(tag.strip().removeprefix("W/") == opaque for tag in if_none_match.split(","))


def coding_for(accept_encoding: str, bodies: Mapping[str, bytes]) -> str:
    """The best coding the client reads and we have."""
    return next((coding for coding in _accepted(accept_encoding) if coding in bodies), "identity")


@lru_cache(maxsize=1024)
def _accepted(accept_encoding: str) -> tuple[str, ...]:
    """The codings of ours a client reads, in our preference; clients send few different headers."""
    refused: set[str] = set()
    accepted: set[str] = set()
    for part in accept_encoding.lower().split(","):
        name, _, quality = part.partition(";")
        (refused if _is_zero(quality) else accepted).add(name.strip())
    return tuple(coding for coding in _PREFERENCE if coding in accepted or ("*" in accepted and coding not in refused))


def _is_zero(quality: str) -> bool:
    try:
        return float(quality.strip().removeprefix("q=") or 1) == 0
    except ValueError:
        return True


assert set(_PREFERENCE) < set(CODINGS), "what is preferred is also kept"
