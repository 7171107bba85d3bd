"""From LightGBM's trees to our own forms: tables for trees of depth two, a forest for deeper ones.

A leaf of a tree of depth two depends on at most two features, so the sum of all trees is a sum of
tables: one a feature, one a pair of features.  Training only; serving reads the results.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from services.matcher.scoring.additive import AdditiveModel, Floats, Pair
from services.matcher.scoring.forest import Forest, Paths, make_forest

Box = dict[int, tuple[float, float]]  # feature -> (above, up to)


def compile_trees(names: tuple[str, ...], dump: dict[str, Any], bias: float) -> AdditiveModel:
    """`dump` is LightGBM's `dump_model()`; every split must be `<=` and without missing values."""
    leaves = [leaf for tree in dump["tree_info"] for leaf in _leaves(tree["tree_structure"], {})]
    cuts: dict[int, set[float]] = defaultdict(set)
    for box, _ in leaves:
        for feature, (low, high) in box.items():
            cuts[feature].update(c for c in (low, high) if np.isfinite(c))
    edges = tuple(np.array(sorted(cuts[i]), dtype=np.float32) for i in range(len(names)))
    main = [np.zeros(len(e) + 1, dtype=np.float64) for e in edges]
    pairs: dict[tuple[int, int], np.ndarray[Any, np.dtype[np.float64]]] = {}
    for box, value in leaves:
        features = sorted(box)
        places = [_bins(edges[f], *box[f]) for f in features]
        if not features:
            bias += value
        elif len(features) == 1:
            main[features[0]][places[0]] += value
        else:
            assert len(features) == 2, "a leaf of a tree of depth two sees two features"
            left, right = features
            shape = (len(main[left]), len(main[right]))
            table = pairs.setdefault((left, right), np.zeros(shape))
            table[places[0], places[1]] += value
    return _centred(names, edges, main, pairs, bias)


def _leaves(node: dict[str, Any], box: Box) -> list[tuple[Box, float]]:
    if "leaf_value" in node:
        return [(box, float(node["leaf_value"]))]
    assert node["decision_type"] == "<=", "only numerical splits compile"
    feature, cut = int(node["split_feature"]), float(np.float32(node["threshold"]))
    low, high = box.get(feature, (-np.inf, np.inf))
    left = {**box, feature: (low, min(high, cut))}
    right = {**box, feature: (max(low, cut), high)}
    return _leaves(node["left_child"], left) + _leaves(node["right_child"], right)


def _bins(edges: Floats, low: float, high: float) -> slice:
    """The bins between two cuts."""
    first = int(np.searchsorted(edges, np.float32(low), side="left")) + 1 if np.isfinite(low) else 0
    last = int(np.searchsorted(edges, np.float32(high), side="left")) if np.isfinite(high) else len(edges)
    return slice(first, last + 1)


def _centred(
    names: tuple[str, ...], edges: tuple[Floats, ...], main: list[Any], pairs: dict[tuple[int, int], Any], bias: float
) -> AdditiveModel:
    """Move what a pair's table says of one feature alone into that feature's own table."""
    tables = []
    for (left, right), table in sorted(pairs.items()):
        by_left = table.mean(axis=1)
        rest = table - by_left[:, None]
        by_right = rest.mean(axis=0)
        main[left] += by_left
        main[right] += by_right
        tables.append(Pair(left, right, (rest - by_right).astype(np.float32)))
    for row in main:
        bias += row.mean()
        np.subtract(row, row.mean(), out=row)
    return AdditiveModel(names, bias, edges, tuple(m.astype(np.float32) for m in main), tuple(tables))


def compile_forest(names: tuple[str, ...], dumps: list[dict[str, Any]]) -> Forest:
    """The same trees as bits and paths: the mean of the models' logits.  Counts say how much data took each way."""
    leaves: list[_Leaf] = []
    tree_of: list[int] = []
    trees = [tree for dump in dumps for tree in dump["tree_info"]]
    for number, tree in enumerate(trees):
        found = [(box, value / len(dumps)) for box, value in _paths(tree["tree_structure"], {})]
        leaves += found
        tree_of += [number] * len(found)
    cuts: dict[int, set[float]] = defaultdict(set)
    for box, _ in leaves:
        for feature, (low, high, _) in box.items():
            cuts[feature].update(c for c in (low, high) if np.isfinite(c))
    edges = tuple(np.array(sorted(cuts[i]), dtype=np.float32) for i in range(len(names)))
    return make_forest(names, 0.0, edges, _as_paths(leaves, edges), np.array(tree_of))


_Leaf = tuple[dict[int, tuple[float, float, float]], float]  # feature -> (above, up to, share); value


def _paths(node: dict[str, Any], box: dict[int, tuple[float, float, float]]) -> list[_Leaf]:
    if "leaf_value" in node:
        return [(box, float(node["leaf_value"]))]
    feature, cut = int(node["split_feature"]), float(np.float32(node["threshold"]))
    low, high, share = box.get(feature, (-np.inf, np.inf, 1.0))
    weight = [_weight(node[side]) for side in ("left_child", "right_child")]
    to_left = weight[0] / sum(weight)
    left = {**box, feature: (low, min(high, cut), share * to_left)}
    right = {**box, feature: (max(low, cut), high, share * (1 - to_left))}
    return _paths(node["left_child"], left) + _paths(node["right_child"], right)


def _weight(node: dict[str, Any]) -> float:
    return float(node.get("leaf_count", node.get("internal_count", 1))) or 1.0


def _as_paths(leaves: list[_Leaf], edges: tuple[Floats, ...]) -> Paths:
    depth = max((len(box) for box, _ in leaves), default=1)
    shape = (len(leaves), depth)
    feature, low = np.full(shape, -1, dtype=np.int16), np.full(shape, -1, dtype=np.int16)
    high, share = np.full(shape, np.iinfo(np.int16).max, dtype=np.int16), np.ones(shape, dtype=np.float32)
    for row, (box, _) in enumerate(leaves):
        for slot, (number, (above, up_to, part)) in enumerate(sorted(box.items())):
            bins = _bins(edges[number], above, up_to)
            feature[row, slot], low[row, slot], high[row, slot] = number, bins.start - 1, bins.stop - 1
            share[row, slot] = part
    return Paths(feature, low, high, share, np.array([v for _, v in leaves], dtype=np.float32))
