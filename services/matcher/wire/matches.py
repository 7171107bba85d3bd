"""Matches, anchors, the feed and rematches: from the domain to the wire."""

import functools
from collections.abc import Iterable
from datetime import datetime

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.timestamps import timestamp
from protos.matcher.v1 import matcher_pb2 as pb
from services.matcher.anchors import Judged
from services.matcher.domain import Evidence, FramePicture, Match, MatchChange, Stats, StoredVideo, hub_url
from services.matcher.policy import Gate
from services.matcher.results import (
    AnchorAnswer,
    AnchorsPage,
    ChangesPage,
    IndexFacts,
    Matched,
    Rematch,
    StatsOutcome,
    TitleVideosPage,
)
from services.matcher.text.matches import SignalType
from services.matcher.wire.times import seconds_of
from services.matcher.wire.videos import video_message

SIGNALS = {signal: pb.SignalType.Value(f"SIGNAL_TYPE_{signal.name}") for signal in SignalType}


# Messages are added where they belong: one that is made apart and then put into another is copied, which costs more
# than to fill it.
Matches = RepeatedCompositeFieldContainer[pb.Match]


def match_message(match: Match) -> pb.Match:
    return _add_match(pb.VideoMatches().matches, match)


def _add_match(matches: Matches, match: Match) -> pb.Match:
    candidate = match.candidate
    message = matches.add(
        id=match.id,
        video_id=match.video_id,
        title_id=candidate.title_id,
        state=int(match.state),  # our numbers are the wire's
        probability=candidate.probability,
        margin=candidate.margin,
        model_version=match.model_version,
        policy_version=match.policy_version,
        catalog_revision=match.catalog_revision,
        decided_by=match.decided_by.value,
        calibration_version=match.calibration_version,
        create_time=_moment(match.create_time),
        update_time=_moment(match.update_time),
    )
    _add_evidence(message.evidence, candidate.evidence)
    for other in candidate.runner_ups:
        message.runner_ups.add(title_id=other.title_id, probability=other.probability, separated_by=other.separated_by)
    return message


@functools.lru_cache(maxsize=16)
def _moment(moment: datetime) -> Timestamp:
    """The matches of a batch were made at one time. The message is copied into theirs, never changed."""
    return timestamp(moment)


def _add_evidence(messages: RepeatedCompositeFieldContainer[pb.Evidence], evidence: Iterable[Evidence]) -> None:
    for signal_type, value, contribution, span, segment, reference_id, distance in evidence:
        message = messages.add(signal_type=SIGNALS[signal_type], value=value, contribution=contribution)
        if not (span or segment or reference_id or distance):
            continue
        message.reference_id, message.distance = reference_id, distance
        if span:
            place = message.span
            place.field, place.index, place.start, place.end = span.field, span.index, span.start, span.end
            place.SetInParent()  # also where all of it is zero
        if segment:
            message.segment.start_ms, message.segment.end_ms = segment.start_ms, segment.end_ms
            message.segment.SetInParent()


def match_video_response(results: tuple[Matched, ...]) -> pb.MatchVideoResponse:
    (result,) = results
    message = pb.MatchVideoResponse(unchanged=result.is_unchanged)
    _add_matches(message.matches, result.matches)
    return message


def batch_response(results: tuple[Matched, ...]) -> pb.BatchMatchVideosResponse:
    message = pb.BatchMatchVideosResponse()
    _add_results(message.results, results)
    return message


def stream_response(request_id: str, results: tuple[Matched, ...]) -> pb.StreamMatchVideosResponse:
    message = pb.StreamMatchVideosResponse(request_id=request_id)
    _add_results(message.results, results)
    return message


def _add_results(messages: RepeatedCompositeFieldContainer[pb.VideoMatches], results: Iterable[Matched]) -> None:
    for result in results:
        message = messages.add(video_id=result.video_id, unchanged=result.is_unchanged)
        if result.matches:
            _add_matches(message.matches, result.matches)


def _add_matches(messages: Matches, matches: Iterable[Match]) -> None:
    for match in matches:
        _add_match(messages, match)


def video_matches_response(matches: tuple[Match, ...]) -> pb.ListVideoMatchesResponse:
    return pb.ListVideoMatchesResponse(matches=map(match_message, matches))


def frame_pictures_response(pictures: Iterable[FramePicture]) -> pb.ListFramePicturesResponse:
    return pb.ListFramePicturesResponse(
        pictures=(pb.FramePicture(t_ms=each.t_ms, picture=each.jpeg) for each in pictures)
    )


def title_videos_response(page: TitleVideosPage) -> pb.ListTitleVideosResponse:
    return pb.ListTitleVideosResponse(
        videos=(_title_video(video, match) for video, match in page.videos),
        next_page_token=page.next_page_token,
    )


