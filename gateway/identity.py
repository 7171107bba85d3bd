"""Builds the verifier of tokens and keeps its public keys fresh."""

import asyncio
import urllib.request

import structlog

from chassis.auth import Verifier, api_keys_from_file, keys_from_jwks
from chassis.clock import Clock
from chassis.config import ConfigError, read_secret
from gateway.config import GatewaySettings

FETCH_S = 5.0
JWKS_BYTES_MAX = 2**20


def verifier(settings: GatewaySettings, clock: Clock) -> Verifier:
    """Checks tokens as the settings say; at least one way to sign in must be configured."""
    keys = keys_from_jwks(settings.jwks_file.read_bytes()) if settings.jwks_file else {}
    local_key = read_secret(settings.jwt_secret_file) if settings.jwt_secret_file else None
    if local_key is not None and not settings.local:
        msg = "jwt_secret_file: a shared secret is for local mode only; use jwks_file or jwks_url"
        raise ConfigError(msg)
    if not (keys or local_key or settings.jwks_url or settings.api_keys_file):
        msg = "jwks_file, jwks_url, api_keys_file or (local) jwt_secret_file: nobody could sign in"
        raise ConfigError(msg)
    return Verifier(
        keys=keys,
        local_key=local_key,
        api_keys=api_keys_from_file(settings.api_keys_file) if settings.api_keys_file else (),
        issuer=settings.jwt_issuer or None,
        audience=settings.jwt_audience or None,
        clock=clock,
    )


async def refresh_keys(found: Verifier, settings: GatewaySettings) -> None:
    """Fetch the public keys again and again; while that fails the ones at hand stay."""
    if not settings.jwks_url:
        return
    log = structlog.get_logger("identity")
    while True:
        try:
            document = await asyncio.to_thread(_fetch, settings.jwks_url)
            found.replace_keys(keys_from_jwks(document))
        except (OSError, ValueError, ConfigError) as error:
            log.warning("the public keys cannot be fetched", error=type(error).__name__)
        await asyncio.sleep(settings.jwks_refresh_s)


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=FETCH_S) as answer:  # noqa: S310 - the scheme is checked by the settings
        document: bytes = answer.read(JWKS_BYTES_MAX + 1)
    if len(document) > JWKS_BYTES_MAX:
        msg = "the JWKS is too large"
        raise ConfigError(msg)
    return document
