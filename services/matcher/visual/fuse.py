"""One logit a title from words, pictures and sound; the parts sum to it exactly, what is missing adds nothing.

Text gives calibrated logits. Pictures and sound give log likelihood ratios, which add. A title only the pictures
found starts from their prior. Where the pictures surely show one title and the words surely mean another, neither
may be approved on its own: both are held down by a part of their own, `conflict`, and marked for review. A borderline
likeness by vectors that no geometric check could settle is held up to even odds by `doubt`: a person has to look.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from services.matcher.visual.signals import SignalSource, VisualMatch
from services.matcher.visual.sound import SoundEvidence
from services.matcher.visual.vote import probability

SURELY_SEEN_MIN = 0.80  # probability from the pictures alone
SURELY_MEANT_MIN = 0.40  # probability from the words alone; low, since a wrong anchor costs more than a review
# What a contested title keeps: 0.5, under every sane approve threshold; a hair more, since by rounding of the sum it
# came to 0.49999999999999994 and was rejected where a reviewer had to look.
CONTESTED_LOGIT_MAX = 1e-9

DOUBTFUL_LOGIT = 1e-9  # likewise: from 0.5 on the default policy has a person look


class Part(Enum):
    """Where a share of the logit comes from."""

    TEXT = "text"
    PRIOR = "prior"
    VISUAL = "visual"
    SOUND = "sound"
    CONFLICT = "conflict"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One signed share of a title's logit."""

    part: Part
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedTitle:
    """What all signals say of one title; `logit` is the sum of `contributions`, in their order."""

    title_id: str
    logit: float
    probability: float
    contributions: tuple[Contribution, ...]
    is_contested: bool


def fuse(
    text_logits: Mapping[str, float],
    seen: Sequence[VisualMatch] = (),
    heard: Iterable[SoundEvidence] = (),
) -> tuple[FusedTitle, ...]:
    """Every title that words or pictures found, most probable first. Sound alone finds none."""
    sights = {match.title_id: match for match in seen}
    sounds = {one.title_id: one.contribution for one in heard}
    contested = contested_titles(text_logits, seen)
    titles = [
        _fused(
            title_id,
            text_logits.get(title_id),
            sights.get(title_id),
            sounds.get(title_id, 0.0),
            is_contested=title_id in contested,
        )
        for title_id in sorted({*text_logits, *sights})
    ]
    return tuple(sorted(titles, key=lambda title: (-title.logit, title.title_id)))


def contested_titles(text_logits: Mapping[str, float], seen: Sequence[VisualMatch]) -> frozenset[str]:
    """Titles on both sides of a contradiction; a title both seen and meant contradicts nothing."""
    shown = {match.title_id for match in seen}
    surely_seen = {match.title_id for match in seen if match.probability >= SURELY_SEEN_MIN}
    surely_meant = {title_id for title_id, logit in text_logits.items() if probability(logit) >= SURELY_MEANT_MIN}
    against = surely_meant - shown
    unspoken = surely_seen - surely_meant
    return frozenset(against | unspoken) if against and unspoken else frozenset()


def is_doubtful(sight: VisualMatch) -> bool:
    """Whether a match rests on vectors in the band between chance and certainty, and nothing has settled it."""
    return sight.is_borderline and any(one.source is SignalSource.EMBEDDING for one in sight.evidence)


def _fused(
    title_id: str, text_logit: float | None, sight: VisualMatch | None, sound: float, *, is_contested: bool
) -> FusedTitle:
    parts: list[Contribution] = []
    if text_logit is not None:
        parts.append(Contribution(part=Part.TEXT, value=text_logit))
    if sight is not None:
        lift = sight.prior_logit - (text_logit or 0.0)
        if text_logit is None or lift > 0.0:  # a faint word must not count less than no word
            parts.append(Contribution(part=Part.PRIOR, value=lift))
        parts.append(Contribution(part=Part.VISUAL, value=sight.contribution))
    if sound:
        parts.append(Contribution(part=Part.SOUND, value=sound))
    excess = math.fsum(one.value for one in parts) - CONTESTED_LOGIT_MAX
    if is_contested and excess > 0.0:
        parts.append(Contribution(part=Part.CONFLICT, value=-excess))
    lack = DOUBTFUL_LOGIT - math.fsum(one.value for one in parts)
    if sight is not None and is_doubtful(sight) and lack > 0.0:
        parts.append(Contribution(part=Part.DOUBT, value=lack))
    logit = math.fsum(one.value for one in parts)
    return FusedTitle(
        title_id=title_id,
        logit=logit,
        probability=probability(logit),
        contributions=tuple(parts),
        is_contested=is_contested,
    )