def _title_video(video: StoredVideo, match: Match) -> pb.TitleVideo:
    return pb.TitleVideo(video=video_message(video), match=match_message(match))


def anchors_response(page: AnchorsPage) -> pb.BatchGetAnchorsResponse:
    return pb.BatchGetAnchorsResponse(
        anchors=(_anchor(each) for each in page.anchors), policy_version=page.policy_version
    )


def explain_response(answer: AnchorAnswer) -> pb.ExplainAnchorResponse:
    judged = answer.judged
    message = pb.ExplainAnchorResponse(anchor=_anchor(judged) if judged else pb.Anchor(state=pb.ANCHOR_STATE_WITHHELD))
    message.anchor.video_id = answer.video_id
    message.anchor.viewer_region = answer.viewer_region
    message.anchor.explanation.CopyFrom(
        pb.Explanation(gates=map(_gate, answer.gates), policy_version=answer.policy_version)
    )
    if judged:
        message.match.CopyFrom(match_message(judged.match))
    return message


def _anchor(judged: Judged) -> pb.Anchor:
    match = judged.match
    return pb.Anchor(
        video_id=match.video_id,
        title_id=match.title_id,
        hub_url=hub_url(match.title_id),
        label=judged.card.name,
        state=pb.ANCHOR_STATE_SHOWN if judged.is_shown else pb.ANCHOR_STATE_WITHHELD,
        viewer_region=judged.facts.viewer_region,
        match_id=match.id,
    )


def _gate(gate: Gate) -> pb.Gate:
    return pb.Gate(
        code=int(gate.code),  # type: ignore[arg-type]  # our numbers are the wire's
        passed=gate.passed,
        value=gate.value,
        threshold=gate.threshold,
        gap=gate.gap,
        remedy=gate.remedy,
    )


def stats_of(messages: Iterable[pb.VideoStats], now_s: float) -> tuple[Stats, ...]:
    return tuple(_stats(message, now_s, f"stats[{at}].") for at, message in enumerate(messages))


def _stats(message: pb.VideoStats, now_s: float, at: str) -> Stats:
    def given(name: str) -> int | None:
        return getattr(message, name) if message.HasField(name) else None  # type: ignore[arg-type]

    return Stats(
        video_id=message.video_id,
        observe_time_s=(
            seconds_of(message.observe_time, f"{at}observe_time") if message.HasField("observe_time") else now_s
        ),
        view_count=given("view_count"),
        like_count=given("like_count"),
        comment_count=given("comment_count"),
        share_count=given("share_count"),
        follower_count=given("follower_count"),
        strike_score=given("strike_score"),
    )


def stats_response(outcome: StatsOutcome) -> pb.UpdateVideoStatsResponse:
    return pb.UpdateVideoStatsResponse(
        updated_count=outcome.updated_count,
        unknown_count=outcome.unknown_count,
        stale_count=outcome.stale_count,
        changed_match_count=outcome.changed_match_count,
    )


def index_message(facts: IndexFacts) -> pb.IndexInfo:
    return pb.IndexInfo(
        catalog_revision=facts.catalog_revision,
        latest_catalog_revision=facts.latest_catalog_revision,
        title_count=facts.title_count,
        alias_count=facts.alias_count,
        reference_image_count=facts.reference_image_count,
        model_version=facts.model_version,
        calibration_version=facts.calibration_version,
        policy_version=facts.policy_version,
        build_time=timestamp(facts.build_time),
        lag_s=facts.lag_s,
        is_ready=facts.is_ready,
        video_count=facts.video_count,
        pdq_row_count=facts.pdq_row_count,
        frame_models=(
            pb.FrameModelRows(model=model, dim=dim, row_count=count) for model, dim, count in facts.frame_models
        ),
        disabled_bank_titles=facts.disabled_bank_titles,
        refused_reference_count=facts.refused_reference_count,
    )


def rematch_message(rematch: Rematch) -> pb.RematchRun:
    return pb.RematchRun(
        id=rematch.id,
        title_id=rematch.title_id,
        state=int(rematch.state),  # type: ignore[arg-type]  # our numbers are the wire's
        video_count=rematch.video_count,
        changed_count=rematch.changed_count,
        create_time=timestamp(rematch.create_time),
        update_time=timestamp(rematch.update_time),
    )


def changes_response(page: ChangesPage) -> pb.ListMatchChangesResponse:
    return pb.ListMatchChangesResponse(changes=map(_change, page.changes), latest_sequence=page.latest_sequence)


def _change(change: MatchChange) -> pb.MatchChange:
    return pb.MatchChange(
        sequence=change.sequence,
        match=match_message(change.match),
        previous_state=int(change.previous_state or 0),  # type: ignore[arg-type]
        cause=int(change.cause),  # type: ignore[arg-type]
        video=video_message(change.video),
        change_time=timestamp(change.change_time),
    )
