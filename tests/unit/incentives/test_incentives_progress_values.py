"""Progress as a pure function of what is known, and what it says is missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.incentives.domain import Creator, EligibilityRules, Limits, Task, TaskKind, TaskStep, Terms
from services.incentives.participation import (
    Enrolment,
    MatchState,
    Reason,
    Submission,
    SubmissionState,
    Video,
    VideoMatch,
)
from services.incentives.progress import reconciled, summary, task_progress, week_of

START = datetime(2026, 11, 1, tzinfo=UTC)
ANN = Creator(id="ann")


def a_task(kind=TaskKind.VIDEOS, target=2, **changes):
    return Task(id="one", display_name="One", kind=kind, target=target, **changes)


def terms(*tasks, **changes):
    return Terms(title_ids=("t1",), start_time=START, end_time=START + timedelta(days=28), tasks=tasks, **changes)


def a_video(video_id, state=MatchState.APPROVED, views=0, **changes):
    match = VideoMatch(title_id="t1", match_id=f"m-{video_id}", state=state, sequence=1)
    values = {"create_time": START + timedelta(hours=1), "view_count": views, "like_count": views // 10}
    return Video(id=video_id, creator_id="ann", matches=(match,), **{**values, **changes})


def an_enrolment():
    return Enrolment(id="c/ann", campaign_id="c", creator_id="ann", revision=1, create_time=START)


def counted(*views):
    return [
        Submission(
            video_id=f"v{number}", create_time=START, state=SubmissionState.COUNTED, view_count=count, like_count=count
        )
        for number, count in enumerate(views)
    ]


@pytest.mark.parametrize(
    ("kind", "current", "missing"),
    [
        (TaskKind.VIDEOS, 3, "7 more approved videos"),
        (TaskKind.TOTAL_VIEWS, 6, "4 more views"),
        (TaskKind.TOTAL_LIKES, 6, "4 more likes"),
        (TaskKind.BEST_VIDEO_VIEWS, 3, "7 more views on the best video"),
    ],
)
def test_each_kind_adds_up_its_own_measure(kind, current, missing):
    found = task_progress(a_task(kind, 10), terms(), counted(1, 2, 3))
    assert (found.current, found.is_done, found.missing) == (current, False, missing)
    assert task_progress(a_task(kind, current), terms(), counted(1, 2, 3)).is_done


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        (Reason(code="VIEWS_TOO_FEW", gap=1_240.0, description="x"), "1,240 views on this one (v9)"),
        (Reason(code="MATCH_NOT_APPROVED", description="x"), "the approval of v9"),
        (Reason(code="REVIEW_PENDING", description="x"), "the studio's yes to v9"),
        (Reason(code="STRIKES_TOO_MANY", gap=2.0, description="x"), "v9 once the account's strikes are lifted"),
        (
            Reason(code="HASHTAGS_MISSING", gap=1.0, description="The video must carry #dune."),
            "v9: The video must carry #dune",
        ),
    ],
)
def test_the_nearest_video_is_named_with_what_it_lacks(reason, hint):
    near = Submission(video_id="v9", create_time=START, reasons=(reason,))
    far = Submission(video_id="v1", create_time=START, reasons=(reason, reason))
    found = task_progress(a_task(target=1), terms(), [far, near])
    assert found.missing == f"1 more approved video, or {hint}"
    assert [each.video_id for each in found.candidates] == ["v9", "v1"]


def test_weeks_are_counted_from_the_start():
    assert [week_of(terms(), START + timedelta(days=days)) for days in (0, 6, 7, 20)] == [1, 1, 2, 3]
    steps = (TaskStep(week=1, target=1), TaskStep(week=2, target=2))
    made = [replace(each, video_create_time=START + timedelta(days=8)) for each in counted(1, 1)]
    found = task_progress(a_task(target=0, steps=steps), terms(), made)
    assert (found.current, found.target, found.missing) == (2, 3, "week 1: 1 more approved video")


def test_a_week_names_the_video_of_that_week_that_is_nearest():
    steps = (TaskStep(week=1, target=1), TaskStep(week=2, target=2))
    few = (Reason(code="VIEWS_TOO_FEW", gap=1_240.0, description="x"),)
    near = Submission(video_id="v9", create_time=START, reasons=few, video_create_time=START + timedelta(days=8))
    found = task_progress(a_task(target=0, steps=steps), terms(), [near])
    assert found.missing == (
        "week 1: 1 more approved video; week 2: 2 more approved videos, or 1,240 views on this one (v9)"
    )


def test_a_task_may_want_some_titles_only():
    some = [replace(each, title_id=title) for each, title in zip(counted(5, 7), ("t1", "t2"), strict=True)]
    assert task_progress(a_task(TaskKind.TOTAL_VIEWS, 9, title_ids=("t2",)), terms(), some).current == 7


def test_all_of_it_is_said_in_one_sentence():
    one, two = (replace(a_task(target=3), id=each, display_name=each.title()) for each in ("one", "two"))
    open_one, open_two = (task_progress(each, terms(), counted(1)) for each in (one, two))
    done_one, done_two = (task_progress(each, terms(), counted(1, 2, 3)) for each in (one, two))
    assert summary([open_one]) == "One: 2 more approved videos."
    assert summary([done_one, open_two]) == "1 of 2 tasks done. Next, Two: 2 more approved videos."
    assert summary([done_one, done_two]) == "All 2 tasks are done."
    assert summary([done_two]) == "The task is done."


STATES = st.sampled_from(MatchState)
WORLDS = st.lists(
    st.dictionaries(st.sampled_from(["v1", "v2", "v3", "v4"]), st.tuples(STATES, st.integers(0, 200))), max_size=6
)


@given(WORLDS)
def test_the_same_facts_again_change_nothing_and_every_step_has_a_row(worlds):
    rules = EligibilityRules(view_count_min=50)
    bound = terms(a_task(), rules=rules, limits=Limits(submissions_per_creator_max=3))
    enrolment = an_enrolment()
    for number, world in enumerate(worlds):
        now = START + timedelta(days=1, minutes=number)
        videos = {key: a_video(key, state, views) for key, (state, views) in world.items()}
        after = reconciled(enrolment, bound, videos, ANN, now)
        again = reconciled(after, bound, videos, ANN, now + timedelta(hours=1))
        assert again == after
        assert after.ledger[: len(enrolment.ledger)] == enrolment.ledger
        assert [row.number for row in after.ledger] == list(range(1, len(after.ledger) + 1))
        assert len(after.submissions) <= 3
        enrolment = after
    tasks = [row.act for row in enrolment.ledger if row.reason == "one"]
    assert tasks == ["task_done", "task_undone"] * (len(tasks) // 2) + ["task_done"] * (len(tasks) % 2)
    assert enrolment.done_task_ids == ("one",) * (len(tasks) % 2)
    for submission in enrolment.submissions:
        acts = [row.act for row in enrolment.ledger if row.video_id == submission.video_id]
        assert acts[0] == "submitted"
        counts = acts.count("counted") - acts.count("uncounted")
        assert counts == int(submission.state is SubmissionState.COUNTED)
        assert (submission.state is SubmissionState.FROZEN) <= ("counted" in acts)


def test_a_task_once_done_is_open_again_when_its_video_is_lost():
    bound = terms(a_task(target=1))
    done = reconciled(an_enrolment(), bound, {"v1": a_video("v1")}, ANN, START)
    assert done.done_task_ids == ("one",)
    lost = reconciled(done, bound, {"v1": a_video("v1", MatchState.REJECTED)}, ANN, START)
    assert lost.done_task_ids == ()
    assert lost.submissions[0].state is SubmissionState.FROZEN
    struck = reconciled(
        done,
        replace(bound, rules=EligibilityRules(strike_score_max=0.1)),
        {"v1": a_video("v1")},
        Creator(id="ann", strike_score=1.0),
        START,
    )
    assert struck.submissions[0].state is SubmissionState.FROZEN
