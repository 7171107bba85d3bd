"""Signing in by pasting a token, and out again."""

from chassis.context import Principal
from chassis.errors import Unauthenticated
from gateway.http.message import Response, redirect
from gateway.web.site import Visit


async def show_login(visit: Visit) -> Response:
    """The sign-in form."""
    return visit.page("login.html", next=_inside(visit.request.parameters().get("next", "")), problem="")


async def sign_in(visit: Visit) -> Response:
    """Check the pasted token and keep it in a cookie."""
    await visit.site.spend_login(visit.request)
    wanted = _inside(visit.form.get("next", ""))
    try:
        principal, cookie = visit.site.sessions.sign_in(visit.form.get("token", ""))
    except Unauthenticated as error:
        return visit.page("login.html", status=401, next=wanted, problem=error.message)
    return redirect(wanted or home_of(principal), headers={"set-cookie": cookie})


async def sign_out(visit: Visit) -> Response:
    """Forget the token."""
    return redirect("/login", headers={"set-cookie": visit.site.sessions.sign_out()})


def home_of(principal: Principal) -> str:
    """The page a person came for."""
    if principal.studio_ids:
        return "/studio"
    if "reviewer" in principal.scopes:
        return "/review"
    return "/creator" if "creator" in principal.scopes else "/docs"


def _inside(target: str) -> str:
    """A path of this site, never another site's."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else ""
