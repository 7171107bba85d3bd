"""Spikes and suggestions to the wire, field by field."""

from collections.abc import Iterable

from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import sketch
from services.metrics.causes import Contribution, Evidence, Spike
from services.metrics.domain import MINUTE_MS
from services.metrics.insights import Act, Draft, Insight, InsightPage, InsightState, Outcome, SpikePage
from services.metrics.wire import times

# A spike whose last minute is so recent still lasts.
OPEN_MS = 15 * MINUTE_MS
ACTS = {pb.INSIGHT_DECISION_ACCEPT: Act.ACCEPT, pb.INSIGHT_DECISION_DISMISS: Act.DISMISS}


def states(values: Iterable[int]) -> tuple[InsightState, ...]:
    return tuple(InsightState(value) for value in values)


def act(value: int) -> Act:
    return ACTS[pb.InsightDecision.ValueType(value)]


def spike_page(found: SpikePage) -> pb.ListSpikesResponse:
    hidden = sum(each.viewers < found.viewers_min for each in found.spikes)
    return pb.ListSpikesResponse(
        spikes=[
            spike(each, is_hidden=each.viewers < found.viewers_min, as_of_ms=found.as_of_ms) for each in found.spikes
        ],
        next_page_token=found.next_page_token,
        as_of_time=times.of_ms(found.as_of_ms),
        is_thresholded=hidden > 0,
        suppressed_rows=hidden,
        error_bound=sketch.ERROR_BOUND,
    )


def spike(found: Spike, *, is_hidden: bool, as_of_ms: int) -> pb.Spike:
    """A spike; one of fewer than k viewers keeps its time and cause, and loses every number."""
    message = pb.Spike(
        id=found.id,
        title_id=found.title_id,
        event_type=pb.EventType.ValueType(found.event_type),
        start_time=times.of_minute(found.start),
        end_time=times.of_minute(found.end),
        peak_time=times.of_minute(found.peak),
        detect_time=times.of_minute(found.detect),
        cause=pb.SpikeCause.ValueType(found.cause),
        is_open=found.end * MINUTE_MS >= as_of_ms - OPEN_MS,
        is_suppressed=is_hidden,
    )
    if not is_hidden:
        message.event_count = found.count
        message.expected_count = found.expected
        message.score = found.score
        message.contributions.extend(contribution(each) for each in found.contributions)
        message.evidence.extend(evidence(each) for each in found.evidence)
    return message


def contribution(found: Contribution) -> pb.Contribution:
    return pb.Contribution(
        kind=pb.ContributorKind.ValueType(found.kind),
        name=found.name,
        event_count=found.count,
        expected_count=found.expected,
        share=found.share,
    )


def evidence(found: Evidence) -> pb.SpikeEvidence:
    return pb.SpikeEvidence(
        code=found.code,
        value=found.value,
        threshold=found.threshold,
        cause=pb.SpikeCause.ValueType(found.cause),
        description=found.description,
    )


def insight_page(found: InsightPage) -> pb.ListInsightsResponse:
    return pb.ListInsightsResponse(
        insights=[insight(each) for each in found.insights],
        next_page_token=found.next_page_token,
        as_of_time=times.of_ms(found.as_of_ms),
        error_bound=sketch.ERROR_BOUND,
    )


def insight(found: Insight) -> pb.Insight:
    return pb.Insight(
        id=found.id,
        title_id=found.title_id,
        studio_id=found.studio_id,
        kind=pb.InsightKind.ValueType(found.kind),
        state=pb.InsightState.ValueType(found.state),
        observation=found.observation,
        reason=found.reason,
        action=found.action,
        facts=[pb.InsightFact(name=name, value=value) for name, value in found.facts],
        draft=draft(found.draft),
        subject=found.subject,
        priority=found.priority,
        create_time=times.of_minute(found.create_minute),
        update_time=times.of_minute(found.update_minute),
        decide_time=times.of_minute(found.decide_minute) if found.decide_minute else None,
        decided_by=found.decided_by,
        outcome=None if found.outcome is None else outcome(found.outcome),
        etag=found.etag,
    )


def draft(found: Draft) -> pb.Draft:
    return pb.Draft(
        http_method=found.http_method, http_path=found.http_path, body_json=found.body_json, label=found.label
    )


def outcome(found: Outcome) -> pb.InsightOutcome:
    return pb.InsightOutcome(
        measure=found.measure,
        before=found.before,
        after=found.after,
        change=found.change,
        measure_time=times.of_minute(found.measure_minute),
        is_final=found.is_final,
    )
