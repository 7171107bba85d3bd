"""The fast indexes against their slow twins, and removal."""

import subprocess
import sys

import numpy as np
import pytest

from services.matcher.visual.index import EmbeddingIndex, PdqIndex, quantise


def slow_nearest(rows: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    """The obvious way: every distance, sorted."""
    return sorted(np.bitwise_count(rows ^ query).sum(axis=1).tolist())[:k]


def hashes(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


@pytest.mark.parametrize("block_rows", [7, 64, 10_000])
def test_hash_search_finds_what_a_full_scan_finds(block_rows):
    rows, queries = hashes(1, 300), hashes(2, 20)
    index = PdqIndex(block_rows=block_rows)
    index.extend(rows, np.arange(300, dtype=np.int32))
    for query, hits in zip(queries, index.search(queries, 5), strict=True):
        assert [hit.distance for hit in hits] == slow_nearest(rows, query, 5)
        for hit in hits:
            assert np.bitwise_count(rows[hit.owner] ^ query).sum() == hit.distance


def test_removed_hashes_are_given_back_and_not_found_any_more():
    index = PdqIndex(block_rows=8)
    rows = hashes(3, 40)
    for owner in range(20):
        index.add(owner, [rows[2 * owner].tobytes(), rows[2 * owner + 1].tobytes()])
    for owner in (19, 0, 7, 8):
        expected = {rows[2 * owner].tobytes(), rows[2 * owner + 1].tobytes()}
        assert set(index.remove(owner)) == expected
        assert all(hit.owner != owner for hits in index.search(rows, 40) for hit in hits)
    assert len(index) == 32
    assert {hit.owner for hit in index.search(rows[:1], 40)[0]} == set(range(20)) - {19, 0, 7, 8}
    assert index.size_bytes == 32 * 36


def test_an_emptied_hash_index_finds_nothing_and_takes_new_rows():
    index = PdqIndex(block_rows=4)
    for owner in range(12):
        index.add(owner, [hashes(owner, 1)[0].tobytes()])
    for owner in range(12):
        index.remove(owner)
    assert len(index) == 0
    assert index.search(hashes(1, 2), 3) == [[], []]
    assert index.search(hashes(1, 0), 3) == []
    index.add(5, [hashes(9, 1)[0].tobytes()])
    assert index.search(hashes(9, 1), 3)[0][0].owner == 5


def test_removing_a_stranger_changes_nothing():
    index = PdqIndex()
    index.add(1, [hashes(1, 1)[0].tobytes()])
    assert index.remove(2) == ()
    assert len(index) == 1


def unit_rows(seed: int, count: int, dim: int = 96) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(rows: np.ndarray, exact_rows_max: int) -> EmbeddingIndex:
    index = EmbeddingIndex("m", rows.shape[1], exact_rows_max=exact_rows_max)
    for owner, row in enumerate(rows):
        index.add(owner, quantise(row[None]))
    return index


def test_graph_search_agrees_with_the_exact_scan():
    rows = unit_rows(1, 3000)
    queries = unit_rows(2, 200) * 0.4 + rows[:200]
    graph, exact = filled(rows, 0), filled(rows, 10**6)
    wanted = [hits[0].owner for hits in exact.search(quantise(queries), 1)]
    assert wanted == np.argmax(queries @ rows.T, axis=1).tolist()
    found = [hits[0].owner for hits in graph.search(quantise(queries), 1)]
    assert np.mean(np.array(found) == np.array(wanted)) >= 0.99


def test_distances_are_one_less_the_cosine():
    rows, queries = unit_rows(3, 50), unit_rows(4, 5)
    for query, hits in zip(queries, filled(rows, 100).search(quantise(queries), 3), strict=True):
        for hit in hits:
            assert hit.distance == pytest.approx(1 - float(rows[hit.owner] @ query), abs=0.01)


def test_removed_vectors_are_given_back_as_they_were():
    index = EmbeddingIndex("m", 16)
    first, second = quantise(unit_rows(1, 3, 16)), quantise(unit_rows(2, 2, 16))
    index.add(0, first)
    index.add(1, second)
    assert (index.remove(0, 3) == first).all()
    assert {hit.owner for hit in index.search(first, 5)[0]} == {1}
    index.remove(1, 2)
    assert index.search(first, 5) == [[], [], []]
    assert index.search(first[:0], 5) == []
    assert index.size_bytes > 0


def test_the_indexes_and_the_frame_model_live_in_one_process():
    """Imported in the wrong order, usearch and onnxruntime end it."""
    code = "import services.matcher.visual.index, services.matcher.visual.frame_model"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
