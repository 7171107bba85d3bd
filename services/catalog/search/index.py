"""The search index: segments of names, and one slot of ranking facts for each title.

Names never change inside a segment: a title whose names change gets a new generation and its names are added
again, in a new segment. Small segments are merged when there are many, so that a query reads few.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from services.catalog.names import searched_names
from services.catalog.search import segment as segments_of
from services.catalog.search.grams import start_gram, word_grams
from services.catalog.search.match import MatchedBy, Meeting, Query, meet, read_query
from services.catalog.search.segment import Mask, Segment, exact_forms
from services.catalog.title import MediaType, Title, TitleState

HITS_MAX = 500  # of one query, over all its pages
# Of each of the ways in which candidates are found; more changed no ranking in tests, and each costs ~3 us.
CANDIDATES_MAX = 200
POSTINGS_READ_MAX = 1_500_000  # of one query and segment: bounds its time
SEGMENTS_MAX = 8
SHORT_QUERY_CHARACTERS_MAX = 6
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "
_SLOTS_MIN = 1024
_MEDIA_CODES = {media: code for code, media in enumerate(MediaType)}

I32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What search knows of a title."""

    id: str
    names: tuple[str, ...]
    popularity: float
    media_type: MediaType
    studio_id: str
    state: TitleState
    embargo_lift_s: float


# What entry_of reads of a title.
SEARCHED_FIELDS = (
    "title", "original_title", "alternative_titles", "translations", "hashtags", "popularity", "media_type",
    "studio_id", "state", "embargo_lift_time",
)  # fmt: skip


