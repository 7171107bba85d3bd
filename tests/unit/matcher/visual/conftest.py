"""A tiny frame model built on the spot, and builders of signals."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.frame_model import FrameModel
from services.matcher.visual.signals import (
    Fingerprint,
    Frame,
    Reference,
    ReferenceKind,
    embedding_from_values,
)
from tests.pictures import a_scene, jpeg_of, mp4_of, png_of


def write_tiny_model(path: Path, *, grid: int = 8, side: int = 64) -> Path:
    """A frame model of five nodes: means of a grid of cells, less their mean, as a vector."""
    cell = side // grid
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Flatten", ["cells"], ["flat"], axis=1),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 3 * grid * grid])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def fingerprinter(tiny_model: Path) -> Fingerprinter:
    return Fingerprinter(FrameModel(tiny_model), generic_cosine_max=0.98)  # colour means are alike by nature


@pytest.fixture(scope="session")
def hasher() -> Fingerprinter:
    return Fingerprinter()


@pytest.fixture(scope="session")
def scene() -> Callable[..., np.ndarray]:
    return a_scene


@pytest.fixture(scope="session")
def files():
    """Encoders by name: `files.jpeg(picture)`, `files.png(picture)`, `files.mp4(pictures)`."""

    class Files:
        jpeg = staticmethod(jpeg_of)
        png = staticmethod(png_of)
        mp4 = staticmethod(mp4_of)

    return Files


def a_hash(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, 32, dtype=np.uint8).tobytes()


def an_embedding(seed: int, model: str = "m", dim: int = 64):
    values = np.random.default_rng(seed).normal(size=dim)
    return embedding_from_values(model, dim, tuple(float(value) for value in values), at="embedding")


class Build:
    """Builders that take only what matters."""

    pdq = staticmethod(a_hash)
    embedding = staticmethod(an_embedding)

    @staticmethod
    def print(seed: int, **fields) -> Fingerprint:
        return Fingerprint(**{"pdq": a_hash(seed), **fields})

    @staticmethod
    def frame(*prints: Fingerprint, t_ms: int = 0) -> Frame:
        return Frame(t_ms=t_ms, fingerprints=prints)

    @staticmethod
    def reference(id: str, title_id: str, *prints: Fingerprint, **fields) -> Reference:
        return Reference(
            **{"id": id, "title_id": title_id, "kind": ReferenceKind.STILL, "fingerprints": prints, **fields}
        )


@pytest.fixture(scope="session")
def build() -> type[Build]:
    return Build
