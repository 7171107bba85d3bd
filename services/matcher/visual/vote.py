"""From the hits of single frames to what the video shows: shots vote for titles, and agreement counts."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.matcher.visual.calibration import Calibration
from services.matcher.visual.signals import Region, SignalSource, VisualEvidence, VisualMatch

SHOT_WEIGHTS = (1.0, 0.6, 0.3)  # a title's second and third best shot; later ones say nothing new
AMBIGUOUS_TITLES_MIN = 4  # a frame like so many titles shows a logo, not a film
HELD_MS = 500  # a single frame stands for half a second around it


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHit:
    """One frame's likeness to one reference; frames of one shot share its number."""

    t_ms: int
    shot: int
    title_id: str
    reference_id: str
    source: SignalSource
    model: str
    distance: float
    region: Region
    log_ratio: float
    is_sure: bool


def vote(hits: Iterable[FrameHit], calibration: Calibration) -> tuple[VisualMatch, ...]:
    """One match per title, most probable first."""
    shots = _best_by_shot_and_title(hits)
    votes: dict[str, list[Vote]] = defaultdict(list)
    for titles in shots.values():
        sure = [title_id for title_id, (best, _, _) in titles.items() if best.is_sure]
        if len(sure or titles) >= AMBIGUOUS_TITLES_MIN:  # beside a sure likeness chance ones do not count
            continue
        for title_id, seen in titles.items():
            rivals = [best.log_ratio for other, (best, _, _) in titles.items() if other != title_id]
            best, start, end = seen
            worth = best.log_ratio - max([0.0, *rivals])
            if worth > 0.0:
                votes[title_id].append((worth, best, start, end))
    matches = [_match(title_id, found, calibration) for title_id, found in votes.items()]
    return tuple(sorted(matches, key=lambda match: (-match.contribution, match.title_id)))


Seen = tuple[FrameHit, int, int]  # a shot's best hit, first and last moment
Vote = tuple[float, FrameHit, int, int]  # what it is worth after its rivals, and the same


def _best_by_shot_and_title(hits: Iterable[FrameHit]) -> dict[int, dict[str, Seen]]:
    shots: dict[int, dict[str, Seen]] = defaultdict(dict)
    for hit in sorted(hits, key=lambda hit: (hit.t_ms, hit.reference_id)):
        seen = shots[hit.shot].get(hit.title_id)
        if seen is None:
            shots[hit.shot][hit.title_id] = (hit, hit.t_ms, hit.t_ms)
        else:
            best, start, _ = seen
            shots[hit.shot][hit.title_id] = (max(best, hit, key=lambda one: one.log_ratio), start, hit.t_ms)
    return shots


def _match(title_id: str, found: Sequence[Vote], calibration: Calibration) -> VisualMatch:
    ranked = _best_by_reference(sorted(found, key=lambda one: (-one[0], one[2])))[: len(SHOT_WEIGHTS)]
    worths = [weight * worth for weight, (worth, _, _, _) in zip(SHOT_WEIGHTS, ranked, strict=False)]
    scale = min(1.0, calibration.logit_max / sum(worths))
    evidence = tuple(
        VisualEvidence(
            reference_id=hit.reference_id,
            source=hit.source,
            model=hit.model,
            distance=hit.distance,
            start_ms=start,
            end_ms=end + HELD_MS,
            region=hit.region,
            contribution=scale * worth,
        )
        for worth, (_, hit, start, end) in zip(worths, ranked, strict=True)
    )
    contribution = math.fsum(one.contribution for one in evidence)
    return VisualMatch(
        title_id=title_id,
        contribution=contribution,
        prior_logit=calibration.prior_logit,
        probability=probability(calibration.prior_logit + contribution),
        is_borderline=not any(hit.is_sure for _, hit, _, _ in ranked),
        evidence=evidence,
    )


def _best_by_reference(ranked: Sequence[Vote]) -> list[Vote]:
    """The best shot of each reference: a chance likeness that stays on screen is no agreement with itself."""
    best: dict[str, Vote] = {}
    for one in ranked:
        best.setdefault(one[1].reference_id, one)
    return list(best.values())


def probability(logit: float) -> float:
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    return math.exp(logit) / (1.0 + math.exp(logit))
