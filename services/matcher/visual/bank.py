"""The indexed references of all titles: their rows in the indexes, parked rows of switched-off banks, refusals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.matcher.visual.index import EmbeddingIndex, Hit, PdqIndex, stacked
from services.matcher.visual.signals import Embedding, Fingerprint, Reference

ModelKey = tuple[str, int]  # a model's name and its dimension: vectors of two are never compared


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedReference:
    """A reference the index does not use, and why (`flat` or `resembles_many_titles`)."""

    reference_id: str
    title_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A reference without its vectors; `rows` says how many each embedding index holds of it."""

    reference_id: str
    title_id: str
    is_enabled: bool
    rows: tuple[tuple[ModelKey, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """The rows of a reference while it takes no part in matching."""

    pdq: tuple[bytes, ...]
    vectors: tuple[tuple[ModelKey, NDArray[np.int8]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A reference near a fingerprint; `model` is empty for PDQ."""

    owner: int
    model: str
    distance: float
    fingerprint: Fingerprint


class Bank:
    """All references by number; whoever holds it guards it against use by two threads at once."""

    def __init__(self) -> None:
        self.pdq = PdqIndex()
        self.models: dict[ModelKey, EmbeddingIndex] = {}
        self.owners: dict[int, Owner] = {}
        self.by_title: dict[str, set[int]] = defaultdict(set)
        self.refused: dict[int, RefusedReference] = {}
        self.disabled_titles: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._parked: dict[int, Parked] = {}
        self._next = 0

    def add(self, reference: Reference) -> int:
        """Take a reference in (it replaces the one of the same id) and return its number."""
        self.remove(reference.id)
        number = self._next
        self._next += 1
        hashes = tuple(one.pdq for one in reference.fingerprints if one.pdq is not None)
        vectors = tuple((key, stacked(some)) for key, some in by_model(reference.fingerprints).items())
        self.owners[number] = Owner(
            reference_id=reference.id,
            title_id=reference.title_id,
            is_enabled=reference.enabled,
            rows=tuple((key, len(some)) for key, some in vectors),
        )
        self._numbers[reference.id] = number
        self.by_title[reference.title_id].add(number)
        self._parked[number] = Parked(pdq=hashes, vectors=vectors)
        self._settle(number)
        return number

    def remove(self, reference_id: str) -> None:
        number = self._numbers.pop(reference_id, None)
        if number is None:
            return
        if number not in self._parked:
            self._park(number)
        del self._parked[number]
        title_id = self.owners.pop(number).title_id
        self.by_title[title_id].discard(number)
        if not self.by_title[title_id]:
            del self.by_title[title_id]
        self.refused.pop(number, None)

    def switch(self, title_id: str, *, is_enabled: bool) -> None:
        """Put a title's whole bank in or out of use; also for references that come later."""
        if is_enabled:
            self.disabled_titles.discard(title_id)
        else:
            self.disabled_titles.add(title_id)
        for number in self.by_title.get(title_id, ()):
            self._settle(number)

    def refuse(self, number: int, reason: str) -> None:
        owner = self.owners[number]
        self.refused[number] = RefusedReference(reference_id=owner.reference_id, title_id=owner.title_id, reason=reason)

    def neighbours(self, fingerprints: Sequence[Fingerprint], k: int) -> list[list[Neighbour]]:
        """For each fingerprint its nearest references by hash and by embedding, in no order."""
        found: list[list[Neighbour]] = [[] for _ in fingerprints]
        hashed = [place for place, one in enumerate(fingerprints) if one.pdq is not None]
        if hashed:
            joined = b"".join(fingerprints[place].pdq or b"" for place in hashed)
            queries = np.frombuffer(joined, np.uint8).reshape(len(hashed), -1)
            self._collect(found, fingerprints, hashed, self.pdq.search(queries, k), "")
        for key, index in self.models.items():
            places = [place for place, one in enumerate(fingerprints) if _key(one.embedding) == key]
            if places:
                embedded = stacked(one for place in places if (one := fingerprints[place].embedding))
                self._collect(found, fingerprints, places, index.search(embedded, k), key[0])
        return found

    def _collect(
        self,
        found: list[list[Neighbour]],
        fingerprints: Sequence[Fingerprint],
        places: Sequence[int],
        hits: Sequence[Sequence[Hit]],
        model: str,
    ) -> None:
        for place, near in zip(places, hits, strict=True):
            found[place].extend(
                Neighbour(owner=hit.owner, model=model, distance=hit.distance, fingerprint=fingerprints[place])
                for hit in near
            )

    def _settle(self, number: int) -> None:
        """Make a reference's rows lie where its state says: in the indexes or parked."""
        owner = self.owners[number]
        is_used = owner.is_enabled and owner.title_id not in self.disabled_titles
        if is_used and number in self._parked:
            self._unpark(number)
        elif not is_used and number not in self._parked:
            self._park(number)

    def _park(self, number: int) -> None:
        vectors = tuple((key, self.models[key].remove(number, count)) for key, count in self.owners[number].rows)
        self._parked[number] = Parked(pdq=self.pdq.remove(number), vectors=vectors)

    def _unpark(self, number: int) -> None:
        parked = self._parked.pop(number)
        self.pdq.add(number, parked.pdq)
        for key, vectors in parked.vectors:
            if key not in self.models:
                self.models[key] = EmbeddingIndex(*key)
            self.models[key].add(number, vectors)


def by_model(fingerprints: Sequence[Fingerprint]) -> dict[ModelKey, list[Embedding]]:
    grouped: dict[ModelKey, list[Embedding]] = defaultdict(list)
    for one in fingerprints:
        if one.embedding is not None:
            grouped[(one.embedding.model, one.embedding.dim)].append(one.embedding)
    return grouped


def _key(embedding: Embedding | None) -> ModelKey | None:
    return None if embedding is None else (embedding.model, embedding.dim)
