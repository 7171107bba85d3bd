"""The funnel from anchor impression to conversion, with each step's rate and its interval. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.metrics.domain import EventType
from services.metrics.intervals import Rate, wilson
from services.metrics.report import Total

STEPS = (
    EventType.ANCHOR_IMPRESSION,
    EventType.ANCHOR_CLICK,
    EventType.HUB_VIEW,
    EventType.OFFER_CLICK,
    EventType.TICKET_CLICK,
    EventType.CONVERSION,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; its rate is of the last step before that may be shown."""

    type: EventType
    count: int = 0
    viewers: int = 0
    rate: Rate = field(default_factory=Rate)
    rate_from_start: float = 0.0
    is_suppressed: bool = False


def steps(totals: Sequence[Total]) -> tuple[Step, ...]:
    """The six steps of a period's totals."""
    by_type: Mapping[EventType, Total] = {total.type: total for total in totals}
    found: list[Step] = []
    before = first = 0
    for kind in STEPS:
        total = by_type.get(kind, Total(type=kind))
        if total.is_suppressed:
            found.append(Step(type=kind, is_suppressed=True))
            continue
        rate = wilson(total.count, before) if found else Rate()
        from_start = total.count / first if found and first else 0.0
        found.append(Step(type=kind, count=total.count, viewers=total.viewers, rate=rate, rate_from_start=from_start))
        before = total.count
        first = first or total.count
    return tuple(found)
