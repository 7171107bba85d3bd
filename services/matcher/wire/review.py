"""Review tasks, decisions, appeals, statistics and the audit, between the wire and the domain."""

from collections.abc import Iterable
from datetime import UTC, datetime

from chassis.timestamps import timestamp
from protos.matcher.v1 import matcher_pb2
from protos.matcher.v1 import review_pb2 as pb
from services.matcher.agreement import ReviewerQuality
from services.matcher.appeals import Appeal, Decision
from services.matcher.audit import AuditEntry
from services.matcher.domain import DecidedBy, Match
from services.matcher.lifecycle import TaskState
from services.matcher.results import Drift, OpenTask, ReviewStats, TaskFilter
from services.matcher.reviewing import ReasonCode, Task, TaskKind, Verdict, Vote
from services.matcher.wire.matches import match_message
from services.matcher.wire.videos import video_message

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def filter_of(message: pb.ReviewFilter | pb.ListReviewTasksRequest) -> TaskFilter:
    return TaskFilter(language=message.language, studio_id=message.studio_id, media_type=message.media_type)


def vote_of(request: pb.DecideReviewTaskRequest) -> Vote:
    """The vote as sent; when it was given is the service's to say."""
    return Vote(
        reviewer_id=request.reviewer_id,
        verdict=Verdict(request.verdict),
        vote_time=NEVER,
        token=request.lease_token,
        reason_code=ReasonCode(request.reason_code),
        right_title_id=request.right_title_id,
        note=request.note,
    )


def task_message(task: Task, now: datetime, reader: str) -> pb.ReviewTask:
    """The task as `reader` may see it: blind, until it is decided, for everyone but its voters' own votes."""
    is_open = task.state in {TaskState.OPEN, TaskState.LEASED}
    votes = [vote for vote in task.votes if not is_open or vote.reviewer_id == reader]
    message = pb.ReviewTask(
        id=task.id,
        match_id=f"{task.video_id}:{task.title_id}",
        priority=task.priority(now),
        state=int(task.state),  # type: ignore[arg-type]  # our numbers are the wire's
        sla_deadline_time=timestamp(task.sla_deadline_time),
        required_votes=1 if is_open else task.required_votes,
        votes=map(_vote, votes),
        kind=int(TaskKind.FIRST_READ if is_open else task.kind),  # type: ignore[arg-type]
        video_id=task.video_id,
        title_id=task.title_id,
        language=task.language,
        studio_id=task.studio_id,
        media_type=task.media_type,
        create_time=timestamp(task.create_time),
        title_name=task.title_name,
        outcome=int(task.outcome.verdict) if task.outcome else 0,  # type: ignore[arg-type]
    )
    if task.lease is not None:
        lease = task.lease
        message.lease.CopyFrom(
            pb.Lease(holder=lease.holder, token=lease.token, expire_time=timestamp(lease.expire_time))
        )
    return message


def open_task_message(opened: OpenTask, now: datetime, reader: str) -> pb.ReviewTask:
    message = task_message(opened.task, now, reader)
    message.policy_text = opened.policy_text
    if opened.video is not None:
        shown = _undecided if opened.task.state in {TaskState.OPEN, TaskState.LEASED} else match_message
        message.video.CopyFrom(video_message(opened.video))
        message.candidates.extend(map(shown, opened.video.matches))
        match = opened.video.match_of(opened.task.title_id)
        if match is not None:
            message.match.CopyFrom(shown(match))
    return message


def _undecided(match: Match) -> matcher_pb2.Match:
    """The match as if nobody had decided it: the state of a golden task's match is its answer."""
    message = match_message(match)
    message.state = matcher_pb2.MATCH_STATE_IN_REVIEW
    message.decided_by = DecidedBy.POLICY.value
    return message


def _vote(vote: Vote) -> pb.Vote:
    return pb.Vote(
        reviewer_id=vote.reviewer_id,
        verdict=int(vote.verdict),  # type: ignore[arg-type]
        reason_code=int(vote.reason_code),  # type: ignore[arg-type]
        right_title_id=vote.right_title_id,
        note=vote.note,
        vote_time=timestamp(vote.vote_time),
        token=vote.token,
    )


