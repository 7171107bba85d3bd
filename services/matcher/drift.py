"""Drift: whether the stream still looks like what the model was calibrated on."""

import math
from collections.abc import Sequence

from services.matcher.appeals import Decision
from services.matcher.results import Drift
from services.matcher.reviewing import Verdict

# The usual reading of the population stability index: above 0.25 the population has changed.
PSI_ALERT = 0.25
BIAS_ALERT = 0.15
MATCHES_MIN = 500
DECISIONS_MIN = 50
GROUPS = 10
_SMOOTHING = 0.5


def drift_of(recent: Sequence[int], earlier: Sequence[int], decisions: Sequence[Decision]) -> Drift:
    """From two histograms of probabilities and the last settled decisions."""
    count = sum(recent)
    psi = stability_index(recent, earlier) if min(count, sum(earlier)) >= MATCHES_MIN else 0.0
    bias = bias_of(decisions)
    return Drift(
        psi=psi,
        bias=bias,
        is_alerting=psi > PSI_ALERT or abs(bias) > BIAS_ALERT,
        match_count=count,
    )


def stability_index(recent: Sequence[int], earlier: Sequence[int]) -> float:
    """Σ (p − q) ln(p / q) over ten equal groups of the probability, smoothed so that empty ones count."""
    now, before = _grouped(recent), _grouped(earlier)
    return math.fsum((p - q) * math.log(p / q) for p, q in zip(now, before, strict=True))


def bias_of(decisions: Sequence[Decision]) -> float:
    """The share reviewers approved less the mean probability of what they saw; 0 with too few of them."""
    seen = [each for each in decisions if each.vote.verdict is not Verdict.UNSURE and each.expected is None]
    if len(seen) < DECISIONS_MIN:
        return 0.0
    approved = sum(each.vote.verdict is Verdict.APPROVE for each in seen)
    return (approved - math.fsum(each.probability for each in seen)) / len(seen)


def _grouped(histogram: Sequence[int]) -> list[float]:
    width = len(histogram) // GROUPS
    groups = [sum(histogram[at : at + width]) + _SMOOTHING for at in range(0, width * GROUPS, width)]
    total = sum(groups)
    return [group / total for group in groups]
