"""Errors as problem documents (RFC 9457), for every path that is not a page."""

from http import HTTPStatus

import orjson

from chassis.errors import Kind, SpotlightError
from chassis.status import http_of
from gateway.http.message import BodyTooLarge, Response
from gateway.transcode.routes import MethodNotAllowed

PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:spotlight:problem:"

_STATUS_OF_REASON = {MethodNotAllowed.reason: 405, BodyTooLarge.reason: 413}
"""HTTP says these more precisely than the kinds of error do."""


def status_of(error: SpotlightError) -> int:
    """The HTTP status of an error."""
    return _STATUS_OF_REASON.get(error.reason, http_of(error.kind))


def problem(error: SpotlightError, request_id: str) -> Response:
    """The error as its caller reads it."""
    status = status_of(error)
    document = {
        "type": TYPE_PREFIX + error.reason.lower().replace("_", "-"),
        "title": _title(status),
        "status": status,
        "detail": error.message,
        "reason": error.reason,
        "violations": [
            {"field": violation.field, "description": violation.description} for violation in error.violations
        ],
        "metadata": error.metadata,
        "request_id": request_id,
    }
    headers = [("content-type", PROBLEM), ("cache-control", "no-store")]
    if error.kind is Kind.UNAUTHENTICATED:
        headers.append(("www-authenticate", 'Bearer realm="spotlight"'))
    if "allow" in error.metadata and status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("allow", error.metadata["allow"]))
    if error.retry_after_s is not None:
        headers.append(("retry-after", str(max(1, round(error.retry_after_s)))))
    return Response(status=status, headers=headers, body=orjson.dumps(document))


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"
