"""Which stretches of a batch carry a name of the index: whole words, and parts of hashtags."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matcher.text.building import STEM_WORDS
from services.matcher.text.grouping import run_heads
from services.matcher.text.hashing import Ints, KeyTable, run_hashes
from services.matcher.text.words import Words, split_words

NAME_WORDS_MAX = 16
TAG_CHARS_MAX = 64
TAG_NAME_CHARS_MIN = 3
_AFFIX_CHARS_MAX = 12

# What people add to a title in a hashtag; learned weights tell them apart by their number here.
SUFFIXES = (
    "movie",
    "film",
    "edit",
    "edits",
    "challenge",
    "series",
    "show",
    "tv",
    "netflix",
    "trailer",
    "season",
    "part",
    "episode",
    "scene",
    "scenes",
    "clip",
    "clips",
    "fan",
    "fans",
    "fandom",
    "meme",
    "memes",
    "tok",
    "tiktok",
    "cosplay",
    "art",
    "fanart",
    "cast",
    "finale",
    "spoilers",
    "spoiler",
    "review",
    "reaction",
    "theory",
    "theories",
    "official",
    "hbo",
    "hbomax",
    "disney",
    "disneyplus",
    "marvel",
    "dc",
    "prime",
    "hulu",
    "anime",
    "manga",
    "movies",
    "films",
    "quotes",
    "quote",
    "funny",
    "lover",
    "lovers",
    "forever",
    "game",
    "song",
    "music",
    "dance",
    "trend",
    "filter",
    "makeup",
    "costume",
    "halloween",
    "party",
    "day",
    "night",
    "live",
    "action",
    "remake",
    "reboot",
    "sequel",
    "returns",
    "premiere",
    "bts",
    "universe",
    "world",
    "life",
    "love",
    "usa",
    "uk",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "s",
    "ep",
    "the",
    "and",
    "is",
    "in",
    "forlife",
    "vibes",
    "aesthetic",
    "comingsoon",
    "now",
    "2",
    "new",
    "full",
    "nation",
    "army",
    "gang",
    "fyp",
    "foryou",
    "viral",
    "musical",
    "book",
    "books",
    "star",
    "cover",
    "remix",
    "ost",
    "soundtrack",
    "theme",
    "prank",
    "parody",
    "inreallife",
)
PREFIXES = (
    "the",
    "team",
    "ilove",
    "love",
    "watch",
    "watching",
    "official",
    "my",
    "i",
    "its",
    "a",
    "new",
    "teen",
    "real",
    "netflix",
    "disney",
    "marvel",
    "dc",
    "hbo",
    "movie",
    "film",
    "teaser",
    "trailer",
    "save",
    "renew",
    "bring",
    "happy",
    "best",
    "live",
    "on",
    "in",
    "at",
    "we",
    "wewant",
    "mr",
    "miss",
    "mrs",
    "le",
    "la",
    "el",
    "los",
    "las",
    "der",
    "die",
    "das",
    "o",
    "os",
    "fan",
    "fanof",
    "fans",
    "meet",
    "join",
    "nowwatching",
    "edit",
    "funny",
    "baby",
)
_DIGITS = len(SUFFIXES) + 1  # the affix number of a run of digits


@dataclass(frozen=True, slots=True)
class Spans:
    """Places where a name may stand.  Columns, one entry a span."""

    alias: Ints
    first: npt.NDArray[np.int32]  # the first and the last word touched
    last: npt.NDArray[np.int32]
    start: Ints  # in the batch's word characters
    end: Ints
    suffix: npt.NDArray[np.uint8]  # 1 + number in SUFFIXES, _DIGITS for digits; 0 for none
    prefix: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.alias)

    def take(self, at: "Ints | npt.NDArray[np.bool_]") -> "Spans":
        return Spans(*(getattr(self, name)[at] for name in self.__slots__))


def find_spans(words: Words, aliases: KeyTable, stems: npt.NDArray[np.uint8]) -> Spans:
    """Every span whose key is a name, shorter spans first."""
    if not len(words):
        empty = np.empty(0, dtype=np.int64)
        return Spans(
            empty,
            empty.astype(np.int32),
            empty.astype(np.int32),
            empty,
            empty,
            empty.astype(np.uint8),
            empty.astype(np.uint8),
        )
    whole = _whole_words(words, aliases, stems)
    parts = (whole, _in_tags(words, aliases), _across_tags(words, aliases))
    return Spans(*(np.concatenate([getattr(part, n) for part in parts]) for n in Spans.__slots__))


def _across_tags(words: Words, aliases: KeyTable) -> Spans:
    """Names written over two neighbouring tags: #StarWars #TheCloneWars."""
    _, _, first, last = _tags(words)
    near = np.flatnonzero((first[1:] == last[:-1] + 1) & (words.text[first[1:]] == words.text[last[:-1]]))
    begin, end = first[near], last[near + 1]
    alias = aliases.find(words.span_keys(begin, end))
    hit = alias >= 0
    none = np.zeros(int(hit.sum()), dtype=np.uint8)
    return Spans(
        alias[hit],
        begin[hit].astype(np.int32),
        end[hit].astype(np.int32),
        words.start[begin[hit]],
        words.end[end[hit]],
        none,
        none,
    )


