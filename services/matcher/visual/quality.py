"""Finds what says nothing: flat pictures and text on a plain ground hash alike whatever they show."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.matcher.visual.layout import grey_of

Picture = NDArray[np.uint8]

SIDE_PX = 128
BLOCK_PX = 8
FLAT_DEVIATION = 2.5  # grey levels within a block
GROUND_TOLERANCE = 10  # grey levels around a picture's commonest tones


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """How much there is to see, in shares of the picture."""

    flat_share: float  # blocks without any texture
    ground_share: float  # pixels of the commonest tone
    two_tone_share: float  # pixels of the two commonest tones


def texture_of(picture: Picture) -> Texture:
    small = cv2.resize(grey_of(picture), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    blocks = small.reshape(SIDE_PX // BLOCK_PX, BLOCK_PX, SIDE_PX // BLOCK_PX, BLOCK_PX).astype(np.float32)
    deviation = blocks.std(axis=(1, 3))
    tones = np.bincount(small.ravel(), minlength=256).astype(np.float64) / small.size
    ground, rest = _commonest(tones)
    second, _ = _commonest(rest)
    return Texture(
        flat_share=float((deviation < FLAT_DEVIATION).mean()), ground_share=ground, two_tone_share=ground + second
    )


def _commonest(tones: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The share of the commonest tone with its surroundings, and the tones without it."""
    width = 2 * GROUND_TOLERANCE + 1
    sums = np.convolve(tones, np.ones(width), mode="same")
    centre = int(np.argmax(sums))
    rest = tones.copy()
    rest[max(0, centre - GROUND_TOLERANCE) : centre + GROUND_TOLERANCE + 1] = 0.0
    return float(sums[centre]), rest


FLAT_SHARE_MAX = 0.75
GROUND_SHARE_MAX = 0.88
GROUND_FLAT_SHARE_MAX = 0.60


def is_flat(picture: Picture) -> bool:
    """Mostly one tone without texture: a fade, a wall, words on black."""
    texture = texture_of(picture)
    return texture.flat_share >= FLAT_SHARE_MAX or (
        texture.ground_share >= GROUND_SHARE_MAX and texture.flat_share >= GROUND_FLAT_SHARE_MAX
    )
