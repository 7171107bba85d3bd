"""Structured logs: one JSON object a line, with the request's id, never with a secret."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from chassis import context

SECRET_KEYS = re.compile(r"authorization|cookie|password|secret|token|api_?key|credential|private", re.IGNORECASE)
# Bearer tokens, JWTs wherever they stand, and the password part of an URL.
SECRET_VALUES = re.compile(
    r"(?i:bearer\s+)[\w.~+/=-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)|\bspk_[\w-]+"
)
HIDDEN = "[hidden]"
TEXT_CHARACTERS_MAX = 4_000
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str = "info", *, process: str = "") -> None:
    """Makes structlog and the standard library's loggers write such lines to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
        structlog.processors.format_exc_info,
        scrub,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        # Found at each line, because standard error may be replaced.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    if process:
        structlog.contextvars.bind_contextvars(process=process)
    handler = StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared, keep_exc_info=False
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries talk too much at info.
    root.setLevel(max(_LEVELS[level], logging.WARNING))


class StderrHandler(logging.StreamHandler[Any]):
    """Writes to whatever standard error is at the time."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None:
        """The base class sets what we look up."""


def add_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if found := context.request_id():
        event.setdefault("request_id", found)
    return event


def scrub(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Hides what looks like a secret by its name or by its form."""
    return {key: _scrubbed(key, value, depth=4) for key, value in event.items()}


def _scrubbed(key: str, value: Any, *, depth: int) -> Any:
    if SECRET_KEYS.search(key):
        return HIDDEN
    if isinstance(value, str):
        return SECRET_VALUES.sub(HIDDEN, value[:TEXT_CHARACTERS_MAX])
    if isinstance(value, Mapping) and depth:
        return {str(name): _scrubbed(str(name), held, depth=depth - 1) for name, held in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [_scrubbed("", held, depth=depth - 1) for held in value]
    return value