def _whole_words(words: Words, aliases: KeyTable, stems: npt.NDArray[np.uint8]) -> Spans:
    """Runs of up to NAME_WORDS_MAX words; from STEM_WORDS on only those that begin like a name."""
    stem_table = KeyTable(aliases.keys, aliases.slots, stems)
    begin = np.arange(len(words))
    found_alias, found_first, found_last = [], [], []
    for length in range(1, NAME_WORDS_MAX + 1):
        begin = begin[begin <= len(words) - length]
        last = begin + (length - 1)
        begin = begin[words.segment[begin] == words.segment[last]]
        if not len(begin):
            break
        last = begin + (length - 1)
        key = words.key if length == 1 else words.span_keys(begin, last)
        alias = aliases.find(key)
        hit = np.flatnonzero(alias >= 0)
        found_alias.append(alias[hit])
        found_first.append(begin[hit])
        found_last.append(last[hit])
        if length == STEM_WORDS:
            begin = begin[stem_table.may_hold(key)]
    first, last = np.concatenate(found_first), np.concatenate(found_last)
    none = np.zeros(len(first), dtype=np.uint8)
    return Spans(
        np.concatenate(found_alias),
        first.astype(np.int32),
        last.astype(np.int32),
        words.start[first],
        words.end[last],
        none,
        none,
    )


def _in_tags(words: Words, aliases: KeyTable) -> Spans:
    """Names with something glued before or after them in a hashtag."""
    tag_start, tag_end, tag_first, tag_last = _tags(words)
    tag, stop, suffix = _stops(words, tag_start, tag_end)
    tag_of_begin, begin, prefix = _begins(words, tag_start, tag_end)
    left, right = _pairs(tag_of_begin, tag, len(tag_start))
    proper = (suffix[right] > 0) | (prefix[left] > 0)
    proper &= stop[right] - begin[left] >= TAG_NAME_CHARS_MIN
    left, right = left[proper], right[proper]
    start, end = begin[left], stop[right]
    alias = aliases.find(_keys(words, start, end))
    hit = alias >= 0
    owner = tag[right][hit]
    return Spans(
        alias[hit],
        tag_first[owner].astype(np.int32),
        tag_last[owner].astype(np.int32),
        start[hit],
        end[hit],
        suffix[right][hit],
        prefix[left][hit],
    )


def _keys(words: Words, start: Ints, end: Ints) -> npt.NDArray[np.uint64]:
    return run_hashes(words.sums, start, end)


