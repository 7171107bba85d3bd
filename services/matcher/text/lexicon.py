"""Ordinary language beyond single words: common pairs and phrases, what a dictionary lists, places, songs.

Needed only while an index is built.  The file holds hashes and counts, no text; see
`tools/cli/training/lexicon.py` for where they come from.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.matcher.text.hashing import UInt64s

PATH = Path(__file__).with_name("lexicon.npz")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Sorted upper halves of keys, and a value in steps for each."""

    pair_key: npt.NDArray[np.uint32]
    pair_count: npt.NDArray[np.uint8]
    place_key: npt.NDArray[np.uint32]
    place_size: npt.NDArray[np.uint8]
    phrase_key: npt.NDArray[np.uint32]
    phrase_count: npt.NDArray[np.uint8]
    entry_key: npt.NDArray[np.uint32]
    entry_senses: npt.NDArray[np.uint8]
    song_key: npt.NDArray[np.uint32]
    song_known: npt.NDArray[np.uint8]

    def pairs(self, keys: UInt64s) -> npt.NDArray[np.uint8]:
        """How common each pair of words is, 0 when it is not listed."""
        return _look_up(self.pair_key, self.pair_count, keys)

    def places(self, keys: UInt64s) -> npt.NDArray[np.uint8]:
        """How large the place of this name is, 0 when there is none."""
        return _look_up(self.place_key, self.place_size, keys)

    def phrases(self, keys: UInt64s) -> npt.NDArray[np.uint8]:
        """In how many plot overviews each run of words stands, in logarithmic steps; 0 for fewer than two."""
        return _look_up(self.phrase_key, self.phrase_count, keys)

    def entries(self, keys: UInt64s) -> npt.NDArray[np.uint8]:
        """How many senses a dictionary of English lists for it, 0 when it has no such entry."""
        return _look_up(self.entry_key, self.entry_senses, keys)

    def songs(self, keys: UInt64s) -> npt.NDArray[np.uint8]:
        """1 where a well-known song has this name."""
        return _look_up(self.song_key, self.song_known, keys)


def _look_up(
    sorted_keys: npt.NDArray[np.uint32], values: npt.NDArray[np.uint8], keys: UInt64s
) -> npt.NDArray[np.uint8]:
    half = (keys >> np.uint64(32)).astype(np.uint32)
    at = np.minimum(np.searchsorted(sorted_keys, half), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == half, values[at], 0).astype(np.uint8)


@functools.cache
def lexicon() -> Lexicon:
    with np.load(PATH) as arrays:
        return Lexicon(**{name: arrays[name] for name in Lexicon.__slots__})
