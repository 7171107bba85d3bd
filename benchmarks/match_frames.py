"""How well frames find their film: recall per edit, per frame and per video, false titles, milliseconds.

    python -m benchmarks.match_frames --frame-model FILE.onnx [--images DIR] [--videos N] [--strangers N] [--seed N]
        [--json]

Without a frame model it measures PDQ alone. The seed draws which posters are known, which videos are made and how each
is edited. Stills of another clip or encode of an indexed film (role `alt`) are reported apart: what of them no
reference shows cannot be found. Videos of unknown films are real pictures whose titles are not in the
index (held-out posters, distractor clips, and each film's own videos with its bank switched off) and synthetic cards.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import cv2
import numpy as np

from benchmarks.fan_edits import EDITS, Picture, covered
from benchmarks.fan_videos import (
    FanVideo,
    Item,
    Scene,
    card_scene,
    clip_scenes,
    edited,
    encoded,
    fan_video,
    jpeg_again,
    load,
    poster_scene,
    read_index,
    slide_scene,
)
from services.matcher.visual.engine import VisualEngine
from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.frame_model import FrameModel
from services.matcher.visual.pictures import DEFAULT_LIMITS
from services.matcher.visual.signals import Frame, Reference, ReferenceKind, VisualMatch
from services.matcher.visual.videos import Moment, read_video

IMAGES = Path("../shared/data/images")
APPROVE_MIN = 0.90  # what counts as found
SEED = 11
LONG_VIDEOS, LONG_S, LONG_RATE = 5, 10, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fingerprinted video with the truth about it, and what it cost."""

    title_id: str | None
    kind: str
    edit: str
    frames: tuple[Frame, ...]
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is indexed, what is shown, and what is strange to the index."""

    references: tuple[Item, ...]
    positives: tuple[Scene, ...]
    others_of_known: tuple[Scene, ...]  # another clip or encode of an indexed film
    strangers: tuple[Scene, ...]
    others: tuple[Picture, ...]


def corpus(items: Sequence[Item], chance: Random, *, posters_shown: int, slides: int, cards: int) -> Corpus:
    posters = [item for item in items if item.kind == "poster"]
    chance.shuffle(posters)
    known, unknown = posters[: len(posters) // 2], posters[len(posters) // 2 :]
    stills = [item for item in items if item.role == "ref"]
    distractors = [item for item in items if item.role == "distractor"]
    shown = chance.sample(known, min(posters_shown, len(known)))
    return Corpus(
        references=tuple(known + stills),
        positives=(
            *clip_scenes(stills, "still"),
            *(poster_scene(item, "poster") for item in shown),
        ),
        others_of_known=tuple(clip_scenes([item for item in items if item.role == "alt"], "alt still")),
        strangers=(
            *clip_scenes(distractors, "distractor clip"),
            *(slide_scene(chance.sample(unknown, 3), "unknown posters") for _ in range(slides)),
            *(card_scene(chance) for _ in range(cards)),
        ),
        others=tuple(load(item) for item in distractors),
    )


def references_of(items: Iterable[Item], fingerprinter: Fingerprinter) -> tuple[Reference, ...]:
    return tuple(
        Reference(
            id=item.file,
            title_id=item.title_id or "",
            kind=(kind := ReferenceKind.STILL if item.kind == "still" else ReferenceKind.POSTER),
            fingerprints=fingerprinter.of_reference(load(item), kind),
        )
        for item in items
    )


def case_of(video: FanVideo, fingerprinter: Fingerprinter) -> Case:
    started = time.process_time()
    frames = fingerprinter.of_video(read_video(video.payload, DEFAULT_LIMITS, at="video"))
    cpu_ms = (time.process_time() - started) * 1000
    return Case(title_id=video.title_id, kind=video.kind, edit=video.edit, frames=frames, cpu_ms=cpu_ms)


def pictures_case(scene: Scene, edit: str, others: Sequence[Picture], seed: str, fingerprinter: Fingerprinter) -> Case:
    """The edited pictures as JPEGs, one a second, without a video around them."""
    pictures = [jpeg_again(picture) for picture in edited(scene, edit, others, seed)]
    started = time.process_time()
    moments = [Moment(t_ms=1000 * place, picture=picture) for place, picture in enumerate(pictures)]
    frames = fingerprinter.of_video(moments)
    cpu_ms = (time.process_time() - started) * 1000
    return Case(title_id=scene.title_id, kind=scene.kind, edit=edit, frames=frames, cpu_ms=cpu_ms)


def without_embeddings(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    return tuple(
        replace(frame, fingerprints=tuple(replace(one, embedding=None) for one in frame.fingerprints))
        for frame in frames
    )


def hash_only(references: Iterable[Reference]) -> tuple[Reference, ...]:
    return tuple(
        replace(
            one,
            fingerprints=tuple(replace(part, embedding=None) for part in one.fingerprints if part.pdq is not None),
        )
        for one in references
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the engine said of one case: with every bank on, and with the case's own title switched off."""

    case: Case
    own: float
    wrong: float
    wrong_title: str
    unknown: float
    match_ms: float


