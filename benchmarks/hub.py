"""How many hot hubs a second leave one gateway process, beside a bare server that sends the same bytes?

`python -m benchmarks.hub [--seconds 5] [--connections 32] [--json]` starts a Redis, stand-ins for the four services,
a real gateway process and a bare granian (and nginx, where there is one) pinned to one core, and loads them from
another. Then pages of 100 anchors, hot and with the near-cache switched off. The last line is one JSON object.
"""

# ruff: noqa: N802, ARG002 - gRPC gives its methods their form

import argparse
import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from chassis import auth, embedded, server
from chassis.config import Settings
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.incentives.v1 import incentives_pb2, incentives_pb2_grpc
from protos.matcher.v1 import matcher_pb2, matcher_pb2_grpc
from protos.metrics.v1 import metrics_pb2_grpc, report_pb2

READY_S = 90.0
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


class Catalog(catalog_pb2_grpc.CatalogServiceServicer):
    async def GetTitle(self, request: Any, context: Any) -> catalog_pb2.Title:
        cast = [catalog_pb2.CastMember(name=f"Person {n}", character=f"Role {n}", order=n) for n in range(15)]
        offers = [
            catalog_pb2.WatchOffer(
                id=f"o{n}", provider_id=f"p{n}", provider_name=f"Provider {n}", offer_type=1 + n % 5, iso_3166_1="US"
            )
            for n in range(12)
        ]
        people = catalog_pb2.Credits(cast=cast)
        return catalog_pb2.Title(
            id=request.id, title="A title", overview="About it. " * 40, credits=people, watch_offers=offers, revision=1
        )

    async def ListChanges(self, request: Any, context: Any) -> catalog_pb2.ListChangesResponse:
        await asyncio.sleep(min(request.wait_s, 5))
        return catalog_pb2.ListChangesResponse(latest_revision=1)


class Matcher(matcher_pb2_grpc.MatcherServiceServicer):
    async def ListTitleVideos(self, request: Any, context: Any) -> matcher_pb2.ListTitleVideosResponse:
        videos = [
            matcher_pb2.Video(id=f"v{n}", video_description="A caption with #tags " * 3, view_count=1000 * n)
            for n in range(24)
        ]
        return matcher_pb2.ListTitleVideosResponse(videos=[matcher_pb2.TitleVideo(video=video) for video in videos])

    async def BatchGetAnchors(self, request: Any, context: Any) -> matcher_pb2.BatchGetAnchorsResponse:
        anchors = [
            matcher_pb2.Anchor(video_id=video_id, title_id="movie:1", hub_url="/hubs/movie:1", state=1)
            for video_id in request.video_ids
        ]
        return matcher_pb2.BatchGetAnchorsResponse(anchors=anchors)


class Incentives(incentives_pb2_grpc.IncentivesServiceServicer):
    async def ListActiveCampaigns(self, request: Any, context: Any) -> incentives_pb2.ListActiveCampaignsResponse:
        return incentives_pb2.ListActiveCampaignsResponse()


class Metrics(metrics_pb2_grpc.MetricsServiceServicer):
    async def GetTitleReport(self, request: Any, context: Any) -> report_pb2.GetTitleReportResponse:
        return report_pb2.GetTitleReportResponse(title_id=request.title_id)

    async def ListTrendingTitles(self, request: Any, context: Any) -> report_pb2.ListTrendingTitlesResponse:
        return report_pb2.ListTrendingTitlesResponse()


