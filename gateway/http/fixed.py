"""The small fixed paths: health, readiness, the OpenAPI document and its readable form."""

from collections.abc import Callable
from typing import Any

import orjson

from gateway.http.api import conditional
from gateway.http.message import JSON, Request, Response, redirect, response


class Fixed:
    """Answers that depend on the process alone."""

    def __init__(self, document: dict[str, Any], *, problems: Callable[[], dict[str, str]]) -> None:
        self._document = orjson.dumps(document)
        self._problems = problems
        self.is_draining = False

    async def healthz(self, _: Request) -> Response:
        """The process runs."""
        return response(b'{"status":"ok"}', JSON, headers={"cache-control": "no-store"})

    async def readyz(self, _: Request) -> Response:
        """Requests are welcome; what is degraded is named and does not make it unready."""
        degraded = self._problems()
        if self.is_draining:
            body = orjson.dumps({"status": "draining", "degraded": degraded})
            return response(body, JSON, status=503, headers={"cache-control": "no-store"})
        body = orjson.dumps({"status": "ready", "degraded": degraded})
        return response(body, JSON, headers={"cache-control": "no-store"})

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document."""
        return conditional(request, self._document, JSON)

    async def root(self, _: Request) -> Response:
        """People who come without a path are shown the documentation."""
        return redirect("/docs")
