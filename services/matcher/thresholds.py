"""Thresholds from what reviewers can read and what errors cost.

A match of probability p costs, in reviews: approved, (1 − p) × cost of a wrong anchor; rejected, p × cost of a missed
one; reviewed, 1. Without a limit on reviews each match goes where it costs least: approve from
1 − 1/false_anchor_cost, review from 1/missed_anchor_cost. With a limit the matches that gain most from a review are
reviewed; what they gain is highest where approving and rejecting cost the same, so the reviewed ones are a band
around that point, and the band grows from it until the reviewers are busy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.matcher.results import ThresholdProposal

BINS = 200  # half a per cent each
PRECISION = 0.97  # of what is approved without a reviewer: a wrong anchor is worse than none
MISSED = 0.05
DECISIONS_MIN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs in reviews, and how many reviews there can be a day."""

    reviews_per_day: float
    false_anchor_cost: float
    missed_anchor_cost: float


def bin_of(probability: float) -> int:
    return min(BINS - 1, max(0, int(probability * BINS)))


def propose(histogram: Sequence[int], costs: Costs, days: float) -> ThresholdProposal:
    """The band of bins to review, and so the two thresholds, that cost least within the capacity."""
    assert len(histogram) == BINS, "a histogram has a count for each bin"
    capacity = costs.reviews_per_day * days
    low, high = _band(histogram, costs, capacity)
    reviews = sum(histogram[low:high])
    cost = reviews + sum(
        count * _unread_cost(at, costs, approve=at >= high)
        for at, count in enumerate(histogram)
        if not low <= at < high
    )
    return ThresholdProposal(
        approve_threshold=high / BINS,
        review_threshold=low / BINS,
        reviews_per_day=reviews / days,
        cost_per_day=cost / days,
        match_count=sum(histogram),
    )


def _band(histogram: Sequence[int], costs: Costs, capacity: float) -> tuple[int, int]:
    """Grow the band from where approving and rejecting cost the same, the greater gain first."""
    total = costs.false_anchor_cost + costs.missed_anchor_cost
    middle = round(BINS * costs.false_anchor_cost / total) if total else 0
    low = high = min(BINS, middle)
    used = 0
    while True:
        below = _gain(low - 1, costs) if low > 0 else 0.0
        above = _gain(high, costs) if high < BINS else 0.0
        at = low - 1 if below >= above else high
        if max(below, above) <= 0 or used + histogram[at] > capacity:
            return low, high
        used += histogram[at]
        low, high = min(low, at), max(high, at + 1)


def _gain(at: int, costs: Costs) -> float:
    """What a review of a match in this bin saves over the better of approving and rejecting it."""
    return min(_unread_cost(at, costs, approve=True), _unread_cost(at, costs, approve=False)) - 1


def _unread_cost(at: int, costs: Costs, *, approve: bool) -> float:
    p = (at + 0.5) / BINS
    return (1 - p) * costs.false_anchor_cost if approve else p * costs.missed_anchor_cost


def from_decisions(pairs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Thresholds that settled decisions support: (approve, review), 0 where there are too few.

    Approve from the lowest probability above which PRECISION of the decisions said yes; review down to the highest
    below which at most MISSED did.
    """
    ordered = sorted(pairs)
    approve = review = 0.0
    yes = 0
    for count, (probability, is_right) in enumerate(reversed(ordered), start=1):
        yes += is_right
        if count >= DECISIONS_MIN and yes / count >= PRECISION:
            approve = probability
    yes = 0
    for count, (probability, is_right) in enumerate(ordered, start=1):
        yes += is_right
        if count >= DECISIONS_MIN and yes / count <= MISSED:
            review = probability
    return approve, min(review, approve) if approve else review
