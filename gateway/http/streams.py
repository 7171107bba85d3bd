"""Streaming answers over HTTP: files as they are, live numbers as server-sent events, the rest as lines of JSON."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import structlog

from chassis.errors import Internal, SpotlightError
from gateway.http.message import Request, Response
from gateway.transcode.encode import Encoder
from gateway.transcode.routes import Route

HTTP_BODY = "google.api.HttpBody"
EVENT_STREAM = "text/event-stream"
LINES = "application/x-ndjson"
KEEP_ALIVE_S = 15.0
RECONNECT_MS = 2000


async def stream_response(request: Request, route: Route, answers: AsyncIterator[Any], encoder: Encoder) -> Response:
    """The response of a streaming method. Its first answer is awaited, so that a refusal is still a problem."""
    try:
        first = await anext(answers)
    except StopAsyncIteration:
        first = None
    if route.method.output_type.full_name == HTTP_BODY:
        return _file(route, first, answers)
    if EVENT_STREAM in request.headers.get("accept", "") or route.method.name.startswith("Watch"):
        return _streamed(EVENT_STREAM, _events(first, answers, encoder))
    return _streamed(LINES, _lines(first, answers, encoder))


def _streamed(content_type: str, stream: AsyncIterator[bytes], *extra: tuple[str, str]) -> Response:
    headers = [("content-type", content_type), ("cache-control", "no-store"), *extra]
    return Response(headers=headers, stream=stream)


def _file(route: Route, first: Any, answers: AsyncIterator[Any]) -> Response:
    content_type = (first.content_type if first is not None else "") or "application/octet-stream"
    extension = "csv" if content_type.startswith("text/csv") else "bin"
    disposition = f'attachment; filename="{route.method.name.lower()}.{extension}"'

    async def pieces() -> AsyncIterator[bytes]:
        if first is not None:
            yield first.data
        async for answer in answers:
            yield answer.data

    return _streamed(content_type, pieces(), ("content-disposition", disposition))


async def _events(first: Any, answers: AsyncIterator[Any], encoder: Encoder) -> AsyncIterator[bytes]:
    """Server-sent events, with comments in between so that proxies keep the connection."""
    yield b"retry: %d\n\n" % RECONNECT_MS
    if first is not None:
        yield b"data: " + encoder.to_json(first) + b"\n\n"
    following: asyncio.Future[Any] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(answers, None))
            await asyncio.wait({following}, timeout=KEEP_ALIVE_S)
            if not following.done():
                yield b": still here\n\n"
                continue
            answer, following = following.result(), None
            if answer is None:
                return
            yield b"data: " + encoder.to_json(answer) + b"\n\n"
    except SpotlightError as error:
        yield b"event: problem\ndata: " + orjson.dumps(_said(error)) + b"\n\n"
    finally:
        if following is not None:
            following.cancel()


async def _lines(first: Any, answers: AsyncIterator[Any], encoder: Encoder) -> AsyncIterator[bytes]:
    """One JSON object a line; an error after the first becomes the last line."""
    try:
        if first is not None:
            yield encoder.to_json(first) + b"\n"
        async for answer in answers:
            yield encoder.to_json(answer) + b"\n"
    except SpotlightError as error:
        yield orjson.dumps({"error": _said(error)}) + b"\n"
    except Exception:  # noqa: BLE001 - the head is sent: the last line is where a failure can still be said
        structlog.get_logger("http").exception("a stream failed")
        yield orjson.dumps({"error": _said(Internal())}) + b"\n"


def _said(error: SpotlightError) -> dict[str, str]:
    return {"reason": error.reason, "detail": error.message}
