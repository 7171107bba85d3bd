"""Who calls: bearer tokens (JWT) and API keys, checked against keys from files, and what their scopes allow.

A key decides its algorithm, never the token: EdDSA and RS256 come from a JWKS, HS256 is for local mode alone.
Verified tokens are remembered by their hash until they expire (a verification costs 0.6 ms).
"""

import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from chassis.clock import Clock, SystemClock
from chassis.config import ConfigError
from chassis.context import NOBODY, STUDIO_SCOPE, Principal
from chassis.errors import PermissionDenied, Unauthenticated

LOCAL_ALGORITHM = "HS256"
LOCAL_KEY_BYTES = 32
LOCAL_LIFETIME_S = 12 * 3600
LEEWAY_S = 10
TOKEN_CHARACTERS_MAX = 4_096
REMEMBERED_MAX = 10_000
API_KEY_PREFIX = "spk_"
SCOPES = ("hub.read", "events.write", "reviewer", "creator", "policy.admin", "catalog.write", "campaigns.write")
# Which keys may sign with what: the token's header has no say.
_JWK_ALGORITHMS: Mapping[tuple[str, str], str] = {("OKP", "Ed25519"): "EdDSA", ("RSA", ""): "RS256"}


class TokenInvalid(Unauthenticated):
    """The bearer token is not valid."""

    reason = "TOKEN_INVALID"


class TokenExpired(Unauthenticated):
    """The bearer token has expired."""

    reason = "TOKEN_EXPIRED"


class ApiKeyUnknown(Unauthenticated):
    """The API key is not known."""

    reason = "API_KEY_UNKNOWN"


class ScopeMissing(PermissionDenied):
    """The caller's scopes do not allow this."""

    reason = "SCOPE_MISSING"


class StudioForeign(PermissionDenied):
    """This belongs to another studio."""

    reason = "STUDIO_FOREIGN"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingKey:
    """A key that tokens are checked with, and the one algorithm it is for."""

    key: Any
    algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An app backend's key as it is stored: only the hash of its secret."""

    id: str
    secret_sha256: str
    subject: str
    scopes: frozenset[str]


