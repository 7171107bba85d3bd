"""What a campaign changed: outcome rates of the exposed against those held out of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from services.metrics import fold, sketch
from services.metrics.domain import Arm, EventType
from services.metrics.intervals import Rate, difference, wilson
from services.metrics.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTally:
    """One side: who saw (or would have seen) the campaign, and who of all reached the outcome."""

    arm: Arm
    viewers: int
    outcome_viewers: int
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """The difference; no numbers while a side has under k viewers."""

    arms: tuple[ArmTally, ...] = ()
    lift: Rate = field(default_factory=Rate)
    suppressed_count: int = 0

    @property
    def relative(self) -> float:
        base = self.arms[1].rate.value if len(self.arms) > 1 else 0.0
        return self.lift.value / base if base else 0.0

    @property
    def is_significant(self) -> bool:
        return bool(self.arms) and (self.lift.lower > 0 or self.lift.upper < 0)


def lift(rows: Rows, outcome: EventType, viewers_min: int) -> Lift:
    """From a campaign's rows of the arms table."""
    viewers = _viewers(rows)
    tallies = []
    suppressed = 0
    for arm in Arm:
        exposed = viewers.get((EventType.CAMPAIGN_VIEW, arm), 0)
        reached = viewers.get((outcome, arm), 0)
        if exposed < viewers_min or 0 < reached < viewers_min:
            suppressed += 1
        rate = wilson(min(reached, exposed), exposed)
        tallies.append(ArmTally(arm=arm, viewers=exposed, outcome_viewers=reached, rate=rate))
    if suppressed:
        return Lift(suppressed_count=suppressed)
    return Lift(arms=tuple(tallies), lift=difference(tallies[0].rate, tallies[1].rate))


def _viewers(rows: Rows) -> Mapping[tuple[EventType, Arm], int]:
    slots = rows.b & np.uint64(sketch.REGISTERS - 1)
    sides = (rows.b >> np.uint64(fold.ARM_SHIFT)).astype(np.int64)
    found = {}
    for side in np.unique(sides):
        mask = sides == side
        kind, arm = EventType(int(side) >> 2), Arm(int(side) & 3)
        found[kind, arm] = round(sketch.estimate(slots[mask], rows.v[mask]))
    return found
