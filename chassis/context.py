"""What belongs to the call being handled: its id, the time it has left, and who makes it.

Set once by the server interceptor (or by `scope`, for work nobody called), read anywhere below, carried
along by every call out. Each call is handled in a task of its own, so nothing needs to be reset.
"""

import contextvars
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

REQUEST_ID_KEY = "x-request-id"
SUBJECT_KEY = "x-spotlight-subject"
SCOPES_KEY = "x-spotlight-scopes"
STUDIO_SCOPE = "studio:"
# What a caller may choose as its request id: it ends in logs and headers.
REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes the call and what they may do."""

    subject: str = ""
    scopes: frozenset[str] = frozenset()
    studio_ids: frozenset[str] = frozenset()

    @staticmethod
    def of(subject: str, scopes: Iterator[str] | list[str] | tuple[str, ...] | frozenset[str]) -> "Principal":
        """The principal with these scopes; `studio:<id>` scopes say which studios it belongs to."""
        held = frozenset(scopes)
        studios = frozenset(scope.removeprefix(STUDIO_SCOPE) for scope in held if scope.startswith(STUDIO_SCOPE))
        return Principal(subject, held, studios)


NOBODY = Principal()

_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("spotlight_request_id", default="")
_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("spotlight_deadline", default=None)
_principal: contextvars.ContextVar[Principal] = contextvars.ContextVar("spotlight_principal", default=NOBODY)


def request_id() -> str:
    """The id that ties together all log lines of one request, across services; empty outside a call."""
    return _request_id.get()


def remaining_s() -> float | None:
    """Seconds this call has left, at least 0; None where nobody set a deadline."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def principal() -> Principal:
    return _principal.get()


def enter(*, request_id: str, remaining_s: float | None, principal: Principal) -> None:
    """Sets all three for the current task, for good: the interceptor's way in."""
    _request_id.set(request_id)
    _deadline.set(None if remaining_s is None else time.monotonic() + remaining_s)
    _principal.set(principal)


def become(principal: Principal) -> None:
    """Sets who makes the current call, once that is known."""
    _principal.set(principal)


@contextmanager
def scope(
    *, request_id: str | None = None, remaining_s: float | None = None, principal: Principal | None = None
) -> Iterator[None]:
    """Sets what is given for a block: for background work, HTTP requests and tests."""
    tokens: list[tuple[contextvars.ContextVar[object], contextvars.Token[object]]] = []

    def put(variable: contextvars.ContextVar, value: object) -> None:  # type: ignore[type-arg]
        tokens.append((variable, variable.set(value)))

    if request_id is not None:
        put(_request_id, request_id)
    if remaining_s is not None:
        put(_deadline, time.monotonic() + remaining_s)
    if principal is not None:
        put(_principal, principal)
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def outgoing() -> tuple[tuple[str, str], ...]:
    """The metadata that tells the next service who asks and under which id."""
    found: list[tuple[str, str]] = []
    if _request_id.get():
        found.append((REQUEST_ID_KEY, _request_id.get()))
    who = _principal.get()
    if who.subject:
        found.append((SUBJECT_KEY, who.subject))
        found.append((SCOPES_KEY, " ".join(sorted(who.scopes))))
    return tuple(found)


def peer_principal(metadata: Mapping[str, str | bytes]) -> Principal:
    """Who a trusted peer says the call is for."""
    subject = metadata.get(SUBJECT_KEY, "")
    scopes = metadata.get(SCOPES_KEY, "")
    if not isinstance(subject, str) or not isinstance(scopes, str) or not subject:
        return NOBODY
    return Principal.of(subject, scopes.split())
