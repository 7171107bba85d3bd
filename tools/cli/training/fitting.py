"""Fitting the additive models, the forest and the calibration, always on folds that share no document."""

import hashlib
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from services.matcher.scoring.additive import AdditiveModel
from services.matcher.scoring.compiling import compile_forest, compile_trees
from services.matcher.scoring.forest import Forest
from services.matcher.scoring.weights import Calibration

FOLDS = 5
GOLD_MIN = 50  # a source counts as if it had at least so much gold (the scorer's floor)

CAUTION = 0.45  # what is likely is told as this much less so, in logits: a wrong anchor is worse than none

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosting:
    """How trees are grown.  Depth two becomes an additive model, more a forest."""

    rounds: int
    leaves: int
    learning_rate: float
    depth: int = -1
    seed: int = 7
    sampled: float = 0.5  # of the features, for each tree
    leaf_rows: int = 60
    leaf_hessian: float = 5.0
    shrink: float = 5.0

    def parameters(self) -> dict[str, Any]:
        return {
            "objective": "binary",
            "max_depth": self.depth,
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.leaf_rows,
            "min_sum_hessian_in_leaf": self.leaf_hessian,
            "lambda_l2": self.shrink,
            "feature_fraction": self.sampled,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "max_bin": 63,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbose": -1,
            "use_missing": False,
        }


def fold_of(document: str) -> int:
    return int(hashlib.md5(document.encode(), usedforsecurity=False).hexdigest(), 16) % FOLDS


def grow(
    names: tuple[str, ...], features: npt.NDArray[np.float32], label: Any, weight: Floats, *, how: Boosting
) -> AdditiveModel:
    """`features` has a row a feature.  What is not told is not learned from.  The trees are compiled and forgotten."""
    return compile_trees(names, _boost(features, label, weight, how), 0.0)


def grow_forest(
    names: tuple[str, ...],
    features: npt.NDArray[np.float32],
    label: Any,
    weight: Floats,
    *,
    hows: tuple[Boosting, ...],
) -> Forest:
    """The same with deeper trees: the mean of forests grown in different ways, as one forest."""
    return compile_forest(names, [_boost(features, label, weight, how) for how in hows])


def _boost(features: npt.NDArray[np.float32], label: Any, weight: Floats, how: Boosting) -> dict[str, Any]:
    told = label >= 0
    features, label, weight = features[:, told], label[told], weight[told]
    data = lgb.Dataset(np.ascontiguousarray(features.T), label, weight=weight / weight.mean(), free_raw_data=True)
    dump: dict[str, Any] = lgb.train(how.parameters(), data, how.rounds).dump_model()
    return dump


def calibrate(logit: Floats, label: Any, weight: Floats, knots: int = 12) -> Calibration:
    """A monotone curve through the weighted rates of equal shares of the wrong and right, lowered by CAUTION."""
    order = np.argsort(logit)
    logit, right, weight = logit[order], np.asarray(label, dtype=np.float64)[order], weight[order]
    information = np.cumsum(weight * (0.02 + 1 / (2 + np.exp(logit) + np.exp(-logit))))
    cuts = np.searchsorted(information, np.linspace(0, information[-1], knots + 1)[1:-1])
    groups = np.split(np.arange(len(logit)), np.unique(cuts))
    raw = [float(np.average(logit[g], weights=weight[g])) for g in groups if len(g)]
    rate = [
        float((np.sum(weight[g] * right[g]) + 0.5 * _prior(logit[g])) / (np.sum(weight[g]) + 0.5))
        for g in groups
        if len(g)
    ]
    rising = np.maximum.accumulate(np.clip(rate, 1e-4, 1 - 1e-4))
    told = np.log(rising / (1 - rising)) + np.arange(len(rising)) * 1e-4
    told -= CAUTION * np.clip(told, 0, 2) / 2
    return Calibration(np.array(raw, dtype=np.float32), told.astype(np.float32))


def _prior(logit: Floats) -> float:
    return float(np.mean(1 / (1 + np.exp(-logit))))
