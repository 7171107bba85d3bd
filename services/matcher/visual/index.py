"""The two per-frame indexes: exact Hamming search of PDQ hashes, and one embedding index for each frame model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import faiss  # must stay before usearch: usearch first and onnxruntime later ends the process (a test holds it)
import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from services.matcher.visual.signals import PDQ_BYTES, Embedding, Vector

BLOCK_ROWS = 262_144  # 8 MB a block: growing copies nothing, and untouched pages cost no memory
EXACT_ROWS_MAX = 4_096  # below this a scan is as fast as the graph, and exact
VECTORS_PER_OWNER_MAX = 256
# At 100,000 x 512 drawn rows (benchmarks/search_frames.py) 16, 128 and 128 found 0.93 of the nearest rows, 24, 192 and
# 128 found 0.988, and with 192 in searching 0.997, at half the speed.
CONNECTIVITY = 24
EXPANSION_ADD = 192
EXPANSION_SEARCH = 176

Hashes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One neighbour: whose row it is and how far (bits of 256 for PDQ, 1 - cosine for embeddings)."""

    owner: int
    distance: float


class PdqIndex:
    """Every PDQ hash with its owner, in blocks; search is exact, removal fills holes from the end."""

    __slots__ = ("_block_rows", "_blocks", "_owners", "_rows")

    def __init__(self, *, block_rows: int = BLOCK_ROWS) -> None:
        self._block_rows = block_rows
        self._blocks: list[Hashes] = []
        self._owners: list[NDArray[np.int32]] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def size_bytes(self) -> int:
        return self._rows * (PDQ_BYTES + 4)

    def add(self, owner: int, hashes: Iterable[bytes]) -> None:
        for value in hashes:
            assert len(value) == PDQ_BYTES
            self.extend(np.frombuffer(value, np.uint8).reshape(1, PDQ_BYTES), np.array([owner], np.int32))

    def extend(self, hashes: Hashes, owners: NDArray[np.int32]) -> None:
        """Many rows at once; row i belongs to owners[i]."""
        assert len(hashes) == len(owners)
        done = 0
        while done < len(hashes):
            block, start = divmod(self._rows, self._block_rows)
            if block == len(self._blocks):
                self._blocks.append(np.empty((self._block_rows, PDQ_BYTES), np.uint8))
                self._owners.append(np.empty(self._block_rows, np.int32))
            count = min(self._block_rows - start, len(hashes) - done)
            self._blocks[block][start : start + count] = hashes[done : done + count]
            self._owners[block][start : start + count] = owners[done : done + count]
            self._rows += count
            done += count

    def remove(self, owner: int) -> tuple[bytes, ...]:
        """Take out an owner's rows and give their hashes back."""
        taken: list[bytes] = []
        for block in range(len(self._blocks) - 1, -1, -1):
            used = min(self._block_rows, self._rows - block * self._block_rows)
            if used > 0:
                found = np.flatnonzero(self._owners[block][:used] == owner)
                for start in found[::-1]:  # from the end: the row moved into the hole is never one to be removed
                    taken.append(self._blocks[block][start].tobytes())
                    self._fill_hole(block, int(start))
        while (
            len(self._blocks) > 1 and self._rows <= (len(self._blocks) - 1) * self._block_rows - self._block_rows // 2
        ):
            self._blocks.pop()
            self._owners.pop()
        return tuple(reversed(taken))

    def _fill_hole(self, block: int, start: int) -> None:
        last_block, last = divmod(self._rows - 1, self._block_rows)
        self._blocks[block][start] = self._blocks[last_block][last]
        self._owners[block][start] = self._owners[last_block][last]
        self._rows -= 1

    def search(self, queries: Hashes, k: int) -> list[list[Hit]]:
        """The k nearest rows of each query, nearest first."""
        found: list[list[Hit]] = [[] for _ in range(len(queries))]
        if len(queries) == 0:
            return found
        for rows, owners in self._used():
            distances, places = faiss.knn_hamming(queries, rows, min(k, len(rows)), variant="hc")
            for query, (row_distances, row_places) in enumerate(zip(distances, places, strict=True)):
                found[query].extend(
                    Hit(owner=int(owners[place]), distance=float(distance))
                    for distance, place in zip(row_distances, row_places, strict=True)
                )
        return [sorted(hits, key=lambda hit: hit.distance)[:k] for hits in found]

    def _used(self) -> Iterator[tuple[Hashes, NDArray[np.int32]]]:
        for block in range(len(self._blocks)):
            used = min(self._block_rows, self._rows - block * self._block_rows)
            if used > 0:
                yield self._blocks[block][:used], self._owners[block][:used]


class EmbeddingIndex:
    """The vectors of one frame model, as int8 in a usearch graph; exact while it is small."""

    __slots__ = ("_exact_rows_max", "_index", "dim", "model")

    def __init__(self, model: str, dim: int, *, exact_rows_max: int = EXACT_ROWS_MAX) -> None:
        self._exact_rows_max = exact_rows_max
        self.model = model
        self.dim = dim
        self._index = Index(
            ndim=dim,
            metric="cos",
            dtype="i8",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )

    def __len__(self) -> int:
        return len(self._index)

    @property
    def size_bytes(self) -> int:
        return int(self._index.memory_usage)

    def add(self, owner: int, vectors: NDArray[np.int8]) -> None:
        """All vectors of one owner, quantised."""
        assert 0 < len(vectors) <= VECTORS_PER_OWNER_MAX
        keys = _first_key(owner) + np.arange(len(vectors), dtype=np.uint64)
        self._index.add(keys, vectors, threads=1)

    def remove(self, owner: int, count: int) -> NDArray[np.int8]:
        """Take out an owner's vectors and give them back as they were stored."""
        keys = _first_key(owner) + np.arange(count, dtype=np.uint64)
        vectors = np.asarray(self._index.get(keys), dtype=np.int8)
        self._index.remove(keys, threads=1)
        return vectors

    def search(self, queries: NDArray[np.int8], k: int) -> list[list[Hit]]:
        """The k nearest vectors of each query, nearest first."""
        if len(queries) == 0 or len(self) == 0:
            return [[] for _ in range(len(queries))]
        exact = len(self) <= self._exact_rows_max
        matches = self._index.search(queries, min(k, len(self)), threads=1, exact=exact)
        keys = np.asarray(matches.keys).reshape(len(queries), -1)
        distances = np.asarray(matches.distances).reshape(len(queries), -1)
        return [
            [
                Hit(owner=int(key) >> 8, distance=float(distance))
                for key, distance in zip(row_keys, row_distances, strict=True)
                if np.isfinite(distance)
            ]
            for row_keys, row_distances in zip(keys, distances, strict=True)
        ]


def quantise(vectors: Vector) -> NDArray[np.int8]:
    """Each vector stretched to the whole int8 range: cosine does not mind, and precision is 8 times better."""
    peaks = np.abs(vectors).max(axis=-1, keepdims=True)
    return np.asarray(np.rint(vectors * (127.0 / np.maximum(peaks, 1e-12))), np.int8)


def stacked(embeddings: Iterable[Embedding]) -> NDArray[np.int8]:
    """Embeddings of one model, quantised, a row each."""
    return quantise(np.stack([embedding.vector() for embedding in embeddings]))


def _first_key(owner: int) -> np.uint64:
    return np.uint64(owner << 8)
