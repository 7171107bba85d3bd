"""An additive model: a logit that is a sum of looked-up parts, one a feature and one a pair of them.

Features are cut into bins once; a part is then a look-up in a table, which numpy does for a whole
batch at once.  Nothing else enters the logit, so the parts are the explanation, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A part that depends on two features, by their bins."""

    left: int
    right: int
    table: Floats  # (bins of left, bins of right)


def bins_of(features: Floats, edges: Sequence[Floats]) -> Ints:
    """Features (rows are features) to bins: bin b holds edges[b-1] < x <= edges[b]."""
    result = np.zeros(features.shape, dtype=np.int64)
    for row, cuts in enumerate(edges):
        if len(cuts) == 1:  # as most have: comparing takes a tenth of searching
            result[row] = ~(features[row] <= cuts[0])
        elif len(cuts):
            result[row] = np.searchsorted(cuts, features[row], side="left")
    return result


@dataclass(frozen=True, slots=True)
class AdditiveModel:
    """`edges[i]` cut feature i into len(edges[i]) + 1 bins: bin b holds edges[b-1] < x <= edges[b]."""

    names: tuple[str, ...]
    bias: float
    edges: tuple[Floats, ...]
    main: tuple[Floats, ...]
    pairs: tuple[Pair, ...]

    def bins(self, features: Floats) -> Ints:
        """Features (rows are features) to bins."""
        return bins_of(features, self.edges)

    def logits(self, features: Floats) -> Floats:
        bins = self.bins(features)
        total = np.full(features.shape[1], self.bias, dtype=np.float32)
        for row, table in enumerate(self.main):
            if len(table) > 1:
                total += table.take(bins[row])
        for pair in self.pairs:
            total += pair.table.take(bins[pair.left] * pair.table.shape[1] + bins[pair.right])
        return total

    def parts(self, features: Floats) -> Floats:
        """Each feature's part of the logits; a pair's is shared between its two."""
        bins = self.bins(features)
        parts = np.zeros(features.shape, dtype=np.float32)
        for row, table in enumerate(self.main):
            parts[row] = table[bins[row]]
        for pair in self.pairs:
            half = pair.table[bins[pair.left], bins[pair.right]] / 2
            parts[pair.left] += half
            parts[pair.right] += half
        return parts
