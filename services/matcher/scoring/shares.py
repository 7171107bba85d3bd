"""Shapley values of a forest's logits, summed by factor: the values of `Forest.parts`, from larger and fewer tables.

Leaves that lie side by side share most of their path, so that a few of them look at few features, and of each at few
cuts. What such a cluster gives each factor is tabled for every case beforehand: a row costs one look-up a cluster
instead of one a leaf.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.forest import Floats, Forest, Ints, Paths, leaf_tables

CASES_MAX = (
    1024  # of one cluster; more make fewer clusters and larger tables (256: 34 µs a row in 10 MB, 1024: 25 in 24)
)
ROWS_PER_STEP = 64

Doubles = npt.NDArray[np.float64]
Cuts = dict[int, frozenset[int]]  # feature -> bins after which its cases part


@dataclass(frozen=True, slots=True)
class FactorShares:
    """The tables.  A row's case of a cluster is `base` plus one step of `steps` for each of its features."""

    feature: Ints  # (slots, clusters)
    place: npt.NDArray[np.int32]  # (slots, clusters, 1): where in `steps` the bins of that feature begin
    steps: npt.NDArray[np.int32]
    base: npt.NDArray[np.int32]  # (clusters, 1)
    table: Floats  # (cases, factors)

    def sums(self, bins: Ints) -> Floats:
        """A row a factor, a column a column of `bins` (see `Forest.bins`)."""
        factors, small = self.table.shape[1], bins.astype(np.int32)
        result = np.empty((factors, bins.shape[1]), dtype=np.float32)
        for at in range(0, bins.shape[1], ROWS_PER_STEP):
            here = small[:, at : at + ROWS_PER_STEP]
            case = np.repeat(self.base, here.shape[1], axis=1)
            for feature, place in zip(self.feature, self.place, strict=True):
                case += self.steps.take(place + here[feature])
            told = self.table.take(case.ravel(), axis=0).reshape(len(case), factors * here.shape[1])
            result[:, at : at + ROWS_PER_STEP] = told.sum(axis=0).reshape(-1, factors).T
        return result


@functools.lru_cache(maxsize=2)
def factor_shares(forest: Forest, owner: tuple[int, ...]) -> FactorShares:
    """The tables of a forest whose feature i belongs to factor `owner[i]`; a second's work, done once."""
    paths, bin_counts = forest.paths, [len(edges) + 1 for edges in forest.edges]
    worth = _worth_of_leaves(paths)
    clusters = list(_clusters(paths, bin_counts))
    slots = max((len(cuts) for _, cuts in clusters), default=0)
    feature = np.zeros((slots, len(clusters)), dtype=np.int64)
    place = np.zeros((slots, len(clusters), 1), dtype=np.int32)
    steps = [np.zeros(max(bin_counts), dtype=np.int32)]  # where an unused slot looks: no step
    at = len(steps[0])
    for number, (_, cuts) in enumerate(clusters):
        stride = 1
        for slot, (name, parts) in enumerate(cuts.items()):
            feature[slot, number], place[slot, number] = name, at
            inside = np.searchsorted(np.array(sorted(parts)), np.arange(bin_counts[name]), side="left")
            steps.append((inside * stride).astype(np.int32))
            at += bin_counts[name]
            stride *= len(parts) + 1
    tables = [_cases(forest, leaves, cuts, worth, owner) for leaves, cuts in clusters]
    base = np.cumsum([0, *map(len, tables)], dtype=np.int32)[: len(tables), None]
    none = np.zeros((0, max(owner) + 1), dtype=np.float32)
    return FactorShares(feature, place, np.concatenate(steps), base, np.concatenate([none, *tables]))


def _worth_of_leaves(paths: Paths) -> dict[int, Doubles]:
    """For each leaf (2 ** size, size): what each feature of its path gives, by which of them are satisfied."""
    count = (paths.feature >= 0).sum(axis=1)
    worth: dict[int, Doubles] = {}
    for size in np.unique(count[count > 0]).tolist():
        at = np.flatnonzero(count == size)
        tables = leaf_tables(paths.share[at, :size].astype(np.float64), paths.value[at].astype(np.float64))
        worth.update(zip(at.tolist(), tables, strict=True))
    return worth


def _clusters(paths: Paths, bin_counts: Sequence[int]) -> Iterator[tuple[list[int], Cuts]]:
    """Runs of neighbouring leaves with no more than CASES_MAX cases, and the cuts that part those."""
    leaves: list[int] = []
    cuts: Cuts = {}
    for leaf in np.flatnonzero((paths.feature >= 0).any(axis=1)).tolist():
        own = _cuts_of(paths, leaf, bin_counts)
        both = cuts | {name: cuts.get(name, frozenset()) | parts for name, parts in own.items()}
        if leaves and _case_count(both) > CASES_MAX:
            yield leaves, cuts
            leaves, both = [], own
        leaves.append(leaf)
        cuts = both
    if leaves:
        yield leaves, cuts


def _cuts_of(paths: Paths, leaf: int, bin_counts: Sequence[int]) -> Cuts:
    cuts: Cuts = {}
    for name, low, high in _slots(paths, leaf):
        within = frozenset(cut for cut in (low, high) if 0 <= cut < bin_counts[name] - 1)
        cuts[name] = cuts.get(name, frozenset()) | within
    return cuts


def _slots(paths: Paths, leaf: int) -> list[tuple[int, int, int]]:
    columns = (paths.feature[leaf].tolist(), paths.low[leaf].tolist(), paths.high[leaf].tolist())
    return [slot for slot in zip(*columns, strict=True) if slot[0] >= 0]


def _case_count(cuts: Cuts) -> int:
    return functools.reduce(lambda count, parts: count * (len(parts) + 1), cuts.values(), 1)


def _cases(
    forest: Forest, leaves: Sequence[int], cuts: Cuts, worth: dict[int, Doubles], owner: Sequence[int]
) -> Floats:
    """(cases, factors): what these leaves give in each case, the first feature's intervals changing quickest."""
    count, stride = _case_count(cuts), 1
    case = np.arange(count)
    bins: dict[int, Ints] = {}  # of each feature, one bin for each case
    for name, parts in cuts.items():
        bins[name] = np.array([*sorted(parts), len(forest.edges[name])])[case // stride % (len(parts) + 1)]
        stride *= len(parts) + 1
    sums = np.zeros((count, max(owner) + 1))
    for leaf in leaves:
        slots = _slots(forest.paths, leaf)
        met = np.zeros(count, dtype=np.int64)
        for slot, (name, low, high) in enumerate(slots):
            met |= ((bins[name] > low) & (bins[name] <= high)).astype(np.int64) << slot
        told = worth[leaf][met]
        for slot, (name, _, _) in enumerate(slots):
            sums[:, owner[name]] += told[:, slot]
    return sums.astype(np.float32)
