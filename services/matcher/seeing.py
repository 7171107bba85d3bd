"""Pictures and sound beside words: the frames a video brings, and candidates all three speak for or against."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.matcher.calibration import logit_of
from services.matcher.domain import Candidate, Evidence, FrameSignal, FrameVector, Segment, Span, Video
from services.matcher.text.matches import SignalType
from services.matcher.visual.engine import FINGERPRINTS_PER_FRAME_MAX, FRAMES_MAX
from services.matcher.visual.fuse import FusedTitle, Part, fuse
from services.matcher.visual.signals import (
    Embedding,
    Fingerprint,
    Frame,
    Region,
    VisualMatch,
    embedding_from_values,
    pdq_from_hex,
    refused,
)
from services.matcher.visual.sound import SoundEvidence


def has_frames(video: Video) -> bool:
    return bool(video.frames or video.frame_hashes or video.vectors or video.made)


def frames_of(video: Video, at: str) -> tuple[Frame, ...]:
    """What is known of a video's frames, `FRAMES_MAX` at most, evenly spaced; `at` names the video in refusals."""
    sent, made = _sent_frames(video, at), _made_frames(video.made)
    room = FRAMES_MAX - len(made)
    if len(sent) > room:
        sent = [sent[place * len(sent) // room] for place in range(room)]
    return (*sent, *made)


def made_of(frames: Sequence[Frame]) -> tuple[FrameSignal, ...]:
    """Fingerprints made of pixels as they are kept with the video, one entry each."""
    return tuple(
        FrameSignal(
            t_ms=frame.t_ms,
            pdq=one.pdq.hex() if one.pdq is not None else "",
            pdq_quality=one.pdq_quality,
            vectors=(FrameVector(model=one.embedding.model, values=one.embedding.values),) if one.embedding else (),
            mirrored=one.mirrored,
            region=one.region.value,
        )
        for frame in frames
        for one in frame.fingerprints
    )


def _made_frames(made: Sequence[FrameSignal]) -> list[Frame]:
    """The frames again that `made_of` took apart; a picture and a moment of the clip at the same time are one."""
    found: dict[int, list[Fingerprint]] = {}
    for each in made:
        vector = each.vectors[0] if each.vectors else None
        found.setdefault(each.t_ms, []).append(
            Fingerprint(
                region=Region(each.region),
                mirrored=each.mirrored,
                pdq=bytes.fromhex(each.pdq) if each.pdq else None,
                pdq_quality=each.pdq_quality,
                embedding=Embedding(model=vector.model, values=vector.values) if vector else None,
            )
        )
    return [Frame(t_ms=t_ms, fingerprints=tuple(prints[:FINGERPRINTS_PER_FRAME_MAX])) for t_ms, prints in found.items()]


def _sent_frames(video: Video, at: str) -> list[Frame]:
    """The fingerprints made upstream, by the moment they belong to."""
    found: dict[int, list[Fingerprint]] = {}
    for number, frame in enumerate(video.frames):
        here = f"{at}.frames[{number}]"
        prints = found.setdefault(frame.t_ms, [])
        if frame.pdq:
            prints.append(
                Fingerprint(
                    region=_region(frame),
                    mirrored=frame.mirrored,
                    pdq=pdq_from_hex(frame.pdq, at=f"{here}.pdq"),
                    pdq_quality=frame.pdq_quality,
                )
            )
        prints += [
            replace(_vector(each, f"{here}.embeddings[{k}]"), region=_region(frame), mirrored=frame.mirrored)
            for k, each in enumerate(frame.vectors)
        ]
    for number, each in enumerate(video.frame_hashes):
        if each.signal_type == "pdq":
            here = f"{at}.frame_hashes[{number}].signal"
            found.setdefault(each.time_offset_ms, []).append(Fingerprint(pdq=pdq_from_hex(each.signal, at=here)))
    for number, vector in enumerate(video.vectors):
        found.setdefault(vector.t_ms, []).append(_vector(vector, f"{at}.embeddings[{number}]"))
    crowded = next((t_ms for t_ms, prints in found.items() if len(prints) > FINGERPRINTS_PER_FRAME_MAX), None)
    if crowded is not None:
        said = f"at most {FINGERPRINTS_PER_FRAME_MAX} fingerprints a moment; there are more at {crowded} ms"
        raise refused(f"{at}.frames", said)
    return [Frame(t_ms=t_ms, fingerprints=tuple(prints)) for t_ms, prints in sorted(found.items()) if prints]


def _region(frame: FrameSignal) -> Region:
    return Region(frame.region) if frame.region else Region.FULL


def fused(
    candidates: Sequence[Candidate], seen: Sequence[VisualMatch], heard: Sequence[SoundEvidence]
) -> tuple[Candidate, ...]:
    """One probability a title from words, pictures and sound; evidence sums to its logit.

    A title on either side of a contradiction between picture and words is contradicted: a reviewer has to look.
    """
    named = {candidate.title_id: candidate for candidate in candidates}
    sights = {each.title_id: each for each in seen}
    sounds = {each.title_id: each for each in heard}
    titles = fuse({title_id: logit_of(each.probability) for title_id, each in named.items()}, seen, heard)
    return tuple(
        _fused(
            title,
            named.get(title.title_id) or Candidate(title_id=title.title_id, probability=0.0, evidence=()),
            (*_seen(sights.get(title.title_id)), *_heard(sounds.get(title.title_id))),
        )
        for title in titles
    )


def _fused(title: FusedTitle, candidate: Candidate, evidence: tuple[Evidence, ...]) -> Candidate:
    """The candidate with what pictures and sound add, and what only the fusion adds: prior and conflict."""
    own = tuple(
        Evidence(signal_type=SignalType.PRIOR, value=f"fusion {each.part.value}", contribution=each.value)
        for each in title.contributions
        if each.part in {Part.PRIOR, Part.CONFLICT, Part.DOUBT}
    )
    if not evidence and not own:
        return replace(candidate, is_contradicted=title.is_contested)
    return replace(
        candidate,
        probability=title.probability,
        evidence=(*candidate.evidence, *evidence, *own),
        is_contradicted=title.is_contested,
    )


def _vector(vector: FrameVector, at: str) -> Fingerprint:
    values = tuple(np.frombuffer(vector.values, dtype="<f4").tolist())
    return Fingerprint(embedding=embedding_from_values(vector.model, len(values), values, at=at))


def _seen(picture: VisualMatch | None) -> tuple[Evidence, ...]:
    if picture is None:
        return ()
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


def _heard(sound: SoundEvidence | None) -> tuple[Evidence, ...]:
    if sound is None:
        return ()
    return (
        Evidence(
            signal_type=SignalType.SOUND,
            value=sound.value,
            contribution=sound.contribution,
            span=Span(field="sound.title", index=0, start=0, end=len(sound.value)),
        ),
    )
