"""How fast does the catalog's search answer, and does it find what was meant?

`python -m benchmarks.search --catalog FILE.jsonl[.gz] [--titles N] [--queries N] [--json]` builds the index of the
service from a catalog file and asks it for names as people type them: whole, unfinished, with one or two errors,
the popular more often. In process: gRPC and the reading of the titles are not in it.
"""

import argparse
import json
import random
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from services.catalog.importer.files import rows_of
from services.catalog.names import fold
from services.catalog.search.index import Entry, Restriction, SearchIndex, entry_of

BATCH = 10_000
SEED = 7


@dataclass(frozen=True, slots=True)
class Question:
    kind: str
    q: str
    title_id: str


def entries_of(path: Path, count: int) -> Iterator[Entry]:
    titles = (row.title for row in rows_of(path) if row.title is not None)
    return (entry_of(title) for title in islice(titles, count))


def built(path: Path, count: int) -> tuple[SearchIndex, list[tuple[str, str]], float]:
    """The index, the names to ask for, and the seconds spent in the index alone."""
    index, names, seconds = SearchIndex(), [], 0.0
    entries = entries_of(path, count)
    while batch := list(islice(entries, BATCH)):
        names += [(entry.id, random.Random(entry.id).choice(entry.names)) for entry in batch if entry.names]
        start = time.perf_counter()
        index.put(batch)
        if work := index.merging():
            index.merged(work, work.run())
        seconds += time.perf_counter() - start
    return index, names, seconds


def questions(names: list[tuple[str, str]], count: int) -> Iterator[Question]:
    chance = random.Random(SEED)
    for _ in range(count):
        title_id, name = names[min(int(chance.expovariate(6 / len(names))), len(names) - 1)]
        kind = chance.choices(("whole", "unfinished", "one error", "two errors"), (4, 3, 2, 1))[0]
        q = name
        if kind == "unfinished":
            q = name[: max(2, int(len(name) * chance.uniform(0.3, 1)))]
        for _ in range(("one error", "two errors").index(kind) + 1 if "error" in kind else 0):
            q = mistyped(chance, q) if len(q) > 4 else q
        yield Question(kind, q, title_id)


def mistyped(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) - 1)
    return chance.choice((
        text[:at] + text[at + 1 :],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        text[:at] + chance.choice("abcdefghijklmnop") + text[at + 1 :],
    ))  # fmt: skip


def measured(index: SearchIndex, asked: list[Question]) -> dict[str, object]:
    restriction = Restriction(now=datetime.now(UTC), include_hidden=True)
    times: list[float] = []
    cpu_start = time.process_time()
    found: dict[str, list[bool]] = {}
    for question in asked:
        start = time.perf_counter()
        hits = index.search(question.q, restriction)
        times.append((time.perf_counter() - start) * 1000)
        found.setdefault(question.kind, []).append(question.title_id in [hit.title_id for hit in hits[:50]])
    cpu_ms = (time.process_time() - cpu_start) * 1000 / len(asked)
    times.sort()
    return {
        "p50_ms": round(times[len(times) // 2], 2),
        "p99_ms": round(times[int(len(times) * 0.99)], 2),
        # On a busy machine this is what the others do not disturb.
        "mean_cpu_ms": round(cpu_ms, 2),
        "max_ms": round(times[-1], 2),
        "found_in_50": {kind: round(sum(each) / len(each), 3) for kind, each in sorted(found.items())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalog", type=Path, default=Path("data/catalog/sample.jsonl.gz"))
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    index, names, seconds = built(given.catalog, given.titles)
    fold.cache_clear()
    result = {
        "titles": len(index),
        "index_mb": round(index.byte_count / 1e6, 1),
        "build_s": round(seconds, 1),
        **measured(index, list(questions(names, given.queries))),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if given.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:12} {value}")


if __name__ == "__main__":
    main()
