"""A request and a response as plain values, free of any server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Protocol
from urllib.parse import parse_qsl

from chassis.context import NOBODY, Principal
from chassis.errors import InvalidArgument

JSON = "application/json"
HTML = "text/html; charset=utf-8"
FORM = "application/x-www-form-urlencoded"


class BodyTooLarge(InvalidArgument):
    """The body of this request is larger than it may be."""

    reason = "BODY_TOO_LARGE"


class Headers(Protocol):
    """Header values by lower-case name."""

    def get(self, key: str, default: str = "", /) -> str: ...


@dataclass(slots=True, kw_only=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: str
    headers: Headers
    client: str
    read: Callable[[int], Awaitable[bytes]]
    """Reads the body, at most so many bytes, else BodyTooLarge."""
    request_id: str = ""
    principal: Principal = NOBODY
    is_https: bool = False

    @property
    def wants_html(self) -> bool:
        """Whether a person looks: a browser names text/html before anything else."""
        return "text/html" in self.headers.get("accept", "")

    def parameters(self) -> dict[str, str]:
        """Query parameters of pages; the last of equal names counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True, max_num_fields=100))

    def cookie(self, name: str) -> str:
        """The value of a cookie, empty when there is none."""
        try:
            cookies: SimpleCookie = SimpleCookie(self.headers.get("cookie", "")[:8192])
        except CookieError:
            return ""
        return cookies[name].value if name in cookies else ""


@dataclass(slots=True, kw_only=True)
class Response:
    """One HTTP response: a body, or a stream of pieces."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None


def response(
    body: bytes, content_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response with a body of one type."""
    return Response(status=status, headers=[("content-type", content_type), *(headers or {}).items()], body=body)


def redirect(location: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """See another page."""
    return Response(status=303, headers=[("location", location), *(headers or {}).items()])