def outcomes(cases: Sequence[Case], engine: VisualEngine) -> list[Outcome]:
    by_title: dict[str | None, list[Case]] = defaultdict(list)
    for case in cases:
        by_title[case.title_id].append(case)
    found: list[Outcome] = []
    for title_id, some in by_title.items():
        timed = [_timed_match(case, engine) for case in some]
        off = [matches for matches, _ in timed]
        if title_id is not None:
            engine.update(bank_states={title_id: False})
            off = [engine.match(case.frames) for case in some]
            engine.update(bank_states={title_id: True})
        for case, (matches, ms), strange in zip(some, timed, off, strict=True):
            wrong = next((match for match in matches if match.title_id != title_id), None)
            found.append(
                Outcome(
                    case=case,
                    own=next((match.probability for match in matches if match.title_id == title_id), 0.0),
                    wrong=wrong.probability if wrong else 0.0,
                    wrong_title=wrong.title_id if wrong else "",
                    unknown=strange[0].probability if strange else 0.0,
                    match_ms=ms,
                )
            )
    return found


def _timed_match(case: Case, engine: VisualEngine) -> tuple[tuple[VisualMatch, ...], float]:
    started = time.process_time()
    matches = engine.match(case.frames)
    return matches, (time.process_time() - started) * 1000


def summary(results: Sequence[Outcome]) -> dict[str, Any]:
    shown = [one for one in results if one.case.title_id is not None]
    strangers = [one.unknown for one in results]  # each film's own videos with its bank off are strangers too
    false_unknown = sum(probability >= APPROVE_MIN for probability in strangers)
    costs = sorted(one.case.cpu_ms + one.match_ms for one in results)
    return {
        "recall": _recall(shown),
        "recall_by_kind": {kind: _recall(some) for kind, some in _grouped(shown, "kind").items()},
        "recall_by_edit": {edit: _recall(some) for edit, some in _grouped(shown, "edit").items()},
        "recall_at_zero_false": _recall(shown, max(strangers, default=0.0) + 1e-9),
        "shown": len(shown),
        "unknown": len(strangers),
        "unknown_by_kind": dict(Counter(one.case.kind for one in results)),
        "false_titles_of_unknown": false_unknown,
        "false_per_1000_unknown": round(1000 * false_unknown / max(1, len(strangers)), 2),
        "false_titles_of_known": sum(one.wrong >= APPROVE_MIN for one in shown),
        "in_review_of_unknown": sum(0.5 <= probability < APPROVE_MIN for probability in strangers),
        "cpu_ms_mean": round(sum(costs) / max(1, len(costs)), 1),
        "cpu_ms_p99": round(costs[int(len(costs) * 0.99)], 1) if costs else 0.0,
    }


def _grouped(results: Iterable[Outcome], by: str) -> dict[str, list[Outcome]]:
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in results:
        groups[getattr(one.case, by)].append(one)
    return groups


def _recall(results: Sequence[Outcome], at_least: float = APPROVE_MIN) -> float:
    return round(sum(one.own >= at_least for one in results) / max(1, len(results)), 4)


def video_cases(world: Corpus, fingerprinter: Fingerprinter, videos_max: int, seed: int) -> list[Case]:
    """Known scenes and strange clips as encoded MP4s, `videos_max` of each; the other strangers as sent pictures."""
    edits = tuple(EDITS)
    clips = [scene for scene in world.strangers if scene.kind == "distractor clip"]
    slides = [scene for scene in world.strangers if scene.kind != "distractor clip"]
    chosen = (*drawn(world.positives, videos_max, seed), *drawn(clips, videos_max, seed))
    return [
        *(
            case_of(fan_video(scene, edit, world.others, f"{seed} {place}"), fingerprinter)
            for place, (scene, edit) in enumerate(chosen)
        ),
        *(
            pictures_case(scene, edits[place % len(edits)], world.others, f"{seed} slides {place}", fingerprinter)
            for place, scene in enumerate(slides)
        ),
    ]


def drawn(scenes: Sequence[Scene], count_max: int, seed: int) -> list[tuple[Scene, str]]:
    """Scenes with an edit each, drawn from all their combinations."""
    pairs = [(scene, edit) for scene in scenes for edit in EDITS]
    Random(seed).shuffle(pairs)
    return pairs[:count_max]


def frame_cases(world: Corpus, fingerprinter: Fingerprinter, frames_max: int, seed: int) -> list[Case]:
    """Single pictures under every edit, `frames_max` of the known ones and as many strange ones."""
    return [
        case
        for scenes in (world.positives, world.strangers)
        for case in single_cases(scenes, world.others, fingerprinter, frames_max, seed)
    ]


def single_cases(
    scenes: Sequence[Scene], others: Sequence[Picture], fingerprinter: Fingerprinter, frames_max: int, seed: int
) -> list[Case]:
    singles = [replace(scene, pictures=(picture,)) for scene in scenes for picture in _different(scene)]
    return [
        pictures_case(scene, edit, others, f"{seed} frame {place}", fingerprinter)
        for place, (scene, edit) in enumerate(drawn(singles, frames_max, seed))
    ]


