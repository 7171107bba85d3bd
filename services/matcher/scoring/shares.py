"""Shapley values of a forest's logits, summed by factor: the values of `Forest.parts`, from larger and fewer tables.

Leaves that lie side by side share most of their path, so that a few of them look at few features, and of each at few
cuts. What such a cluster gives each factor is tabled for every case beforehand: a row costs one look-up a cluster
instead of one a leaf.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.bundles import Bundles, gathered
from services.matcher.scoring.forest import Floats, Forest, Ints, Paths, leaf_tables

# Of one cluster; more make fewer clusters and larger tables: 600 trees share a row out in 24 µs with 1,024 (40 MB) and
# in 20 with 4,096 (113 MB).
CASES_MAX = 4096
# So many rows look into a cluster's table while it is in the cache.
ROWS_PER_STEP = 512
# What these make of a step stays in the cache as well: rows whose cases are found together, and cases summed together.
ROWS_PER_SEARCH = 32
CASES_PER_SUM = 8_192
# Rows of so many factors are 32, 16, 8 or 4 bytes, which numpy moves at several times the speed of others.
WIDTHS = (8, 4, 2, 1)

Doubles = npt.NDArray[np.float64]
Cuts = dict[int, frozenset[int]]  # feature -> bins after which its cases part


@dataclass(frozen=True, slots=True, eq=False)
class FactorShares:
    """The tables.  A row's case of a cluster is `base` plus one step for each bundle of features."""

    bundles: Bundles
    steps: tuple[npt.NDArray[np.signedinteger[Any]], ...]  # per bundle (codes, clusters)
    base: Ints  # (clusters, 1)
    tables: tuple[Floats, ...]  # (cases, factors), some factors each

    def sums(self, bins: Ints) -> Floats:
        """A row a factor, a column a column of `bins` (see `Forest.bins`)."""
        codes = self.bundles.codes(bins)
        steps = [slice(at, at + ROWS_PER_STEP) for at in range(0, bins.shape[1], ROWS_PER_STEP)]
        parts = [self._summed(self._cases(codes[:, step])) for step in steps]
        none = np.empty((sum(table.shape[1] for table in self.tables), 0), dtype=np.float32)
        return np.concatenate([none, *parts], axis=1)

    def _cases(self, codes: Ints) -> npt.NDArray[np.signedinteger[Any]]:
        """(rows, clusters): the case each row is of each cluster."""
        rows = codes.shape[1]
        cases = np.empty((rows, len(self.base)), dtype=self.steps[0].dtype)
        part = np.empty((ROWS_PER_SEARCH, len(self.base)), dtype=cases.dtype)
        for at in range(0, rows, ROWS_PER_SEARCH):
            here = codes[:, at : at + ROWS_PER_SEARCH]
            gathered(self.steps, here, np.add, cases[at : at + ROWS_PER_SEARCH], part[: here.shape[1]])
        return cases

    def _summed(self, cases: npt.NDArray[np.signedinteger[Any]]) -> Floats:
        """What all clusters together give, one after another: sums of floats depend on their order."""
        rows = len(cases)
        clusters = max(1, min(len(self.base), CASES_PER_SUM // rows))
        told = [np.zeros((clusters + 1, rows * table.shape[1]), dtype=np.float32) for table in self.tables]
        for at in range(0, len(self.base), clusters):
            case = cases[:, at : at + clusters].T + self.base[at : at + clusters]
            for table, so_far in zip(self.tables, told, strict=True):
                here = so_far[: len(case) + 1]
                table.take(case, axis=0, out=here[1:].reshape(*case.shape, -1), mode="clip")
                here[0] = here.sum(axis=0)
        return np.concatenate([so_far[0].reshape(rows, -1).T for so_far in told])


@functools.lru_cache(maxsize=2)
def factor_shares(forest: Forest, owner: tuple[int, ...]) -> FactorShares:
    """The tables of a forest whose feature i belongs to factor `owner[i]`; a second's work, done once."""
    paths, bin_counts = forest.paths, [len(edges) + 1 for edges in forest.edges]
    worth = _worth_of_leaves(paths)
    clusters = list(_clusters(paths, bin_counts))
    tables = [_cases(forest, leaves, cuts, worth, owner) for leaves, cuts in clusters]
    largest = max(map(len, tables), default=0)
    steps = [np.zeros((count, len(clusters)), dtype=np.min_scalar_type(-largest)) for count in bin_counts]
    for number, (_, cuts) in enumerate(clusters):
        stride = 1
        for name, parts in cuts.items():
            inside = np.searchsorted(np.array(sorted(parts)), np.arange(bin_counts[name]), side="left")
            steps[name][:, number] = inside * stride
            stride *= len(parts) + 1
    none = np.zeros((0, max(owner) + 1), dtype=np.float32)
    return FactorShares(
        bundles=forest.bundles,
        steps=forest.bundles.tables(steps, np.add),
        base=np.cumsum([0, *map(len, tables)])[: len(tables), None],
        tables=tuple(_by_width(np.concatenate([none, *tables]))),
    )


def _by_width(table: Floats) -> Iterator[Floats]:
    """The same columns in pieces of `WIDTHS`."""
    at = 0
    while at < table.shape[1]:
        width = next(width for width in WIDTHS if width <= table.shape[1] - at)
        yield np.ascontiguousarray(table[:, at : at + width])
        at += width


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
