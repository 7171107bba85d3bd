"""The trained weights as one file: two additive models, a forest, the words of the context, the calibration."""

import functools
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.additive import AdditiveModel, Floats, Pair
from services.matcher.scoring.forest import Forest, Paths, make_forest

DEFAULT_PATH = Path(__file__).with_name("weights.npz")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone curve from raw logit to calibrated logit, straight between its knots."""

    raw: Floats
    calibrated: Floats

    def __call__(self, logits: Floats) -> Floats:
        inner = np.interp(logits, self.raw, self.calibrated)
        below, above = logits - self.raw[0], logits - self.raw[-1]
        return (inner + np.minimum(below, 0) + np.maximum(above, 0)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ContextWeights:
    """Weights of general words: beside the span by place, and anywhere in its text.

    Words, and pairs of words, are known by their key only.  Row 0 stands for every word that is not listed; a listed
    one has its number + 1.
    """

    key: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.uint32]
    filter: npt.NDArray[np.uint8]
    near: Floats  # (words + 1, places)
    edge: Floats  # (places,) where the text ends
    around: Floats  # (words + 1, 2): in the window, and anywhere in the text


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything learned.

    `promise` judges a span before its titles are looked at, `first` a candidate by itself, `final`
    a candidate beside its rivals.
    """

    version: str
    promise: AdditiveModel
    promise_min: float
    first: AdditiveModel
    first_min: float
    final: Forest
    calibration: Calibration
    context: ContextWeights

    def save(self, path: Path) -> None:
        arrays: dict[str, Any] = {
            **{f"context_{name}": getattr(self.context, name) for name in ContextWeights.__slots__},
            "calibration_raw": self.calibration.raw,
            "calibration_calibrated": self.calibration.calibrated,
        }
        head: dict[str, Any] = {"version": self.version, "promise_min": self.promise_min, "first_min": self.first_min}
        for name in ("promise", "first"):
            head[name] = _pack(name, getattr(self, name), arrays)
        head["final"] = _pack_forest(self.final, arrays)
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        path.write_bytes(buffer.getvalue())


def _pack(name: str, model: AdditiveModel, arrays: dict[str, Any]) -> dict[str, Any]:
    """Ragged tables end to end, their lengths beside them."""
    arrays[f"{name}_edges"] = np.concatenate(model.edges)
    arrays[f"{name}_main"] = np.concatenate(model.main)
    tables = [p.table.ravel() for p in model.pairs]
    arrays[f"{name}_pairs"] = np.concatenate(tables) if tables else np.empty(0, dtype=np.float32)
    return {
        "names": model.names,
        "bias": model.bias,
        "edges": [len(e) for e in model.edges],
        "pairs": [(p.left, p.right) for p in model.pairs],
    }


def _unpack(name: str, head: dict[str, Any], arrays: Any) -> AdditiveModel:
    cuts = np.cumsum(head["edges"])[:-1]
    edges = tuple(np.split(arrays[f"{name}_edges"], cuts))
    main = tuple(np.split(arrays[f"{name}_main"], np.cumsum([len(e) + 1 for e in edges])[:-1]))
    pairs, at, flat = [], 0, arrays[f"{name}_pairs"]
    for left, right in head["pairs"]:
        shape = (len(main[left]), len(main[right]))
        pairs.append(Pair(left, right, flat[at : at + shape[0] * shape[1]].reshape(shape)))
        at += shape[0] * shape[1]
    return AdditiveModel(tuple(head["names"]), head["bias"], edges, main, tuple(pairs))


def _pack_forest(forest: Forest, arrays: dict[str, Any]) -> dict[str, Any]:
    arrays["final_edges"] = np.concatenate(forest.edges)
    arrays["final_tree"] = forest.tree
    for name in Paths.__slots__:
        arrays[f"final_{name}"] = getattr(forest.paths, name)
    return {"names": forest.names, "bias": forest.bias, "edges": [len(e) for e in forest.edges]}


def _unpack_forest(head: dict[str, Any], arrays: Any) -> Forest:
    edges = tuple(np.split(arrays["final_edges"], np.cumsum(head["edges"])[:-1]))
    paths = Paths(*(arrays[f"final_{name}"] for name in Paths.__slots__))
    return make_forest(tuple(head["names"]), head["bias"], edges, paths, arrays["final_tree"])


@functools.cache
def load_weights(path: Path = DEFAULT_PATH) -> Weights:
    """Read the file once a process."""
    with np.load(path) as arrays:
        head = json.loads(arrays["head"].tobytes())
        return Weights(
            version=head["version"],
            promise_min=head["promise_min"],
            first_min=head.get("first_min", -99.0),
            **{name: _unpack(name, head[name], arrays) for name in ("promise", "first")},
            final=_unpack_forest(head["final"], arrays),
            calibration=Calibration(arrays["calibration_raw"], arrays["calibration_calibrated"]),
            context=ContextWeights(**{n: arrays[f"context_{n}"] for n in ContextWeights.__slots__}),
        )
