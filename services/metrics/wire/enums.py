"""Enums of the wire as domain enums; their numbers are the same by design, a test holds them together."""

from collections.abc import Iterable

from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics.domain import Dimension, EventType, Granularity, Period, Source, TopOrder
from services.metrics.report import Choice, granularity_for


def event_types(values: Iterable[int]) -> frozenset[EventType]:
    return frozenset(EventType(value) for value in values)


def source(value: int) -> Source | None:
    return Source(value) if value else None


def top_order(value: int) -> TopOrder:
    return TopOrder(value) if value else TopOrder.VIEWS


def outcome(value: int) -> EventType:
    return EventType(value) if value else EventType.CONVERSION


def granularity(value: int, period: Period) -> Granularity:
    return Granularity(value) if value else granularity_for(period)


def interval_s(value: int) -> float:
    """Seconds between live messages, 2 when not said."""
    return float(value or 2)


def report_choice(request: pb.GetTitleReportRequest, period: Period) -> Choice:
    """What a report request asks for."""
    return Choice(
        period=period,
        granularity=granularity(request.granularity, period),
        dimensions=_dimensions(request.dimensions),
        event_types=event_types(request.event_types),
        regions=tuple(request.viewer_regions),
        source=source(request.source),
    )


def export_choice(request: pb.ExportReportRequest, period: Period) -> Choice:
    return Choice(
        period=period,
        granularity=granularity(request.granularity, period),
        dimensions=_dimensions(request.dimensions),
        regions=tuple(request.viewer_regions),
        source=source(request.source),
    )


def funnel_choice(request: pb.GetFunnelRequest, period: Period) -> Choice:
    return Choice(
        period=period,
        granularity=Granularity.DAY,
        regions=tuple(request.viewer_regions),
        source=source(request.source),
    )


def _dimensions(values: Iterable[int]) -> frozenset[Dimension]:
    chosen = frozenset(Dimension(value) for value in values)
    return chosen or frozenset({Dimension.EVENT_TYPE})
