"""Which review tasks come and go with a decision, what a new task holds, and what a waiting one is worth by now."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chassis.ids import derived_id
from services.matcher.domain import Match, MatchState, Standing, TitleCard
from services.matcher.lifecycle import TASK, TaskAct, TaskState
from services.matcher.policy import Policy
from services.matcher.reviewing import Task, Verdict, value_of
from services.matcher.rulings import Ruling

FINISHED = frozenset({TaskState.DECIDED, TaskState.CLOSED})


@dataclass(frozen=True, slots=True)
class TaskNeeds:
    """Matches that need a reviewer now, that go on waiting for one, and that nobody needs to look at any more."""

    opened: tuple[Match, ...]
    waiting: tuple[Match, ...]
    closed: tuple[Match, ...]


def task_id_of(match_id: str) -> str:
    """The id of the one task of a match; nothing tells it from that of a golden task."""
    return derived_id("task", match_id)


def golden_id_of(match_id: str) -> str:
    return derived_id("golden", match_id)


def task_needs(ruling: Ruling) -> TaskNeeds:
    opened: list[Match] = []
    closed: list[Match] = []
    for change in ruling.changes:
        if change.match.state is MatchState.IN_REVIEW:
            if change.previous_state is not MatchState.IN_REVIEW:
                opened.append(change.match)
        elif change.previous_state is MatchState.IN_REVIEW:
            closed.append(change.match)
    fresh = {match.title_id for match in opened}
    waiting = (
        match
        for match in ruling.video.matches
        if match.state is MatchState.IN_REVIEW and match.title_id not in fresh and ruling.video.version > 1
    )
    return TaskNeeds(tuple(opened), tuple(waiting), tuple(closed))


def task_for(match: Match, standing: Standing, card: TitleCard, policy: Policy, now: datetime) -> Task:
    """The task under which a doubtful match waits for people; one match has one task."""
    return Task(
        id=task_id_of(match.id),
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


def golden(task: Task, match_id: str, expected: Verdict) -> Task:
    """The task with a known answer; it looks like any other."""
    return replace(task, id=golden_id_of(match_id), expected=expected)


def revalued(task: Task, match: Match, standing: Standing) -> Task:
    """The task with what is at stake by now. A held one waits for nobody: it keeps what it was worth."""
    if task.state is not TaskState.OPEN:
        return task
    probability = match.candidate.probability
    return replace(task, value=value_of(standing.view_count, probability), probability=probability)


def reopened(finished: Task, task: Task) -> Task:
    """A finished task that is needed again: fencing tokens go on growing, so that no old one fits."""
    return replace(task, state=TASK[finished.state, TaskAct.REOPEN], token=finished.token)