REGISTRATIONS = [
    Registration(
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server, Catalog(), "spotlight.catalog.v1.CatalogService"
    ),
    Registration(
        matcher_pb2_grpc.add_MatcherServiceServicer_to_server, Matcher(), "spotlight.matcher.v1.MatcherService"
    ),
    Registration(
        incentives_pb2_grpc.add_IncentivesServiceServicer_to_server,
        Incentives(),
        "spotlight.incentives.v1.IncentivesService",
    ),
    Registration(
        metrics_pb2_grpc.add_MetricsServiceServicer_to_server, Metrics(), "spotlight.metrics.v1.MetricsService"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was answered in a stretch of time."""

    per_s: float
    p50_ms: float
    p99_ms: float
    body_bytes: int


class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it was answered; every body has the same size."""

    def __init__(self, request: bytes, body_bytes: int, done: list[float]) -> None:
        self._request, self._body_bytes, self._done = request, body_bytes, done
        self._head, self._left, self._asked = b"", -1, 0.0
        self.stopped = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._head, self._left, self._asked = b"", -1, time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._left = self._body_bytes - (len(self._head) - end - 4)
        else:
            self._left -= len(data)
        if self._left <= 0:
            assert self._left == 0, "bodies of one size"
            self._done.append(time.perf_counter() - self._asked)
            if not self.stopped:
                self._ask()


async def load(port: int, request: bytes, *, seconds: float, connections: int) -> Load:
    """As many answers as come in so many seconds."""
    body_bytes = await sized(port, request)
    done: list[float] = []
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: Asker(request, body_bytes, done), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(0.5)
    done.clear()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    count, taken = len(done), time.perf_counter() - start
    for asker in askers:
        asker.stopped = True
        asker._transport.close()  # noqa: SLF001 - one mechanism
    ordered = sorted(done[:count])
    return Load(
        per_s=count / taken,
        p50_ms=1000 * ordered[count // 2],
        p99_ms=1000 * ordered[count * 99 // 100],
        body_bytes=body_bytes,
    )


async def sized(port: int, request: bytes) -> int:
    """The size of an answer's body; asked three times, so that the next one is hot."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
    writer.close()
    return length


def asked(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def wait_for(port: int) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@contextmanager
def child(command: list[str], env: dict[str, str]) -> Iterator[None]:
    """A process pinned to the server's core, ended with the block."""
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    # Before it has threads: they inherit the core.
    os.sched_setaffinity(process.pid, {SERVER_CORE})
    try:
        yield
    finally:
        process.terminate()
        process.wait(15)


@asynccontextmanager
async def services() -> AsyncIterator[int]:
    """The four stand-ins on one port."""
    built = server.build_server(Settings(local=True), REGISTRATIONS, telemetry=Telemetry())
    await built.server.start()
    yield built.port
    await built.server.stop(0)


def gateway_env(folder: Path, redis_url: str, port: int, services_port: int, anchor_near_s: float) -> dict[str, str]:
    settings = {
        "LOCAL": "true",
        "HTTP_PORT": str(port),
        "JWT_SECRET_FILE": str(folder / "key"),
        "ANCHOR_NEAR_S": str(anchor_near_s),
        "RATE_APP_PER_MIN": "100000000",
        "LOG_LEVEL": "error",
        **{f"{name}_ADDRESS": f"127.0.0.1:{services_port}" for name in ("CATALOG", "MATCHER", "INCENTIVES", "METRICS")},
    }
    return {"REDIS_URL": redis_url, **{f"SPOTLIGHT_GATEWAY_{name}": value for name, value in settings.items()}}


async def measure(seconds: float, connections: int) -> dict[str, float]:
    """Every figure, in one run."""
    options = {"seconds": seconds, "connections": connections}
    hub = "/v1/hubs/movie:1?region=US&language=en"
    page = json.dumps({"video_ids": [f"v{n}" for n in range(100)], "viewer_region": "US"}).encode()
    figures: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key = secrets.token_hex(16)
        (folder / "key").write_text(key)
        token = auth.mint_local(key.encode(), "bench", ["hub.read", "events.write"], now=datetime.now(UTC))
        redis_port = embedded.free_port()
        running = embedded.start(embedded.redis_command(redis_port, folder), redis_port, folder / "log")
        stack.callback(running.stop)
        services_port = await stack.enter_async_context(services())
        os.sched_setaffinity(0, {LOAD_CORE})
        for kept_s, name in ((1.0, "anchors_hot"), (0.0, "anchors")):
            port = embedded.free_port()
            env = gateway_env(folder, f"redis://127.0.0.1:{redis_port}/0", port, services_port, kept_s)
            with child([sys.executable, "-m", "gateway"], env):
                await wait_for(port)
                await asyncio.sleep(1)
                if kept_s:
                    hot = await load(port, asked("GET", hub, token), **options)
                    figures |= {"hub_per_s": hot.per_s, "hub_p50_ms": hot.p50_ms, "hub_p99_ms": hot.p99_ms}
                    figures["hub_bytes"] = hot.body_bytes
                pages = await load(port, asked("POST", "/v1/anchors:batchGet", token, page), **options)
                figures |= {f"{name}_pages_per_s": pages.per_s, f"{name}_p99_ms": pages.p99_ms}
        figures |= await references(folder, int(figures["hub_bytes"]), options)
    figures["hub_vs_bare"] = figures["hub_per_s"] / figures["bare_per_s"]
    return figures


async def references(folder: Path, size: int, options: dict[str, Any]) -> dict[str, float]:
    """The same number of bytes from servers that do nothing else."""
    figures = {}
    port = embedded.free_port()
    with child([sys.executable, "-m", "benchmarks.hub", "--bare", str(port), str(size)], {}):
        await wait_for(port)
        bare = await load(port, asked("GET", "/", "x"), **options)
        figures |= {"bare_per_s": bare.per_s, "bare_p99_ms": bare.p99_ms}
    nginx = shutil.which("nginx")
    if nginx:
        (folder / "hub.json").write_bytes(b"x" * size)
        port = embedded.free_port()
        (folder / "nginx.conf").write_text(
            f"{'user root;' if os.geteuid() == 0 else ''} worker_processes 1; daemon off; pid {folder}/pid;"
            f" error_log /dev/null; events {{}} http {{ access_log off; keepalive_requests 100000000;"
            f" server {{ listen 127.0.0.1:{port}; root {folder}; }} }}"
        )
        with child([nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], {}):
            await wait_for(port)
            figures["nginx_per_s"] = (await load(port, asked("GET", "/hub.json", "x"), **options)).per_s
    return figures


async def bare(port: int, size: int) -> None:
    """A granian that answers every request with the same bytes."""
    from granian.constants import Interfaces  # noqa: PLC0415 - only the child needs it
    from granian.server.embed import Server  # noqa: PLC0415

    body, headers = b"x" * size, [("content-type", "application/json")]

    async def app(_: Any, protocol: Any) -> None:
        protocol.response_bytes(200, headers, body)

    await Server(app, address="127.0.0.1", port=port, interface=Interfaces.RSGI, log_enabled=False).serve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--bare", nargs=2, type=int, metavar=("PORT", "BYTES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        uvloop.run(bare(*options.bare))
        return
    figures = uvloop.run(measure(options.seconds, options.connections))
    if not options.json:
        for name, value in figures.items():
            print(f"{name:24} {value:12,.2f}")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
