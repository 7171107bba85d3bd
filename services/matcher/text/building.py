"""From plain titles to the columns of an index, a few thousand titles at a time."""

import datetime as dt
import enum
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from services.matcher.text.aliases import names_of
from services.matcher.text.grouping import run_heads
from services.matcher.text.hashing import KeyTable, UInt64s, prefix_sums, run_hashes
from services.matcher.text.lexicon import lexicon
from services.matcher.text.ordinary import OrdinaryWords
from services.matcher.text.titles import TitleNames
from services.matcher.text.topics import title_topics
from services.matcher.text.words import Words, split_words

TITLES_PER_STEP = 10_000
_UNKNOWN_MOST = 0.9
# log10 popularity of a title in a catalog that says nothing, which is a small and chosen one. Of our 268 sample videos
# about a title, 103 reach 0.9 at 5.5 (one wrong match, of the right franchise); with earlier weights 84 did at 5.0 (one
# wrong) and 134 at 6.0 (4 wrong, one of them in a video about none).
PRESUMED = 5.5
STEM_WORDS = 3
_STEM_LENGTHS = (2, 3, 4, 5)  # a post may write two words as one, or one as two
_STEM_BITS_PER_KEY = 16
_PEOPLE_PER_TITLE_MAX = 60
_NAME_ZIPF_MAX = 85  # a name of one word counts only when it is rarer than this (Zipf 3.4)
_ASIDE = re.compile(r"\s*[(\[].*?[)\]]")
_EPOCH = dt.date(1970, 1, 1).toordinal()

_FACTS = (
    "words",
    "chars",
    "zipf_min",
    "zipf_mean",
    "zipf_max",
    "zipf_other",
    "shape",
    "pair_min",
    "pair_mean",
    "place",
    "phrase",
    "entry",
    "song",
)

Arrays = dict[str, npt.NDArray[np.generic]]
_Facts = tuple[bytes, float, int, int, int, int]  # id, popularity, year, day, type, topics


class Shape(enum.IntFlag):
    """What an alias looks like."""

    BREAKS = 1  # has a full stop or another sentence break inside
    DIGITS = 2  # digits only
    GLYPHS = 4  # begins with a character of a script written without spaces
    FUNCTION_START = 8  # its first word is among the commonest
    FUNCTION_END = 16


class Role(enum.IntEnum):
    """How a person's name belongs to a title."""

    CAST = 1
    CHARACTER = 2
    CREW = 3


@dataclass(slots=True)
class _Names:
    """Columns of the names seen so far, one entry a name."""

    key: list[UInt64s] = field(default_factory=list)
    title: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    kind: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    facts: list[npt.NDArray[np.uint8]] = field(default_factory=list)  # words, chars, zipfs, shape
    stems: list[UInt64s] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _People:
    key: list[UInt64s] = field(default_factory=list)
    title: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    role: list[npt.NDArray[np.uint8]] = field(default_factory=list)


def build_columns(titles: Iterable[TitleNames], ordinary: OrdinaryWords, presumed: float | None = None) -> Arrays:
    """All columns of `index.Columns`, and `stem_key`, the keys behind its stem filter.

    `presumed` is the popularity of titles that have none; without it, it is PRESUMED where nearly all
    titles have none (a catalog that does not know), else 0 (a catalog that knows they are obscure).
    """
    facts: list[_Facts] = []
    names, people, priors = _Names(), _People(), {}
    for step in _steps(titles, TITLES_PER_STEP):
        first = len(facts)
        facts += [_facts_of(t) for t in step]
        _add_names(names, step, first, ordinary)
        _add_people(people, step, first, ordinary)
        priors.update({p.name: p.prior for t in step for p in t.alias_priors})
    arrays = _title_columns(facts)
    unknown = arrays["title_popularity"] == 0
    if presumed is None:
        presumed = PRESUMED if unknown.sum() >= _UNKNOWN_MOST * len(facts) else 0.0
    arrays["title_popularity"][unknown] = presumed
    arrays["presumed_popularity"] = np.array([presumed], dtype=np.float32)
    arrays.update(_alias_columns(names, arrays["title_popularity"]))
    arrays.update(_person_columns(people))
    arrays["alias_person"] = _namesakes(arrays)
    arrays["alias_prior"] = _priors(arrays, priors)
    arrays.update(word_key=ordinary.key, word_english=ordinary.english, word_elsewhere=ordinary.elsewhere)
    return arrays


