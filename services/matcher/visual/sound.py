"""A video's sound against the soundtracks and theme songs of titles: evidence for titles found otherwise, never proof.

A song is used in a thousand videos that have nothing to do with its film, so the most it can say is small.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

NAME_ONLY = 1.0  # log likelihood ratios; the song's name and its artist together
NAME_AND_AUTHOR = 2.5
SHORT_NAME = 0.4  # one short word ("Home") names many songs
SHORT_NAME_CHARS_MAX = 6
TITLES_PER_SONG_MAX = 5  # a song of more films than this says nothing about any
SOUND_CHARS_MAX = 512

_NO_SONG = re.compile(
    r"^(original (sound|audio)|son original|sonido original|som original|originalton|suono originale)\b"
)
_VERSION = re.compile(
    r"[\(\[][^\)\]]*[\)\]]|\b(sped up|slowed( down)?|reverb|nightcore|remix|cover|instrumental|remaster(ed)?"
    r"|official( (audio|video))?|soundtrack|theme song|main theme|ost|feat|ft)\b.*$"
)
_BETWEEN = re.compile(r"\s+(?:-|–|—|by)\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundtrack:
    """A song of a title: the catalog's alias of kind soundtrack, "Name" or "Name - Artist"."""

    title_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundEvidence:
    """What the sound says for one title; `contribution` is a log likelihood ratio."""

    title_id: str
    value: str
    contribution: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Song:
    title_id: str
    name: str
    author: str


class SoundIndex:
    """All soundtracks by name."""

    def __init__(self, songs: dict[str, tuple[_Song, ...]]) -> None:
        self._songs = songs

    @classmethod
    def build(cls, soundtracks: Iterable[Soundtrack]) -> Self:
        songs: dict[str, list[_Song]] = defaultdict(list)
        for soundtrack in soundtracks:
            name, author = _parts(soundtrack.name)
            if name:
                songs[name].append(_Song(title_id=soundtrack.title_id, name=soundtrack.name, author=author))
        return cls({name: tuple(some) for name, some in songs.items()})

    def hear(self, title: str, author: str = "") -> tuple[SoundEvidence, ...]:
        """The titles a sound belongs to, strongest first; an original sound or an unknown song says nothing."""
        title, author = title[:SOUND_CHARS_MAX], author[:SOUND_CHARS_MAX]
        if _NO_SONG.match(plain(title)):
            return ()
        name, named_author = _parts(title)
        found = self._songs.get(name, ())
        if not found or len({song.title_id for song in found}) > TITLES_PER_SONG_MAX:
            return ()
        best: dict[str, SoundEvidence] = {}
        for song in found:
            worth = _worth(name, song.author, {plain(author), named_author} - {""})
            if worth > 0.0 and (song.title_id not in best or best[song.title_id].contribution < worth):
                best[song.title_id] = SoundEvidence(title_id=song.title_id, value=song.name, contribution=worth)
        return tuple(sorted(best.values(), key=lambda one: (-one.contribution, one.title_id)))


def _worth(name: str, author: str, heard_authors: set[str]) -> float:
    if author and heard_authors:
        agree = any(author in heard or heard in author for heard in heard_authors)
        return NAME_AND_AUTHOR if agree else 0.0  # another artist's song of the same name
    return SHORT_NAME if len(name) <= SHORT_NAME_CHARS_MAX else NAME_ONLY


def _parts(text: str) -> tuple[str, str]:
    """The plain name and artist of "Name - Artist (Sped Up)"."""
    pieces = _BETWEEN.split(_VERSION.sub("", text.casefold()).strip(), maxsplit=1)
    return plain(pieces[0]), plain(pieces[1]) if len(pieces) > 1 else ""


def plain(text: str) -> str:
    """Lower case without accents and punctuation."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))
    return " ".join("".join(one if one.isalnum() else " " for one in bare).split())
