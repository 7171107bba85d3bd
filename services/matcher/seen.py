"""Whether a video was ever sent: a filter that is never wrong about a "no", so that news costs no read.

A Bloom filter over this process's own string hashes: 16 MB hold ten million videos with 0.4 % false "maybe".
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

BITS = 1 << 27
PROBES = 4
_MASK = BITS - 1
_STEP = 31  # bits of the 64-bit hash between probes' strides

Places = npt.NDArray[np.int64]


class SeenVideos:
    """Remembers ids; says maybe to everything until it was told that it knows all."""

    __slots__ = ("_bits", "_is_complete")

    def __init__(self) -> None:
        self._bits = np.zeros(BITS >> 3, dtype=np.uint8)
        self._is_complete = False

    def complete(self) -> None:
        """From now on all ids of the archive have been added."""
        self._is_complete = True

    def add(self, video_ids: Iterable[str]) -> None:
        places = _places(video_ids)
        np.bitwise_or.at(self._bits, places >> 3, _bit_of(places))

    def may_hold_any(self, video_ids: Iterable[str]) -> bool:
        if not self._is_complete:
            return True
        places = _places(video_ids)
        is_set = self._bits[places >> 3] & _bit_of(places) != 0
        return bool(is_set.all(axis=0).any())


def _places(video_ids: Iterable[str]) -> Places:
    """(probes, ids): where each id's bits are; of what overflows only the low bits count."""
    first = np.fromiter(map(hash, video_ids), dtype=np.int64)
    stride = (first >> _STEP) | 1
    return (first + np.arange(PROBES)[:, None] * stride) & _MASK


def _bit_of(places: Places) -> npt.NDArray[np.uint8]:
    bits: npt.NDArray[np.uint8] = np.left_shift(1, places & 7).astype(np.uint8)
    return bits
