"""What reviewers' decisions do to the calibration error, on posts whose titles are known.

    python -m benchmarks.recalibrate --catalog FILE.jsonl[.gz] --posts FILE.jsonl[.gz]... --scorer FOLDER
        [--accuracy 0.95] [--json]

Every match that the policy sends to review is read once by one of five readers, who are right as often as `--accuracy`
says; what is right the labels tell, as the scorer in FOLDER/eval judges them. Each source is a stream of its own, and
all of them together another: seven in ten documents teach (`calibration.learn`), the rest, which no reader's word was
learnt from, give the expected calibration error before and after, measured against the labels. `one_lies` is the same
with one of the five saying the opposite of the truth every time and nobody knowing; in `lie_seen` each reader has read
20 golden tasks before.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.matcher.agreement import weight_of
from services.matcher.calibration import (
    Trial,
    expected_calibration_error,
    keys_of,
    learn,
    logit_of,
    probability_of,
    shifted,
)
from services.matcher.matching import candidate_of
from services.matcher.policy import Policy
from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from services.matcher.text.posts import Field, Post
from tools.cli.catalogs import read_titles
from tools.cli.training.gold import NEITHER, RIGHT, Gold, load_scorer, read_posts

READERS = 5
GOLDENS = 20
LEARNT_SHARE = 0.7
BATCH = 500
READ_MIN = 100
SEED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One match that was sent to review, and whether it is right."""

    source: str
    document: str
    keys: tuple[tuple[str, str], ...]
    logit: float
    is_right: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--posts", type=Path, nargs="+", required=True)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--accuracy", type=float, default=0.95)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    streams: dict[str, list[Doubt]] = defaultdict(list)
    for doubt in doubts(arguments.catalog, arguments.posts, arguments.scorer):
        streams[doubt.source].append(doubt)
        streams["all"].append(doubt)
    rows = {name: measured(found, arguments.accuracy) for name, found in streams.items() if len(found) >= READ_MIN}
    print(f"{'stream':>22} {'learnt':>7} {'judged':>7} {'before':>8} {'after':>8} {'one_lies':>8} {'lie_seen':>8}")
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["learnt"]):
        print(f"{name:>22} {row['learnt']:7.0f} {row['judged']:7.0f}", end=" ")
        print(f"{row['before']:8.4f} {row['after']:8.4f} {row['one_lies']:8.4f} {row['lie_seen']:8.4f}")
    if arguments.json:
        print(json.dumps(rows))


def doubts(catalog: Path, paths: Sequence[Path], scorer_folder: Path) -> Iterator[Doubt]:
    """The matches of all posts that the default policy would send to review, and that the labels judge."""
    policy = Policy(version="p-000001")
    scorer = load_scorer(scorer_folder)
    posts = read_posts(paths)
    equivalents = scorer.Equivalents.from_catalog(catalog, posts)
    engine = TextEngine(TextIndex.build(read_titles(catalog)), probability_min=policy.drop_threshold)
    for at in range(0, len(posts), BATCH):
        batch = posts[at : at + BATCH]
        found = engine.match_batch([Post(caption=post["text"], hashtags=tuple(post["hashtags"])) for post in batch])
        for post, matches in zip(batch, found, strict=True):
            gold = Gold(post, equivalents, scorer)
            for match in matches:
                if not policy.review_threshold <= match.probability < policy.approve_threshold:
                    continue
                start, end = next(
                    ((each.start, each.end) for each in match.evidence if each.field is Field.CAPTION and each.end),
                    (0, len(post["text"])),
                )
                label, _ = gold.label(match.title_id, start, end)
                if label != NEITHER:
                    yield Doubt(
                        source=post["source"],
                        document=post["doc_id"],
                        keys=keys_of(candidate_of(match).evidence),
                        logit=logit_of(match.probability),
                        is_right=label == RIGHT,
                    )


def measured(found: Sequence[Doubt], accuracy: float) -> dict[str, float]:
    chance = random.Random(SEED)
    learnt_documents = {name for name in sorted({each.document for each in found}) if chance.random() < LEARNT_SHARE}
    learnt = [each for each in found if each.document in learnt_documents]
    judged = [each for each in found if each.document not in learnt_documents]
    return {
        "learnt": float(len(learnt)),
        "judged": float(len(judged)),
        "right_share": sum(each.is_right for each in found) / len(found),
        "before": error_of(judged, ()),
        "after": error_of(judged, read(learnt, accuracy, liars=0)),
        "one_lies": error_of(judged, read(learnt, accuracy, liars=1)),
        "lie_seen": error_of(judged, read(learnt, accuracy, liars=1, goldens=GOLDENS)),
    }


def read(found: Sequence[Doubt], accuracy: float, *, liars: int, goldens: int = 0) -> tuple[Trial, ...]:
    """What the readers said, each weighing what so many goldens make of them."""
    chance = random.Random(SEED)
    right = [0.0 if reader < liars else accuracy * goldens for reader in range(READERS)]
    weights = [weight_of(each, goldens - each) for each in right]
    trials: list[Trial] = []
    for each in found:
        reader = chance.randrange(READERS)
        says_right = chance.random() < accuracy
        if reader < liars:
            says_right = False
        approved = each.is_right == says_right
        trials.append(Trial(each.keys, each.logit, approved, f"reader-{reader}", weights[reader]))
    return tuple(trials)


def error_of(judged: Sequence[Doubt], trials: Sequence[Trial]) -> float:
    """The calibration error on what nobody's word was learnt from."""
    shifts = {(term.kind, term.key): term.shift for term in learn(trials)} if trials else {}
    return expected_calibration_error(
        [(probability_of(shifted(each.logit, each.keys, shifts)), each.is_right) for each in judged]
    )


if __name__ == "__main__":
    main()
