"""Features of few bins read together: the bins of a bundle of them are one code, and one look-up answers for all.

A forest asks each feature of a row once, for all trees. Most features have two or three bins, so that several of them
together have no more cases than one of the others: 91 features make 37 bundles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

# Of one bundle. 600 trees, a row: 9.3 µs with each feature by itself, 5.5 with 64 codes (4 MB), 4.9 with 256 (9 MB),
# 4.5 with 1,024 (21 MB).
CODES_MAX = 256


@dataclass(frozen=True, slots=True, eq=False)
class Bundles:
    """Which features are read together; the first feature of a bundle changes its code quickest."""

    members: tuple[tuple[int, ...], ...]
    order: Ints  # all features, bundle after bundle
    stride: Ints  # (features, 1), in that order: what one bin more adds to the code
    begin: Ints  # where each bundle begins in that order

    @classmethod
    def of(cls, bin_counts: Sequence[int]) -> "Bundles":
        members = tuple(_members(bin_counts))
        strides = [np.cumprod([1, *(bin_counts[feature] for feature in each[:-1])]) for each in members]
        sizes = [len(each) for each in members]
        return cls(
            members,
            np.array([feature for each in members for feature in each], dtype=np.int64),
            np.concatenate(strides)[:, None],
            np.cumsum([0, *sizes[:-1]]),
        )

    def codes(self, bins: Ints) -> Ints:
        """A row a bundle, a column a column of `bins`."""
        return np.add.reduceat(bins[self.order] * self.stride, self.begin, axis=0)

    def tables(self, by_bin: Sequence[npt.NDArray[Any]], joined: np.ufunc) -> tuple[npt.NDArray[Any], ...]:
        """A table a bundle with a row a code, from a table a feature with a row a bin."""
        return tuple(_table([by_bin[feature] for feature in each], joined) for each in self.members)


def gathered(
    tables: Sequence[npt.NDArray[Any]], codes: Ints, joined: np.ufunc, out: npt.NDArray[Any], part: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Into `out` the row of each code in each table, joined; `part` is room of the same shape.

    Codes lie within their tables: clipping spares numpy a copy, and never happens.
    """
    tables[0].take(codes[0], axis=0, out=out, mode="clip")
    for table, code in zip(tables[1:], codes[1:], strict=True):
        table.take(code, axis=0, out=part, mode="clip")
        joined(out, part, out=out)
    return out


def _members(bin_counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    bundle: list[int] = []
    count = 1
    for feature in sorted(range(len(bin_counts)), key=bin_counts.__getitem__):
        if bundle and count * bin_counts[feature] > CODES_MAX:
            yield tuple(bundle)
            bundle, count = [], 1
        bundle.append(feature)
        count *= bin_counts[feature]
    yield tuple(bundle)


def _table(by_bin: Sequence[npt.NDArray[Any]], joined: np.ufunc) -> npt.NDArray[Any]:
    table = by_bin[0]
    for each in by_bin[1:]:
        table = joined(each[:, None, :], table[None, :, :]).reshape(-1, table.shape[1])
    return np.ascontiguousarray(table)
