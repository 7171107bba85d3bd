"""The API over HTTP: every annotated method, from token to problem document.

A call goes: route → token → scope → rate → body → message → identity → rules of the proto → ownership →
service → visibility → JSON. Each step refuses with an error that names its reason.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from chassis import context
from chassis.client import Client
from chassis.clock import Clock
from chassis.context import Principal
from chassis.errors import InvalidArgument, Unauthenticated, Violation
from chassis.validation import Rules
from gateway import access
from gateway.http.conditional import coding_for, is_known
from gateway.http.hub import HubPages
from gateway.http.message import JSON, Request, Response, response
from gateway.http.streams import stream_response
from gateway.render import codings
from gateway.transcode.encode import Encoder
from gateway.transcode.requests import RequestBuilder
from gateway.transcode.routes import Route, Routes
from gateway.visibility import SHOW

GET_HUB = "spotlight.hub.v1.HubService.GetHub"
STREAM_MAX_S = 900.0
REQUEST_ID_FIELD = "request_id"
MATCH_METHODS = frozenset({"MatchVideo", "BatchMatchVideos"})
"""Their requests may carry frames and a short video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large bodies may be and how long calls may take."""

    body_bytes_max: int
    match_body_bytes_max: int
    deadline_s: float


class Api:
    """Calls methods for HTTP requests and for the pages of this process."""

    def __init__(
        self,
        *,
        routes: Routes,
        builder: RequestBuilder,
        encoder: Encoder,
        clients: Mapping[str, Client],
        local: Mapping[str, Any],
        owners: access.Owners,
        hubs: HubPages,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._builder = builder
        self._encoder = encoder
        self._clients = clients
        self._local = local
        self._owners = owners
        self._hubs = hubs
        self._limits = limits
        self._clock = clock
        self._rules = Rules()

    def route(self, request: Request) -> tuple[Route, dict[str, str]]:
        """The route of a request, or PathNotFound or MethodNotAllowed."""
        return self._routes.find(request.method, request.path)

    async def serve(self, request: Request, route: Route, variables: dict[str, str]) -> Response:
        """Answer one request whose caller is known."""
        if not request.principal.subject:
            raise Unauthenticated
        access.require_scope(request.principal, access.rule_of(route.name))
        body = await self._body(request, route)
        message = self._builder.build(route, variables, request.query, body)
        _take_idempotency_key(request, message)
        await self.admit(request.principal, route.name, message)
        if route.name == GET_HUB:
            return await self._hubs.serve_json(request, message)
        if route.method.server_streaming:
            context.enter(request_id=request.request_id, remaining_s=STREAM_MAX_S, principal=request.principal)
            return await stream_response(request, route, self.stream(route, message), self._encoder)
        answer = await self.invoke(request.principal, route, message)
        return self._json(request, route, answer)

    async def call(self, principal: Principal, name: str, fields: Mapping[str, Any]) -> Any:
        """Call a method as a page does: `MetricsService.GetFunnel`, fields as JSON, answer as JSON."""
        route = self._routes.named(name)
        message = self._builder.from_fields(route, fields)
        await self.admit(principal, route.name, message)
        return self._encoder.to_value(await self.invoke(principal, route, message))

    async def send(self, principal: Principal, *, method: str, path: str, body: bytes, request_id: str) -> Any:
        """Make a call given as method, path and body, as drafts are."""
        bare, _, query = path.partition("?")
        route, variables = self._routes.find(method, bare)
        message = self._builder.build(route, variables, query, body)
        if REQUEST_ID_FIELD in message.DESCRIPTOR.fields_by_name and not message.request_id:
            message.request_id = request_id
        await self.admit(principal, route.name, message)
        return self._encoder.to_value(await self.invoke(principal, route, message))

    async def watch(self, principal: Principal, request: Request, name: str, fields: Mapping[str, Any]) -> Response:
        """A streaming method as the response to a page."""
        route = self._routes.named(name)
        message = self._builder.from_fields(route, fields)
        await self.admit(principal, route.name, message)
        context.enter(request_id=request.request_id, remaining_s=STREAM_MAX_S, principal=principal)
        return await stream_response(request, route, self.stream(route, message), self._encoder)

    async def admit(self, principal: Principal, method: str, message: Any) -> None:
        """Identity, rules of the proto, ownership."""
        access.enter(principal, method, message)
        self._rules.check(message)
        await access.confine(principal, method, message, self._owners)

    async def invoke(self, principal: Principal, route: Route, message: Any) -> Any:
        """Call a method that answers once, and hide what its caller may not see."""
        service = route.method.containing_service.full_name
        local = self._local.get(service)
        if local is not None:
            answer = await getattr(local, route.method.name)(message, None)
        else:
            client = self._clients[service]
            answer = await client.call(route.method.name, message, timeout_s=self._limits.deadline_s)
        hides = access.rule_of(route.name).hides
        if hides:
            SHOW[hides](answer, principal, self._clock.now())
        return answer

    def stream(self, route: Route, message: Any) -> AsyncIterator[Any]:
        """Call a method that answers with a stream."""
        client = self._clients[route.method.containing_service.full_name]
        return client.stream(route.method.name, message)

    async def _body(self, request: Request, route: Route) -> bytes:
        if request.method in ("GET", "HEAD"):
            return b""
        large = route.method.name in MATCH_METHODS
        return await request.read(self._limits.match_body_bytes_max if large else self._limits.body_bytes_max)

    def _json(self, request: Request, route: Route, answer: Any) -> Response:
        part = getattr(answer, route.response_body) if route.response_body else answer
        body = self._encoder.to_json(part)
        if request.method not in ("GET", "HEAD"):
            return response(body, JSON, headers={"cache-control": "no-store"})
        return conditional(request, body, JSON)


def conditional(request: Request, body: bytes, content_type: str) -> Response:
    """A read's answer: with a tag, 304 for a client that has it, in a coding it reads."""
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "accept-encoding, authorization"}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status=304, headers=[*headers.items()])
    accepted = request.headers.get("accept-encoding", "")
    bodies = codings(body) if accepted else {"identity": body}
    coding = coding_for(accepted, bodies)
    if coding != "identity":
        headers["content-encoding"] = coding
    return response(bodies[coding], content_type, headers=headers)


def _take_idempotency_key(request: Request, message: Any) -> None:
    """The header is another way to give `request_id`."""
    key = request.headers.get("idempotency-key", "").strip('"')
    if not key or REQUEST_ID_FIELD not in message.DESCRIPTOR.fields_by_name:
        return
    if message.request_id not in ("", key):
        raise InvalidArgument(violations=[Violation(REQUEST_ID_FIELD, "differs from the Idempotency-Key header")])
    message.request_id = key