def entry_of(title: Title) -> Entry:
    lift = title.embargo_lift_time
    return Entry(
        id=title.id,
        names=searched_names(title),
        popularity=title.popularity,
        media_type=title.media_type,
        studio_id=title.studio_id,
        state=title.state,
        embargo_lift_s=lift.timestamp() if lift else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """Which titles a query may find; deleted ones never."""

    now: datetime
    media_type: MediaType = MediaType.UNSPECIFIED
    studio_id: str = ""
    include_hidden: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """Sorts as hits are ranked: how it met, then popularity, then the shorter name."""

    meeting: Meeting
    unpopularity: float
    name_length: int
    title_id: str
    name: str = field(compare=False)

    @property
    def matched_by(self) -> MatchedBy:
        return self.meeting.matched_by


class SearchIndex:
    """All titles' names, and the revision of the catalog they are from."""

    def __init__(self) -> None:
        self.revision = 0
        self._slot_of: dict[str, int] = {}
        self._ids: list[str] = []
        self._names: list[int] = []  # hash of a slot's names: unchanged names need no new generation
        self._studios: dict[str, int] = {"": 0}
        self._segments: tuple[Segment, ...] = ()
        self._popularity = np.zeros(_SLOTS_MIN, np.float32)
        self._generation = np.zeros(_SLOTS_MIN, np.int32)
        self._media = np.zeros(_SLOTS_MIN, np.int8)
        self._studio = np.zeros(_SLOTS_MIN, np.int32)
        self._state = np.zeros(_SLOTS_MIN, np.int8)
        self._lift_s = np.zeros(_SLOTS_MIN, np.float64)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def byte_count(self) -> int:
        return sum(each.byte_count for each in self._segments)

    def put(self, entries: Iterable[Entry]) -> None:
        """Adds or renews titles; the names that changed make one new segment."""
        names: list[str] = []
        slots: list[int] = []
        generations: list[int] = []
        for entry in {entry.id: entry for entry in entries}.values():
            slot = self._set_facts(entry)
            if self._names[slot] == hash(entry.names):
                continue
            self._names[slot] = hash(entry.names)
            self._generation[slot] += 1
            names += entry.names
            slots += [slot] * len(entry.names)
            generations += [int(self._generation[slot])] * len(entry.names)
        if names:
            self._segments = (*self._segments, segments_of.build(names, slots, generations))

    def merging(self) -> "Merge | None":
        """The work that would make queries cheaper; it may run in a thread, then goes to `merged`."""
        if len(self._segments) <= SEGMENTS_MAX:
            return None
        largest, *rest = sorted(self._segments, key=len, reverse=True)
        few = sum(map(len, rest)) < len(largest) // 4
        chosen = rest if few else [largest, *rest]
        return Merge(tuple(chosen), tuple(self._live(each) for each in chosen))

    def merged(self, work: "Merge", result: Segment | None) -> None:
        """Puts the result in the place of what it was made of."""
        done = set(map(id, work.segments))
        kept = tuple(each for each in self._segments if id(each) not in done)
        self._segments = (*((result,) if result else ()), *kept)

    def search(self, q: str, restriction: Restriction) -> list[Hit]:
        """The best hits, each title once."""
        query = read_query(q)
        if not query.text:
            return []
        best: dict[str, Hit] = {}
        for hit in self._hits(query, restriction):
            known = best.get(hit.title_id)
            if known is None or hit < known:
                best[hit.title_id] = hit
        return heapq.nsmallest(HITS_MAX, best.values())

    def ids_named(self, folded: str) -> list[str]:
        """The titles, not deleted, that have a name of this folded form; the most popular first."""
        slots = self._slots_named(folded)
        return [self._ids[slot] for slot in sorted(slots, key=lambda slot: -self._popularity[slot])]

    def sharing(self, title_id: str, folded: str) -> tuple[int, float]:
        """How many titles share a name, and which part of their popularity is this title's."""
        slots = self._slots_named(folded)
        own = self._slot_of.get(title_id)
        if own is None or own not in slots:
            return len(slots), 1.0 / (len(slots) + 1)
        weights = {slot: float(self._popularity[slot]) + 1.0 for slot in slots}
        return len(slots), weights[own] / sum(weights.values())

    def _slots_named(self, folded: str) -> set[int]:
        hashes = np.array([hash(folded)], np.int64)
        slots: set[int] = set()
        for each in self._segments:
            numbers = each.exactly(hashes)
            numbers = numbers[self._live(each, numbers)]
            slots.update(int(each.slots[n]) for n in numbers if each.name(int(n)) == folded)
        return slots

    def _set_facts(self, entry: Entry) -> int:
        slot = self._slot_of.get(entry.id)
        if slot is None:
            slot = self._slot_of[entry.id] = len(self._ids)
            self._ids.append(entry.id)
            self._names.append(hash(()))
            if slot == len(self._popularity):
                self._grow()
        self._popularity[slot] = min(entry.popularity, float(np.finfo(np.float32).max))
        self._media[slot] = _MEDIA_CODES[entry.media_type]
        self._studio[slot] = self._studios.setdefault(entry.studio_id, len(self._studios))
        self._state[slot] = _STATE_CODES[entry.state]
        self._lift_s[slot] = entry.embargo_lift_s
        return slot

    def _grow(self) -> None:
        for name in ("_popularity", "_generation", "_media", "_studio", "_state", "_lift_s"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros_like(array)]))

    def _live(self, each: Segment, numbers: I32 | None = None) -> Mask:
        slots = each.slots if numbers is None else each.slots[numbers]
        generations = each.generations if numbers is None else each.generations[numbers]
        mask: Mask = (self._generation[slots] == generations) & (self._state[slots] != _DELETED)
        return mask

    def _hits(self, query: Query, restriction: Restriction) -> Iterator[Hit]:
        for each in self._segments:
            for number in self._candidates(each, query, restriction).tolist():
                name = each.name(number)
                meeting = meet(query, name)
                if meeting is not None:
                    slot = int(each.slots[number])
                    yield Hit(meeting, -float(self._popularity[slot]), len(name), self._ids[slot], name)

    def _candidates(self, each: Segment, query: Query, restriction: Restriction) -> I32:
        """The names worth judging: every exact one, and the best of each way a name can be met."""
        found = [self._visible(each, each.exactly(_hashes(query)), restriction)]
        counts, read = _counts(each, word_grams(query))
        if read:
            full = self._visible(each, np.flatnonzero(counts == read).astype(np.int32), restriction)
            beginning = full[np.isin(full, each.posting(start_gram(query)), assume_unique=True)]
            found += [self._popular(each, beginning), self._popular(each, full)]
            # Where many names have all of it, nobody is looking for those that have most of it.
            if query.typo_count_max and len(full) < CANDIDATES_MAX:
                partial = np.flatnonzero((counts >= _enough(read)) & (counts < read)).astype(np.int32)
                partial = self._visible(each, partial, restriction)
                found += [*self._alike(each, partial, counts, read)]
        return np.unique(np.concatenate(found))

    def _visible(self, each: Segment, numbers: I32, restriction: Restriction) -> I32:
        slots = each.slots[numbers]
        mask = self._live(each, numbers)
        if not restriction.include_hidden:
            mask &= (self._state[slots] == _ACTIVE) & (self._lift_s[slots] <= restriction.now.timestamp())
        if restriction.media_type is not MediaType.UNSPECIFIED:
            mask &= self._media[slots] == _MEDIA_CODES[restriction.media_type]
        if restriction.studio_id:
            mask &= self._studio[slots] == self._studios.get(restriction.studio_id, -1)
        return numbers[mask]

    def _popular(self, each: Segment, numbers: I32) -> I32:
        return _largest(numbers, self._popularity[each.slots[numbers]])

    def _alike(self, each: Segment, numbers: I32, counts: npt.NDArray[np.int64], read: int) -> list[I32]:
        """Those that share the most grams, and those whose grams are the most alike; the popular first."""
        shared = counts[numbers]
        tie = self._popularity[each.slots[numbers]] / (self._popularity.max() + 1)
        alike = 2 * shared / (read + each.gram_counts[numbers])
        return [_largest(numbers, shared + tie), _largest(numbers, alike + tie / 100)]


