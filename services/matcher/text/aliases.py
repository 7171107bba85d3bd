"""The names under which a title may turn up in a post: given, derived from those, or known from fans."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from services.matcher.text.titles import MediaType, Name, NameKind, TitleNames

FAN_NAMES = Path(__file__).with_name("fan_names.tsv")

NAME_CHARS_MAX = 200
ACRONYM_POPULARITY_MIN = 4.5
ACRONYM_WORDS_MIN = 3
PREFIX_CHARS_MIN = 3

_ARTICLES = frozenset(("the", "a", "an", "der", "die", "das", "le", "la", "les", "el", "los", "las", "il", "l"))
_PARTING = re.compile(r"\s*[:：]\s+|\s+[-–—|]\s+|\s*：\s*")
_EPISODE = re.compile(r"(.+?)[:：]?\s+Episode\s+([IVX]+|\d+)\s*[-–—:]\s*(.+)", re.IGNORECASE)
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NUMERALS = (
    ("1", "i", "one"),
    ("2", "ii", "two"),
    ("3", "iii", "three"),
    ("4", "iv", "four"),
    ("5", "v", "five"),
    ("6", "vi", "six"),
    ("7", "vii", "seven"),
    ("8", "viii", "eight"),
    ("9", "ix", "nine"),
    ("10", "x", "ten"),
    ("11", "xi", "eleven"),
    ("12", "xii", "twelve"),
)
_NUMBER = {form: forms for forms in _NUMERALS[1:] for form in forms}
_COUNTERS = frozenset(("part", "chapter", "vol", "volume", "episode"))
_AGAINST = ("v", "vs", "versus")


def names_of(title: TitleNames) -> Iterator[tuple[str, NameKind]]:
    """Every name worth looking for, the given ones first.  Repeats are the caller's to drop."""
    for name in title.names:
        if name.text and len(name.text) <= NAME_CHARS_MAX:
            yield name.text, name.kind
            yield from _derived(title, name)
    for tag in title.hashtags:
        yield tag.lstrip("#"), NameKind.HASHTAG
    if title.franchise:
        yield title.franchise, NameKind.FRANCHISE
    yield from ((name, NameKind.ABBREVIATION) for name in _fan_names(title))


def _derived(title: TitleNames, name: Name) -> Iterator[tuple[str, NameKind]]:
    words = _WORDS.findall(name.text)
    if len(words) > 1:
        lower = [w.casefold() for w in words]
        if lower[0] in _ARTICLES and len(words) > 1:
            yield " ".join(words[1:]), NameKind.HEADLESS
        if lower[-1] in _NUMBER:
            yield from _renumbered(words, lower)
        if against := [i for i, word in enumerate(lower) if word in _AGAINST]:
            yield from _otherwise_against(words, against[0])
        if name.kind == NameKind.TITLE and title.popularity >= ACRONYM_POPULARITY_MIN:
            yield from _acronym(lower)
    parts = _PARTING.split(name.text, maxsplit=1)
    if len(parts) == 2:
        yield from _parted(*parts)
        if title.popularity >= ACRONYM_POPULARITY_MIN:
            yield from ((f"{parts[0]} {short}", kind) for short, kind in _acronym(_WORDS.findall(parts[1].casefold())))
    if episode := _EPISODE.fullmatch(name.text):
        yield from _numbered_episode(*episode.groups())


def _parted(head: str, tail: str) -> Iterator[tuple[str, NameKind]]:
    if len(head) >= PREFIX_CHARS_MIN:
        yield head, NameKind.PREFIX
    for name in dict.fromkeys((tail, _PARTING.split(tail, maxsplit=1)[0])):
        words = _WORDS.findall(name)
        if len(words) > 1 and words[0].casefold() not in _COUNTERS:
            yield name, NameKind.SUBTITLE


def _otherwise_against(words: list[str], at: int) -> Iterator[tuple[str, NameKind]]:
    """Ford v Ferrari -> ford vs ferrari, ford versus ferrari."""
    for other in _AGAINST:
        if other != words[at].casefold():
            yield " ".join((*words[:at], other, *words[at + 1 :])), NameKind.ALTERNATIVE


def _numbered_episode(stem: str, numeral: str, tail: str) -> Iterator[tuple[str, NameKind]]:
    """Star Wars: Episode VII - The Force Awakens -> star wars 7, star wars episode vii, the force awakens."""
    words = [*_WORDS.findall(stem), "episode", numeral]
    yield " ".join(words), NameKind.SEQUEL
    if numeral.casefold() in _NUMBER:
        yield from _renumbered(words, [w.casefold() for w in words])
    yield tail, NameKind.SUBTITLE


def _renumbered(words: list[str], lower: list[str]) -> Iterator[tuple[str, NameKind]]:
    """Dune: Part Two -> dune 2, dune ii, dune two, dune part 2."""
    forms = _NUMBER[lower[-1]]
    counted = lower[-2] in _COUNTERS
    stem = " ".join(words[: -2 if counted else -1])
    if not stem or (lower[-1] in {"v", "x", "i"} and len(words) == 2 and not counted):
        return
    for form in forms:
        yield f"{stem} {form}", NameKind.SEQUEL
    for form in (forms[0], forms[2]):
        yield f"{stem} part {form}", NameKind.SEQUEL


def _acronym(lower: list[str]) -> Iterator[tuple[str, NameKind]]:
    initials = "".join(w[0] for w in lower)
    if len(initials) >= ACRONYM_WORDS_MIN and initials.isascii() and initials.isalpha():
        yield initials, NameKind.ACRONYM
    short = "".join(w[0] for w in lower if w not in {"the", "a", "an"})
    if short != initials and len(short) >= ACRONYM_WORDS_MIN and short.isascii() and short.isalpha():
        yield short, NameKind.ACRONYM


def _fan_names(title: TitleNames) -> tuple[str, ...]:
    """What fans are known to call it, if its year, where both know one, is at most one off."""
    for name in title.names:
        year, names = _known_to_fans().get((title.media_type, _letters(name.text)), (0, ()))
        if names and (not year or not title.year or abs(year - title.year) <= 1):
            return names
    return ()


@functools.cache
def _known_to_fans() -> dict[tuple[MediaType, str], tuple[int, tuple[str, ...]]]:
    """The rows of `fan_names.tsv` by media type and the letters of the title."""
    rows = [line.split("\t") for line in FAN_NAMES.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {
        (MediaType[media_type.upper()], _letters(title)): (int(year or 0), tuple(names.split("|")))
        for title, media_type, year, names in rows
    }


def _letters(text: str) -> str:
    return "".join(_WORDS.findall(text.casefold()))
