"""Who looks at a page: the token in an HttpOnly cookie, and the form token that goes with it."""

import hashlib
import hmac
import secrets

from chassis.auth import Verifier
from chassis.config import read_secret
from chassis.context import NOBODY, Principal
from chassis.errors import PermissionDenied, Unauthenticated
from gateway.config import GatewaySettings
from gateway.http.message import Request

COOKIE = "spotlight_session"
COOKIE_MAX_AGE_S = 12 * 3600
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
_KEY_BYTES = 32


class FormRefused(PermissionDenied):
    """This form is not from this site or has expired: reload the page and try again."""

    reason = "FORM_REFUSED"


class Sessions:
    """Cookies and form tokens. Nothing is kept here: the cookie carries the bearer token itself."""

    def __init__(self, verifier: Verifier, settings: GatewaySettings) -> None:
        self._verifier = verifier
        self._key = (
            read_secret(settings.session_key_file) if settings.session_key_file else secrets.token_bytes(_KEY_BYTES)
        )
        self._secure = settings.http_is_https

    def principal(self, request: Request) -> Principal:
        """Who looks; nobody when the cookie is missing, invalid or expired."""
        token = request.cookie(COOKIE)
        if not token:
            return NOBODY
        try:
            return self._verifier.credential(token)
        except Unauthenticated:
            return NOBODY

    def sign_in(self, token: str) -> tuple[Principal, str]:
        """The principal of a pasted token and the cookie that keeps it; raises when it is not valid."""
        token = token.strip().removeprefix("Bearer ").strip()
        principal = self._verifier.credential(token)
        return principal, self._cookie(token, COOKIE_MAX_AGE_S)

    def sign_out(self) -> str:
        """The cookie that forgets."""
        return self._cookie("", 0)

    def form_token(self, request: Request) -> str:
        """What forms of this visitor carry."""
        return hmac.new(self._key, self._bound_to(request), hashlib.sha256).hexdigest()

    def require_form(self, request: Request, given: str) -> None:
        """Refuse a write that did not come from a page of ours."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none"):
            raise FormRefused
        offered = given or request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(offered.encode(), self.form_token(request).encode()):
            raise FormRefused

    def _bound_to(self, request: Request) -> bytes:
        return hashlib.sha256(request.cookie(COOKIE).encode()).digest()

    def _cookie(self, value: str, max_age_s: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
