"""How many posts a second one core matches, beside a raw scan for the same names and spaCy's matcher.

    python -m benchmarks.match_text --catalog FILE --posts FILE... [--json]

Everything is timed from text to probability, in seconds of one core's own time, so that a busy machine
tells the same as an idle one; building and loading are timed by the clock.  Index building runs in a
process of its own, so that the memory told is what matching holds.  With --json the last line is one
object.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from services.matcher.scoring.weights import load_weights
from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from services.matcher.text.posts import Post
from tools.cli.catalogs import read_titles
from tools.cli.posts import read_lines, read_post

REPEATS = 3
SCAN_POSTS = 20_000
SPACY_POSTS = 4_000
SPACY_NAMES = 100_000  # all names need more memory and minutes than the comparison is worth


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "names.index"
        build_s = _in_a_process(_build, arguments.catalog, path)
        posts = [read_post(line)[1] for line in read_lines(arguments.posts)]
        load_s, posts_per_s, rss_mb, matches = _in_a_process(_match, path, arguments.posts)
        names = _in_a_process(_names, path)
        scan_per_s = _in_a_process(_scan, names, [p.caption for p in posts[:SCAN_POSTS]])
        phrase_per_s = _in_a_process(_phrases, names[:SPACY_NAMES], [p.caption for p in posts[:SPACY_POSTS]])
    result = {
        "posts_per_s": round(posts_per_s),
        "rss_mb": round(rss_mb),
        "build_s": round(build_s, 1),
        "load_s": round(load_s, 2),
        "vs_scan": round(posts_per_s / scan_per_s, 3),
        "vs_phrase_matcher": round(posts_per_s / phrase_per_s, 2) if phrase_per_s else None,
    }
    print(f"{len(posts)} posts, {len(names)} names, {os.cpu_count()} cores; one core each")
    print(f"index built in {build_s:.1f} s, loaded in {load_s:.2f} s (weights included)")
    print(f"matched {posts_per_s:,.0f} posts/s ({matches} matches), {rss_mb:.0f} MB resident")
    print(f"ahocorasick_rs, the raw scan alone: {scan_per_s:,.0f} posts/s")
    print(
        f"spaCy PhraseMatcher, {SPACY_NAMES} names: {phrase_per_s:,.0f} posts/s"
        if phrase_per_s
        else "spaCy PhraseMatcher: spaCy is not installed (requirements/train.txt)"
    )
    if arguments.json:
        print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, default=Path("data/catalog/open.jsonl"))
    parser.add_argument("--posts", type=Path, action="extend", nargs="+", required=True)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _in_a_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a fresh process: nobody's memory or warm caches count for another."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _build(catalog: Path, path: Path) -> float:
    started = time.perf_counter()
    TextIndex.build(read_titles(catalog)).save(path)
    return time.perf_counter() - started


def _match(path: Path, posts_paths: list[Path]) -> tuple[float, float, float, int]:
    started = time.perf_counter()
    index = TextIndex.load(path)
    engine = TextEngine(index, load_weights())
    engine.probabilities([Post(caption="the first call pays for tables and pages")])
    load_s = time.perf_counter() - started
    best, count, matches = 0.0, 0, 0
    for _ in range(REPEATS):
        count = matches = 0
        busy = 0.0
        for posts in _steps(posts_paths):
            started = time.process_time()
            matches += sum(map(len, engine.probabilities(posts)))
            busy += time.process_time() - started
            count += len(posts)
        best = max(best, count / busy)
    return load_s, best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, matches


def _steps(paths: list[Path], size: int = 4000) -> Iterator[list[Post]]:
    step: list[Post] = []
    for line in read_lines(paths):
        step.append(read_post(line)[1])
        if len(step) == size:
            yield step
            step = []
    if step:
        yield step


def _names(path: Path) -> list[str]:
    index = TextIndex.load(path)
    return [index.alias_text(n).lower() for n in range(len(index.base.alias_key))]


def _scan(names: list[str], texts: list[str]) -> float:
    import ahocorasick_rs  # noqa: PLC0415 - each contender pays for its own import

    automaton = ahocorasick_rs.AhoCorasick(
        [n for n in names if len(n) > 1], implementation=ahocorasick_rs.Implementation.ContiguousNFA
    )
    lowered = [t.lower() for t in texts]
    started = time.process_time()
    for text in lowered:
        automaton.find_matches_as_indexes(text, overlapping=False)
    return len(texts) / (time.process_time() - started)


def _phrases(names: list[str], texts: list[str]) -> float:
    if importlib.util.find_spec("spacy") is None:
        return 0.0
    import spacy  # noqa: PLC0415
    from spacy.matcher import PhraseMatcher  # noqa: PLC0415

    pipeline = spacy.blank("en")
    matcher = PhraseMatcher(pipeline.vocab, attr="LOWER")
    matcher.add("TITLE", list(pipeline.tokenizer.pipe(names)))
    started = time.process_time()
    for document in pipeline.tokenizer.pipe(texts):
        matcher(document)
    return len(texts) / (time.process_time() - started)


if __name__ == "__main__":
    main()
