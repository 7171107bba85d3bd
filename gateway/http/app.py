"""The application: hot hubs first, then the API, the pages and the small fixed paths."""

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from chassis import context, ids
from chassis.auth import Verifier
from chassis.context import NOBODY, Principal
from chassis.errors import DeadlineExceeded, Internal, SpotlightError
from chassis.telemetry import Telemetry
from gateway import access
from gateway.http.api import GET_HUB, Api
from gateway.http.conditional import coding_for, is_known
from gateway.http.hub import HubPages
from gateway.http.message import Request, Response
from gateway.http.problem import problem
from gateway.http.rate import Allowance, RateLimiter
from gateway.transcode.routes import PathNotFound

HUB_PREFIX = "/v1/hubs/"
API_PREFIX = "/v1/"
READERS_MAX = 10_000
READER_KEPT_S = 1.0
_HUB_RULE = access.rule_of(GET_HUB)

SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("strict-transport-security", "max-age=31536000"),
)


class Pages(Protocol):
    """The HTML side."""

    async def serve(self, request: Request) -> Response | None:
        """The page at this path, or None when there is none."""


Fixed = Callable[[Request], Awaitable[Response]]


class App:
    """Answers every HTTP request."""

    def __init__(
        self,
        *,
        api: Api,
        hubs: HubPages,
        pages: Pages,
        fixed: dict[str, Fixed],
        verifier: Verifier,
        rates: RateLimiter,
        rate_app_per_min: int,
        rate_person_per_min: int,
        deadline_s: float,
        telemetry: Telemetry,
    ) -> None:
        self._api = api
        self._hubs = hubs
        self._pages = pages
        self._fixed = fixed
        self._verifier = verifier
        self._rates = rates
        self._rate_app_per_min = rate_app_per_min
        self._rate_person_per_min = rate_person_per_min
        self._deadline_s = deadline_s
        self._log = structlog.get_logger("http")
        self._handled = telemetry.counter("http_requests_total", "HTTP requests answered.", ("route", "status"))
        self._duration = telemetry.histogram("http_duration_seconds", "Time to answer.", ("route",))
        self._hot = self._handled.labels("/v1/hubs/{title_id} hot", "200")
        self._hot_unchanged = self._handled.labels("/v1/hubs/{title_id} hot", "304")
        self._readers: dict[str, tuple[float, Principal]] = {}
        self._known: dict[tuple[str, int], Any] = {}

    def hot(self, scope: Any, protocol: Any) -> bool:
        """A kept, fresh hub for a known caller: bytes out, nothing waited for."""
        path = scope.path
        if not path.startswith(HUB_PREFIX) or scope.method != "GET":
            return False
        found = self._hubs.at_hand(path, scope.query_string)
        if found is None:
            return False
        get = scope.headers.get
        principal = self._reader(get("authorization", ""))
        allowance = None if principal is None else self._rates.spend(principal.subject)
        if allowance is None:
            return False
        entry, target = found
        if is_known(get("if-none-match", ""), entry.etag):
            protocol.response_empty(304, target.head("identity")[1:] + allowance.headers())
            self._hot_unchanged.inc()
            return True
        coding = coding_for(get("accept-encoding", ""), entry.bodies)
        protocol.response_bytes(200, target.head(coding) + allowance.headers(), entry.bodies[coding])
        self._hot.inc()
        return True

    def _reader(self, header: str) -> Principal | None:
        """Who asks for a hub, remembered for a second by the header; None for whom the slow way must refuse."""
        now = time.monotonic()
        known = self._readers.get(header)
        if known is not None and now < known[0]:
            return known[1]
        try:
            principal = self._verifier.authorization(header)
            access.require_scope(principal, _HUB_RULE)
        except SpotlightError:
            return None
        if len(self._readers) > READERS_MAX:
            self._readers.clear()
        self._readers[header] = (now + READER_KEPT_S, principal)
        return principal

    async def answer(self, request: Request) -> Response:
        """The response to any request; never raises."""
        start = time.perf_counter()
        given = request.headers.get("x-request-id", "")
        request.request_id = given if context.REQUEST_ID.fullmatch(given) else ids.new_id()
        context.enter(request_id=request.request_id, remaining_s=self._deadline_s, principal=NOBODY)
        route = "unknown"
        try:
            route, answered = await self._dispatch(request)
        except SpotlightError as error:
            answered = problem(error, request.request_id)
        except TimeoutError:
            answered = problem(DeadlineExceeded(), request.request_id)
        except Exception as error:  # noqa: BLE001 - the outermost place: everything becomes a problem
            answered = problem(self._bug(error), request.request_id)
        return self._finished(request, route, answered, time.perf_counter() - start)

    async def _dispatch(self, request: Request) -> tuple[str, Response]:
        fixed = self._fixed.get(request.path)
        if fixed is not None:
            return request.path, await fixed(request)
        if request.path.startswith(API_PREFIX):
            return await self._call(request)
        page = await self._pages.serve(request)
        if page is None:
            raise PathNotFound
        return "page " + request.path.split("/", 2)[1], page

    async def _call(self, request: Request) -> tuple[str, Response]:
        if request.method == "OPTIONS":
            return "options", Response(status=204, headers=[("allow", "GET, HEAD, POST, PATCH, DELETE")])
        route, variables = self._api.route(request)
        request.principal = self._verifier.authorization(request.headers.get("authorization", ""))
        allowance: Allowance | None = None
        try:
            if request.principal.subject:
                allowance = await self._rates.take(request.principal.subject, self._rate(request.principal))
            context.become(request.principal)
            answered = await self._api.serve(request, route, variables)
        except SpotlightError as error:
            answered = problem(error, request.request_id)
        if allowance is not None:
            answered.headers += allowance.headers()
        return route.template.text, answered

    def _rate(self, principal: Principal) -> int:
        """App backends speak for many people."""
        is_app = principal.scopes & {"events.write", "hub.read"} and not principal.studio_ids
        return self._rate_app_per_min if is_app else self._rate_person_per_min

    def _bug(self, error: Exception) -> SpotlightError:
        error_id = ids.new_id()
        self._log.error("a request failed", error_id=error_id, exc_info=error)
        return Internal(f"Something went wrong on our side; its id is {error_id}.", metadata={"error_id": error_id})

    def _finished(self, request: Request, route: str, answered: Response, seconds: float) -> Response:
        answered.headers.append(("x-request-id", request.request_id))
        answered.headers.extend(SECURITY_HEADERS if request.is_https else SECURITY_HEADERS[:2])
        if request.method == "HEAD" and answered.stream is None:
            answered.headers.append(("content-length", str(len(answered.body))))
            answered.body = b""
        counter = self._known.get((route, answered.status))
        if counter is None:
            counter = self._handled.labels(route, str(answered.status))
            self._known[route, answered.status] = counter
        counter.inc()
        self._duration.labels(route).observe(seconds)
        if answered.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._log.warning("answered with an error", route=route, status=answered.status)
        return answered
