"""Which archived videos a name can touch: an inverted index from words and hashtags to batches of videos.

A changed title is matched again only against the videos whose words could mean one of its names. A name may be
written as its words, as one word, cut in two, or inside a longer hashtag; scripts without spaces go by pairs of
characters. The index errs on the side of too many: what it finds is matched again, not believed.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.matcher.domain import Video

RUN_LENGTH = 64  # batches merged into one sorted run; 10,000 batches make 157 look-ups of a word
GLUED_CHARS_MIN = 4  # a shorter name inside a longer hashtag means nothing
PART_CHARS_MIN = 2
_WORD = re.compile(r"[^\W_]+")
_PARTING = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})
_UNSPACED = re.compile("[\u2e80-\U0010ffff]")  # from here on most scripts write without spaces
_COMBINING = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u3099\u309a]")

Hashes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Footprint:
    """The words (as hashes) and the folded hashtags of one or more videos."""

    words: frozenset[int]
    tags: frozenset[str]

    def packed(self) -> bytes:
        return np.sort(np.fromiter(self.words, dtype=np.uint32, count=len(self.words))).tobytes()


def footprint_of(*videos: Video) -> Footprint:
    """Everything of one or more videos that a name could be found in."""
    words: set[str] = set()
    tags: set[str] = set()
    for video in videos:
        caption = video.video_description
        words.update(words_of(caption))
        others = (video.voice_to_text, video.sound_title, video.sound_author)
        rest = " ".join((*others, *video.ocr_text, *video.screen_text, *video.video_mention_list)).strip()
        if rest:
            words.update(words_of(rest))
        for tag in video.hashtag_names:
            tags.add(tag.casefold() if tag.isascii() and tag.isalnum() else "".join(words_of(tag)))
        if "#" in caption:
            tags.update("".join(words_of(tag)) for tag in _tags_in(caption))
    tags.discard("")
    # Hashed once a batch: its videos share most of their words.
    return Footprint(frozenset(map(_hash, words | tags)), frozenset(tags))


def words_of(text: str) -> list[str]:
    """The folded words of a text; a run of a script without spaces gives its pairs of characters."""
    if text.isascii():
        return text.casefold().translate(_PARTING).split()  # as `_WORD` finds them, in half the time
    plain = _COMBINING.sub("", unicodedata.normalize("NFKD", text.casefold()))
    words = _WORD.findall(plain)
    if not _UNSPACED.search(plain):
        return words
    return [part for word in words for part in _spaced(word)]


@dataclass(frozen=True, slots=True)
class NameShape:
    """The ways one name may be written: sets of words that must all be there, and one inside a hashtag."""

    spellings: tuple[frozenset[int], ...]
    glued: str

    def touches(self, footprint: Footprint) -> bool:
        """The slow twin of `TouchIndex.find`, for one video."""
        if any(spelling <= footprint.words for spelling in self.spellings):
            return True
        return len(self.glued) >= GLUED_CHARS_MIN and any(self.glued in tag for tag in footprint.tags)


def shape_of(name: str) -> NameShape | None:
    """How to look for a name; None when it has no words."""
    words = words_of(name)
    glued = "".join(words)
    if not glued:
        return None
    spellings = [frozenset(map(_hash, words)), frozenset((_hash(glued),))]
    if len(words) == 1:
        spellings += [
            frozenset((_hash(glued[:cut]), _hash(glued[cut:])))
            for cut in range(PART_CHARS_MIN, len(glued) - PART_CHARS_MIN + 1)
        ]
    return NameShape(tuple(dict.fromkeys(spellings)), glued)


class NameShapes:
    """Many names looked for at once in one video after another."""

    def __init__(self, shapes: Iterable[NameShape]) -> None:
        self.shapes = tuple(dict.fromkeys(shapes))
        self._spellings: dict[int, list[frozenset[int]]] = {}
        for spelling in {each for shape in self.shapes for each in shape.spellings}:
            # One word of a spelling is enough to think of it.
            self._spellings.setdefault(next(iter(spelling)), []).append(spelling)
        self._glued = tuple({shape.glued for shape in self.shapes if len(shape.glued) >= GLUED_CHARS_MIN})

    def touch(self, footprint: Footprint) -> bool:
        """Whether any of the names may be in the video; the slow way asks each shape."""
        words = footprint.words
        for word in self._spellings.keys() & words:
            if any(spelling <= words for spelling in self._spellings[word]):
                return True
        tags = "\n".join(footprint.tags)
        return bool(tags) and any(glued in tags for glued in self._glued)


@dataclass(slots=True)
class _Run:
    """Some batches' words, sorted, each with the number of its batch."""

    words: Hashes
    batches: Hashes

    def find(self, words: Hashes) -> Iterator[tuple[int, Hashes]]:
        """Each of these words that is in the run, with its batches."""
        low, high = (np.searchsorted(self.words, words, side=side) for side in ("left", "right"))
        for at in np.flatnonzero(high > low).tolist():
            yield int(words[at]), self.batches[low[at] : high[at]]


