"""Pictures drawn from seeds, a tiny frame model built on the spot, and builders of signals."""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.frame_model import FrameModel
from services.matcher.visual.signals import (
    Fingerprint,
    Frame,
    Reference,
    ReferenceKind,
    embedding_from_values,
)


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


def a_scene(seed: int, width: int = 426, height: int = 240):
    """A picture with large shapes, edges and texture; another seed, another picture."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(30, 226, (5, 8, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(14):
        centre = (int(chance.integers(0, width)), int(chance.integers(0, height)))
        size = int(chance.integers(8, height // 4))
        colour = [int(value) for value in chance.integers(0, 256, 3)]
        if chance.random() < 0.5:
            cv2.circle(picture, centre, size, colour, -1)
        else:
            cv2.rectangle(picture, centre, (centre[0] + size, centre[1] + size // 2), colour, -1)
    grain = chance.normal(0, 10, picture.shape)
    return np.clip(picture + cv2.GaussianBlur(grain, (0, 0), 0.8), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def scene() -> Callable[..., np.ndarray]:
    return a_scene


def jpeg_of(picture, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png_of(picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def mp4_of(pictures: Sequence, *, rate: int = 4, frames_each: int = 4, codec: str = "libx264") -> bytes:
    height, width = (side // 2 * 2 for side in pictures[0].shape[:2])
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number = 0
        for picture in pictures:
            for _ in range(frames_each):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, rate)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode())
    return buffer.getvalue()


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