def other_cases(world: Corpus, fingerprinter: Fingerprinter, videos_max: int, seed: int) -> list[Case]:
    """Videos of another clip or encode of indexed films."""
    return [
        case_of(fan_video(scene, edit, world.others, f"{seed} alt {place}"), fingerprinter)
        for place, (scene, edit) in enumerate(drawn(world.others_of_known, videos_max, seed))
    ]


def long_costs(world: Corpus, fingerprinter: Fingerprinter, chance: Random) -> dict[str, int]:
    """CPU milliseconds of ten seconds of 720p at 30 frames a second, decoding included: whole film and split screen."""
    stills = [scene.pictures for scene in world.positives if scene.kind == "still"]
    pairs = [chance.sample(stills, 2) for _ in range(LONG_VIDEOS)]
    whole = [_cpu_ms(_long_video(film, ()), fingerprinter) for film, _ in pairs]
    split = [_cpu_ms(_long_video(film, other), fingerprinter) for film, other in pairs]
    return {
        "whole_mean": round(mean(whole)),
        "whole_max": round(max(whole)),
        "split_mean": round(mean(split)),
        "split_max": round(max(split)),
    }


def _long_video(film: Sequence[Picture], beside: Sequence[Picture]) -> bytes:
    moving = [_moving(film, beside, frame) for frame in range(LONG_S * LONG_RATE)]
    return encoded(moving, rate=LONG_RATE, frames_each=1)


def _moving(pictures: Sequence[Picture], beside: Sequence[Picture], frame: int) -> Picture:
    """One frame of a slow zoom that cuts to the next still each second and a half."""
    shot, step = divmod(frame, LONG_RATE * 3 // 2)
    off = 1 + step // 3
    half = [each[shot % len(each)] for each in (pictures, beside) if each]
    zoomed = [picture[off:-off, off:-off] for picture in half]
    if len(zoomed) == 1:
        return covered(zoomed[0], 1280, 720)
    return np.vstack([covered(picture, 720, 640) for picture in zoomed])


def _cpu_ms(payload: bytes, fingerprinter: Fingerprinter) -> float:
    started = time.process_time()
    fingerprinter.of_video(read_video(payload, DEFAULT_LIMITS, at="video"))
    return (time.process_time() - started) * 1000


def _different(scene: Scene) -> tuple[Picture, ...]:
    return scene.pictures[:1] if scene.kind == "poster" else scene.pictures


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    cv2.setNumThreads(1)
    model = FrameModel(arguments.frame_model) if arguments.frame_model else None
    fingerprinter = Fingerprinter(model)
    items = read_index(arguments.images / "index.jsonl")
    seed = arguments.seed
    world = corpus(items, Random(seed), posters_shown=60, slides=arguments.strangers, cards=arguments.strangers // 10)
    references = references_of(world.references, fingerprinter)
    videos = video_cases(world, fingerprinter, arguments.videos, seed)
    frames = frame_cases(world, fingerprinter, arguments.videos, seed)
    others = other_cases(world, fingerprinter, arguments.videos, seed)
    other_frames = single_cases(world.others_of_known, world.others, fingerprinter, arguments.videos, seed)
    plain = VisualEngine.build(hash_only(references))
    report: dict[str, Any] = {"seed": seed, "references": len(references), "approve_min": APPROVE_MIN}
    report["ten_seconds_of_720p_cpu_ms"] = long_costs(world, fingerprinter, Random(seed))
    if model is not None:
        engine = VisualEngine.build(references)
        report["refused_references"] = Counter(one.reason for one in engine.info().refused)
        report["model"] = {"name": model.name, "dim": model.dim}
        report["per_video"] = summary(outcomes(videos, engine))
        report["per_frame"] = summary(outcomes(frames, engine))
        report["alt_per_video"] = summary(outcomes(others, engine))
        report["alt_per_frame"] = summary(outcomes(other_frames, engine))
    report["pdq_per_video"] = summary(outcomes(_hashed(videos), plain))
    report["pdq_per_frame"] = summary(outcomes(_hashed(frames), plain))
    report["pdq_alt_per_video"] = summary(outcomes(_hashed(others), plain))
    return report


def _hashed(cases: Iterable[Case]) -> list[Case]:
    return [replace(case, frames=without_embeddings(case.frames)) for case in cases]


def printed(report: dict[str, Any]) -> None:
    for name, value in report.items():
        if not isinstance(value, dict) or "recall" not in value:
            print(f"{name}: {value}")
            continue
        print(f"\n{name}")
        for key, figure in value.items():
            print(f"  {key}: {figure}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=IMAGES)
    parser.add_argument("--frame-model", type=Path, default=None)
    parser.add_argument("--videos", type=int, default=300, help="at most so many known and so many unknown ones")
    parser.add_argument("--strangers", type=int, default=300, help="slide shows of unknown posters beside them")
    parser.add_argument("--seed", type=int, default=SEED, help="draws posters, videos and edits")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measured(arguments)
    if arguments.json:
        print(json.dumps(report))
    else:
        printed(report)


if __name__ == "__main__":
    main()
