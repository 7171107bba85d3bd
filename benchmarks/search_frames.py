"""How fast and how well one core searches 100,000 frame vectors and 1,000,000 PDQ hashes, and how much memory it takes.

    python -m benchmarks.search_frames [--json]

Rows are random with the spectrum of real frame vectors: 17,163 windows of fan videos under SSCD fill 138 of 512
dimensions evenly, these 130 (without that a graph finds random rows only 65 times in 100). Queries are noisy copies
(cosine 0.6; 40 of 256 bits), as edited frames are. CPU time, since other work may share the machine.
"""

import argparse
import ctypes
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from services.matcher.visual.index import EmbeddingIndex, Hit, PdqIndex, quantise

SEED = 3
DIM = 512
QUERIES = 1_000
BATCH = 16  # a video's windows are searched together
COSINE = 0.6
SPECTRUM = np.arange(1, DIM + 1) ** -0.35  # standard deviation of each dimension
FLIPPED_BITS = 40


def resident_bytes() -> int:
    """What this process holds, without what it has freed, and what of it the machine has moved to swap meanwhile."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    rows = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text("ascii").splitlines())
    return sum(int(rows[name].split()[0]) * 1024 for name in ("VmRSS", "VmSwap"))


def noisy_copies(rows: NDArray[np.float32], cosine: float, chance: np.random.Generator) -> NDArray[np.float32]:
    noise = chance.normal(size=rows.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(cosine * rows + np.sqrt(1 - cosine**2) * noise, np.float32)


def flipped(rows: NDArray[np.uint8], bits: int, chance: np.random.Generator) -> NDArray[np.uint8]:
    unpacked = np.unpackbits(rows, axis=1)
    for row in unpacked:
        row[chance.choice(256, bits, replace=False)] ^= 1
    return np.packbits(unpacked, axis=1)


def timed(search: Callable[[Any, int], list[list[Hit]]], queries: Any) -> tuple[list[int], float]:
    started = time.process_time()
    found: list[int] = []
    for start in range(0, len(queries), BATCH):
        found += [hits[0].owner for hits in search(queries[start : start + BATCH], 12)]
    return found, len(queries) / (time.process_time() - started)


def embeddings(count: int) -> dict[str, Any]:
    chance = np.random.default_rng(SEED)
    before = resident_bytes()
    index = EmbeddingIndex("benchmark", DIM)
    kept: list[NDArray[np.float32]] = []
    started = time.process_time()
    for owner in range(0, count, 1_000):
        rows = (chance.normal(size=(1_000, DIM)) * SPECTRUM).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        for place, row in enumerate(quantise(rows)):
            index.add(owner + place, row[None])
        kept.append(rows[: QUERIES * 1_000 // count].copy())  # a view would keep all of them
    build_s = time.process_time() - started
    memory = resident_bytes() - before
    wanted = [owner + place for owner in range(0, count, 1_000) for place in range(QUERIES * 1_000 // count)]
    queries = quantise(noisy_copies(np.vstack(kept), COSINE, chance))
    found, rate = timed(index.search, queries)
    return {
        "rows": count,
        "queries_per_s": round(rate),
        "recall_at_1": round(float(np.mean(np.array(found) == np.array(wanted))), 4),
        "memory_mb": round(memory / 1e6),
        "added_per_s": round(count / build_s),
    }


def hashes(count: int) -> dict[str, Any]:
    chance = np.random.default_rng(SEED)
    index = PdqIndex()
    before = resident_bytes()
    for start in range(0, count, 50_000):
        rows = chance.integers(0, 256, (50_000, 32), dtype=np.uint8)
        index.extend(rows, np.arange(start, start + 50_000, dtype=np.int32))
    memory = resident_bytes() - before
    wanted = chance.choice(50_000, QUERIES, replace=False) + count - 50_000
    queries = flipped(rows[wanted - (count - 50_000)], FLIPPED_BITS, chance)
    found, rate = timed(index.search, queries)
    return {
        "rows": count,
        "queries_per_s": round(rate),
        "recall_at_1": round(float(np.mean(np.array(found) == wanted)), 4),
        "memory_mb": round(memory / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(1)
    report = {"pdq": hashes(arguments.hashes), "embeddings": embeddings(arguments.vectors)}
    print(json.dumps(report) if arguments.json else "\n".join(f"{name}: {row}" for name, row in report.items()))


if __name__ == "__main__":
    main()
