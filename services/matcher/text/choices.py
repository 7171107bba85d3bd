"""Which titles a span may mean: the best known of its name, or the one whose year is said."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matcher.text.cues import cues_per_text
from services.matcher.text.forms import WordForms, years_near
from services.matcher.text.grouping import places_in_run, run_heads
from services.matcher.text.hashing import Ints
from services.matcher.text.index import Columns
from services.matcher.text.people import People
from services.matcher.text.spans import Spans
from services.matcher.text.titles import MediaType, NameKind
from services.matcher.text.topics import post_topics
from services.matcher.text.words import Words

POSTINGS_MAX = 3
POSTINGS_WITH_YEAR_MAX = 48
CHOICES_MAX = 2
REPEATS_MAX = 6
TOPIC_BONUS = 0.8  # an anime and its filming are a few tenths of popularity apart

_KIND_COST = {
    NameKind.TITLE: 0.0,
    NameKind.ORIGINAL: 0.1,
    NameKind.ALTERNATIVE: 0.6,
    NameKind.HASHTAG: 0.0,
    NameKind.ABBREVIATION: 0.0,
    NameKind.FRANCHISE: 0.8,
    NameKind.SOUNDTRACK: 1.0,
    NameKind.SEQUEL: 0.2,
    NameKind.HEADLESS: 0.7,
    NameKind.PREFIX: 1.0,
    NameKind.SUBTITLE: 1.0,
    NameKind.ACRONYM: 1.0,
}
_COST = np.array([_KIND_COST.get(NameKind(k), 0.0) if k else 0.0 for k in range(max(NameKind) + 1)], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Choices:
    """Candidates: a span read as a title.  Columns, one entry a candidate, by span and rank."""

    span: Ints
    title: Ints
    kind: npt.NDArray[np.uint8]
    rank: npt.NDArray[np.uint8]
    key: npt.NDArray[np.float32]  # what the choice was made by
    gap: npt.NDArray[np.float32]  # key less that of the best other choice
    year_beside: npt.NDArray[np.int16]
    year_anywhere: npt.NDArray[np.int16]
    cast_hits: Ints
    character_hits: Ints
    topics: npt.NDArray[np.uint32]  # of the post

    def __len__(self) -> int:
        return len(self.span)

    def take(self, at: "Ints | npt.NDArray[np.bool_]") -> "Choices":
        return Choices(*(getattr(self, name)[at] for name in self.__slots__))


def choose(
    columns: Columns,
    words: Words,
    forms: WordForms,
    spans: Spans,
    people: People,
    post_of_text: Ints,
    posts: int,
    bits: npt.NDArray[np.uint8],
) -> Choices:
    """The CHOICES_MAX likeliest titles of each span."""
    beside, anywhere = years_near(words, forms, spans)
    begin = columns.alias_posting[spans.alias].astype(np.int64)
    available = columns.alias_posting[spans.alias + 1].astype(np.int64) - begin
    room = np.where((beside > 0) | (anywhere > 0), POSTINGS_WITH_YEAR_MAX, POSTINGS_MAX)
    count = np.minimum(available, room)
    span = np.repeat(np.arange(len(spans)), count)
    within = np.arange(len(span)) - np.repeat(np.cumsum(count) - count, count)
    posting = begin[span] + within
    title = columns.posting_title[posting].astype(np.int64)
    kind = columns.posting_kind[posting]
    text = words.text[spans.first[span].astype(np.int64)]
    texts = len(forms.text_first) - 1
    tv, movie = (cues_per_text(bits, words, name, texts)[text] for name in ("tv", "movie"))
    cast, character = people.hits(post_of_text[text], title)
    year = columns.title_year[title]
    key = columns.title_popularity[title] - _COST[kind]
    key += _year_bonus(year, beside[span], 6.0) + _year_bonus(year, anywhere[span], 3.0)
    is_tv = columns.title_type[title] == MediaType.TV
    key += np.where(is_tv, tv > 0, movie > 0) * 0.7 + np.minimum(cast + character, 2) * 1.5
    topics = post_topics(words, post_of_text, posts)[post_of_text[text]]
    key += np.minimum(np.bitwise_count(topics & columns.title_topics[title]), 2) * TOPIC_BONUS
    order = np.lexsort((-key, span))
    head = run_heads(span[order])
    rank = places_in_run(head)
    gap = _gaps(key[order], head)
    kept = order[rank < CHOICES_MAX]
    few = rank < CHOICES_MAX
    return Choices(
        span[kept],
        title[kept],
        kind[kept],
        rank[few].astype(np.uint8),
        key[kept].astype(np.float32),
        gap[few],
        beside[span[kept]],
        anywhere[span[kept]],
        cast[kept],
        character[kept],
        topics[kept],
    )


def _gaps(key: npt.NDArray[np.float64], head: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Key less the group's best other: the first against the second, the rest against the first."""
    if not len(key):
        return key.astype(np.float32)
    firsts = np.maximum.accumulate(np.where(head, np.arange(len(head)), 0))
    gap = key - key[firsts]
    at = np.flatnonzero(head)
    has_second = np.append(~head[1:], False)[at]
    second = np.minimum(at + 1, len(key) - 1)
    gap[at] = np.where(has_second, key[at] - key[second], 9.0)
    return gap.astype(np.float32)


def _year_bonus(year: npt.NDArray[np.int16], said: npt.NDArray[np.int16], bonus: float) -> npt.NDArray[np.float64]:
    distance = np.abs(year.astype(np.int64) - said)
    return np.where(said > 0, np.where(distance == 0, bonus, np.where(distance == 1, bonus / 2, 0.0)), 0.0)


def without_repeats(choices: Choices, spans: Spans, post: Ints) -> Choices:
    """Drop a title's candidates inside a longer span read as the same title ("Matrix" in "The Matrix")."""
    owner = post[choices.span] << 32 | choices.title
    start, end = spans.start[choices.span], spans.end[choices.span]
    order = np.lexsort((start, -(end - start), owner))
    owner, start, end = owner[order], start[order], end[order]
    kept = np.ones(len(order), dtype=np.bool_)
    for back in range(1, REPEATS_MAX):  # longer ones come first
        same = owner[back:] == owner[:-back]
        if not same.any():
            break
        kept[back:] &= ~(same & (start[back:] >= start[:-back]) & (end[back:] <= end[:-back]))
    return choices.take(np.sort(order[kept]))
