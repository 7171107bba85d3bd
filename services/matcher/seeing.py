"""Pictures beside words: the frames a video brings, and candidates that both speak for or against."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.matcher.calibration import probability_of
from services.matcher.domain import Candidate, Evidence, FrameVector, Segment, Video
from services.matcher.text.matches import SignalType
from services.matcher.visual.signals import Fingerprint, Frame, VisualMatch, embedding_from_values, pdq_from_hex

# A picture that alone is as sure as this speaks against words that name another title.
CONTRADICTS_FROM = 0.5


def has_frames(video: Video) -> bool:
    return bool(video.frames or video.frame_hashes or video.vectors)


def frames_of(video: Video, at: str) -> tuple[Frame, ...]:
    """The fingerprints made upstream, by the moment they belong to; `at` names the video in refusals."""
    found: dict[int, list[Fingerprint]] = {}
    for number, frame in enumerate(video.frames):
        here = f"{at}.frames[{number}]"
        prints = found.setdefault(frame.t_ms, [])
        if frame.pdq:
            prints.append(
                Fingerprint(
                    mirrored=frame.mirrored,
                    pdq=pdq_from_hex(frame.pdq, at=f"{here}.pdq"),
                    pdq_quality=frame.pdq_quality,
                )
            )
        prints += [_vector(each, f"{here}.embeddings[{k}]") for k, each in enumerate(frame.vectors)]
    for number, each in enumerate(video.frame_hashes):
        if each.signal_type == "pdq":
            here = f"{at}.frame_hashes[{number}].signal"
            found.setdefault(each.time_offset_ms, []).append(Fingerprint(pdq=pdq_from_hex(each.signal, at=here)))
    for number, vector in enumerate(video.vectors):
        found.setdefault(vector.t_ms, []).append(_vector(vector, f"{at}.embeddings[{number}]"))
    return tuple(Frame(t_ms=t_ms, fingerprints=tuple(prints)) for t_ms, prints in sorted(found.items()) if prints)


def fused(candidates: Sequence[Candidate], seen: Sequence[VisualMatch]) -> tuple[Candidate, ...]:
    """One probability a title: what the picture says is added to the logit of what the words said.

    A title that only the picture shows starts from the picture's own prior. Words whose title the picture does not
    show, while it surely shows another, are contradicted: a reviewer has to look.
    """
    pictures = {each.title_id: each for each in seen}
    sure = {each.title_id for each in seen if each.probability >= CONTRADICTS_FROM and not each.is_borderline}
    joined = [
        _joined(candidate, pictures[candidate.title_id]) if candidate.title_id in pictures else candidate
        for candidate in candidates
    ]
    named = {candidate.title_id for candidate in candidates}
    joined += [_seen_only(each) for each in seen if each.title_id not in named]
    return tuple(replace(each, is_contradicted=True) if sure and each.title_id not in sure else each for each in joined)


def _vector(vector: FrameVector, at: str) -> Fingerprint:
    values = tuple(np.frombuffer(vector.values, dtype="<f4").tolist())
    return Fingerprint(embedding=embedding_from_values(vector.model, len(values), values, at=at))


def _joined(candidate: Candidate, picture: VisualMatch) -> Candidate:
    return _with(candidate, (*candidate.evidence, *_evidence(picture)))


def _seen_only(picture: VisualMatch) -> Candidate:
    prior = Evidence(signal_type=SignalType.PRIOR, value="picture alone", contribution=picture.prior_logit)
    bare = Candidate(title_id=picture.title_id, probability=0.0, evidence=())
    return replace(_with(bare, (prior, *_evidence(picture))), is_contradicted=picture.is_borderline)


def _with(candidate: Candidate, evidence: tuple[Evidence, ...]) -> Candidate:
    logit = math.fsum(each.contribution for each in evidence)
    return replace(candidate, evidence=evidence, probability=probability_of(logit))


def _evidence(picture: VisualMatch) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            signal_type=SignalType.VISUAL,
            value=f"{each.source.value} {each.region.value}",
            contribution=each.contribution,
            segment=Segment(start_ms=each.start_ms, end_ms=each.end_ms),
            reference_id=each.reference_id,
            distance=each.distance,
        )
        for each in picture.evidence
    )
