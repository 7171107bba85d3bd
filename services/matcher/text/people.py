"""Cast, characters and crew named in a batch of posts, as support for the titles they belong to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matcher.text.building import Role
from services.matcher.text.hashing import Ints
from services.matcher.text.index import Columns
from services.matcher.text.spans import Spans
from services.matcher.text.words import Words

NAME_WORDS_MAX = 4
TITLES_PER_NAME_MAX = 60


@dataclass(frozen=True, slots=True)
class People:
    """(post, title) pairs some named person supports, sorted by `pair`, with how often in each role."""

    pair: Ints  # post << 32 | title
    cast: Ints
    character: Ints
    first_word: Ints  # of one supporting name, for the evidence
    last_word: Ints
    name_until: Ints  # for each word: the last word of the longest full name that begins there, else itself

    def hits(self, post: Ints, title: Ints) -> tuple[Ints, Ints]:
        """How many cast and crew, and how many characters, support each (post, title)."""
        if not len(self.pair):
            none = np.zeros(len(post), dtype=np.int64)
            return none, none
        wanted = post << 32 | title
        at = np.minimum(np.searchsorted(self.pair, wanted), len(self.pair) - 1)
        same = self.pair[at] == wanted
        return np.where(same, self.cast[at], 0), np.where(same, self.character[at], 0)


def find_people(columns: Columns, words: Words, post_of_text: Ints) -> People:
    """Look up every run of up to NAME_WORDS_MAX words."""
    table = columns.people()
    begin = np.arange(len(words))
    persons, firsts, lasts = [], [], []
    for length in range(1, NAME_WORDS_MAX + 1):
        begin = begin[begin <= len(words) - length]
        begin = begin[words.segment[begin] == words.segment[begin + length - 1]]
        found = table.find(words.span_keys(begin, begin + length - 1))
        hit = np.flatnonzero(found >= 0)
        persons.append(found[hit])
        firsts.append(begin[hit])
        lasts.append(begin[hit] + length - 1)
    person, first, last = np.concatenate(persons), np.concatenate(firsts), np.concatenate(lasts)
    start = columns.person_posting[person].astype(np.int64)
    count = np.minimum(columns.person_posting[person + 1].astype(np.int64) - start, TITLES_PER_NAME_MAX)
    name = np.repeat(np.arange(len(person)), count)
    posting = start[name] + np.arange(len(name)) - np.repeat(np.cumsum(count) - count, count)
    pair = post_of_text[words.text[first[name]]] << 32 | columns.person_title[posting].astype(np.int64)
    until = np.arange(len(words))
    until[first] = last  # longer names are written later
    return _count(pair, columns.person_role[posting] == Role.CHARACTER, first[name], last[name], until)


def _count(pair: Ints, is_character: npt.NDArray[np.bool_], first: Ints, last: Ints, until: Ints) -> People:
    distinct, at, number = np.unique(pair, return_index=True, return_inverse=True)
    character = np.bincount(number[is_character], minlength=len(distinct))
    total = np.bincount(number, minlength=len(distinct))
    return People(distinct, total - character, character, first[at], last[at], until)


def inside_name(people: People, spans: Spans) -> npt.NDArray[np.bool_]:
    """Is the span a part of a longer personal name?"""
    first, last = spans.first.astype(np.int64), spans.last.astype(np.int64)
    result = people.name_until[first] > last
    for back in range(1, NAME_WORDS_MAX):
        before = first - back
        result |= (before >= 0) & (people.name_until[np.maximum(before, 0)] >= last)
    return result