@dataclass(slots=True)
class TouchIndex:
    """From names to the batches that may hold a video they touch; grows, and never forgets."""

    ids: list[str] = field(default_factory=list)
    video_count: int = 0
    _known: set[str] = field(default_factory=set)
    _runs: list[_Run] = field(default_factory=list)
    _recent: list[tuple[int, Hashes]] = field(default_factory=list)
    _tags: set[str] = field(default_factory=set)
    _joined_tags: str = "\n"
    _new_tags: list[str] = field(default_factory=list)

    def knows(self, archive_id: str) -> bool:
        return archive_id in self._known

    def add(self, archive_id: str, words: bytes, tags: Iterable[str], video_count: int) -> None:
        """Takes a batch in; one that is known already changes nothing."""
        if archive_id in self._known:
            return
        self._known.add(archive_id)
        self.video_count += video_count
        number = len(self.ids)
        self.ids.append(archive_id)
        self._recent.append((number, np.frombuffer(words, dtype=np.uint32)))
        fresh = set(tags) - self._tags
        self._tags |= fresh
        self._new_tags.extend(fresh)
        if len(self._recent) >= RUN_LENGTH:
            self._merge()

    def find(self, shapes: Sequence[NameShape]) -> list[str]:
        """The batches that may hold a video which one of the names touches, in the order they came."""
        spellings = [spelling for shape in shapes for spelling in shape.spellings]
        for shape in shapes:
            if len(shape.glued) >= GLUED_CHARS_MIN:
                spellings += [frozenset((_hash(tag),)) for tag in self._tags_with(shape.glued)]
        places = self._places({word for spelling in spellings for word in spelling})
        found: set[int] = set()
        for spelling in spellings:
            found |= set.intersection(*(places[word] for word in spelling))
        return [self.ids[number] for number in sorted(found)]

    def _places(self, words: set[int]) -> dict[int, set[int]]:
        """The batches of each word: all words are looked for at once, for one costs as much as a hundred."""
        places: dict[int, set[int]] = {word: set() for word in words}
        wanted = np.array(sorted(words), dtype=np.uint32)
        for run in self._runs:
            for word, batches in run.find(wanted):
                places[word].update(batches.tolist())
        for number, held in self._recent:
            for word in wanted[_is_in(held, wanted)].tolist():
                places[word].add(number)
        return places

    def _tags_with(self, glued: str) -> list[str]:
        if self._new_tags:
            self._joined_tags += "\n".join(self._new_tags) + "\n"
            self._new_tags.clear()
        joined, found, at = self._joined_tags, [], self._joined_tags.find(glued)
        while at >= 0:
            start, end = joined.rfind("\n", 0, at) + 1, joined.index("\n", at)
            found.append(joined[start:end])
            at = joined.find(glued, end)
        return found

    def _merge(self) -> None:
        words = np.concatenate([words for _, words in self._recent])
        batches = np.concatenate([np.full(len(words), number, dtype=np.uint32) for number, words in self._recent])
        order = np.argsort(words, kind="stable")
        self._runs.append(_Run(words[order], batches[order]))
        self._recent.clear()


def _is_in(held: Hashes, wanted: Hashes) -> npt.NDArray[np.bool_]:
    """Which of the wanted words are among those held; both are sorted."""
    if not len(held):
        return np.zeros(len(wanted), dtype=np.bool_)
    is_there: npt.NDArray[np.bool_] = held[np.minimum(np.searchsorted(held, wanted), len(held) - 1)] == wanted
    return is_there


def _hash(word: str) -> int:
    return zlib.crc32(word.encode())


def _tags_in(text: str) -> list[str]:
    return [part.split(maxsplit=1)[0] for part in text.split("#")[1:] if part and not part[0].isspace()]


def _spaced(word: str) -> Iterable[str]:
    """The word itself, or its pairs of characters when it belongs to a script without spaces."""
    if len(word) > 1 and _UNSPACED.search(word):
        return (word[at : at + 2] for at in range(len(word) - 1))
    return (word,)
