"""What fusing words with pictures does to labelled posts, with frame evidence made up at known error rates.

    python -m benchmarks.fuse --catalog FILE --posts FILE [--posts FILE] [--json]

A share of the posts gets frames. Those about a title show it with the recall measured for videos, those about none a
stranger with the measured false rate; some show another title surely, against the words. A match is right if its title
is one of the post's own ids (editions of one name count as wrong here, before fusing and after it alike).
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import orjson

from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from services.matcher.visual.calibration import DEFAULT_CALIBRATION
from services.matcher.visual.fuse import FusedTitle, contested_titles, fuse
from services.matcher.visual.signals import VisualMatch
from services.matcher.visual.vote import probability
from tools.cli.catalogs import read_titles
from tools.cli.posts import read_lines, read_post

SEED = 17
FRAMES_SHARE = 0.5
RECALL = 0.97  # benchmarks/match_frames.py, per video
FALSE_SHARE = 0.001
AGAINST_SHARE = 0.05
APPROVE_MIN = 0.90


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A post's text logits, its true titles, and what its frames show (none: it brings no frames)."""

    logits: Mapping[str, float]
    truth: frozenset[str]
    seen: tuple[VisualMatch, ...] | None
    is_against: bool


def sighting(title_id: str, chance: Random) -> VisualMatch:
    """A strong likeness, as two agreeing shots give it."""
    contribution = min(DEFAULT_CALIBRATION.logit_max, max(7.0, chance.gauss(10.0, 1.5)))
    prior = DEFAULT_CALIBRATION.prior_logit
    return VisualMatch(
        title_id=title_id,
        contribution=contribution,
        prior_logit=prior,
        probability=probability(prior + contribution),
        is_borderline=False,
        evidence=(),
    )


def with_frames(post: Labelled, titles: Sequence[str], chance: Random) -> Labelled:
    """The post with made-up frames, or without."""
    if chance.random() >= FRAMES_SHARE:
        return post
    if post.truth and chance.random() < AGAINST_SHARE:
        return replace(post, seen=(sighting(chance.choice(titles), chance),), is_against=True)
    if post.truth:
        shown = [sighting(min(post.truth), chance)] if chance.random() < RECALL else []
        return replace(post, seen=tuple(shown))
    stranger = [sighting(chance.choice(titles), chance)] if chance.random() < FALSE_SHARE else []
    return replace(post, seen=tuple(stranger))


def average_precision(said: Iterable[tuple[float, bool]], wanted: int) -> float:
    """The area under precision and recall of all matches, the surest first."""
    right, total = 0, 0.0
    for rank, (_, is_right) in enumerate(sorted(said, key=lambda one: -one[0]), start=1):
        if is_right:
            right += 1
            total += right / rank
    return total / max(1, wanted)


def judged(posts: Sequence[Labelled], *, is_fused: bool) -> dict[str, Any]:
    said: list[tuple[float, bool]] = []
    false_anchors = 0
    for post in posts:
        for title in fuse(post.logits, (post.seen or ()) if is_fused else ()):
            is_right = title.title_id in post.truth
            said.append((title.logit, is_right))
            false_anchors += not is_right and title.probability >= APPROVE_MIN and not title.is_contested
    wanted = sum(len(post.truth) for post in posts)
    return {"ap": round(average_precision(said, wanted), 4), "false_anchors": false_anchors, "matches": len(said)}


def contradictions(posts: Sequence[Labelled]) -> dict[str, int]:
    """What became of pictures against sure words: all of them have to wait for a reviewer."""
    sure = [post for post in posts if post.is_against and post.seen and contested_titles(post.logits, post.seen)]
    fused: list[FusedTitle] = [one for post in sure for one in fuse(post.logits, post.seen or ())]
    anchored = [one for one in fused if one.is_contested and one.probability >= APPROVE_MIN]
    return {
        "against": sum(post.is_against for post in posts),
        "against_sure_words": len(sure),
        "contested_titles": sum(one.is_contested for one in fused),
        "anchored_all_the_same": len(anchored),
    }


def labelled(engine: TextEngine, files: Sequence[Path], posts_max: int) -> list[Labelled]:
    lines = [line for line, _ in zip(read_lines(files), range(posts_max), strict=False)]
    found = engine.probabilities([read_post(line)[1] for line in lines])
    return [
        Labelled(
            logits={title_id: math.log(value / (1 - value)) for title_id, value in some.items() if value < 1},
            truth=_truth(orjson.loads(line)),
            seen=None,
            is_against=False,
        )
        for line, some in zip(lines, found, strict=True)
    ]


def _truth(row: Mapping[str, Any]) -> frozenset[str]:
    mentions = row.get("mentions") or ()
    return frozenset(one["catalog_id"] for one in mentions if one.get("catalog_id") and not one.get("off_topic"))


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "names.index"
        titles = list(read_titles(arguments.catalog))
        TextIndex.build(titles).save(path)
        posts = labelled(TextEngine(TextIndex.load(path)), arguments.posts, arguments.posts_max)
    ids = [title.title_id for title in titles]
    chance = Random(SEED)
    posts = [with_frames(post, ids, chance) for post in posts]
    bare = [post for post in posts if post.seen is None]
    framed = [post for post in posts if post.seen is not None]
    agreeing = [post for post in framed if not post.is_against]
    return {
        "posts": len(posts),
        "without_frames": {"text": judged(bare, is_fused=False), "fused": judged(bare, is_fused=True)},
        "with_frames": {"text": judged(agreeing, is_fused=False), "fused": judged(agreeing, is_fused=True)},
        "picture_against_words": {**contradictions(framed)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--posts", type=Path, action="extend", nargs="+", required=True)
    parser.add_argument("--posts-max", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measured(arguments)
    print(json.dumps(report) if arguments.json else "\n".join(f"{name}: {row}" for name, row in report.items()))


if __name__ == "__main__":
    main()
