"""Which frames of a video show the same picture: agreement counts between shots, not between copies of one."""

from collections.abc import Sequence

import numpy as np

from services.matcher.visual.signals import Fingerprint, Frame, Region

SAME_SHOT_COSINE_MIN = 0.85
SAME_SHOT_BITS_MAX = 40


def shots_of(frames: Sequence[Frame]) -> tuple[int, ...]:
    """A shot number for each frame; a picture that returns keeps its number."""
    firsts: list[Fingerprint] = []
    numbers: list[int] = []
    for frame in frames:
        whole = _whole(frame)
        number = next((n for n, first in enumerate(firsts) if whole is not None and alike(first, whole)), None)
        if number is None:
            number = len(firsts)
            firsts.append(whole or Fingerprint())
        numbers.append(number)
    return tuple(numbers)


def _whole(frame: Frame) -> Fingerprint | None:
    plain = [one for one in frame.fingerprints if not one.mirrored]
    return next((one for one in plain if one.region is Region.FULL), plain[0] if plain else None)


def alike(one: Fingerprint, other: Fingerprint) -> bool:
    if one.embedding is not None and other.embedding is not None and one.embedding.model == other.embedding.model:
        return float(one.embedding.vector() @ other.embedding.vector()) >= SAME_SHOT_COSINE_MIN
    if one.pdq is not None and other.pdq is not None:
        return bits_between(one.pdq, other.pdq) <= SAME_SHOT_BITS_MAX
    return False


def bits_between(one: bytes, other: bytes) -> int:
    return int(np.bitwise_count(np.frombuffer(one, np.uint8) ^ np.frombuffer(other, np.uint8)).sum())
