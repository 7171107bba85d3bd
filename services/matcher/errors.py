"""The errors of the matcher: the docstring is the message, `reason` what callers branch on."""

from chassis.errors import (
    Aborted,
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    Unavailable,
)


class IndexLoading(Unavailable):
    """The index of titles is being built; try again in a moment."""

    reason = "INDEX_LOADING"


class VideoNotFound(NotFound):
    """This video was never sent to the matcher."""

    reason = "VIDEO_NOT_FOUND"


class MatchNotFound(NotFound):
    """There is no such match."""

    reason = "MATCH_NOT_FOUND"


class RematchRunning(FailedPrecondition):
    """Another rematch of this title is under way."""

    reason = "REMATCH_RUNNING"


class RematchNotFound(NotFound):
    """There is no such rematch."""

    reason = "REMATCH_NOT_FOUND"


class PolicyNotFound(NotFound):
    """There is no such version of the policy."""

    reason = "POLICY_NOT_FOUND"


class CalibrationNotFound(NotFound):
    """There is no such version of the calibration."""

    reason = "CALIBRATION_NOT_FOUND"


class ModelMismatch(FailedPrecondition):
    """This calibration was learnt on another model."""

    reason = "MODEL_MISMATCH"


class TooFewDecisions(FailedPrecondition):
    """There are too few decisions to learn from."""

    reason = "TOO_FEW_DECISIONS"


class TaskNotFound(NotFound):
    """There is no such review task."""

    reason = "TASK_NOT_FOUND"


class NoTask(NotFound):
    """No task that passes the filter is free."""

    reason = "NO_TASK"


class TaskLeased(FailedPrecondition):
    """Another reviewer holds this task."""

    reason = "TASK_LEASED"


class AlreadyVoted(FailedPrecondition):
    """This reviewer has already voted on the task; another one has to."""

    reason = "ALREADY_VOTED"


class TaskClosed(FailedPrecondition):
    """The task is decided or closed."""

    reason = "TASK_CLOSED"


class LeaseLost(Aborted):
    """The lease has ended or belongs to someone else; lease a task again."""

    reason = "LEASE_LOST"


class AppealNotFound(NotFound):
    """There is no such appeal."""

    reason = "APPEAL_NOT_FOUND"


class NotYourVideo(PermissionDenied):
    """The video belongs to another creator."""

    reason = "NOT_YOUR_VIDEO"


class AppealWindowClosed(FailedPrecondition):
    """The time to appeal against this decision is over."""

    reason = "APPEAL_WINDOW_CLOSED"


class AppealExists(AlreadyExists):
    """There is an appeal against this decision already."""

    reason = "APPEAL_EXISTS"


class NothingToAppeal(FailedPrecondition):
    """The match is not rejected; there is nothing to appeal against."""

    reason = "NOTHING_TO_APPEAL"


class AppealClosed(FailedPrecondition):
    """The appeal has been decided."""

    reason = "APPEAL_CLOSED"


class SameReviewer(PermissionDenied):
    """Who decided a match cannot hear the appeal against it."""

    reason = "SAME_REVIEWER"


class Contended(Aborted):
    """Too many writers changed the same thing at once; try again."""

    reason = "CONTENDED"


class AuditBroken(DataLoss):
    """The audit chain does not hold together."""

    reason = "AUDIT_BROKEN"
