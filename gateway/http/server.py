"""Granian around the application: RSGI in this process's own event loop, with limits, drained at the end.

Granian calls its embedded form experimental; we use it because the gRPC side, the cache and its listeners
live in the same loop, and one process then needs no second copy of any of them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from chassis.server import PortBusy
from gateway.http.message import BodyTooLarge, Request, Response

HEADER_BYTES_MAX = 64 * 1024
HEADER_READ_MS = 10_000
BACKLOG = 1024
START_S = 5.0
DISCARD_BYTES_MAX = 8 * 2**20
BODY_S = 30.0
STOP_S = 2.0

Hot = Callable[[Any, Any], bool]
"""Answers at once and says so, or leaves the request to the application."""


class Door:
    """What granian calls for every request."""

    def __init__(
        self, hot: Hot, answer: Callable[[Request], Coroutine[Any, Any, Response]], *, tls: bool = False
    ) -> None:
        self._hot = hot
        self._answer = answer
        self._tls = tls
        self._open: set[asyncio.Task[Any]] = set()
        self._log = structlog.get_logger("http")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if self._hot(scope, protocol):
            return
        task = asyncio.current_task()
        assert task is not None, "granian runs each request in a task"
        self._open.add(task)
        try:
            await self._serve(scope, protocol)
        finally:
            self._open.discard(task)

    async def drained(self, timeout_s: float) -> None:
        """Wait for the requests under way."""
        if self._open:
            await asyncio.wait(set(self._open), timeout=timeout_s)

    async def _serve(self, scope: Any, protocol: Any) -> None:
        request = Request(
            method=scope.method,
            path=scope.path,
            query=scope.query_string,
            headers=scope.headers,
            client=scope.client.rsplit(":", 1)[0],
            read=_reader(scope, protocol),
            is_https=self._tls,
        )
        working: asyncio.Future[Response] = asyncio.ensure_future(self._answer(request))
        leaving: asyncio.Future[None] = asyncio.ensure_future(protocol.client_disconnect())
        try:
            either: set[asyncio.Future[Any]] = {working, leaving}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return
            await _send(protocol, working.result(), leaving)
        finally:
            working.cancel()
            leaving.cancel()


def _reader(scope: Any, protocol: Any) -> Callable[[int], Any]:
    async def read(bytes_max: int) -> bytes:
        announced = scope.headers.get("content-length", "0")
        pieces: list[bytes] = []
        size = int(announced) if announced.isdecimal() and int(announced) > bytes_max else 0
        async with asyncio.timeout(BODY_S):
            async for piece in protocol:
                size += len(piece)
                if size <= bytes_max:
                    pieces.append(piece)
                elif size > bytes_max + DISCARD_BYTES_MAX:
                    break
                else:
                    # Read on a little: who is still sending does not see an answer once the connection is reset.
                    pieces.clear()
        if size > bytes_max:
            raise BodyTooLarge(metadata={"bytes_max": str(bytes_max)})
        return b"".join(pieces)

    return read


async def _send(protocol: Any, response: Response, leaving: "asyncio.Future[None]") -> None:
    if response.stream is None:
        if response.body:
            protocol.response_bytes(response.status, response.headers, response.body)
        else:
            protocol.response_empty(response.status, response.headers)
        return
    transport = protocol.response_stream(response.status, response.headers)
    pieces = response.stream
    try:
        async for piece in _until(pieces, leaving):
            await transport.send_bytes(piece)
    finally:
        await pieces.aclose()  # type: ignore[attr-defined]  # our streams are generators


async def _until(pieces: AsyncIterator[bytes], leaving: "asyncio.Future[None]") -> AsyncIterator[bytes]:
    """The pieces of a stream until its reader leaves."""
    while True:
        following = asyncio.ensure_future(anext(pieces, None))
        try:
            either: set[asyncio.Future[Any]] = {following, leaving}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            piece = following.result() if following.done() else None
        finally:
            following.cancel()
        if piece is None:
            return
        yield piece


class HttpServer:
    """The listening side."""

    def __init__(self, door: Door, *, host: str, port: int, connections_max: int) -> None:
        self._door = door
        self.port = port or _free_port(host)
        _require_free(host, self.port)
        self._server = Server(
            door,
            address=host,
            port=self.port,
            interface=Interfaces.RSGI,
            http=HTTPModes.auto,
            websockets=False,
            backlog=BACKLOG,
            backpressure=connections_max,
            log_enabled=False,
            log_level=LogLevels.error,
            http1_settings=HTTP1Settings(
                max_buffer_size=HEADER_BYTES_MAX, header_read_timeout=HEADER_READ_MS, pipeline_flush=True
            ),
        )

    async def run(self, stop: asyncio.Event, drain_s: float) -> None:
        """Serve until `stop` is set (or this is cancelled), then finish what is under way."""
        serving = asyncio.create_task(self._server.serve())
        try:
            await stop.wait()
        finally:
            await self._door.drained(drain_s)
            self._server.stop()  # type: ignore[no-untyped-call]  # granian has no types here
            await asyncio.wait({serving}, timeout=STOP_S)
            serving.cancel()

    async def listening(self) -> None:
        """Wait until connections are accepted."""
        async with asyncio.timeout(START_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _require_free(host: str, port: int) -> None:
    """Granian shares its port, so a second process would take half of the requests in silence."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = f"{host}:{port} is taken: stop what listens there or choose another port"
            raise PortBusy(msg) from error