@dataclass(frozen=True, slots=True)
class Merge:
    """Segments to make one of, and which of their names were live when it was decided."""

    segments: tuple[Segment, ...]
    live: tuple[Mask, ...]

    def run(self) -> Segment | None:
        return segments_of.merge(self.segments, self.live)


_STATE_CODES = {TitleState.ACTIVE: 0, TitleState.WITHDRAWN: 1, TitleState.DELETED: 2}
_ACTIVE, _DELETED = _STATE_CODES[TitleState.ACTIVE], _STATE_CODES[TitleState.DELETED]


def _hashes(query: Query) -> npt.NDArray[np.int64]:
    """Of the query's spellings; of a short query also with one error made, which grams would miss."""
    forms = exact_forms(query.text)
    if query.typo_count_max and len(query.glued) <= SHORT_QUERY_CHARACTERS_MAX and query.glued.isascii():
        forms |= set(_one_typo(query.text))
    return np.fromiter(map(hash, forms), np.int64, len(forms))


def _one_typo(text: str) -> Iterator[str]:
    for at in range(len(text) + 1):
        head, tail = text[:at], text[at:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]


def _counts(each: Segment, grams: Sequence[int] | npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.int64], int]:
    """For each name how many of the grams it has, and how many were read: the rare ones, within bounds."""
    postings = sorted((each.posting(int(gram)) for gram in grams), key=len)
    read: list[I32] = []
    total = 0
    for posting in postings:
        total += len(posting)
        if read and total > POSTINGS_READ_MAX:
            break
        read.append(posting)
    if not read:
        return np.zeros(len(each), np.int64), 0
    return np.bincount(np.concatenate(read), minlength=len(each)), len(read)


def _enough(read: int) -> int:
    """Grams that a name with two typing errors or other word order still shares."""
    return max(1, read // 3)


def _largest(numbers: I32, by: npt.NDArray[np.floating]) -> I32:
    if len(numbers) <= CANDIDATES_MAX:
        return numbers
    return numbers[np.argpartition(-by, CANDIDATES_MAX)[:CANDIDATES_MAX]]
