"""The index of names: which titles a key may mean, as flat arrays that one file holds.

A TextIndex never changes.  `with_changes` answers a new one: the arrays copied once, the new rows at
their ends.  Rows that nothing leads to any more stay until the index is built anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.matcher.text import arrayfile
from services.matcher.text.building import build_columns, id_keys
from services.matcher.text.changing import apply_changes
from services.matcher.text.hashing import Ints, KeyTable, UInt64s
from services.matcher.text.ordinary import OrdinaryWords, ordinary_words
from services.matcher.text.titles import TitleNames

FORMAT = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """One segment of the index.  Titles, aliases, postings and people are numbered from 0."""

    title_id: npt.NDArray[np.uint8]  # all ids as UTF-8, one after another
    title_id_at: npt.NDArray[np.uint32]
    title_popularity: npt.NDArray[np.float32]
    title_year: npt.NDArray[np.int16]
    title_day: npt.NDArray[np.int32]  # release date as days since 1970; 0 when not known
    title_type: npt.NDArray[np.uint8]
    title_topics: npt.NDArray[np.uint32]  # see topics.py
    alias_key: UInt64s
    alias_slots: npt.NDArray[np.uint32]
    alias_filter: npt.NDArray[np.uint8]
    alias_words: npt.NDArray[np.uint8]
    alias_chars: npt.NDArray[np.uint8]
    alias_zipf_min: npt.NDArray[np.uint8]
    alias_zipf_mean: npt.NDArray[np.uint8]
    alias_zipf_max: npt.NDArray[np.uint8]
    alias_zipf_other: npt.NDArray[np.uint8]
    alias_pair_min: npt.NDArray[np.uint8]  # how common its rarest pair of words is, in steps; 0 not listed
    alias_pair_mean: npt.NDArray[np.uint8]
    alias_place: npt.NDArray[np.uint8]  # how large the place of this name is; 0 when there is none
    alias_phrase: npt.NDArray[np.uint8]  # in how many plot overviews the name stands, in steps; 0 in fewer than two
    alias_entry: npt.NDArray[np.uint8]  # senses of the name in a dictionary of English
    alias_song: npt.NDArray[np.uint8]  # 1 where a well-known song has the name
    alias_person: npt.NDArray[np.uint8]  # titles with cast or crew of this very name, up to 20
    alias_prior: npt.NDArray[np.uint8]  # registry prior in steps of 1/254; 255 when there is none
    alias_shape: npt.NDArray[np.uint8]  # flags, see building.Shape
    alias_weight: npt.NDArray[np.float32]  # 10 ** popularity, summed over its titles
    alias_posting: npt.NDArray[np.uint32]  # the first posting of each alias; one longer
    alias_text: npt.NDArray[np.uint8]
    alias_text_at: npt.NDArray[np.uint32]
    posting_title: npt.NDArray[np.uint32]  # best known first within an alias
    posting_kind: npt.NDArray[np.uint8]
    stem_filter: npt.NDArray[np.uint8]  # which runs of three words begin a longer name
    person_key: UInt64s
    person_slots: npt.NDArray[np.uint32]
    person_filter: npt.NDArray[np.uint8]
    person_posting: npt.NDArray[np.uint32]
    person_title: npt.NDArray[np.uint32]
    person_role: npt.NDArray[np.uint8]
    title_key: UInt64s  # hashes of the ids, sorted; `title_number` says whose
    title_number: npt.NDArray[np.uint32]
    word_key: UInt64s  # ordinary words, see ordinary.py
    word_english: npt.NDArray[np.uint8]
    word_elsewhere: npt.NDArray[np.uint8]
    presumed_popularity: npt.NDArray[np.float32]  # of titles without one; a single value

    def numbers_of(self, title_ids: Sequence[str]) -> Ints:
        """The numbers of these titles; unknown ids are left out."""
        keys = id_keys([i.encode() for i in title_ids])
        at = np.minimum(np.searchsorted(self.title_key, keys), max(len(self.title_key) - 1, 0))
        if not len(self.title_key):
            return np.empty(0, dtype=np.int64)
        return self.title_number[at[self.title_key[at] == keys]].astype(np.int64)

    def ordinary(self) -> OrdinaryWords:
        return OrdinaryWords(self.word_key, self.word_english, self.word_elsewhere)

    def aliases(self) -> KeyTable:
        return KeyTable(self.alias_key, self.alias_slots, self.alias_filter)

    def people(self) -> KeyTable:
        return KeyTable(self.person_key, self.person_slots, self.person_filter)


@dataclass(frozen=True, slots=True)
class TextIndex:
    """What the engine looks names up in."""

    base: Columns

    @classmethod
    def build(cls, titles: Iterable[TitleNames]) -> "TextIndex":
        """Index these titles, each id once."""
        arrays = build_columns(titles, ordinary_words())
        del arrays["stem_key"]
        return cls(Columns(**arrays))  # type: ignore[arg-type]

    def with_changes(self, upserts: Iterable[TitleNames], removed: Iterable[str]) -> "TextIndex":
        """An index that has these titles as given and lacks the removed ones; this one stays as it is."""
        arrays = {name: getattr(self.base, name) for name in Columns.__slots__}
        changed = list(upserts)
        gone = self.base.numbers_of([*(t.title_id for t in changed), *removed])
        new = build_columns(changed, self.base.ordinary(), float(self.base.presumed_popularity[0]))
        return TextIndex(Columns(**apply_changes(arrays, new, gone)))

    @classmethod
    def load(cls, path: Path) -> "TextIndex":
        """Map a saved index into memory; pages are read when they are first needed."""
        return cls(Columns(**arrayfile.load(path, FORMAT)))  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        arrayfile.save(path, FORMAT, {name: getattr(self.base, name) for name in Columns.__slots__})

    def __len__(self) -> int:
        """How many titles can be found."""
        return len(self.base.title_key)

    def title_id(self, number: int) -> str:
        at = self.base.title_id_at
        return self.base.title_id[at[number] : at[number + 1]].tobytes().decode()

    def alias_text(self, number: int) -> str:
        at = self.base.alias_text_at
        return self.base.alias_text[at[number] : at[number + 1]].tobytes().decode()
