"""A review task and what votes do to it: leases with fencing tokens, blind second reads, adjudication."""

import enum
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.matcher.errors import AlreadyVoted, LeaseLost, TaskClosed, TaskLeased
from services.matcher.lifecycle import TASK, TaskAct, TaskState

READERS_MAX = 3  # first, second, adjudicator
LEASE_S = 120.0
# With each SLA's worth of age a task counts e^4 = 55 times as much: at the deadline age beats views.
AGE_WEIGHT = 4.0
# A task is worth something even for a video nobody has seen yet.
VIEWS_FLOOR = 10.0
_HASH_RANGE = float(1 << 64)


class TaskKind(enum.IntEnum):
    """Why a task is in the queue; the numbers are the wire's."""

    FIRST_READ = 1
    SECOND_READ = 2
    ADJUDICATION = 3


class Verdict(enum.IntEnum):
    """What a reviewer says; the numbers are the wire's."""

    APPROVE = 1
    REJECT = 2
    WRONG_TITLE = 3
    UNSURE = 4
    SKIP = 5


class ReasonCode(enum.IntEnum):
    """Why a reviewer said so; the numbers are the wire's."""

    NONE = 0
    CLEARLY_ABOUT = 1
    COMMON_WORDS = 2
    SAME_NAME = 3
    OTHER_INSTALMENT = 4
    IN_PASSING = 5
    PERSON_ONLY = 6
    PICTURE_DISAGREES = 7
    SPAM = 8
    NOT_ENOUGH = 9
    UNSUITABLE = 10
    OTHER = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A reviewer's temporary hold; `token` is the fencing token, `request_id` that of the call which took it."""

    holder: str
    token: int
    expire_time: datetime
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one reviewer said."""

    reviewer_id: str
    verdict: Verdict
    vote_time: datetime
    token: int
    reason_code: ReasonCode = ReasonCode.NONE
    right_title_id: str = ""
    note: str = ""

    @property
    def choice(self) -> tuple[Verdict, str]:
        """What has to be equal for two votes to agree."""
        return self.verdict, self.right_title_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A doubtful match that waits for people.

    `token` is the last fencing token given; `expected` is the known answer of a golden task; `seen_by` are those
    who voted or passed, and are not asked again.
    """

    id: str
    video_id: str
    title_id: str
    state: TaskState
    create_time: datetime
    sla_deadline_time: datetime
    value: float
    probability: float
    kind: TaskKind = TaskKind.FIRST_READ
    required_votes: int = 1
    votes: tuple[Vote, ...] = ()
    lease: Lease | None = None
    token: int = 0
    seen_by: tuple[str, ...] = ()
    language: str = ""
    studio_id: str = ""
    media_type: str = ""
    title_name: str = ""
    expected: Verdict | None = None
    outcome: Vote | None = None
    decide_time: datetime | None = None

    @property
    def is_golden(self) -> bool:
        return self.expected is not None

    @property
    def rank(self) -> float:
        """Orders the queue, greatest first, without depending on the time of asking.

        log(value × e^(AGE_WEIGHT × age / SLA)) less what all tasks have in common at any one time.
        """
        sla_s = (self.sla_deadline_time - self.create_time).total_seconds()
        return math.log(self.value) - AGE_WEIGHT * self.create_time.timestamp() / sla_s

    def priority(self, now: datetime) -> float:
        """Expected value now: views at stake × uncertainty × age against the SLA."""
        sla_s = (self.sla_deadline_time - self.create_time).total_seconds()
        age = max(0.0, (now - self.create_time).total_seconds())
        return self.value * math.exp(min(AGE_WEIGHT * age / sla_s, 50.0))


