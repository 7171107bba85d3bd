"""Identity as an argument: time-sortable identifiers, and countable ones for tests."""

import hashlib
import os
import time
from collections.abc import Callable

NewId = Callable[[], str]

# Crockford's base 32: no I, L, O, U, so an id can be read aloud.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_CHARACTERS = 26
_RANDOM_BYTES = 10


def new_id() -> str:
    """A ULID: 48 bits of milliseconds, 80 random bits; sorts by time of making."""
    millis = time.time_ns() // 1_000_000
    return _encode(millis << 80 | int.from_bytes(os.urandom(_RANDOM_BYTES), "big"))


def earliest(moment_s: float) -> str:
    """What every id made from this moment (Unix seconds) on sorts after."""
    return _encode(int(moment_s * 1000) << 80)


def derived_id(*parts: str) -> str:
    """The same id for the same parts: for writes that may be repeated under one request id."""
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    return _encode(int.from_bytes(digest[:16], "big"))


def _encode(number: int) -> str:
    return "".join(ALPHABET[number >> shift & 31] for shift in range(5 * (ID_CHARACTERS - 1), -1, -5))


class SequentialIds:
    """Ids that count up, for tests: each sorts after the one before."""

    def __init__(self, prefix: str = "ID") -> None:
        self._prefix = prefix
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count:0{ID_CHARACTERS - len(self._prefix)}d}"
