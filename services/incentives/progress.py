"""How far a creator is: which videos count, which tasks are done, what is missing and what would count. Pure.

`reconciled` is the one way an enrolment changes when the world does: it gives the enrolment as the newest facts make
it, with a ledger row for each step. The same facts again change nothing, so repeats and reordering do no harm.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from services.incentives.domain import SYSTEM_ACTOR, WEEK, Creator, Task, TaskKind, Terms
from services.incentives.eligibility import Entry, match_in, unknown_video, video_reasons
from services.incentives.participation import (
    Enrolment,
    Movement,
    Reason,
    Review,
    StepProgress,
    Submission,
    SubmissionState,
    TaskProgress,
    Video,
)

CANDIDATES_MAX = 5
_MEASURES = {
    TaskKind.TOTAL_VIEWS: ("view", "views"),
    TaskKind.TOTAL_LIKES: ("like", "likes"),
    TaskKind.BEST_VIDEO_VIEWS: ("view", "views"),
}


def reconciled(
    enrolment: Enrolment, terms: Terms, videos: Mapping[str, Video], creator: Creator, now: datetime
) -> Enrolment:
    """The enrolment as these facts make it; the same object's equal when nothing changed."""
    known = {each.video_id: each for each in enrolment.submissions}
    ledger = list(enrolment.ledger)
    submissions = [_looked_at(each, terms, videos.get(each.video_id), creator) for each in enrolment.submissions]
    room = max(0, terms.submissions_max - len(submissions))
    submissions += [
        _looked_at(_found(video, now), terms, video, creator)
        for video in newcomers(terms, known, videos.values())[:room]
    ]
    for each in submissions:
        before = known.get(each.video_id)
        ledger += _rows(before, each, now, len(ledger))
    done = tuple(task.id for task in terms.tasks if task_progress(task, terms, submissions).is_done)
    ledger += _task_rows(enrolment.done_task_ids, done, now, len(ledger))
    return replace(enrolment, submissions=tuple(submissions), done_task_ids=done, ledger=tuple(ledger))


def newcomers(terms: Terms, known: Mapping[str, object], videos: Iterable[Video]) -> list[Video]:
    """Videos that enter on their own: made in the window and matched to a title, oldest first."""
    found = [
        video
        for video in videos
        if video.id not in known and match_in(terms, video) is not None and _in_window(terms, video.create_time)
    ]
    return sorted(found, key=lambda video: (video.create_time, video.id))


def stepped(enrolment: Enrolment, act: str, *, reason: str, now: datetime) -> Enrolment:
    """The enrolment with a row for a step its creator took: joined, chose a team, accepted newer rules."""
    row = _row(len(enrolment.ledger) + 1, act, now, "", actor=enrolment.creator_id, reason=reason)
    return replace(enrolment, ledger=(*enrolment.ledger, row))


def submitted(enrolment: Enrolment, video_id: str, now: datetime, actor: str) -> Enrolment:
    """The enrolment with one more video, about which nothing is said yet."""
    new = Submission(video_id=video_id, create_time=now, reasons=(unknown_video(),))
    row = _row(len(enrolment.ledger) + 1, "submitted", now, video_id, actor=actor)
    return replace(enrolment, submissions=(*enrolment.submissions, new), ledger=(*enrolment.ledger, row))


def reviewed(
    enrolment: Enrolment, video_id: str, review: Review, *, reason: str, now: datetime, actor: str
) -> Enrolment:
    """The enrolment with a person's word on one video; `reconciled` draws the consequences."""
    submissions = tuple(
        replace(each, review=review, review_reason=reason) if each.video_id == video_id else each
        for each in enrolment.submissions
    )
    act = "review_accepted" if review is Review.ACCEPT else "review_rejected"
    row = _row(len(enrolment.ledger) + 1, act, now, video_id, actor=actor, reason=reason)
    return replace(enrolment, submissions=submissions, ledger=(*enrolment.ledger, row))


