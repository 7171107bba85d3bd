"""A pluggable frame model: an ONNX file that turns RGB pictures into vectors, run on one thread by onnxruntime.

The file takes one uint8 tensor [batch, height, width, 3] (its normalisation is inside) and gives one float tensor
[batch, dim]. Its name, by default the file's stem, is the tag of every vector: vectors of two models never meet.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.matcher.visual.signals import DIM_MAX, Embedding

PICTURE_PX = 224  # for files whose height and width are free
PICTURE_PX_MAX = 1024
INPUT_AXES, OUTPUT_AXES, CHANNELS = 4, 2, 3
BATCH = 4  # larger batches save nothing on one thread

Picture = NDArray[np.uint8]


class FrameModelUnusable(ValueError):
    """This file is not a frame model: it takes uint8 [batch, height, width, 3] and gives float [batch, dim]."""


class FrameModel:
    """One loaded ONNX file."""

    def __init__(self, path: Path, name: str | None = None, *, picture_px: int = PICTURE_PX) -> None:
        try:
            payload = path.read_bytes()
            self._session = onnxruntime.InferenceSession(payload, _one_thread(), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated classes
            raise FrameModelUnusable(f"{path.name} cannot be loaded as an ONNX file") from error
        self.name = name or path.stem
        self.digest = hashlib.sha256(payload).hexdigest()
        self._input, self._size = _checked_input(self._session, picture_px)
        self.dim = _checked_output(self._run(np.zeros((1, *self._size, 3), np.uint8)))

    def embed(self, pictures: Sequence[Picture]) -> tuple[Embedding, ...]:
        """A unit vector for each RGB picture, whatever its size and shape."""
        embeddings: list[Embedding] = []
        for start in range(0, len(pictures), BATCH):
            resized = [self._resized(picture) for picture in pictures[start : start + BATCH]]
            embeddings += [self._embedding(vector) for vector in self._run(np.stack(resized))]
        return tuple(embeddings)

    def _resized(self, picture: Picture) -> Picture:
        height, width = self._size
        grows = picture.shape[0] < height or picture.shape[1] < width
        how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
        return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)

    def _run(self, batch: Picture) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: batch})[0], dtype=np.float32)

    def _embedding(self, vector: NDArray[np.float32]) -> Embedding:
        length = float(np.linalg.norm(vector))
        unit = vector / length if np.isfinite(length) and length > 0.0 else _first_axis(self.dim)
        return Embedding(model=self.name, values=unit.astype("<f4").tobytes())


def _one_thread() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # memory stays flat; costs under 2 %
    return options


def _checked_input(session: Any, picture_px: int) -> tuple[str, tuple[int, int]]:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or len(inputs[0].shape) != INPUT_AXES:
        raise FrameModelUnusable
    _, height, width, channels = inputs[0].shape
    if channels != CHANNELS:
        raise FrameModelUnusable
    size = tuple(side if isinstance(side, int) else picture_px for side in (height, width))
    if not all(1 <= side <= PICTURE_PX_MAX for side in size):
        raise FrameModelUnusable
    return inputs[0].name, (size[0], size[1])


def _checked_output(output: NDArray[np.float32]) -> int:
    if output.ndim != OUTPUT_AXES or output.shape[0] != 1 or not 1 <= output.shape[1] <= DIM_MAX:
        raise FrameModelUnusable
    return int(output.shape[1])


def _first_axis(dim: int) -> NDArray[np.float32]:
    """For the vector no picture should give (all zeros): a direction of its own rather than a NaN."""
    return np.asarray(np.eye(1, dim)[0], np.float32)
