"""The values visual matching takes in and gives out: fingerprints, frames, references, matches, and their checks."""

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from chassis.errors import InvalidArgument, Violation

PDQ_BYTES = 32
PDQ_QUALITY_MAX = 100
DIM_MAX = 4096
MODEL_NAME_CHARS_MAX = 128
T_MS_MAX = 6 * 3600 * 1000

_TYPE_CODES = {"f32": "<f4", "f16": "<f2", "i8": "i1"}

Vector = NDArray[np.float32]


class ReferenceKind(Enum):
    """What a reference image is; a still gets vertical crops, a poster does not."""

    POSTER = "poster"
    STILL = "still"
    TITLE_CARD = "title_card"


class Region(Enum):
    """Which part of a picture a fingerprint describes."""

    FULL = "full"
    CONTENT = "content"
    INSET = "inset"
    SPLIT_FIRST = "split_first"
    SPLIT_SECOND = "split_second"
    CENTRE = "centre"
    CROP_LEFT = "crop_left"
    CROP_MIDDLE = "crop_middle"
    CROP_RIGHT = "crop_right"


class SignalSource(Enum):
    """Which way of looking found a likeness."""

    PDQ = "pdq"
    EMBEDDING = "embedding"
    GEOMETRY = "geometry"


class SignalRefused(InvalidArgument):
    """A visual signal cannot be used as it was sent."""

    reason = "VISUAL_SIGNAL_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """A unit vector of one frame model; vectors of two models are never compared."""

    model: str
    values: bytes  # little-endian f32: bytes compare and hash, arrays do not

    @property
    def dim(self) -> int:
        return len(self.values) // 4

    def vector(self) -> Vector:
        return np.frombuffer(self.values, dtype="<f4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What was computed of one region of a picture, as it is or mirrored."""

    region: Region = Region.FULL
    mirrored: bool = False
    pdq: bytes | None = None
    pdq_quality: int = PDQ_QUALITY_MAX
    embedding: Embedding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One moment of a video: its fingerprints, and where pixels were sent two small pictures of it.

    `picture` is grey, for the geometric check; `thumbnail` is a JPEG, for people.
    """

    t_ms: int
    fingerprints: tuple[Fingerprint, ...]
    picture: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    thumbnail: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A title's reference image, as fingerprints."""

    id: str
    title_id: str
    kind: ReferenceKind
    fingerprints: tuple[Fingerprint, ...]
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualEvidence:
    """One stretch of a video that looks like one reference image."""

    reference_id: str
    source: SignalSource
    model: str
    distance: float
    start_ms: int
    end_ms: int
    region: Region
    contribution: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualMatch:
    """What the frames say about one title.

    `contribution` is the log likelihood ratio of the frames (the sum of its evidence); add it to the logit of the
    other signals. `probability` is what the picture alone says, from `prior_logit + contribution`.
    """

    title_id: str
    contribution: float
    prior_logit: float
    probability: float
    is_borderline: bool
    evidence: tuple[VisualEvidence, ...]


def pdq_from_hex(text: str, *, at: str) -> bytes:
    """A PDQ hash from its 64 hexadecimal digits; `at` names the field in the refusal."""
    if len(text) != 2 * PDQ_BYTES:
        raise refused(at, f"a PDQ hash has {2 * PDQ_BYTES} hexadecimal digits, not {len(text)}")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise refused(at, "a PDQ hash has hexadecimal digits only") from None


def pdq_quality(value: int, *, at: str) -> int:
    if not 0 <= value <= PDQ_QUALITY_MAX:
        raise refused(at, f"PDQ quality lies in 0..{PDQ_QUALITY_MAX}")
    return value


def frame_time(t_ms: int, *, at: str) -> int:
    if not 0 <= t_ms <= T_MS_MAX:
        raise refused(at, f"frame times lie in 0..{T_MS_MAX} ms")
    return t_ms


def embedding_from_values(model: str, dim: int, values: tuple[float, ...], *, at: str) -> Embedding:
    """An embedding from numbers; scaled to length one."""
    if dim != len(values):
        raise refused(f"{at}.values", f"{len(values)} values do not make {dim} dimensions")
    if any(not math.isfinite(value) for value in values):
        raise refused(f"{at}.values", "embeddings are finite numbers")
    return _unit(model, np.asarray(values, dtype=np.float64), at=at)


def embedding_from_bytes(model: str, dim: int, dtype: str, values: bytes, *, at: str) -> Embedding:
    """An embedding from little-endian f32, f16 or i8 bytes; scaled to length one."""
    code = _TYPE_CODES.get(dtype)
    if code is None:
        raise refused(f"{at}.dtype", f"dtype is one of {', '.join(_TYPE_CODES)}")
    if len(values) != dim * np.dtype(code).itemsize:
        raise refused(f"{at}.values", f"{len(values)} bytes do not make {dim} values of {dtype}")
    vector = np.frombuffer(values, dtype=code).astype(np.float64)
    if not np.isfinite(vector).all():
        raise refused(f"{at}.values", "embeddings are finite numbers")
    return _unit(model, vector, at=at)


def _unit(model: str, vector: NDArray[np.float64], *, at: str) -> Embedding:
    if not 0 < len(model) <= MODEL_NAME_CHARS_MAX:
        raise refused(f"{at}.model", f"a model name has 1..{MODEL_NAME_CHARS_MAX} characters")
    if not 0 < vector.size <= DIM_MAX:
        raise refused(f"{at}.dim", f"embeddings have 1..{DIM_MAX} dimensions")
    peak = float(np.abs(vector).max())
    if peak <= 0.0:
        raise refused(f"{at}.values", "an embedding of zeros has no direction")
    scaled = vector / peak  # first by the peak: squares of very large values would overflow
    return Embedding(model=model, values=(scaled / np.linalg.norm(scaled)).astype("<f4").tobytes())


def refused(at: str, description: str) -> SignalRefused:
    return SignalRefused(violations=(Violation(field=at, description=description),))
