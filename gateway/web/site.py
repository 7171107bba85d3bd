"""The pages by path: who may see them, what they answer to, and how errors look to people."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from chassis import context
from chassis.auth import ScopeMissing, Verifier
from chassis.clock import Clock
from chassis.errors import InvalidArgument, SpotlightError, Unauthenticated
from gateway.config import GatewaySettings
from gateway.http.api import Api
from gateway.http.message import FORM, HTML, Request, Response, redirect, response
from gateway.http.problem import problem, status_of
from gateway.http.rate import RateLimiter
from gateway.hubs import Hubs
from gateway.transcode.routes import MethodNotAllowed
from gateway.web.assets import PREFIX, Assets
from gateway.web.session import CSRF_FIELD, Sessions
from gateway.web.templates import Templates

FORM_BYTES_MAX = 64 * 1024
FORM_FIELDS_MAX = 100

Form = dict[str, str]
Handler = Callable[["Visit"], Awaitable[Response]]


@dataclass(slots=True, kw_only=True)
class Visit:
    """One look at a page: the request, its path variables, its form."""

    request: Request
    site: "Site"
    variables: dict[str, str]
    form: Form

    @property
    def wants_fragment(self) -> bool:
        """Whether htmx asks for a part of the page."""
        return self.request.headers.get("hx-request", "") == "true"

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        """A page made from a template."""
        return self.site.render(self.request, template, status=status, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One path: its scopes (none: everybody) and what answers each method."""

    pattern: re.Pattern[str]
    scopes: frozenset[str] = frozenset()
    get: Handler | None = None
    post: Handler | None = None


def page(
    path: str, *, scopes: frozenset[str] = frozenset(), get: Handler | None = None, post: Handler | None = None
) -> Page:
    """A page at a path such as `/hubs/{title_id}`."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9:_.-]{1,257})", path)
    return Page(pattern=re.compile(pattern), scopes=scopes, get=get, post=post)


class Site:
    """Serves the pages."""

    def __init__(
        self,
        *,
        api: Api,
        hubs: Hubs,
        verifier: Verifier,
        rates: RateLimiter,
        settings: GatewaySettings,
        document: dict[str, Any],
        pages: Sequence[Page],
        clock: Clock,
    ) -> None:
        self.api = api
        self.hubs = hubs
        self.clock = clock
        self.sessions = Sessions(verifier, settings)
        self.assets = Assets()
        self._rates = rates
        self._settings = settings
        self._templates = Templates(self.assets, clock)
        self._pages = pages
        self.document = document

    async def serve(self, request: Request) -> Response | None:
        """The page at this path, or None when there is none."""
        if request.path.startswith(PREFIX):
            return self.assets.serve(request)
        for each in self._pages:
            found = each.pattern.fullmatch(request.path)
            if found is not None:
                return await self._visit(each, request, found.groupdict())
        return None

    def render(self, request: Request, template: str, *, status: int = 200, **values: object) -> Response:
        """A template with what every page knows."""
        body = self._templates.render(
            template,
            principal=request.principal,
            csrf=self.sessions.form_token(request),
            path=request.path,
            query=request.parameters(),
            **values,
        )
        return response(body, HTML, status=status, headers=page_headers())

    async def _visit(self, each: Page, request: Request, variables: dict[str, str]) -> Response:
        try:
            return await self._answer(each, request, variables)
        except Unauthenticated:
            if request.method == "GET" and not request.headers.get("hx-request", ""):
                return redirect(f"/login?next={quote(_target(request))}")
            return self._error(request, Unauthenticated())
        except SpotlightError as error:
            return self._error(request, error)

    async def _answer(self, each: Page, request: Request, variables: dict[str, str]) -> Response:
        request.principal = self.sessions.principal(request)
        context.become(request.principal)
        await self._spend(request)
        if each.scopes:
            _require(request, each)
        visit = Visit(request=request, site=self, variables=variables, form={})
        if request.method in ("GET", "HEAD") and each.get is not None:
            return await each.get(visit)
        if request.method == "POST" and each.post is not None:
            visit.form = await _form(request)
            self.sessions.require_form(request, visit.form.pop(CSRF_FIELD, ""))
            return await each.post(visit)
        raise MethodNotAllowed(metadata={"allow": "GET, HEAD" if each.post is None else "GET, HEAD, POST"})

    async def _spend(self, request: Request) -> None:
        if request.principal.subject:
            await self._rates.take(request.principal.subject, self._settings.rate_person_per_min)
        else:
            await self._rates.take(f"address {request.client}", self._settings.rate_anonymous_per_min)

    async def spend_login(self, request: Request) -> None:
        """Sign-in tries are few for everybody."""
        await self._rates.take(f"login {request.client}", self._settings.rate_login_per_min)

    def _error(self, request: Request, error: SpotlightError) -> Response:
        if not request.wants_html and not request.headers.get("hx-request", ""):
            return problem(error, request.request_id)
        template = "error_part.html" if request.headers.get("hx-request", "") else "error.html"
        return self.render(request, template, status=status_of(error), error=error, request_id=request.request_id)


def page_headers() -> dict[str, str]:
    """What every page says to browsers: nothing from elsewhere runs, nobody frames it, nothing is kept."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }


def _require(request: Request, each: Page) -> None:
    principal = request.principal
    if not principal.subject:
        raise Unauthenticated
    held = principal.scopes | {"studio"} if principal.studio_ids else principal.scopes
    if held.isdisjoint(each.scopes):
        raise ScopeMissing(metadata={"scopes": " ".join(sorted(each.scopes))})


async def _form(request: Request) -> Form:
    body = await request.read(FORM_BYTES_MAX)
    if not body:
        return {}
    if request.headers.get("content-type", "").split(";")[0].strip() != FORM:
        raise InvalidArgument("The form must be sent as application/x-www-form-urlencoded.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX))
    except ValueError as error:
        raise InvalidArgument("The form cannot be read.") from error


def _target(request: Request) -> str:
    return request.path + (f"?{request.query}" if request.query else "")
