"""One immutable piece of the index: many names in a few flat arrays, with postings of grams and exact forms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.catalog.names import glued, without_article
from services.catalog.search.grams import U32, keys_of

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LOW_32 = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Segment:
    """Names by number, each with the slot of its title and the generation of that title's names."""

    blob: bytes
    ends: I64
    slots: I32
    generations: I32
    gram_counts: npt.NDArray[np.uint16]
    grams: U32
    starts: I64
    postings: I32
    exact_hashes: I64
    exact_names: I32

    def __len__(self) -> int:
        return len(self.slots)

    def name(self, number: int) -> str:
        start = int(self.ends[number - 1]) if number else 0
        return self.blob[start : int(self.ends[number])].decode()

    def posting(self, gram: int) -> I32:
        """The names that have the gram, rising."""
        at = int(np.searchsorted(self.grams, np.uint32(gram)))
        if at == len(self.grams) or self.grams[at] != gram:
            return self.postings[:0]
        return self.postings[self.starts[at] : self.starts[at + 1]]

    def exactly(self, hashes: I64) -> I32:
        """The names one of whose exact forms has one of these hashes."""
        first = np.searchsorted(self.exact_hashes, hashes, "left")
        last = np.searchsorted(self.exact_hashes, hashes, "right")
        found = [self.exact_names[a:b] for a, b in zip(first, last, strict=True) if a < b]
        return np.unique(np.concatenate(found)) if found else self.exact_names[:0]

    @property
    def byte_count(self) -> int:
        arrays = (self.ends, self.slots, self.generations, self.gram_counts, self.grams, self.starts,
                  self.postings, self.exact_hashes, self.exact_names)  # fmt: skip
        return len(self.blob) + sum(array.nbytes for array in arrays)


def exact_forms(name: str) -> set[str]:
    """The spellings under which a name is the same name: as folded, without its article, glued."""
    bare = without_article(name)
    return {name, bare, glued(name)}


def build(names: Sequence[str], slots: Sequence[int], generations: Sequence[int]) -> Segment:
    """A segment of these folded names."""
    encoded = [name.encode("utf-8", "replace") for name in names]
    hashes, numbers = _exact(names)
    return _from_keys(
        keys_of(names),
        blob=b"".join(encoded),
        ends=np.cumsum(np.fromiter(map(len, encoded), np.int64, len(names))),
        slots=np.asarray(slots, np.int32),
        generations=np.asarray(generations, np.int32),
        exact_hashes=hashes,
        exact_names=numbers,
    )


def _exact(names: Sequence[str]) -> tuple[I64, I32]:
    pairs = [(hash(form), number) for number, name in enumerate(names) for form in exact_forms(name)]
    hashes = np.fromiter((each for each, _ in pairs), np.int64, len(pairs))
    numbers = np.fromiter((each for _, each in pairs), np.int32, len(pairs))
    order = np.argsort(hashes, kind="stable")
    return hashes[order], numbers[order]


def _from_keys(
    keys: npt.NDArray[np.uint64],
    *,
    blob: bytes,
    ends: I64,
    slots: I32,
    generations: I32,
    exact_hashes: I64,
    exact_names: I32,
) -> Segment:
    postings = (keys & _LOW_32).astype(np.int32)
    high = (keys >> np.uint64(32)).astype(np.uint32)
    firsts = np.flatnonzero(np.concatenate([[True], high[1:] != high[:-1]]))
    counts = np.bincount(postings, minlength=len(slots))
    return Segment(
        blob=blob,
        ends=ends,
        slots=slots,
        generations=generations,
        gram_counts=np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16),
        grams=high[firsts],
        starts=np.append(firsts, len(keys)).astype(np.int64),
        postings=postings,
        exact_hashes=exact_hashes,
        exact_names=exact_names,
    )


def merge(segments: Sequence[Segment], live: Sequence[Mask]) -> Segment | None:
    """One segment of the names that are still live; None when there are none."""
    news = _renumbered(live)
    if not any(mask.any() for mask in live):
        return None
    keys = np.concatenate([_kept_keys(s, m, n) for s, m, n in zip(segments, live, news, strict=True)])
    keys.sort(kind="stable")
    hashes = np.concatenate([s.exact_hashes[m[s.exact_names]] for s, m in zip(segments, live, strict=True)])
    numbers = np.concatenate([
        n[s.exact_names[m[s.exact_names]]] for s, m, n in zip(segments, live, news, strict=True)
    ])  # fmt: skip
    order = np.argsort(hashes, kind="stable")
    lengths = [np.diff(s.ends, prepend=0)[m] for s, m in zip(segments, live, strict=True)]
    return _from_keys(
        keys,
        blob=b"".join(_kept_blob(s, m) for s, m in zip(segments, live, strict=True)),
        ends=np.cumsum(np.concatenate(lengths)),
        slots=np.concatenate([s.slots[m] for s, m in zip(segments, live, strict=True)]),
        generations=np.concatenate([s.generations[m] for s, m in zip(segments, live, strict=True)]),
        exact_hashes=hashes[order],
        exact_names=numbers[order].astype(np.int32),
    )


def _renumbered(live: Sequence[Mask]) -> list[I64]:
    """For each segment the new numbers of its live names."""
    news, base = [], 0
    for mask in live:
        news.append(np.cumsum(mask) - 1 + base)
        base += int(mask.sum())
    return news


def _kept_keys(segment: Segment, mask: Mask, new: I64) -> npt.NDArray[np.uint64]:
    grams = np.repeat(segment.grams, np.diff(segment.starts))
    kept = mask[segment.postings]
    return (grams[kept].astype(np.uint64) << np.uint64(32)) | new[segment.postings[kept]].astype(np.uint64)


def _kept_blob(segment: Segment, mask: Mask) -> bytes:
    if mask.all():
        return segment.blob
    starts = np.concatenate([[0], segment.ends[:-1]])
    blob = segment.blob
    return b"".join(blob[a:b] for a, b in zip(starts[mask].tolist(), segment.ends[mask].tolist(), strict=True))