def _tags(words: Words) -> tuple[Ints, Ints, Ints, Ints]:
    """Start and end of each hashtag in characters, first and last word."""
    at = np.flatnonzero(words.in_tag)
    if not len(at):
        return at, at, at, at
    segment = words.segment[at]
    head = run_heads(segment)
    tail = np.append(head[1:], True)
    first, last = at[head], at[tail]
    start, end = words.start[first], words.end[last]
    usable = (end - start <= TAG_CHARS_MAX) & (end - start > TAG_NAME_CHARS_MIN)
    return start[usable], end[usable], first[usable], last[usable]


@functools.cache
def _affixes(suffixes: bool) -> tuple[KeyTable, tuple[int, ...]]:  # noqa: FBT001 - two tables of one kind
    texts = SUFFIXES if suffixes else PREFIXES
    words = split_words(texts)
    return KeyTable.build(words.key), tuple(sorted({len(t) for t in texts}))


def _stops(words: Words, start: Ints, end: Ints) -> tuple[Ints, Ints, npt.NDArray[np.uint8]]:
    """Where a name in each tag may end: its end, before a known suffix, before digits; twice over."""
    table, lengths = _affixes(True)
    tag = np.arange(len(start))
    owner, place, mark = [tag], [end], [np.zeros(len(start), dtype=np.uint8)]
    for _ in range(2):
        tags, stops, marks = owner[-1], place[-1], mark[-1]
        new_tag, new_stop, new_mark = [], [], []
        cut = _digits_before(words, start[tags], stops)
        some = cut < stops
        new_tag.append(tags[some])
        new_stop.append(cut[some])
        new_mark.append(np.where(marks[some] > 0, marks[some], _DIGITS).astype(np.uint8))
        for length in lengths:
            fits = np.flatnonzero(stops - start[tags] >= length + TAG_NAME_CHARS_MIN)
            number = table.find(_keys(words, stops[fits] - length, stops[fits]))
            fits, number = fits[number >= 0], number[number >= 0]
            new_tag.append(tags[fits])
            new_stop.append(stops[fits] - length)
            new_mark.append((number + 1).astype(np.uint8))
        owner.append(np.concatenate(new_tag))
        place.append(np.concatenate(new_stop))
        mark.append(np.concatenate(new_mark))
    return np.concatenate(owner), np.concatenate(place), np.concatenate(mark)


def _digits_before(words: Words, start: Ints, stop: Ints) -> Ints:
    """Step back over digits from each stop."""
    cut = stop.copy()
    for _ in range(4):
        back = (cut > start) & words.char_digit[cut - 1]
        cut -= back
    return cut


def _begins(words: Words, start: Ints, end: Ints) -> tuple[Ints, Ints, npt.NDArray[np.uint8]]:
    """Where a name in each tag may begin: its start, or after a known prefix."""
    table, lengths = _affixes(False)
    owner, place, mark = [np.arange(len(start))], [start], [np.zeros(len(start), dtype=np.uint8)]
    for length in lengths:
        fits = np.flatnonzero(end - start >= length + TAG_NAME_CHARS_MIN)
        number = table.find(_keys(words, start[fits], start[fits] + length))
        fits, number = fits[number >= 0], number[number >= 0]
        owner.append(fits)
        place.append(start[fits] + length)
        mark.append((number + 1).astype(np.uint8))
    return np.concatenate(owner), np.concatenate(place), np.concatenate(mark)


def _pairs(left_owner: Ints, right_owner: Ints, owners: int) -> tuple[Ints, Ints]:
    """All pairs (i, j) with left_owner[i] == right_owner[j]."""
    right_order = np.argsort(right_owner, kind="stable")
    counts = np.bincount(right_owner, minlength=owners)
    firsts = np.cumsum(counts) - counts
    repeat = counts[left_owner]
    left = np.repeat(np.arange(len(left_owner)), repeat)
    within = np.arange(len(left)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    return left, right_order[firsts[left_owner[left]] + within]