def task_progress(task: Task, terms: Terms, submissions: Iterable[Submission]) -> TaskProgress:
    """What counts for one task, against its target or the targets of its weeks."""
    mine = [each for each in submissions if not task.title_ids or not each.title_id or each.title_id in task.title_ids]
    counted = [each for each in mine if each.state is SubmissionState.COUNTED]
    steps = tuple(_step(task, terms, step.week, step.target, counted) for step in task.steps)
    target = sum(step.target for step in steps) if steps else task.target
    current = sum(min(step.current, step.target) for step in steps) if steps else _measure(task.kind, counted)
    is_done = all(step.current >= step.target for step in steps) if steps else current >= target
    candidates = _candidates(mine)
    weeks = _open_weeks(terms, steps, candidates)
    return TaskProgress(
        task_id=task.id,
        display_name=task.display_name,
        kind=task.kind,
        current=current,
        target=target,
        steps=steps,
        is_done=is_done,
        missing="" if is_done else _missing(task.kind, target - current, weeks, candidates),
        candidates=() if is_done else candidates,
    )


def summary(tasks: Iterable[TaskProgress]) -> str:
    """All of it in one sentence."""
    held = tuple(tasks)
    open_tasks = [task for task in held if not task.is_done]
    if not open_tasks:
        return f"All {len(held)} tasks are done." if len(held) > 1 else "The task is done."
    first = open_tasks[0]
    done = f"{len(held) - len(open_tasks)} of {len(held)} tasks done. Next, " if len(held) > 1 else ""
    return f"{done}{first.display_name}: {first.missing}."


def week_of(terms: Terms, moment: datetime) -> int:
    """The campaign's week a moment lies in; 0 and less before its start."""
    assert terms.start_time is not None, "a campaign that counts has a start"
    return (moment - terms.start_time) // WEEK + 1


def _in_window(terms: Terms, moment: datetime) -> bool:
    return (terms.start_time is None or terms.start_time <= moment) and (
        terms.end_time is None or moment < terms.end_time
    )


def _found(video: Video, now: datetime) -> Submission:
    return Submission(video_id=video.id, create_time=now, is_automatic=True)


def _looked_at(submission: Submission, terms: Terms, video: Video | None, creator: Creator) -> Submission:
    if video is None:
        return submission
    match = match_in(terms, video)
    entry = Entry(terms=terms, creator=creator, video=video, match=match, review=submission.review)
    reasons = video_reasons(entry)
    return replace(
        submission,
        state=_state(submission.state, reasons),
        reasons=reasons,
        title_id=match.title_id if match else "",
        match_id=match.match_id if match else "",
        view_count=max(submission.view_count, video.view_count),
        like_count=max(submission.like_count, video.like_count),
        video_create_time=video.create_time,
    )


def _state(before: SubmissionState, reasons: tuple[Reason, ...]) -> SubmissionState:
    if any(reason.code == "REVIEW_REJECTED" for reason in reasons):
        return SubmissionState.REJECTED
    if not reasons:
        return SubmissionState.COUNTED
    once = before in {SubmissionState.COUNTED, SubmissionState.FROZEN}
    return SubmissionState.FROZEN if once else SubmissionState.PENDING


def _rows(before: Submission | None, after: Submission, now: datetime, count: int) -> list[Movement]:
    """The steps of one video: it came, it counts, it does not count any more."""
    rows: list[Movement] = []
    if before is None:
        rows.append(_row(count + 1, "submitted", now, after.video_id, actor=SYSTEM_ACTOR, reason="found by its match"))
    counted_before = before is not None and before.state is SubmissionState.COUNTED
    counted_now = after.state is SubmissionState.COUNTED
    if counted_before != counted_now:
        why = ", ".join(reason.code for reason in after.reasons)
        act = "counted" if counted_now else "uncounted"
        number = count + len(rows) + 1
        rows.append(_row(number, act, now, after.video_id, actor=SYSTEM_ACTOR, reason=why))
    return rows


def _task_rows(before: tuple[str, ...], after: tuple[str, ...], now: datetime, count: int) -> list[Movement]:
    """A task was done, or is not done any more."""
    moved = [("task_done", each) for each in after if each not in before]
    moved += [("task_undone", each) for each in before if each not in after]
    return [
        _row(count + number, act, now, "", actor=SYSTEM_ACTOR, reason=task_id)
        for number, (act, task_id) in enumerate(moved, start=1)
    ]


