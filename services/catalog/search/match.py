"""Whether and how a query meets a name: exactly, as its beginning, by all its words, or but for typing errors.

This is the slow, obvious judge: the index only spares it the names that cannot match.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz.distance import OSA

from services.catalog.names import fold, glued, without_article

# Short words have too many neighbours: "it" is one error from 40 other names.
ONE_TYPO_CHARACTERS_MIN = 4
TWO_TYPOS_CHARACTERS_MIN = 8
# CJK, kana, hangul: written without spaces, a part of a name is as good as a word.
UNSPACED_FROM = 0x2E80


class MatchedBy(enum.IntEnum):
    """In the order of rank."""

    EXACT = 1
    PREFIX = 2
    WORDS = 3
    TYPO = 4


class Meeting(NamedTuple):
    """How a query met a name; the smaller, the better."""

    matched_by: MatchedBy
    typo_count: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A query, folded once."""

    text: str
    bare: str
    glued: str
    words: tuple[str, ...]
    is_unspaced: bool
    typo_count_max: int


def read_query(q: str) -> Query:
    text = fold(q)
    return Query(
        text=text,
        bare=without_article(text),
        glued=glued(text),
        words=tuple(text.split()),
        is_unspaced=any(ord(character) >= UNSPACED_FROM for character in text),
        typo_count_max=typo_count_max(text),
    )


def typo_count_max(text: str) -> int:
    return (len(text) >= ONE_TYPO_CHARACTERS_MIN) + (len(text) >= TWO_TYPOS_CHARACTERS_MIN)


def meet(query: Query, name: str) -> Meeting | None:
    """How the query meets a folded name, or None."""
    bare = without_article(name)
    if query.text == name or query.bare == bare or query.glued == name.replace(" ", ""):
        return Meeting(MatchedBy.EXACT)
    if name.startswith(query.text) or bare.startswith(query.text):
        return Meeting(MatchedBy.PREFIX)
    if _has_words(query, name):
        return Meeting(MatchedBy.WORDS)
    typo_count = _typo_count(query, name, bare)
    return None if typo_count is None else Meeting(MatchedBy.TYPO, typo_count)


def _has_words(query: Query, name: str) -> bool:
    """All words in any order, the last one perhaps unfinished."""
    if query.is_unspaced and query.glued in name.replace(" ", ""):
        return True
    words = name.split()
    *whole, last = query.words
    return all(word in words for word in whole) and any(word.startswith(last) for word in words)


def _typo_count(query: Query, name: str, bare: str) -> int | None:
    """The fewest errors by which the query is the name, its beginning, or its words; None: too many."""
    most = query.typo_count_max
    if most == 0:
        return None
    counts = [_beginning_typos(query.text, name, most)]
    if bare is not name:
        counts.append(_beginning_typos(query.text, bare, most))
    counts.append(OSA.distance(query.glued, name.replace(" ", ""), score_cutoff=most))
    best = min(counts)
    if best > 1 and len(query.words) > 1:
        best = min(best, _word_typos(query, name.split(), most))
    return best if best <= most else None


def _beginning_typos(text: str, name: str, most: int) -> int:
    """Against the name and its beginnings of about the query's length."""
    if len(name) <= len(text) + most:
        return OSA.distance(text, name, score_cutoff=most)
    return min(
        OSA.distance(text, name[:length], score_cutoff=most) for length in range(len(text) - most, len(text) + most + 1)
    )


def _word_typos(query: Query, words: list[str], most: int) -> int:
    """Each word of the query against the words of the name, the last one perhaps unfinished."""
    total = 0
    *whole, last = query.words
    beginnings = [*words, *(word[: len(last)] for word in words)]
    for word, others in [*((word, words) for word in whole), (last, beginnings)]:
        allowed = min(typo_count_max(word), most - total)
        fewest = min(OSA.distance(word, other, score_cutoff=allowed) for other in others)
        if fewest > allowed:
            return most + 1
        total += fewest
    return total
