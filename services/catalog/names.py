"""The names of a title, and the folded form under which names are compared in every script."""

import functools
import re
import unicodedata
from collections.abc import Iterator

from services.catalog.domain import AliasKind
from services.catalog.title import Title

NAME_CHARACTERS_MAX = 200  # longer names are cut before they are compared
NAMES_PER_TITLE_MAX = 200

# Letters that carry no mark to take off, but are typed without it.
_PLAIN_LETTERS = str.maketrans({
    "ø": "o", "đ": "d", "ł": "l", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t",
    "ё": "е", "ґ": "г", "ى": "ي", "ة": "ه", "ـ": "",
})  # fmt: skip
# Vowel signs of South and South-East Asian scripts are no \w of Python's, but part of the word.
_APART = re.compile(r"[^\w\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+|_+")
# "ocean's" is one word, "d'Amélie" two: what stands before an elision is one letter.
_INSIDE = re.compile(r"(?<=\w\w)['’ʼ`´](?=\w)")
_ARTICLE = re.compile(r"^(?:the|a|an) (?=.)")
# Scripts whose accents are letters of their own: taking the mark off would make another word.
_KEEPS_MARKS = re.compile(r"[\u3040-\u30ff\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uac00-\ud7af]")


@functools.lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Compatibility forms, case, accents and punctuation taken off; words apart by one space.

    Text of only punctuation (the film "$", the show "?") keeps itself, or it could not be found.
    """
    text = unicodedata.normalize("NFKC", text[: 2 * NAME_CHARACTERS_MAX]).casefold()
    if not text.isascii():
        text = _without_marks(text)
    words = _APART.sub(" ", _INSIDE.sub("", text).replace("&", " and ")).strip()
    return (words or "".join(text.split()))[:NAME_CHARACTERS_MAX].strip()


def _without_marks(text: str) -> str:
    if _KEEPS_MARKS.search(text):
        return "".join(_bare(character) for character in text)
    kept = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", "".join(kept)).translate(_PLAIN_LETTERS)


def _bare(character: str) -> str:
    if _KEEPS_MARKS.match(character):
        return character
    decomposed = unicodedata.normalize("NFD", character)
    return decomposed[0].translate(_PLAIN_LETTERS) if len(decomposed) > 1 else character


def without_article(folded: str) -> str:
    return _ARTICLE.sub("", folded)


def glued(folded: str) -> str:
    """As a hashtag has it: without spaces."""
    return folded.replace(" ", "")


def named(title: Title) -> Iterator[tuple[AliasKind, str]]:
    """Every name a title goes by, best first, as the catalog has it."""
    yield AliasKind.TITLE, title.title
    yield AliasKind.ORIGINAL, title.original_title
    for other in title.alternative_titles:
        yield AliasKind.ALTERNATIVE, other.title
    for translation in title.translations:
        yield AliasKind.ALTERNATIVE, translation.title
    for hashtag in title.hashtags:
        yield AliasKind.HASHTAG, hashtag.name


def searched_names(title: Title) -> tuple[str, ...]:
    """The different names by which search finds a title, folded."""
    folded = dict.fromkeys(fold(name) for _, name in named(title) if name)
    folded.pop("", None)
    return tuple(folded)[:NAMES_PER_TITLE_MAX]


def name_folding_to(title: Title, folded: str) -> str:
    """The name as written of which this is the folded form; the title's own name when it changed meanwhile."""
    return next((name for _, name in named(title) if name and fold(name) == folded), title.title)
