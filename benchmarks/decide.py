"""What deciding costs beside matching: gates, states, records and feed entries of a batch, as the service makes them.

    python -m benchmarks.decide --catalog FILE.jsonl[.gz] --posts FILE.jsonl[.gz]... [--json]

`share` is the time to decide over the time to match the same posts; the promise is 0.30 at most.
"""

import argparse
import json
import random
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.match_rpc import read_posts
from services.matcher.anchors import Regime, Switches
from services.matcher.domain import Candidate, Cause, StoredVideo, TitleCard, TitleState, Video, standing_of
from services.matcher.matching import candidate_of, post_of, ranked
from services.matcher.policy import Policy
from services.matcher.rulings import Basis, ruled
from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from tools.cli.catalogs import read_titles

BATCH = 400
POSTS_MAX = 8_000
PROBABILITY_MIN = 0.05
CARD = TitleCard("a title", TitleState.ACTIVE, "movie", "studio")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--posts", type=Path, nargs="+", required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measured(arguments.catalog, arguments.posts)
    for name, value in result.items():
        print(f"{name:>20} {value:,.3f}")
    if arguments.json:
        print(json.dumps(result))


def measured(catalog: Path, paths: list[Path]) -> dict[str, float]:
    engine = TextEngine(TextIndex.build(read_titles(catalog)), probability_min=PROBABILITY_MIN)
    videos = [
        Video(id=f"v{number}", video_description=post["video_description"], hashtag_names=tuple(post["hashtag_names"]))
        for number, post in enumerate(post for path in paths for post in read_posts(path))
    ]
    random.Random(1).shuffle(videos)
    videos = videos[:POSTS_MAX]
    engine.match_batch([post_of(video) for video in videos[:BATCH]])
    matching_s = deciding_s = matches = 0.0
    for at in range(0, len(videos), BATCH):
        batch = videos[at : at + BATCH]
        start = time.thread_time()
        found = engine.match_batch([post_of(video) for video in batch])
        middle = time.thread_time()
        matches += decide(batch, [ranked([candidate_of(match) for match in each]) for each in found])
        matching_s += middle - start
        deciding_s += time.thread_time() - middle
    return {
        "posts": float(len(videos)),
        "matches": matches,
        "match_us_per_post": 1e6 * matching_s / len(videos),
        "decide_us_per_post": 1e6 * deciding_s / len(videos),
        "share": deciding_s / matching_s,
    }


def decide(videos: list[Video], found: list[tuple[Candidate, ...]]) -> int:
    """What the service does with what was found, but for the store."""
    now = datetime.now(UTC)
    regime = Regime(
        policy=Policy(version="p-000001"), switches=Switches(), card_of=lambda _: CARD, now_s=now.timestamp()
    )
    basis = Basis(model_version="m", calibration_version="none", catalog_revision=1)
    kept = 0
    for video, candidates in zip(videos, found, strict=True):
        if candidates:
            before = StoredVideo(id=video.id, standing=standing_of(video, now.timestamp()))
            kept += len(ruled(regime, now, before, candidates, basis=basis, cause=Cause.POLICY).video.matches)
    return kept


if __name__ == "__main__":
    main()
