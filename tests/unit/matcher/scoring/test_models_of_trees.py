"""The compiled models against the trees they come from, walked one node at a time."""

import itertools
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.scoring.bundles import CODES_MAX, Bundles
from services.matcher.scoring.compiling import compile_forest, compile_trees
from services.matcher.scoring.shares import factor_shares

NAMES = ("a", "b", "c", "d")
Node = dict[str, Any]


def a_tree(chance: random.Random, depth: int, count: int = 64) -> Node:
    if depth == 0 or count < 4 or chance.random() < 0.15:
        return {"leaf_value": chance.uniform(-1, 1), "leaf_count": count}
    left = chance.randint(1, count - 1)
    return {
        "split_feature": chance.randrange(len(NAMES)),
        "threshold": chance.choice((-0.5, 0.0, 0.25, 0.5, 0.75)),
        "decision_type": "<=",
        "internal_count": count,
        "left_child": a_tree(chance, depth - 1, left),
        "right_child": a_tree(chance, depth - 1, count - left),
    }


def a_dump(seed: int, depth: int, trees: int = 5) -> dict[str, Any]:
    chance = random.Random(seed)
    return {"tree_info": [{"tree_structure": a_tree(chance, depth)} for _ in range(trees)]}


def walked(node: Node, row: tuple[float, ...]) -> float:
    while "leaf_value" not in node:
        node = node["left_child"] if row[node["split_feature"]] <= node["threshold"] else node["right_child"]
    return float(node["leaf_value"])


def known_alone(node: Node, row: tuple[float, ...], known: frozenset[int]) -> float:
    """The tree's mean when only some features are known (path-dependent)."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    sides = (node["left_child"], node["right_child"])
    if node["split_feature"] in known:
        return known_alone(sides[row[node["split_feature"]] > node["threshold"]], row, known)
    weights = [s.get("leaf_count", s.get("internal_count")) for s in sides]
    return sum(w * known_alone(s, row, known) for w, s in zip(weights, sides, strict=True)) / sum(weights)


def shapley(node: Node, row: tuple[float, ...], feature: int) -> float:
    rest = [f for f in range(len(NAMES)) if f != feature]
    total = 0.0
    for size in range(len(NAMES)):
        weight = math.factorial(size) * math.factorial(len(NAMES) - size - 1) / math.factorial(len(NAMES))
        for known in itertools.combinations(rest, size):
            with_it = known_alone(node, row, frozenset((*known, feature)))
            total += weight * (with_it - known_alone(node, row, frozenset(known)))
    return total


ROWS = st.lists(
    st.tuples(*[st.sampled_from((-1.0, -0.5, 0.0, 0.1, 0.25, 0.6, 0.75, 2.0))] * len(NAMES)), min_size=1, max_size=8
)


@given(st.integers(0, 2**32), ROWS)
def test_a_forest_gives_the_trees_logits(seed: int, rows: list[tuple[float, ...]]) -> None:
    dump = a_dump(seed, depth=4)
    expected = [sum(walked(t["tree_structure"], row) for t in dump["tree_info"]) for row in rows]
    logits = compile_forest(NAMES, [dump]).logits(np.array(rows, dtype=np.float32).T)
    assert logits.tolist() == pytest.approx(expected, abs=1e-5)


@given(st.integers(0, 2**32), ROWS)
def test_a_forests_parts_are_shapley_values(seed: int, rows: list[tuple[float, ...]]) -> None:
    dump = a_dump(seed, depth=3, trees=3)
    forest = compile_forest(NAMES, [dump])
    features = np.array(rows, dtype=np.float32).T
    parts = forest.parts(features)
    for column, row in enumerate(rows):
        expected = [sum(shapley(t["tree_structure"], row, f) for t in dump["tree_info"]) for f in range(len(NAMES))]
        assert parts[:, column].tolist() == pytest.approx(expected, abs=1e-5)
    assert (parts.sum(axis=0) + forest.expected).tolist() == pytest.approx(forest.logits(features).tolist(), abs=1e-4)


@given(st.integers(0, 2**32), ROWS, st.tuples(*[st.integers(0, 2)] * len(NAMES)))
def test_shares_of_factors_are_the_parts_of_their_features_summed(
    seed: int, rows: list[tuple[float, ...]], owner: tuple[int, ...]
) -> None:
    forest = compile_forest(NAMES, [a_dump(seed, depth=5, trees=6)])
    features = np.array(rows, dtype=np.float32).T
    parts = forest.parts(features)
    shares = factor_shares(forest, owner).sums(forest.bins(features))
    for factor in range(max(owner) + 1):
        expected = parts[[own == factor for own in owner]].sum(axis=0)
        assert shares[factor].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@given(st.integers(0, 2**32), ROWS)
def test_tables_give_the_logits_of_trees_of_depth_two(seed: int, rows: list[tuple[float, ...]]) -> None:
    dump = a_dump(seed, depth=2)
    model = compile_trees(NAMES, dump, 0.5)
    features = np.array(rows, dtype=np.float32).T
    expected = [0.5 + sum(walked(t["tree_structure"], row) for t in dump["tree_info"]) for row in rows]
    assert model.logits(features).tolist() == pytest.approx(expected, abs=1e-5)
    assert (model.parts(features).sum(axis=0) + model.bias).tolist() == pytest.approx(expected, abs=1e-5)


@given(st.integers(0, 2**32))
def test_a_row_among_many_is_judged_to_the_bit_as_it_is_alone(seed: int) -> None:
    forest = compile_forest(NAMES, [a_dump(seed, depth=5, trees=6)])
    features = np.random.default_rng(seed).uniform(-1, 1, (len(NAMES), 600)).astype(np.float32)
    logits, bins = forest.logits(features), forest.bins(features)
    shares = factor_shares(forest, (0, 1, 0, 2))
    sums = shares.sums(bins)
    for column in (0, 31, 32, 511, 512, 599):
        assert forest.logits(features[:, [column]])[0] == logits[column]
        assert shares.sums(bins[:, [column]])[:, 0].tolist() == sums[:, column].tolist()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**32))
def test_one_look_up_of_a_bundle_answers_for_all_its_features(bin_counts: list[int], seed: int) -> None:
    chance = np.random.default_rng(seed)
    by_bin = [chance.integers(0, 99, (count, 3)) for count in bin_counts]
    bins = np.array([chance.integers(0, count, 5) for count in bin_counts])
    bundles = Bundles.of(bin_counts)
    tables = bundles.tables(by_bin, np.add)
    codes = bundles.codes(bins)
    assert all(len(table) <= max(CODES_MAX, *bin_counts) for table in tables)
    found = sum(table[code] for table, code in zip(tables, codes, strict=True))
    assert found.tolist() == sum(table[bin_] for table, bin_ in zip(by_bin, bins, strict=True)).tolist()


def test_forests_of_several_growths_are_their_mean() -> None:
    dumps = [a_dump(1, depth=3), a_dump(2, depth=3)]
    features = np.array([[0.1, 0.3, -1.0, 0.6]], dtype=np.float32).T
    apart = [float(compile_forest(NAMES, [d]).logits(features)[0]) for d in dumps]
    assert float(compile_forest(NAMES, dumps).logits(features)[0]) == pytest.approx(sum(apart) / 2, abs=1e-5)