def tasks_response(page: tuple[tuple[Task, ...], str], now: datetime, reader: str) -> pb.ListReviewTasksResponse:
    tasks, token = page
    return pb.ListReviewTasksResponse(tasks=(task_message(task, now, reader) for task in tasks), next_page_token=token)


def decide_response(outcome: tuple[Task, Match | None], now: datetime, reader: str) -> pb.DecideReviewTaskResponse:
    task, match = outcome
    message = pb.DecideReviewTaskResponse(task=task_message(task, now, reader))
    if match is not None:
        message.match.CopyFrom(match_message(match))
    return message


def decisions_response(page: tuple[tuple[Decision, ...], str]) -> pb.ListDecisionsResponse:
    decisions, token = page
    return pb.ListDecisionsResponse(decisions=map(_decision, decisions), next_page_token=token)


def _decision(decision: Decision) -> pb.Decision:
    return pb.Decision(
        id=decision.id,
        task_id=decision.task_id,
        match_id=decision.match_id,
        video_id=decision.video_id,
        title_id=decision.title_id,
        vote=_vote(decision.vote),
        probability=decision.probability,
        match_state=int(decision.match_state),  # type: ignore[arg-type]
    )


def appeal_message(appeal: Appeal, creator_id: str = "") -> pb.Appeal:
    """The appeal; who heard it is hidden from the creator."""
    return pb.Appeal(
        id=appeal.id,
        match_id=appeal.match_id,
        video_id=appeal.video_id,
        title_id=appeal.title_id,
        creator_id=appeal.creator_id,
        text=appeal.text,
        state=int(appeal.state),  # type: ignore[arg-type]
        answer=appeal.answer,
        reviewer_id="" if creator_id else appeal.reviewer_id,
        create_time=timestamp(appeal.create_time),
        sla_deadline_time=timestamp(appeal.sla_deadline_time),
        decide_time=timestamp(appeal.decide_time),
    )


def appeals_response(page: tuple[tuple[Appeal, ...], str], creator_id: str) -> pb.ListAppealsResponse:
    appeals, token = page
    return pb.ListAppealsResponse(
        appeals=(appeal_message(appeal, creator_id) for appeal in appeals), next_page_token=token
    )


def stats_message(stats: ReviewStats, reader: str) -> pb.ReviewStats:
    mine_first = sorted(stats.reviewers, key=lambda each: (each.reviewer_id != reader, each.reviewer_id))
    return pb.ReviewStats(
        open_count=stats.open_count,
        leased_count=stats.leased_count,
        decided_count=stats.decided_count,
        at_risk_count=stats.at_risk_count,
        open_appeal_count=stats.open_appeal_count,
        oldest_age_s=stats.oldest_age_s,
        reviewers=map(_reviewer, mine_first),
        drift=_drift(stats.drift),
    )


def _reviewer(quality: ReviewerQuality) -> pb.ReviewerStats:
    return pb.ReviewerStats(
        reviewer_id=quality.reviewer_id,
        vote_count=quality.vote_count,
        kappa=quality.kappa,
        shared_count=quality.shared_count,
        golden_accuracy=quality.golden_accuracy,
        golden_count=quality.golden_count,
        weight=quality.weight,
    )


def _drift(drift: Drift) -> pb.Drift:
    return pb.Drift(psi=drift.psi, bias=drift.bias, is_alerting=drift.is_alerting, match_count=drift.match_count)


def entry_message(entry: AuditEntry) -> pb.AuditEntry:
    return pb.AuditEntry(
        sequence=entry.sequence,
        time=timestamp(entry.time),
        actor=entry.actor,
        act=entry.act,
        subject=entry.subject,
        detail_json=entry.detail_json,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def entries_response(page: tuple[tuple[AuditEntry, ...], int]) -> pb.ListAuditEntriesResponse:
    entries, latest = page
    return pb.ListAuditEntriesResponse(entries=map(entry_message, entries), latest_sequence=latest)


def export_response(entries: Iterable[AuditEntry]) -> pb.ExportAuditResponse:
    return pb.ExportAuditResponse(entries=map(entry_message, entries))
