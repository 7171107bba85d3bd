"""How much a likeness is worth: from distance to log likelihood ratio, per kind of fingerprint and frame model."""

import math
from dataclasses import dataclass

import numpy as np

from services.matcher.visual.signals import SignalSource

ROWS_MEASURED = 1_000  # rows of the index the curves were measured on; more rows find more false neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points (distance, log likelihood ratio), distances rising, ratios falling; linear between, flat outside."""

    distances: tuple[float, ...]
    log_ratios: tuple[float, ...]
    distance_max: float  # farther than this is no hit at all
    distance_sure: float  # nearer than this needs no geometric check

    def log_ratio(self, distance: float, rows: int) -> float:
        """What one frame at this distance says for the reference's title, with so many rows to be wrong about."""
        worth = float(np.interp(distance, self.distances, self.log_ratios))
        return worth - max(0.0, math.log(max(rows, 1) / ROWS_MEASURED))


# Measured by benchmarks/match_frames.py on 3,984 frames against other titles' 988 rows: the densities of the best
# right and the best wrong neighbour; beyond the last wrong one the tail goes on falling by e in 0.025 of cosine.
PDQ_CURVE = Curve(
    distances=(31, 48, 56, 64, 70, 76),
    log_ratios=(11.0, 9.0, 7.0, 4.5, 2.5, 0.0),
    distance_max=75,
    distance_sure=48,
)
SSCD_CURVE = Curve(
    distances=(0.10, 0.20, 0.30, 0.40, 0.45, 0.50, 0.55, 0.60, 0.62),
    log_ratios=(12.0, 11.0, 10.0, 9.0, 8.0, 5.5, 3.4, 0.2, 0.1),
    distance_max=0.62,  # from here to `distance_sure` a likeness is borderline: 3 in 100 strangers have one
    distance_sure=0.55,
)


PART_PENALTY = 1.0  # ln of how many more windows than whole pictures a video tries: parts match by chance as often


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The curves in force; a frame model without a curve of its own is read by the default one."""

    pdq: Curve = PDQ_CURVE
    embedding: Curve = SSCD_CURVE
    by_model: tuple[tuple[str, Curve], ...] = ()
    prior_logit: float = -4.0  # doubt before any frame is seen; set so that 0.9 means nine in ten of the benchmark
    logit_max: float = 12.0

    def curve(self, source: SignalSource, model: str) -> Curve:
        if source is SignalSource.PDQ:
            return self.pdq
        return dict(self.by_model).get(model, self.embedding)


DEFAULT_CALIBRATION = Calibration()
