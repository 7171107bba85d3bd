"""The lifecycles as tables: what may happen to a review task, an appeal and a rematch, and where it leads."""

import enum
from collections.abc import Mapping


class TaskState(enum.IntEnum):
    """Where a review task stands; the numbers are the wire's."""

    OPEN = 1
    LEASED = 2
    DECIDED = 3
    CLOSED = 4


UNFINISHED = (TaskState.OPEN, TaskState.LEASED)


class TaskAct(enum.Enum):
    """What can happen to a review task."""

    LEASE = "lease"
    RENEW = "renew"
    RELEASE = "release"
    EXPIRE = "expire"
    VOTE_ON = "vote_on"  # a vote after which more are needed
    SETTLE = "settle"  # the vote that decides
    CLOSE = "close"  # the SLA ran out, or the match no longer stands
    REOPEN = "reopen"  # the match came into review again


TASK: Mapping[tuple[TaskState, TaskAct], TaskState] = {
    (TaskState.OPEN, TaskAct.LEASE): TaskState.LEASED,
    (TaskState.OPEN, TaskAct.CLOSE): TaskState.CLOSED,
    (TaskState.LEASED, TaskAct.RENEW): TaskState.LEASED,
    (TaskState.LEASED, TaskAct.RELEASE): TaskState.OPEN,
    (TaskState.LEASED, TaskAct.EXPIRE): TaskState.OPEN,
    (TaskState.LEASED, TaskAct.VOTE_ON): TaskState.OPEN,
    (TaskState.LEASED, TaskAct.SETTLE): TaskState.DECIDED,
    (TaskState.LEASED, TaskAct.CLOSE): TaskState.CLOSED,
    (TaskState.CLOSED, TaskAct.REOPEN): TaskState.OPEN,
    (TaskState.DECIDED, TaskAct.REOPEN): TaskState.OPEN,
}


class AppealState(enum.IntEnum):
    """Where an appeal stands; the numbers are the wire's."""

    OPEN = 1
    GRANTED = 2
    DENIED = 3
    EXPIRED = 4


class AppealAct(enum.Enum):
    """What can happen to an appeal."""

    GRANT = "grant"
    DENY = "deny"
    EXPIRE = "expire"  # nobody heard it in time: the creator gets the benefit of the doubt


APPEAL: Mapping[tuple[AppealState, AppealAct], AppealState] = {
    (AppealState.OPEN, AppealAct.GRANT): AppealState.GRANTED,
    (AppealState.OPEN, AppealAct.DENY): AppealState.DENIED,
    (AppealState.OPEN, AppealAct.EXPIRE): AppealState.EXPIRED,
}


class RematchState(enum.IntEnum):
    """Where a rematch stands; the numbers are the wire's."""

    RUNNING = 1
    DONE = 2
    FAILED = 3


class RematchAct(enum.Enum):
    """What can happen to a rematch."""

    FINISH = "finish"
    FAIL = "fail"
    RESUME = "resume"


REMATCH: Mapping[tuple[RematchState, RematchAct], RematchState] = {
    (RematchState.RUNNING, RematchAct.FINISH): RematchState.DONE,
    (RematchState.RUNNING, RematchAct.FAIL): RematchState.FAILED,
    (RematchState.RUNNING, RematchAct.RESUME): RematchState.RUNNING,
    (RematchState.FAILED, RematchAct.RESUME): RematchState.RUNNING,
}
