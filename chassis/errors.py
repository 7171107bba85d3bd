"""The tree of errors that may cross a wire: the docstring is the message, `reason` what callers branch on.

SpotlightError
├── InvalidArgument      a request no retry can mend; names the fields
├── OutOfRange           a position past the end
├── NotFound             the named thing is not there
├── AlreadyExists        the named thing is there already
├── FailedPrecondition   the thing is in a state that refuses this
├── Aborted              somebody else was faster: read again, then retry
├── Unauthenticated      we do not know who asks
├── PermissionDenied     we know, and the answer is no
├── ResourceExhausted    a limit, a quota or a stock is used up
├── Unavailable          not now; the same request may succeed shortly
├── DeadlineExceeded     the time given was not enough
├── Unimplemented        this server does not do that
├── DataLoss             what is stored cannot be read back
└── Internal             a bug of ours
"""

import enum
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class Kind(enum.Enum):
    """What sort of failure it is; chassis.status alone knows the codes that stand for it."""

    INVALID_ARGUMENT = "invalid_argument"
    OUT_OF_RANGE = "out_of_range"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    FAILED_PRECONDITION = "failed_precondition"
    ABORTED = "aborted"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNIMPLEMENTED = "unimplemented"
    DATA_LOSS = "data_loss"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request and what is wrong with it."""

    field: str
    description: str


class SpotlightError(Exception):
    """Something went wrong."""

    kind: ClassVar[Kind] = Kind.INTERNAL
    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str | None = None,
        *,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        reason: str | None = None,
    ) -> None:
        self.message = message or _first_paragraph(type(self))
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s
        if reason is not None:
            self.reason = reason
        super().__init__(self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, reason={self.reason!r})"


def _first_paragraph(error: type[SpotlightError]) -> str:
    text = next(cls.__doc__ for cls in error.__mro__ if cls.__doc__)
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


class InvalidArgument(SpotlightError):
    """The request is not valid."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_ARGUMENT"


class OutOfRange(SpotlightError):
    """The position asked for is past the end."""

    kind = Kind.OUT_OF_RANGE
    reason = "OUT_OF_RANGE"


class NotFound(SpotlightError):
    """There is no such thing."""

    kind = Kind.NOT_FOUND
    reason = "NOT_FOUND"


class AlreadyExists(SpotlightError):
    """It exists already."""

    kind = Kind.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class FailedPrecondition(SpotlightError):
    """Its present state does not allow this."""

    kind = Kind.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class Aborted(SpotlightError):
    """Somebody else changed it meanwhile: read it again and retry."""

    kind = Kind.ABORTED
    reason = "ABORTED"


class Unauthenticated(SpotlightError):
    """The request does not say who makes it."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class PermissionDenied(SpotlightError):
    """The caller may not do this."""

    kind = Kind.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class ResourceExhausted(SpotlightError):
    """A limit is used up."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "RESOURCE_EXHAUSTED"


class Unavailable(SpotlightError):
    """Not available at the moment: try again shortly."""

    kind = Kind.UNAVAILABLE
    reason = "UNAVAILABLE"


class DeadlineExceeded(SpotlightError):
    """The time given for this was not enough."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Cancelled(SpotlightError):
    """The caller went away."""

    kind = Kind.CANCELLED
    reason = "CANCELLED"


class Unimplemented(SpotlightError):
    """This server does not do that."""

    kind = Kind.UNIMPLEMENTED
    reason = "UNIMPLEMENTED"


class DataLoss(SpotlightError):
    """What is stored cannot be read back."""

    kind = Kind.DATA_LOSS
    reason = "DATA_LOSS"


class Internal(SpotlightError):
    """Something went wrong on our side."""

    kind = Kind.INTERNAL
    reason = "INTERNAL"


OF_KIND: Mapping[Kind, type[SpotlightError]] = {
    error.kind: error
    for error in (
        InvalidArgument,
        OutOfRange,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        Aborted,
        Unauthenticated,
        PermissionDenied,
        ResourceExhausted,
        Unavailable,
        DeadlineExceeded,
        Cancelled,
        Unimplemented,
        DataLoss,
        Internal,
    )
}
