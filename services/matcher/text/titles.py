"""What the matcher must know of a title: its names and the facts that tell it from others."""

import enum
from dataclasses import dataclass


class MediaType(enum.IntEnum):
    """The catalog's media types, numbered for the index."""

    MOVIE = 1
    TV = 2
    SEASON = 3
    EPISODE = 4
    EVENT = 5


class NameKind(enum.IntEnum):
    """Where a name comes from; a lower number is a stronger name when one title has it twice."""

    TITLE = 1
    ORIGINAL = 2
    ALTERNATIVE = 3
    HASHTAG = 4
    ABBREVIATION = 5
    FRANCHISE = 6
    SOUNDTRACK = 7
    SEQUEL = 8  # "dune 2" for "Dune: Part Two"
    HEADLESS = 9  # without its leading article
    PREFIX = 10  # what stands before a colon
    SUBTITLE = 11  # what stands after it
    ACRONYM = 12  # made from initials, not registered by anyone


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One name of a title."""

    text: str
    kind: NameKind = NameKind.TITLE
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone on the cast or crew, with the character played if known."""

    name: str
    character: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasPrior:
    """An editor's or the data's word on one name of one title, from the ambiguity registry.

    `prior` is the probability that this name, seen in a post, means a title at all; `pinned` keeps
    it from being moved by later decisions.
    """

    name: str
    prior: float
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleNames:
    """A title as the matcher sees it.  Years and dates are 0 or empty when not known."""

    title_id: str
    media_type: MediaType
    names: tuple[Name, ...]
    year: int = 0
    release_date: str = ""  # YYYY-MM-DD
    popularity: float = 0.0  # log10-like, larger is better known; 0 when not known
    cast: tuple[Person, ...] = ()
    crew: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    franchise: str = ""
    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    overview: str = ""
    language: str = ""
    alias_priors: tuple[AliasPrior, ...] = ()
