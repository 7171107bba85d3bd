"""The weights in the repository: whole, small, and told by names a reviewer can read."""

from pathlib import Path

import numpy as np

from services.matcher.scoring.factors import FACTOR_OF
from services.matcher.scoring.weights import DEFAULT_PATH, load_weights


def test_every_feature_of_the_model_has_a_factor() -> None:
    weights = load_weights()
    assert {*weights.final.names} <= FACTOR_OF.keys()


def test_the_file_is_small() -> None:
    assert DEFAULT_PATH.stat().st_size < 1_000_000


def test_calibration_never_turns_an_order_round() -> None:
    curve = load_weights().calibration
    told = curve(np.linspace(-20, 20, 400, dtype=np.float32))
    assert (np.diff(told) >= 0).all()


def test_saved_weights_judge_as_before(tmp_path: Path) -> None:
    weights = load_weights()
    weights.save(tmp_path / "weights.npz")
    again = load_weights(tmp_path / "weights.npz")
    features = np.random.default_rng(1).normal(size=(len(weights.final.names), 50)).astype(np.float32)
    assert np.array_equal(again.final.logits(features), weights.final.logits(features))
    features = features[: len(weights.first.names)]
    assert np.array_equal(again.first.logits(features), weights.first.logits(features))
    assert again.version == weights.version
