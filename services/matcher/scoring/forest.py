"""Boosted trees held in numpy: logits for whole batches, and exact Shapley values of each logit.

Evaluation follows the idea of QuickScorer (Lucchese et al., 2015): a tree's leaves are the bits of a
word, a feature's bin rules some of them out, and the one leaf left is the exit.  What a bin rules out
is known beforehand, so a bundle of features costs one look-up and one `&`, for all trees at once.

Explanation is path-dependent TreeSHAP (Lundberg et al., 2018): a leaf's worth is shared among the
features on its path by which of them the row satisfies.  That is a small table per leaf, made once.
"""

import functools
import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.additive import bins_of
from services.matcher.scoring.bundles import Bundles, gathered

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

LEAVES_MAX = 32  # a tree's leaves are the bits of one word
ROWS_PER_STEP = 128  # so many rows' words stay in the cache
EXPLAINED_PER_STEP = 32


@dataclass(frozen=True, slots=True)
class Paths:
    """All leaves of all trees: the features on each leaf's path, what they must satisfy, what that is worth.

    Row i of `feature` names up to DEPTH features of leaf i (-1: none); a row of the data satisfies
    slot j when `low` < bin <= `high` there.  `share` is the part of the training weight that does.
    """

    feature: npt.NDArray[np.int16]
    low: npt.NDArray[np.int16]
    high: npt.NDArray[np.int16]
    share: Floats
    value: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """`edges[i]` cut feature i into bins: bin b holds edges[b-1] < x <= edges[b]."""

    names: tuple[str, ...]
    bias: float
    edges: tuple[Floats, ...]
    leaf_value: Floats  # (trees, LEAVES_MAX)
    bundles: Bundles
    possible: tuple[npt.NDArray[np.uint32], ...]  # per bundle (codes, trees): the leaves not ruled out, as bits
    paths: Paths
    tree: Ints  # of each leaf
    _tables: "list[_Tables]" = field(default_factory=list, repr=False, compare=False)

    def bins(self, features: Floats) -> Ints:
        return bins_of(features, self.edges)

    def logits(self, features: Floats) -> Floats:
        """`features` has a row a feature and a column a candidate."""
        codes = self.bundles.codes(self.bins(features))
        parts = [self._step(codes[:, at : at + ROWS_PER_STEP]) for at in range(0, codes.shape[1], ROWS_PER_STEP)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def _step(self, codes: Ints) -> Floats:
        trees = len(self.leaf_value)
        room = np.empty((2, codes.shape[1], trees), dtype=np.uint32)
        left = gathered(self.possible, codes, np.bitwise_and, *room)
        _, exponent = np.frexp(left.astype(np.float32))  # one bit is left, so its number is the exponent
        leaf = exponent + (np.arange(trees) * LEAVES_MAX - 1)
        return (self.leaf_value.ravel().take(leaf).sum(axis=1, dtype=np.float64) + self.bias).astype(np.float32)

    @property
    def expected(self) -> float:
        """The logit when nothing is known: what the Shapley values add to."""
        share = np.where(self.paths.feature >= 0, self.paths.share, 1.0).astype(np.float64)
        return float((share.prod(axis=1) * self.paths.value).sum()) + self.bias

    def parts(self, features: Floats) -> Floats:
        """Shapley values, a row a feature; with `expected` they sum to the logits (`shares.py` sums them by factor)."""
        bins = self.bins(features).astype(np.int16)
        result = np.zeros(features.shape, dtype=np.float32)
        for at in range(0, bins.shape[1], EXPLAINED_PER_STEP):
            step = slice(at, at + EXPLAINED_PER_STEP)
            result[:, step] = self._prepared().shapley(bins[:, step])
        return result

    def _prepared(self) -> "_Tables":
        if not self._tables:
            self._tables.append(_Tables.of(self.paths))
        return self._tables[0]


@dataclass(frozen=True, slots=True)
class _Group:
    """Leaves whose paths have the same number of features, with their values for each set of satisfied ones."""

    feature: npt.NDArray[np.int64]  # (leaves, size)
    low: npt.NDArray[np.int16]  # (leaves, size, 1)
    high: npt.NDArray[np.int16]
    table: Floats  # (leaves * 2 ** size, size)
    base: npt.NDArray[np.int32]  # (leaves, 1): where a leaf's part of the table begins
    order: Ints  # path places sorted by feature, and where each feature's begin
    begin: Ints
    owner: Ints


@dataclass(frozen=True, slots=True)
class _Tables:
    """What explaining needs, made from the paths once."""

    groups: tuple[_Group, ...]

    @classmethod
    def of(cls, paths: Paths) -> "_Tables":
        count = (paths.feature >= 0).sum(axis=1)
        groups = [_group(paths, np.flatnonzero(count == size), size) for size in np.unique(count[count > 0]).tolist()]
        return cls(tuple(groups))

    def shapley(self, bins: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
        total = np.zeros(bins.shape)
        for group in self.groups:
            here = bins[group.feature]
            met = (here > group.low) & (here <= group.high)
            code = np.zeros((len(met), met.shape[2]), dtype=np.int32)
            for place in range(met.shape[1]):
                code += met[:, place].astype(np.int32) << place
            values = group.table[code + group.base].transpose(0, 2, 1).reshape(-1, bins.shape[1])
            total[group.owner] += np.add.reduceat(values[group.order], group.begin, axis=0)
        return total


def _group(paths: Paths, at: Ints, size: int) -> _Group:
    table = leaf_tables(paths.share[at, :size].astype(np.float64), paths.value[at].astype(np.float64))
    flat = paths.feature[at, :size].astype(np.int64).ravel()
    order = np.argsort(flat, kind="stable")
    owner, begin = np.unique(flat[order], return_index=True)
    return _Group(
        feature=paths.feature[at, :size].astype(np.int64),
        low=paths.low[at, :size, None],
        high=paths.high[at, :size, None],
        table=table.reshape(-1, size).astype(np.float32),
        base=(np.arange(len(at), dtype=np.int32) << size)[:, None],
        order=order,
        begin=begin,
        owner=owner,
    )


def leaf_tables(share: npt.NDArray[np.float64], value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(leaves, 2 ** size, size): the Shapley value of each path feature for each set of satisfied ones."""
    leaves, size = share.shape
    table = np.zeros((leaves, 1 << size, size))
    for code in range(1 << size):
        met = np.array([(code >> j) & 1 for j in range(size)], dtype=np.float64)
        for j in range(size):
            rest = [k for k in range(size) if k != j]
            worth = np.zeros(leaves)
            for known, weight in _coalitions(size):
                inside = [rest[i] for i in known]
                if all(met[k] for k in inside):
                    outside = [k for k in rest if k not in inside]
                    worth += weight * share[:, outside].prod(axis=1)
            table[:, code, j] = value * worth * (met[j] - share[:, j])
    return table


@functools.cache
def _coalitions(size: int) -> tuple[tuple[tuple[int, ...], float], ...]:
    """Every set of the other features, with its weight in the Shapley value."""
    result = []
    for count in range(size):
        weight = math.factorial(count) * math.factorial(size - count - 1) / math.factorial(size)
        result += [(known, weight) for known in itertools.combinations(range(size - 1), count)]
    return tuple(result)


def make_forest(names: tuple[str, ...], bias: float, edges: tuple[Floats, ...], paths: Paths, tree: Ints) -> Forest:
    """From the leaves of all trees, left to right within each; `tree` says which tree a leaf is of."""
    trees = int(tree.max(initial=-1)) + 1
    first = np.searchsorted(tree, np.arange(trees))
    place = np.arange(len(tree)) - first[tree]
    leaf_value = np.zeros((trees, LEAVES_MAX), dtype=np.float32)
    leaf_value[tree, place] = paths.value
    bit = np.left_shift(np.uint32(1), place.astype(np.uint32))
    leaves = np.bitwise_or.reduceat(bit, first) if trees else np.empty(0, dtype=np.uint32)
    allowed = [np.repeat(leaves[None], len(e) + 1, axis=0) for e in edges]
    for slot in range(paths.feature.shape[1]):
        for leaf in np.flatnonzero(paths.feature[:, slot] >= 0).tolist():
            feature = int(paths.feature[leaf, slot])
            bins = np.arange(len(edges[feature]) + 1)
            outside = (bins <= paths.low[leaf, slot]) | (bins > paths.high[leaf, slot])
            allowed[feature][outside, tree[leaf]] &= ~bit[leaf]
    bundles = Bundles.of([len(e) + 1 for e in edges])
    return Forest(names, bias, edges, leaf_value, bundles, bundles.tables(allowed, np.bitwise_and), paths, tree)