def _steps(titles: Iterable[TitleNames], size: int) -> Iterator[list[TitleNames]]:
    rest = iter(titles)
    while step := list(itertools.islice(rest, size)):
        yield step


def _day(date: str) -> int:
    try:
        return dt.date.fromisoformat(date).toordinal() - _EPOCH if date else 0
    except ValueError:
        return 0


def _facts_of(title: TitleNames) -> _Facts:
    day = _day(title.release_date)
    return title.title_id.encode(), title.popularity, title.year, day, title.media_type, title_topics(title)


def _title_columns(facts: list[_Facts]) -> Arrays:
    ids = [f[0] for f in facts]
    keys = id_keys(ids)
    order = np.argsort(keys)
    return {
        "title_key": keys[order],
        "title_number": order.astype(np.uint32),
        "title_id": _blob(ids),
        "title_id_at": _offsets([len(i) for i in ids]),
        "title_popularity": np.array([f[1] for f in facts], dtype=np.float32),
        "title_year": np.array([f[2] for f in facts], dtype=np.int16),
        "title_day": np.array([f[3] for f in facts], dtype=np.int32),
        "title_type": np.array([f[4] for f in facts], dtype=np.uint8),
        "title_topics": np.array([f[5] for f in facts], dtype=np.uint32),
    }


def id_keys(ids: list[bytes]) -> UInt64s:
    """Hashes of ids, as they are."""
    lengths = np.array([len(i) for i in ids], dtype=np.int64)
    end = np.cumsum(lengths)
    sums = prefix_sums(np.frombuffer(b"".join(ids), dtype=np.uint8).astype(np.uint32))
    return run_hashes(sums, end - lengths, end)