def _row(number: int, act: str, now: datetime, video_id: str, *, actor: str, reason: str = "") -> Movement:
    return Movement(number=number, act=act, create_time=now, video_id=video_id, actor=actor, reason=reason)


def _step(task: Task, terms: Terms, week: int, target: int, counted: list[Submission]) -> StepProgress:
    assert terms.start_time is not None, "a campaign that counts has a start"
    made = [each for each in counted if each.video_create_time and week_of(terms, each.video_create_time) == week]
    return StepProgress(
        week=week, current=_measure(task.kind, made), target=target, end_time=terms.start_time + week * WEEK
    )


def _measure(kind: TaskKind, counted: list[Submission]) -> int:
    match kind:
        case TaskKind.VIDEOS:
            return len(counted)
        case TaskKind.TOTAL_VIEWS:
            return sum(each.view_count for each in counted)
        case TaskKind.TOTAL_LIKES:
            return sum(each.like_count for each in counted)
        case TaskKind.BEST_VIDEO_VIEWS:
            return max((each.view_count for each in counted), default=0)


def _candidates(submissions: list[Submission]) -> tuple[Submission, ...]:
    """Videos that do not count yet and still could, nearest first: fewest reasons, then the smallest gap."""
    waiting = [each for each in submissions if each.state in {SubmissionState.PENDING, SubmissionState.FROZEN}]
    waiting.sort(key=lambda each: (len(each.reasons), sum(reason.gap for reason in each.reasons), each.video_id))
    return tuple(waiting[:CANDIDATES_MAX])


def _open_weeks(
    terms: Terms, steps: tuple[StepProgress, ...], candidates: tuple[Submission, ...]
) -> list[tuple[StepProgress, tuple[Submission, ...]]]:
    """The weeks whose target is not reached, each with the videos of that week that could still count."""
    return [
        (
            step,
            tuple(
                each
                for each in candidates
                if each.video_create_time is not None and week_of(terms, each.video_create_time) == step.week
            ),
        )
        for step in steps
        if step.current < step.target
    ]


def _missing(
    kind: TaskKind,
    gap: int,
    weeks: list[tuple[StepProgress, tuple[Submission, ...]]],
    candidates: tuple[Submission, ...],
) -> str:
    if weeks:
        return "; ".join(f"week {step.week}: {_gap(kind, step.target - step.current, near)}" for step, near in weeks)
    return _gap(kind, gap, candidates)


def _gap(kind: TaskKind, gap: int, candidates: tuple[Submission, ...]) -> str:
    """What is missing, or what the video lacks that is nearest to counting."""
    sentence = _short(kind, gap)
    if kind is TaskKind.BEST_VIDEO_VIEWS:
        sentence += " on the best video"
    nearest = next((each for each in candidates if len(each.reasons) == 1), None)
    if nearest is None:
        return sentence
    return f"{sentence}, or {_nearest(nearest)}"


def _short(kind: TaskKind, gap: int) -> str:
    if kind is TaskKind.VIDEOS:
        return f"{gap:,} more approved video{'s' if gap != 1 else ''}"
    one, many = _MEASURES[kind]
    return f"{gap:,} more {one if gap == 1 else many}"


def _nearest(submission: Submission) -> str:
    """What the nearest video lacks, as something to do or to wait for."""
    reason = submission.reasons[0]
    match reason.code:
        case "VIEWS_TOO_FEW":
            return f"{reason.gap:,.0f} views on this one ({submission.video_id})"
        case "MATCH_NOT_APPROVED":
            return f"the approval of {submission.video_id}"
        case "REVIEW_PENDING":
            return f"the studio's yes to {submission.video_id}"
        case "STRIKES_TOO_MANY":
            return f"{submission.video_id} once the account's strikes are lifted"
        case _:
            return f"{submission.video_id}: {reason.description.rstrip('.')}"
