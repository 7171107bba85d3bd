"""Which review tasks come and go with a decision, and what a new task holds."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.matcher.domain import Match, MatchState, Standing, TitleCard
from services.matcher.lifecycle import TASK, TaskAct, TaskState
from services.matcher.policy import Policy
from services.matcher.reviewing import Task, Verdict, value_of
from services.matcher.rulings import Ruling

FINISHED = frozenset({TaskState.DECIDED, TaskState.CLOSED})


@dataclass(frozen=True, slots=True)
class TaskNeeds:
    """Matches that need a reviewer now, and tasks that nobody needs to look at any more."""

    opened: tuple[Match, ...]
    closed_ids: tuple[str, ...]


def task_needs(ruling: Ruling) -> TaskNeeds:
    opened: list[Match] = []
    closed_ids: list[str] = []
    for change in ruling.changes:
        if change.match.state is MatchState.IN_REVIEW:
            if change.previous_state is not MatchState.IN_REVIEW:
                opened.append(change.match)
        elif change.previous_state is MatchState.IN_REVIEW:
            closed_ids.append(change.match.id)
    return TaskNeeds(tuple(opened), tuple(closed_ids))


def task_for(match: Match, standing: Standing, card: TitleCard, policy: Policy, now: datetime) -> Task:
    """The task under which a doubtful match waits for people; one match has one task."""
    return Task(
        id=match.id,
        video_id=match.video_id,
        title_id=match.title_id,
        state=TaskState.OPEN,
        create_time=now,
        sla_deadline_time=now + timedelta(hours=policy.review_sla_hours),
        value=value_of(standing.view_count, match.candidate.probability),
        probability=match.candidate.probability,
        language=standing.language,
        studio_id=card.studio_id,
        media_type=card.media_type,
        title_name=card.name,
    )


def golden(task: Task, task_id: str, expected: Verdict) -> Task:
    """The task with a known answer; it looks like any other."""
    return replace(task, id=task_id, expected=expected)


def reopened(finished: Task, task: Task) -> Task:
    """A finished task that is needed again: fencing tokens go on growing, so that no old one fits."""
    return replace(task, state=TASK[finished.state, TaskAct.REOPEN], token=finished.token)