def value_of(view_count: int, probability: float) -> float:
    """Views at stake × uncertainty (the entropy of the probability, in bits)."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    entropy = -(p * math.log2(p) + (1 - p) * math.log2(1 - p))
    return (view_count + VIEWS_FLOOR) * max(entropy, 0.01)


def is_live(task: Task, now: datetime) -> bool:
    """Whether somebody holds the task."""
    return task.state is TaskState.LEASED and task.lease is not None and task.lease.expire_time > now


def leased(task: Task, reviewer_id: str, now: datetime, lease_s: float, *, request_id: str = "") -> Task:
    """The task in the hands of a reviewer, under a new and greater token; the holder's own lease is extended."""
    if task.state in {TaskState.DECIDED, TaskState.CLOSED}:
        raise TaskClosed
    if is_live(task, now):
        assert task.lease is not None, "a leased task has a lease"
        if task.lease.holder != reviewer_id:
            raise TaskLeased
        return replace(task, lease=replace(task.lease, expire_time=now + timedelta(seconds=lease_s)))
    if any(vote.reviewer_id == reviewer_id for vote in task.votes):
        raise AlreadyVoted
    token = task.token + 1
    ends = now + timedelta(seconds=lease_s)
    lease = Lease(holder=reviewer_id, token=token, expire_time=ends, request_id=request_id)
    opened = TaskState.OPEN if task.state is TaskState.OPEN else TASK[task.state, TaskAct.EXPIRE]
    return replace(task, state=TASK[opened, TaskAct.LEASE], lease=lease, token=token)


def renewed(task: Task, reviewer_id: str, token: int, now: datetime, lease_s: float) -> Task:
    lease = _held(task, reviewer_id, token, now)
    state = TASK[task.state, TaskAct.RENEW]
    return replace(task, state=state, lease=replace(lease, expire_time=now + timedelta(seconds=lease_s)))


def released(task: Task, reviewer_id: str, token: int, now: datetime) -> Task:
    _held(task, reviewer_id, token, now)
    return replace(task, state=TASK[task.state, TaskAct.RELEASE], lease=None)


def voted(task: Task, vote: Vote, now: datetime, *, is_sampled: bool, weights: Mapping[str, float]) -> Task:
    """The task after a vote: settled, or open for the next reader. SKIP is no vote.

    One vote settles a task that is not sampled for a second read; two settle it when they agree; the third reader
    adjudicates, each vote weighing what its reader's record is worth.
    """
    _held(task, vote.reviewer_id, vote.token, now)
    seen_by = (*task.seen_by, vote.reviewer_id)
    if vote.verdict is Verdict.SKIP:
        return replace(task, state=TASK[task.state, TaskAct.RELEASE], lease=None, seen_by=seen_by)
    votes = (*task.votes, vote)
    if task.is_golden:
        return replace(task, state=TASK[task.state, TaskAct.VOTE_ON], lease=None, votes=votes, seen_by=seen_by)
    required = _required(votes, is_sampled=is_sampled)
    after = replace(task, votes=votes, seen_by=seen_by, lease=None, required_votes=required)
    if len(votes) < required:
        return replace(after, state=TASK[task.state, TaskAct.VOTE_ON], kind=TaskKind(min(required, READERS_MAX)))
    return replace(
        after,
        state=TASK[task.state, TaskAct.SETTLE],
        outcome=_outcome(votes, weights),
        decide_time=now,
    )


def closed(task: Task, now: datetime) -> Task:
    return replace(task, state=TASK[task.state, TaskAct.CLOSE], lease=None, decide_time=now)


def is_sampled(task_id: str, share: float) -> bool:
    """Whether a task belongs to the share read twice; always the same answer for a task."""
    digest = hashlib.blake2b(task_id.encode(), digest_size=8, person=b"second-read").digest()
    return int.from_bytes(digest, "big") / _HASH_RANGE < share


def _held(task: Task, reviewer_id: str, token: int, now: datetime) -> Lease:
    if task.state in {TaskState.DECIDED, TaskState.CLOSED}:
        raise TaskClosed
    lease = task.lease
    if lease is None or lease.token != token or lease.holder != reviewer_id or not is_live(task, now):
        raise LeaseLost
    return lease


def _required(votes: tuple[Vote, ...], *, is_sampled: bool) -> int:
    if len(votes) == 1:
        return 2 if is_sampled or votes[0].verdict is Verdict.UNSURE else 1
    agree = len({vote.choice for vote in votes}) == 1 and votes[0].verdict is not Verdict.UNSURE
    return 2 if len(votes) == 2 and agree else READERS_MAX  # noqa: PLR2004 - two readers


def _outcome(votes: tuple[Vote, ...], weights: Mapping[str, float]) -> Vote:
    """The vote that stands: the heaviest choice; among equals the last reader's, who knew it was disputed."""
    heft: dict[tuple[Verdict, str], float] = {}
    for vote in votes:
        heft[vote.choice] = heft.get(vote.choice, 0.0) + weights.get(vote.reviewer_id, 1.0)
    top = max(heft.values())
    return next(vote for vote in reversed(votes) if heft[vote.choice] >= top - 1e-9)