class Verifier:
    """Checks tokens and API keys; holds no secret but the local key."""

    def __init__(
        self,
        *,
        keys: Mapping[str, VerifyingKey] | None = None,
        local_key: bytes | None = None,
        api_keys: Iterable[ApiKey] = (),
        issuer: str | None = None,
        audience: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._keys = dict(keys or {})
        self._local = VerifyingKey(key=local_key, algorithm=LOCAL_ALGORITHM) if local_key else None
        self._api_keys = {key.id: key for key in api_keys}
        self._issuer, self._audience = issuer, audience
        self._clock = clock or SystemClock()
        self._remembered: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    def replace_keys(self, keys: Mapping[str, VerifyingKey]) -> None:
        """Takes newly fetched keys; tokens signed by keys that went away are forgotten."""
        self._keys = dict(keys)
        self._remembered.clear()

    def authorization(self, header: str) -> Principal:
        """The principal of an Authorization header; nobody when there is none."""
        if not header:
            return NOBODY
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer" or not credential.strip():
            raise TokenInvalid
        return self.credential(credential.strip())

    def credential(self, credential: str) -> Principal:
        """The principal of a bearer token or an API key."""
        if len(credential) > TOKEN_CHARACTERS_MAX:
            raise TokenInvalid
        if credential.startswith(API_KEY_PREFIX):
            return self.api_key(credential)
        return self.token(credential)

    def token(self, token: str) -> Principal:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._remembered.get(digest)
        if known is not None:
            if self._clock.now().timestamp() >= known[0]:
                del self._remembered[digest]
                raise TokenExpired
            return known[1]
        claims = self._claims(token)
        who = Principal.of(claims["sub"], _scopes(claims))
        self._remembered[digest] = (float(claims["exp"]), who)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return who

    def api_key(self, key: str) -> Principal:
        key_id, _, secret = key.removeprefix(API_KEY_PREFIX).partition("_")
        known = self._api_keys.get(key_id)
        # Compared even when unknown: the time taken does not tell which ids exist.
        wanted = known.secret_sha256 if known else ""
        if not hmac.compare_digest(hashlib.sha256(secret.encode()).hexdigest(), wanted) or known is None:
            raise ApiKeyUnknown
        return Principal.of(known.subject, known.scopes)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._key_for(header)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                # Times are checked below, against our clock.
                options={
                    "require": ["exp", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": self._audience is not None,
                },
            )
        except jwt.PyJWTError:
            raise TokenInvalid from None
        self._check_times(claims)
        return claims

    def _key_for(self, header: Mapping[str, Any]) -> VerifyingKey:
        found = self._keys.get(str(header.get("kid", "")))
        if found is None and header.get("alg") == LOCAL_ALGORITHM:
            found = self._local
        if found is None or header.get("alg") != found.algorithm:
            raise TokenInvalid
        return found

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now().timestamp()
        if not isinstance(claims["exp"], int | float) or not isinstance(claims["sub"], str) or not claims["sub"]:
            raise TokenInvalid
        not_before = claims.get("nbf", now)
        if not isinstance(not_before, int | float) or not_before > now + LEEWAY_S:
            raise TokenInvalid
        if now >= claims["exp"] + LEEWAY_S:
            raise TokenExpired


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """`scope` as OAuth writes it (one string), or `scopes` as a list."""
    found = claims.get("scope", claims.get("scopes", ""))
    parts = found.split() if isinstance(found, str) else found
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise TokenInvalid
    return parts


def keys_from_jwks(document: str | bytes) -> dict[str, VerifyingKey]:
    """The keys of a JSON Web Key Set that we verify with; other sorts are left out."""
    try:
        entries = json.loads(document)["keys"]
        found = {}
        for entry in entries:
            algorithm = _JWK_ALGORITHMS.get((entry.get("kty", ""), entry.get("crv", "")))
            if algorithm and entry.get("use", "sig") == "sig" and entry.get("kid"):
                found[str(entry["kid"])] = VerifyingKey(key=jwt.PyJWK(entry, algorithm).key, algorithm=algorithm)
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        msg = "the JWKS cannot be read"
        raise ConfigError(msg) from error
    return found


def api_keys_from_file(path: Path) -> list[ApiKey]:
    """API keys, one JSON object a line: id, secret_sha256, subject, scopes."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            found.append(
                ApiKey(
                    id=entry["id"],
                    secret_sha256=entry["secret_sha256"],
                    subject=entry["subject"],
                    scopes=frozenset(entry["scopes"]),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path}:{number}: not an API key record"
            raise ConfigError(msg) from error
    return found


def new_api_key(
    subject: str, scopes: Iterable[str], *, token: Callable[[int], str] = secrets.token_hex
) -> tuple[str, str]:
    """A new key: what its owner is given once, and the line to store."""
    key_id, secret = token(6), token(24)
    record = {
        "id": key_id,
        "secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "subject": subject,
        "scopes": sorted(scopes),
    }
    return f"{API_KEY_PREFIX}{key_id}_{secret}", json.dumps(record)


def mint_local(
    key: bytes, subject: str, scopes: Iterable[str], *, now: datetime, lifetime_s: int = LOCAL_LIFETIME_S
) -> str:
    """A token for local mode, where the runner and the gateway share a key file."""
    claims = {
        "sub": subject,
        "scope": " ".join(sorted(scopes)),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=lifetime_s)).timestamp()),
    }
    return jwt.encode(claims, key, algorithm=LOCAL_ALGORITHM)


def require(principal: Principal, *scopes: str) -> None:
    """Raises unless the principal holds one of the scopes."""
    if not principal.subject:
        raise Unauthenticated
    if principal.scopes.isdisjoint(scopes):
        raise ScopeMissing(metadata={"scopes": " ".join(scopes)})


def require_studio(principal: Principal, studio_id: str) -> None:
    """Raises unless the principal belongs to the studio."""
    if not principal.subject:
        raise Unauthenticated
    if not principal.studio_ids:
        raise ScopeMissing(metadata={"scopes": f"{STUDIO_SCOPE}<id>"})
    if studio_id not in principal.studio_ids:
        raise StudioForeign
