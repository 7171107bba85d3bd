"""Streaming answers as lines, events and files; problems; and who may sign in at all."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.api import httpbody_pb2
from jwt.algorithms import OKPAlgorithm

from chassis.auth import TokenInvalid, Verifier, mint_local, new_api_key
from chassis.clock import FakeClock
from chassis.config import ConfigError
from chassis.errors import Cancelled, Kind, ResourceExhausted, Unavailable
from gateway import identity
from gateway.backends import services
from gateway.config import GatewaySettings
from gateway.http import streams
from gateway.http.message import Request
from gateway.http.problem import problem
from gateway.http.streams import stream_response
from gateway.transcode.encode import Encoder
from gateway.transcode.routes import Routes
from protos.metrics.v1 import report_pb2

ROUTES = Routes(services())
WATCH, EXPORT, LINES = (ROUTES.named(f"MetricsService.{name}") for name in ("WatchTitle", "ExportReport", "GetFunnel"))


def a_request(accept: str = "") -> Request:
    async def read(_: int) -> bytes:
        return b""

    return Request(method="GET", path="/", query="", headers={"accept": accept}, client="c", read=read)


async def answers(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item


async def body_of(route: Any, *items: Any, accept: str = "") -> tuple[dict[str, str], bytes]:
    found = await stream_response(a_request(accept), route, answers(*items), Encoder())
    assert found.stream is not None
    return dict(found.headers), b"".join([piece async for piece in found.stream])


def a_number(position: int) -> report_pb2.WatchTitleResponse:
    return report_pb2.WatchTitleResponse(trending_position=position)


async def test_other_streams_are_lines_of_json_and_their_error_is_the_last_line() -> None:
    headers, body = await body_of(LINES, a_number(1), a_number(2), Unavailable(reason="AWAY"))
    lines = [json.loads(line) for line in body.splitlines()]
    assert headers["content-type"] == "application/x-ndjson"
    assert [line.get("trending_position") for line in lines] == [1, 2, None]
    assert lines[-1]["error"]["reason"] == "AWAY"
    _, broken = await body_of(LINES, a_number(1), ValueError("secret"))
    assert json.loads(broken.splitlines()[-1])["error"]["reason"] == "INTERNAL"
    assert b"secret" not in broken


async def test_whoever_asks_for_events_gets_events() -> None:
    headers, body = await body_of(LINES, a_number(1), accept="text/event-stream")
    assert headers["content-type"] == "text/event-stream"
    assert body.startswith(b"retry: 2000\n\ndata: {")


async def test_a_stream_without_answers_is_empty_and_a_refusal_is_raised() -> None:
    assert (await body_of(LINES))[1] == b""
    assert (await body_of(WATCH))[1] == b"retry: 2000\n\n"
    headers, body = await body_of(EXPORT)
    assert (headers["content-type"], body) == ("application/octet-stream", b"")
    with pytest.raises(Unavailable):
        await body_of(WATCH, Unavailable())


async def test_a_file_keeps_its_type() -> None:
    piece = httpbody_pb2.HttpBody(content_type="application/pdf", data=b"%PDF")
    headers, body = await body_of(EXPORT, piece)
    assert (headers["content-disposition"], body) == ('attachment; filename="exportreport.bin"', b"%PDF")


async def test_a_quiet_stream_is_kept_open_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.01)
    import asyncio

    async def slow() -> AsyncIterator[Any]:
        yield a_number(1)
        await asyncio.sleep(0.05)
        yield a_number(2)

    found = await stream_response(a_request(), WATCH, slow(), Encoder())
    assert found.stream is not None
    pieces = [piece async for piece in found.stream]
    assert b": still here\n\n" in pieces
    assert pieces[-1].startswith(b"data: {")


def test_a_problem_tells_what_to_do() -> None:
    exhausted = problem(ResourceExhausted(retry_after_s=0.2), "id")
    assert (exhausted.status, dict(exhausted.headers)["retry-after"]) == (429, "1")
    gone = json.loads(problem(Cancelled(), "id").body)
    assert (gone["status"], gone["title"]) == (499, "Client Closed Request")
    assert Cancelled.kind is Kind.CANCELLED


def settings(folder: Path, **fields: Any) -> GatewaySettings:
    return GatewaySettings(**{"local": True, **fields})


def test_somebody_must_be_able_to_sign_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody could sign in"):
        identity.verifier(settings(tmp_path), FakeClock())


def test_a_shared_secret_is_for_local_mode_only(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32)
    with pytest.raises(ConfigError, match="local mode only"):
        identity.verifier(settings(tmp_path, local=False, jwt_secret_file=tmp_path / "key"), FakeClock())


def test_api_keys_of_a_file_sign_in(tmp_path: Path) -> None:
    key, line = new_api_key("backend", ["hub.read"])
    (tmp_path / "keys").write_text(line)
    found = identity.verifier(settings(tmp_path, api_keys_file=tmp_path / "keys"), FakeClock())
    assert found.authorization(f"Bearer {key}").scopes == {"hub.read"}


async def test_public_keys_are_fetched_and_kept_when_they_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    private = Ed25519PrivateKey.generate()
    jwk = {**json.loads(OKPAlgorithm.to_jwk(private.public_key())), "kid": "k1", "use": "sig"}
    served = [json.dumps({"keys": [jwk]}).encode(), OSError("away"), b"x" * (identity.JWKS_BYTES_MAX + 1)]

    class Answer:
        def __init__(self, body: bytes) -> None:
            self.body = body

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self, size: int) -> bytes:
            return self.body[:size]

    def urlopen(url: str, timeout: float) -> Answer:
        body = served.pop(0) if served else OSError("away")
        if isinstance(body, OSError):
            raise body
        return Answer(body)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    chosen = settings(tmp_path, jwks_url="https://keys.example/jwks", jwks_refresh_s=0.01)
    found = identity.verifier(chosen, FakeClock(datetime.now(UTC)))
    fetching = asyncio.create_task(identity.refresh_keys(found, chosen))
    while served:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert not fetching.done()
    fetching.cancel()
    import jwt

    claims = {"sub": "ann", "scope": "hub.read", "exp": int(datetime.now(UTC).timestamp()) + 60}
    assert found.token(jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": "k1"})).subject == "ann"
    with pytest.raises(TokenInvalid):
        found.token(mint_local(b"k" * 32, "eve", [], now=datetime.now(UTC)))
    await identity.refresh_keys(Verifier(), settings(tmp_path))
