"""Words that tell what kind of thing is being talked about, counted before, after and around a span.

Single words have weights of their own in `context`; these classes carry over to words too rare to
have learned one.
"""

import functools

import numpy as np
import numpy.typing as npt

from services.matcher.text.forms import WordForms
from services.matcher.text.hashing import Ints, KeyTable
from services.matcher.text.spans import Spans
from services.matcher.text.words import Words, split_words

Named = dict[str, npt.NDArray[np.generic]]

NEAR = 4  # words to either side
COUNT_MAX = 4

CUES: dict[str, str] = {
    "tv": "season seasons episode episodes series show shows tvshow sitcom ep showrunner tv temporada serie anime "
    "finale kdrama drama sitcoms reunion pilot spinoff netflixseries",
    "movie": "movie movies film films cinema theater theaters theatre theatres imax blockbuster boxoffice pelicula "
    "filme sequel director prequel remake reboot movienight filmtok movietok flick directed screenplay",
    "watch": "watch watching watched rewatch rewatching rewatched watches seen saw binge binged binging streaming "
    "stream streams starring stars starred screening recommend favorite favourite fave",
    "release": "premiere premieres premiered premiering trailer trailers teaser release released releases airs aired "
    "airing returns promo clip clips scene scenes finale renewed cancelled comingsoon tonight spoiler spoilers",
    "fandom": "edit edits cosplay fandom fan fans fanart amv animeedit animeedits ship shipping meme memes cast "
    "character characters fanedit filmedit movieedit tvedit edittok scenepack headcanon villain",
    "network": "netflix hbo hulu bbc abc nbc cbs fox cw amc syfy mtv disney disneyplus marvel pixar imdb itv showtime "
    "starz fx primevideo crunchyroll nickelodeon paramount warnerbros dreamworks lucasfilm hbomax peacock",
    "elsewhere": "song songs album lyrics music single novel novels book books game games gameplay fortnite playlist "
    "feat ft track band concert tour remix dj gta xbox ps4 ps5 minecraft restaurant recipe radio podcast podcasts",
}
_BIT = {name: 1 << number for number, name in enumerate(CUES)}


@functools.cache
def _table() -> tuple[KeyTable, npt.NDArray[np.uint8]]:
    listed = [(word, _BIT[name]) for name, text in CUES.items() for word in text.split()]
    words = split_words([word for word, _ in listed])
    alone = np.bincount(words.text, minlength=len(listed))[words.text] == 1
    keys, number = np.unique(words.key[alone], return_inverse=True)
    bits = np.zeros(len(keys), dtype=np.uint8)
    np.bitwise_or.at(bits, number, np.array([b for _, b in listed], dtype=np.uint8)[words.text[alone]])
    return KeyTable.build(keys), bits


def cue_bits(words: Words) -> npt.NDArray[np.uint8]:
    """The classes of each word, a bit a class."""
    table, bits = _table()
    found = table.find(words.key)
    result = np.zeros(len(words), dtype=np.uint8)
    at = np.flatnonzero(found >= 0)
    result[at] = bits[found[at]]
    return result


def cue_features(bits: npt.NDArray[np.uint8], words: Words, forms: WordForms, spans: Spans) -> Named:
    first, last = spans.first.astype(np.int64), spans.last.astype(np.int64)
    text = words.text[first]
    begin, end = forms.text_first[text], forms.text_first[text + 1]
    low, high = np.maximum(first - NEAR, begin), np.minimum(last + 1 + NEAR, end)
    result: Named = {}
    for name, bit in _BIT.items():
        running = np.zeros(len(bits) + 1, dtype=np.int32)
        np.cumsum((bits & bit) > 0, out=running[1:])
        before, after = running[first] - running[low], running[high] - running[last + 1]
        around = running[end] - running[begin] - (running[last + 1] - running[first])
        result[f"{name}_before"] = np.minimum(before, COUNT_MAX)
        result[f"{name}_after"] = np.minimum(after, COUNT_MAX)
        result[f"{name}_around"] = np.minimum(around, COUNT_MAX)
    return result


def cues_per_text(bits: npt.NDArray[np.uint8], words: Words, name: str, texts: int) -> Ints:
    """How many words of one class each text has."""
    return np.bincount(words.text[(bits & _BIT[name]) > 0], minlength=texts)
