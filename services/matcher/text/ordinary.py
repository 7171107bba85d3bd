"""How ordinary words are: the Zipf frequency of every common word, by the key of the word.

Needed only while an index is built: what it knows is then kept per alias.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import wordfreq

from services.matcher.text.hashing import Ints, UInt64s
from services.matcher.text.words import split_words

STEPS_PER_ZIPF = 25  # a Zipf frequency (0..8) in one byte
_OTHER_LANGUAGES = (
    "es",
    "fr",
    "de",
    "pt",
    "it",
    "id",
    "tr",
    "nl",
    "pl",
    "ru",
    "ar",
    "hi",
    "ja",
    "ko",
    "zh",
    "sv",
    "fil",
)
_WORDS_PER_LANGUAGE = 30_000


@dataclass(frozen=True, slots=True)
class OrdinaryWords:
    """Zipf frequencies in steps: in English, and the highest in any other large language.

    An index keeps these arrays, so that it can take up new titles by itself.
    """

    key: UInt64s  # sorted
    english: npt.NDArray[np.uint8]
    elsewhere: npt.NDArray[np.uint8]

    def of(self, keys: UInt64s) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        at = np.minimum(np.searchsorted(self.key, keys), len(self.key) - 1)
        known = self.key[at] == keys
        return np.where(known, self.english[at], 0), np.where(known, self.elsewhere[at], 0)


@functools.cache
def ordinary_words() -> OrdinaryWords:
    """Load the frequency lists (about a second)."""
    english = _zipfs("en", "large", None)
    elsewhere: dict[str, int] = {}
    for language in _OTHER_LANGUAGES:
        for word, zipf in _zipfs(language, "small", _WORDS_PER_LANGUAGE).items():
            if zipf > elsewhere.get(word, 0):
                elsewhere[word] = zipf
    listed = list(english.keys() | elsewhere.keys())
    words = split_words(listed)
    alone = np.bincount(words.text, minlength=len(listed)) == 1
    kept = alone[words.text]
    keys, number = np.unique(words.key[kept], return_inverse=True)
    source = words.text[kept]
    return OrdinaryWords(
        keys,
        _highest(number, len(keys), [english.get(listed[i], 0) for i in source.tolist()]),
        _highest(number, len(keys), [elsewhere.get(listed[i], 0) for i in source.tolist()]),
    )


def _highest(number: Ints, count: int, zipfs: list[int]) -> npt.NDArray[np.uint8]:
    """Words that fold alike share the highest frequency."""
    result = np.zeros(count, dtype=np.uint8)
    np.maximum.at(result, number, np.array(zipfs, dtype=np.uint8))
    return result


def _zipfs(language: str, wordlist: str, limit: int | None) -> dict[str, int]:
    frequencies = wordfreq.get_frequency_dict(language, wordlist=wordlist)
    listed = list(frequencies.items())[:limit]
    return {w: min(255, max(1, round((math.log10(f) + 9) * STEPS_PER_ZIPF))) for w, f in listed if f > 0}
