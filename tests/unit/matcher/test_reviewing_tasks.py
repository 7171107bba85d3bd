"""A review task under any order of acts: one holder, growing tokens, no vote lost or counted twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.matcher import reviewing
from services.matcher.errors import AlreadyVoted, LeaseLost, TaskClosed, TaskLeased
from services.matcher.lifecycle import TASK, TaskState
from services.matcher.queueing import golden, reopened
from services.matcher.reviewing import Task, Verdict, Vote, is_live, value_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REVIEWERS = ("ann", "bob", "cem", "dee")


def a_task(**fields) -> Task:
    given = {
        "id": "v1:t1",
        "video_id": "v1",
        "title_id": "t1",
        "state": TaskState.OPEN,
        "create_time": NOW,
        "sla_deadline_time": NOW + timedelta(hours=72),
        "value": 100.0,
        "probability": 0.6,
    }
    return Task(**{**given, **fields})


def a_vote(reviewer="ann", verdict=Verdict.APPROVE, token=1, **fields) -> Vote:
    return Vote(reviewer_id=reviewer, verdict=verdict, vote_time=NOW, token=token, **fields)


def read(task: Task, *votes: tuple[str, Verdict], sampled=False, weights=None) -> Task:
    for reviewer, verdict in votes:
        task = reviewing.leased(task, reviewer, NOW, 60)
        vote = a_vote(reviewer, verdict, task.token)
        task = reviewing.voted(task, vote, NOW, is_sampled=sampled, weights=weights or {})
    return task


class ReviewOfOneTask(RuleBasedStateMachine):
    """Reviewers act on one task in any order, at any time, with any token they were ever given."""

    def __init__(self) -> None:
        super().__init__()
        self.task = a_task()
        self.now = NOW
        self.tokens: list[tuple[str, int]] = []
        self.accepted: list[tuple[str, int]] = []

    @rule(reviewer=st.sampled_from(REVIEWERS))
    def lease(self, reviewer):
        live = is_live(self.task, self.now)
        holder = self.task.lease.holder if live else None
        try:
            after = reviewing.leased(self.task, reviewer, self.now, 60)
        except TaskLeased:
            assert live
            assert holder != reviewer
        except AlreadyVoted:
            assert reviewer in {vote.reviewer_id for vote in self.task.votes}
        except TaskClosed:
            assert self.task.state in {TaskState.DECIDED, TaskState.CLOSED}
        else:
            assert holder in {None, reviewer}
            assert after.token >= self.task.token + (holder is None)
            self.task = after
            self.tokens.append((reviewer, after.token))

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), verdict=st.sampled_from(Verdict), sampled=st.booleans())
    def vote(self, data, verdict, sampled):
        reviewer, token = data.draw(st.sampled_from(self.tokens))
        lease = self.task.lease
        may = is_live(self.task, self.now) and (lease.holder, lease.token) == (reviewer, token)
        try:
            self.task = reviewing.voted(
                self.task, a_vote(reviewer, verdict, token), self.now, is_sampled=sampled, weights={}
            )
        except (LeaseLost, TaskClosed):
            assert not may
        else:
            assert may
            self.accepted.append((reviewer, token))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), release=st.booleans())
    def renew_or_release(self, data, release):
        reviewer, token = data.draw(st.sampled_from(self.tokens))
        lease = self.task.lease
        may = is_live(self.task, self.now) and (lease.holder, lease.token) == (reviewer, token)
        act = reviewing.released if release else reviewing.renewed
        args = (self.task, reviewer, token, self.now) + (() if release else (60,))
        try:
            self.task = act(*args)
        except (LeaseLost, TaskClosed):
            assert not may
        else:
            assert may

    @invariant()
    def each_reader_votes_once_and_each_token_once(self):
        voters = [vote.reviewer_id for vote in self.task.votes]
        assert len(set(voters)) == len(voters)
        assert len({token for _, token in self.accepted}) == len(self.accepted)
        assert len(voters) <= reviewing.READERS_MAX

    @invariant()
    def a_decided_task_has_its_votes_and_an_outcome(self):
        if self.task.state is TaskState.DECIDED:
            assert len(self.task.votes) == self.task.required_votes
            assert self.task.outcome in self.task.votes
        assert (self.task.lease is not None) == (self.task.state is TaskState.LEASED)


TestReviewOfOneTask = ReviewOfOneTask.TestCase


def test_one_vote_settles_a_task_that_is_not_sampled():
    task = read(a_task(), ("ann", Verdict.APPROVE))
    assert (task.state, task.outcome.verdict) == (TaskState.DECIDED, Verdict.APPROVE)


def test_two_who_agree_settle_a_sampled_task_and_two_who_do_not_ask_a_third():
    agreed = read(a_task(), ("ann", Verdict.REJECT), ("bob", Verdict.REJECT), sampled=True)
    assert agreed.state is TaskState.DECIDED
    disputed = read(a_task(), ("ann", Verdict.REJECT), ("bob", Verdict.APPROVE), sampled=True)
    assert (disputed.state, disputed.required_votes) == (TaskState.OPEN, 3)
    settled = read(disputed, ("cem", Verdict.APPROVE))
    assert settled.outcome.verdict is Verdict.APPROVE


def test_a_reader_with_a_bad_record_weighs_less():
    votes = (("ann", Verdict.APPROVE), ("bob", Verdict.APPROVE), ("cem", Verdict.REJECT))
    first = read(a_task(), ("ann", Verdict.UNSURE), ("bob", Verdict.APPROVE))
    assert first.state is TaskState.OPEN
    weights = {"ann": 0.1, "bob": 0.1, "cem": 1.0}
    task = read(a_task(), ("ann", Verdict.APPROVE), ("bob", Verdict.REJECT), sampled=True, weights=weights)
    settled = read(task, ("cem", Verdict.REJECT), sampled=True, weights=weights)
    assert settled.outcome.verdict is Verdict.REJECT
    assert len(votes) == reviewing.READERS_MAX


def test_equal_weights_and_three_answers_leave_it_to_the_third_reader():
    task = read(a_task(), ("ann", Verdict.APPROVE), ("bob", Verdict.UNSURE), sampled=True)
    assert read(task, ("cem", Verdict.REJECT), sampled=True).outcome.reviewer_id == "cem"


def test_a_golden_task_never_settles():
    task = read(golden(a_task(), "v1:t1", Verdict.REJECT), ("ann", Verdict.REJECT), ("bob", Verdict.APPROVE))
    assert (task.state, len(task.votes)) == (TaskState.OPEN, 2)


def test_a_reopened_task_refuses_old_tokens():
    finished = read(a_task(), ("ann", Verdict.APPROVE))
    task = reviewing.leased(reopened(finished, a_task()), "bob", NOW, 60)
    assert task.token == finished.token + 1


def test_a_closed_task_takes_no_more_acts():
    task = reviewing.closed(a_task(), NOW)
    with pytest.raises(TaskClosed):
        reviewing.leased(task, "ann", NOW, 60)
    with pytest.raises(TaskClosed):
        reviewing.renewed(task, "ann", 1, NOW, 60)


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 1), st.integers(0, 200)), min_size=2, max_size=20),
    st.integers(0, 100),
)
def test_the_stored_rank_orders_as_the_priority_of_any_moment(rows, later):
    """One index serves all times: what age adds is the same for all tasks at any one time."""
    tasks = [
        a_task(
            id=str(number),
            value=value_of(views, p),
            create_time=NOW + timedelta(hours=hours),
            sla_deadline_time=NOW + timedelta(hours=hours + 72),
        )
        for number, (views, p, hours) in enumerate(rows)
    ]
    moment = NOW + timedelta(hours=201 + later)
    by_rank = sorted(tasks, key=lambda task: -task.rank)
    priorities = [task.priority(moment) for task in by_rank]
    assert all(a >= b * (1 - 1e-6) for a, b in zip(priorities, priorities[1:], strict=False))


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_uncertain_and_watched_matches_are_worth_more(views, p):
    assert value_of(views, 0.5) >= value_of(views, p)
    assert value_of(views + 1, p) > value_of(views, p)


def test_the_table_has_no_way_out_of_the_end_but_reopening():
    ways = {(state, act.value) for state, act in TASK if state in {TaskState.DECIDED, TaskState.CLOSED}}
    assert ways == {(TaskState.DECIDED, "reopen"), (TaskState.CLOSED, "reopen")}
    assert replace(a_task(), state=TaskState.CLOSED).is_golden is False
