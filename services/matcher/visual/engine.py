"""The facade of visual matching: references in, a video's frames in, one match per title out."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

from services.matcher.visual.bank import Bank, Neighbour, RefusedReference
from services.matcher.visual.calibration import DEFAULT_CALIBRATION, PART_PENALTY, Calibration
from services.matcher.visual.shots import shots_of
from services.matcher.visual.signals import (
    Fingerprint,
    Frame,
    Reference,
    Region,
    SignalSource,
    VisualMatch,
    refused,
)
from services.matcher.visual.verify import Pictures, between, verified
from services.matcher.visual.vote import FrameHit, vote

NEIGHBOURS = 12  # enough rows to see that a frame looks like many titles
FRAMES_MAX = 64
PARTS = {Region.INSET, Region.SPLIT_FIRST, Region.SPLIT_SECOND}
FINGERPRINTS_PER_FRAME_MAX = 16
PDQ_QUALITY_MIN = 50  # below this the picture is mostly flat and its hash is chance
NOTHING: Mapping[str, int] = MappingProxyType({})
RESEMBLED_TITLES_MAX = 2  # a picture found under more titles than this and its own is a logo or a studio ident


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRows:
    """How many vectors of one frame model are indexed."""

    model: str
    dim: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualIndexInfo:
    """What the index holds, for GetIndexInfo."""

    reference_count: int
    title_count: int
    pdq_rows: int
    models: tuple[ModelRows, ...]
    disabled_titles: tuple[str, ...]
    refused: tuple[RefusedReference, ...]
    size_bytes: int


class VisualEngine:
    """All titles' reference banks, searchable; changed in place, safe to use from several threads."""

    def __init__(self, calibration: Calibration = DEFAULT_CALIBRATION, *, pictures: Pictures | None = None) -> None:
        self._calibration = calibration
        self._pictures = pictures
        self._lock = threading.Lock()
        self._bank = Bank()

    @classmethod
    def build(
        cls,
        references: Iterable[Reference],
        *,
        disabled_titles: Iterable[str] = (),
        calibration: Calibration = DEFAULT_CALIBRATION,
        pictures: Pictures | None = None,
    ) -> Self:
        """An engine that holds these references, with the banks of `disabled_titles` switched off.

        With `pictures` (a reference's grey pixels by id) borderline likenesses are checked geometrically.
        """
        engine = cls(calibration, pictures=pictures)
        engine.update(added=references, bank_states=dict.fromkeys(disabled_titles, False))
        return engine

    def update(
        self,
        *,
        added: Iterable[Reference] = (),
        removed_ids: Iterable[str] = (),
        bank_states: Mapping[str, bool] | None = None,
    ) -> tuple[RefusedReference, ...]:
        """Follow the change feed: remove, switch banks on or off, add (an id seen before is replaced).

        Returns the references among `added` that will not be used. Removing an unknown id is no error.
        """
        with self._lock:
            for reference_id in removed_ids:
                self._bank.remove(reference_id)
            for title_id, is_enabled in (bank_states or {}).items():
                self._bank.switch(title_id, is_enabled=is_enabled)
            numbers = [self._add(reference) for reference in added]
            return tuple(self._bank.refused[one] for one in numbers if one in self._bank.refused)

    def match(self, frames: Sequence[Frame], counts: Mapping[str, int] = NOTHING) -> tuple[VisualMatch, ...]:
        """Which titles the frames show, most probable first; no frames, no match.

        `counts` are agreeing details by reference, of borderline likenesses checked before.
        """
        if len(frames) > FRAMES_MAX:
            raise refused("frames", f"a video brings at most {FRAMES_MAX} frames")
        for place, frame in enumerate(frames):
            if len(frame.fingerprints) > FINGERPRINTS_PER_FRAME_MAX:
                raise refused(
                    f"frames[{place}].fingerprints",
                    f"at most {FINGERPRINTS_PER_FRAME_MAX} fingerprints a frame",
                )
        ordered = sorted(frames, key=lambda frame: frame.t_ms)
        with self._lock:
            hits = [
                hit for frame, shot in zip(ordered, shots_of(ordered), strict=True) for hit in self._hits(frame, shot)
            ]
        matches = vote(hits, self._calibration)
        if counts:
            matches = verified(matches, lambda evidence: counts.get(evidence.reference_id), self._calibration)
        if self._pictures is None:
            return matches
        return verified(matches, between(ordered, self._pictures), self._calibration)

    def info(self) -> VisualIndexInfo:
        with self._lock:
            bank = self._bank
            return VisualIndexInfo(
                reference_count=len(bank.owners),
                title_count=len(bank.by_title),
                pdq_rows=len(bank.pdq),
                models=tuple(
                    ModelRows(model=model, dim=dim, rows=len(index))
                    for (model, dim), index in sorted(bank.models.items())
                ),
                disabled_titles=tuple(sorted(bank.disabled_titles)),
                refused=tuple(bank.refused.values()),
                size_bytes=bank.pdq.size_bytes + sum(index.size_bytes for index in bank.models.values()),
            )

    def _add(self, reference: Reference) -> int:
        telling = usable(reference.fingerprints)
        resembled = self._resembled(reference.title_id, telling)
        number = self._bank.add(replace(reference, fingerprints=telling))
        if not telling:
            self._bank.refuse(number, "flat")
        elif len({self._bank.owners[one].title_id for one in resembled}) > RESEMBLED_TITLES_MAX:
            for one in (number, *resembled):  # those that came before it are no better
                self._bank.refuse(one, "resembles_many_titles")
        return number

    def _resembled(self, title_id: str, fingerprints: Sequence[Fingerprint]) -> set[int]:
        """References of other titles that surely show the same picture."""
        return {
            near.owner
            for found in self._bank.neighbours(fingerprints, NEIGHBOURS)
            for near in found
            if self._bank.owners[near.owner].title_id != title_id
            and near.distance <= self._calibration.curve(_source(near), near.model).distance_sure
        }

    def _hits(self, frame: Frame, shot: int) -> list[FrameHit]:
        hits: list[FrameHit] = []
        for found in self._bank.neighbours(usable(frame.fingerprints), NEIGHBOURS):
            if any(self._is_sure(near) and near.owner in self._bank.refused for near in found):
                continue  # the frame shows a logo or a studio ident
            hits.extend(
                self._frame_hit(frame, shot, near)
                for near in found
                if near.owner not in self._bank.refused
                and near.distance <= self._calibration.curve(_source(near), near.model).distance_max
            )
        return hits

    def _is_sure(self, near: Neighbour) -> bool:
        return near.distance <= self._calibration.curve(_source(near), near.model).distance_sure

    def _frame_hit(self, frame: Frame, shot: int, near: Neighbour) -> FrameHit:
        owner = self._bank.owners[near.owner]
        source = _source(near)
        rows = (
            len(self._bank.pdq)
            if source is SignalSource.PDQ or near.fingerprint.embedding is None
            else len(self._bank.models[(near.model, near.fingerprint.embedding.dim)])
        )
        return FrameHit(
            t_ms=frame.t_ms,
            shot=shot,
            title_id=owner.title_id,
            reference_id=owner.reference_id,
            source=source,
            model=near.model,
            distance=near.distance,
            region=near.fingerprint.region,
            log_ratio=self._calibration.curve(source, near.model).log_ratio(near.distance, rows)
            - (PART_PENALTY if near.fingerprint.region in PARTS else 0.0),
            is_sure=self._is_sure(near),
        )


def usable(fingerprints: Iterable[Fingerprint]) -> tuple[Fingerprint, ...]:
    """What says anything: without the hashes of flat pictures, which are alike whatever they show."""
    kept = (replace(one, pdq=None) if one.pdq_quality < PDQ_QUALITY_MIN else one for one in fingerprints)
    return tuple(one for one in kept if one.pdq is not None or one.embedding is not None)


def _source(near: Neighbour) -> SignalSource:
    return SignalSource.EMBEDDING if near.model else SignalSource.PDQ