def _blob(parts: list[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(parts), dtype=np.uint8)


def _offsets(lengths: "list[int] | npt.NDArray[np.int64]") -> npt.NDArray[np.uint32]:
    at = np.zeros(len(lengths) + 1, dtype=np.uint32)
    np.cumsum(lengths, out=at[1:])
    return at


def _add_names(names: _Names, step: list[TitleNames], first: int, ordinary: OrdinaryWords) -> None:
    texts: list[str] = []
    owners: list[int] = []
    kinds: list[int] = []
    for number, title in enumerate(step, first):
        for text, kind in names_of(title):
            texts.append(text)
            owners.append(number)
            kinds.append(kind)
    words = split_words(texts)
    if not len(words):
        return
    named, head = np.unique(words.text, return_index=True)
    tail = np.append(head[1:], len(words)) - 1
    names.key.append(words.span_keys(head, tail))
    names.title.append(np.array(owners, dtype=np.uint32)[named])
    names.kind.append(np.array(kinds, dtype=np.uint8)[named])
    names.facts.append(_facts(words, head, tail, ordinary))
    for length in _STEM_LENGTHS:
        longer = head[tail - head >= length]
        names.stems.append(words.span_keys(longer, longer + length - 1))
    names.texts += [texts[i] for i in named.tolist()]


def _facts(
    words: Words, head: npt.NDArray[np.int64], tail: npt.NDArray[np.int64], ordinary: OrdinaryWords
) -> npt.NDArray[np.uint8]:
    """One row a name, in the order of _FACTS."""
    english, elsewhere = ordinary.of(words.key)
    count = tail - head + 1
    chars = words.end[tail] - words.start[head]
    shape = (words.broken[tail] > words.broken[head]).astype(np.uint8) * Shape.BREAKS
    digits = np.add.reduceat(words.char_digit.astype(np.int64), words.start[head]) == chars
    shape |= digits.astype(np.uint8) * Shape.DIGITS
    shape |= (words.chars[words.start[head]] >= 0xE00).astype(np.uint8) * Shape.GLYPHS
    shape |= (english[head] > 150).astype(np.uint8) * Shape.FUNCTION_START
    shape |= (english[tail] > 150).astype(np.uint8) * Shape.FUNCTION_END
    mean = np.add.reduceat(english.astype(np.int64), head) // count
    rarest, usual = _pairs(words, head, tail)
    key = words.span_keys(head, tail)
    columns = (
        np.minimum(count, 255),
        np.minimum(chars, 255),
        np.minimum.reduceat(english, head),
        mean,
        np.maximum.reduceat(english, head),
        np.minimum.reduceat(elsewhere, head),
        shape,
        rarest,
        usual,
        lexicon().places(key),
        lexicon().phrases(key),
        lexicon().entries(key),
        lexicon().songs(key),
    )
    return np.stack([c.astype(np.uint8) for c in columns], axis=1)


def _pairs(
    words: Words, head: npt.NDArray[np.int64], tail: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """How common the rarest pair of neighbouring words of each name is, and the mean of its pairs."""
    here = np.arange(len(words))
    nearby = np.minimum(here + 1, len(words) - 1)
    common = lexicon().pairs(words.span_keys(here, nearby))
    common[words.text[here] != words.text[nearby]] = 255  # no pair: the last word of a name
    common[-1] = 255
    rarest = np.minimum.reduceat(common, head)
    total = np.add.reduceat(np.where(common == 255, 0, common).astype(np.int64), head)
    rarest[tail == head] = 0
    return rarest, total // np.maximum(tail - head, 1)


def _alias_columns(names: _Names, popularity: npt.NDArray[np.generic]) -> Arrays:
    key, title = _whole(names.key, np.uint64), _whole(names.title, np.uint32)
    kind = _whole(names.kind, np.uint8)
    facts = np.concatenate(names.facts) if names.facts else np.empty((0, len(_FACTS)), dtype=np.uint8)
    order = np.lexsort((kind, title, key))
    key, title, kind = key[order], title[order], kind[order]
    first = np.ones(len(key), dtype=np.bool_)
    first[1:] = (key[1:] != key[:-1]) | (title[1:] != title[:-1])
    order, key, title, kind = order[first], key[first], title[first], kind[first]
    best = np.lexsort((title, -np.asarray(popularity[title], dtype=np.float64), key))
    order, key, title, kind = order[best], key[best], title[best], kind[best]
    heads = np.flatnonzero(run_heads(key))
    table = KeyTable.build(key[heads])
    rows = facts[order[heads]]
    texts = [names.texts[i].encode() for i in order[heads].tolist()]
    stems = np.unique(_whole(names.stems, np.uint64))
    weight = np.power(10.0, np.asarray(popularity[title], dtype=np.float64))
    return {
        "alias_key": table.keys,
        "alias_slots": table.slots,
        "alias_filter": table.filter,
        **{f"alias_{n}": np.ascontiguousarray(rows[:, i]) for i, n in enumerate(_FACTS)},
        "alias_weight": (np.add.reduceat(weight, heads) if len(heads) else weight).astype(np.float32),
        "alias_posting": np.append(heads, len(key)).astype(np.uint32),
        "alias_text": _blob(texts),
        "alias_text_at": _offsets([len(t) for t in texts]),
        "posting_title": title,
        "posting_kind": kind,
        "stem_filter": KeyTable.build(stems).filter,
        "stem_key": stems,
    }


def _whole(parts: list[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _add_people(people: _People, step: list[TitleNames], first: int, ordinary: OrdinaryWords) -> None:
    texts: list[str] = []
    owners: list[int] = []
    roles: list[int] = []
    for number, title in enumerate(step, first):
        for text, role in itertools.islice(_people_of(title), _PEOPLE_PER_TITLE_MAX):
            texts.append(text)
            owners.append(number)
            roles.append(role)
    words = split_words(texts)
    if not len(words):
        return
    named, head = np.unique(words.text, return_index=True)
    tail = np.append(head[1:], len(words)) - 1
    english, _ = ordinary.of(words.key[head])
    chars = words.end[tail] - words.start[head]
    telling = (tail > head) | ((english < _NAME_ZIPF_MAX) & (chars > 3))
    people.key.append(words.span_keys(head[telling], tail[telling]))
    people.title.append(np.array(owners, dtype=np.uint32)[named[telling]])
    people.role.append(np.array(roles, dtype=np.uint8)[named[telling]])


def _people_of(title: TitleNames) -> Iterator[tuple[str, Role]]:
    own = "\n".join(n.text for n in title.names).casefold()
    for person in title.cast:
        yield person.name, Role.CAST
        for character in person.character.split(" / ") if person.character else ():
            yield from ((name, Role.CHARACTER) for name in _called(character) if name.casefold() not in own)
    for name in title.crew:
        yield name, Role.CREW


def _called(character: str) -> Iterator[str]:
    """A character's full name, and its first and last word: fans write #luffy, not #monkeydluffy.

    A title's own name is no support for it; words too common to tell anything are dropped with the rest.
    """
    full = _ASIDE.sub("", character).strip()
    if full:
        yield full
        words = full.split()
        yield from dict.fromkeys((words[0], words[-1])) if len(words) > 1 else ()


def _person_columns(people: _People) -> Arrays:
    key, title = _whole(people.key, np.uint64), _whole(people.title, np.uint32)
    role = _whole(people.role, np.uint8)
    order = np.lexsort((role, title, key))
    key, title, role = key[order], title[order], role[order]
    heads = np.flatnonzero(run_heads(key))
    table = KeyTable.build(key[heads])
    return {
        "person_key": table.keys,
        "person_slots": table.slots,
        "person_filter": table.filter,
        "person_posting": np.append(heads, len(key)).astype(np.uint32),
        "person_title": title,
        "person_role": role,
    }


def _namesakes(arrays: Arrays) -> npt.NDArray[np.uint8]:
    """How many titles have cast or crew of the very name, up to 20."""
    people = KeyTable(arrays["person_key"], arrays["person_slots"], arrays["person_filter"])  # type: ignore[arg-type]
    found = people.find(arrays["alias_key"])  # type: ignore[arg-type]
    acting = np.concatenate(([0], np.cumsum(arrays["person_role"] != Role.CHARACTER)))
    at = arrays["person_posting"].astype(np.int64)
    count = acting[at[np.maximum(found, 0) + 1]] - acting[at[np.maximum(found, 0)]] if len(at) > 1 else found * 0
    return np.where(found >= 0, np.minimum(count, 20), 0).astype(np.uint8)


def _priors(arrays: Arrays, priors: dict[str, float]) -> npt.NDArray[np.uint8]:
    result = np.full(len(arrays["alias_key"]), 255, dtype=np.uint8)
    if not priors:
        return result
    words = split_words(list(priors))
    named, head = np.unique(words.text, return_index=True)
    tail = np.append(head[1:], len(words)) - 1
    table = KeyTable(arrays["alias_key"], arrays["alias_slots"], arrays["alias_filter"])  # type: ignore[arg-type]
    found = table.find(words.span_keys(head, tail))
    steps = np.array([round(min(1.0, max(0.0, p)) * 254) for p in priors.values()], dtype=np.uint8)[named]
    result[found[found >= 0]] = steps[found >= 0]
    return result
