"""A process that serves gRPC: build, bind, serve until SIGTERM, drain, exit 0.

SIGTERM → NOT_SERVING at once → no new calls, those under way finish → background work ends → exit 0
"""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis import context, logging, mongo, tracing, transport
from chassis.config import ConfigError, Settings
from chassis.health import Check, Health
from chassis.interceptors import Fused, Identify
from chassis.telemetry import Telemetry
from chassis.tracing import NO_TRACING, Tracing
from chassis.validation import Rules

Background = Callable[[], Awaitable[None]]

# Time in which a load balancer may still send what it had decided before it saw NOT_SERVING.
LAMEDUCK_S = 0.1
# Background work that failed begins again after this, doubled while it keeps failing at once, spread by half.
RESTART_MIN_S = 0.5
RESTART_MAX_S = 3.0  # a peer that comes back is followed again within seconds
LOOP_LAG_EVERY_S = 1.0
EX_CONFIG = 78
EX_UNAVAILABLE = 69


class PortBusy(ConfigError):
    """The port is taken."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One servicer: how it is added to a server, and the full name of its proto service."""

    add: Callable[[Any, grpc.aio.Server], None]
    servicer: Any
    service_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A server that is bound and not yet started."""

    server: grpc.aio.Server
    port: int
    fused: Fused
    health: Health


def build_server(
    settings: Settings,
    registrations: Sequence[Registration],
    *,
    checks: Mapping[str, Check] | None = None,
    telemetry: Telemetry,
    identify: Identify = context.peer_principal,
    tracing: Tracing = NO_TRACING,
) -> Built:
    """Makes and binds the server with its interceptor, health and reflection."""
    names = [registration.service_name for registration in registrations]
    rules = Rules()
    for name in names:
        rules.compile(name)
    fused = Fused(
        settings,
        telemetry=telemetry,
        identify=identify,
        translate=mongo.translate,
        tracing=tracing,
        rules=rules,
    )
    server = grpc.aio.server(interceptors=[fused], options=transport.server_options(settings))
    for registration in registrations:
        registration.add(registration.servicer, server)
    state = Health(checks or {}, names, telemetry=telemetry)
    health_pb2_grpc.add_HealthServicer_to_server(state.servicer, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return Built(server=server, port=_bind(server, settings), fused=fused, health=state)


def _bind(server: grpc.aio.Server, settings: Settings) -> int:
    credentials = transport.server_credentials(settings)
    address = f"{settings.host}:{settings.port}"
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        msg = f"{address} is taken or is not an address of this machine: stop what listens there or choose another"
        raise PortBusy(msg) from error


async def serve(
    *,
    name: str,
    settings: Settings,
    registrations: Sequence[Registration],
    checks: Mapping[str, Check] | None = None,
    background: Sequence[Background] = (),
    telemetry: Telemetry | None = None,
    identify: Identify = context.peer_principal,
    stop: asyncio.Event | None = None,
) -> None:
    """Serves until SIGTERM, SIGINT or `stop`, then drains; returns when the last call has ended."""
    logging.configure(settings.log_level, process=name)
    stop = stop or asyncio.Event()
    telemetry = telemetry or Telemetry(name)
    traces = tracing.configure(name, settings)
    log = structlog.get_logger(name)
    built = build_server(settings, registrations, checks=checks, telemetry=telemetry, identify=identify, tracing=traces)
    with contextlib.ExitStack() as closing:
        closing.callback(traces.close)
        exposition = _expose(telemetry, settings)
        closing.callback(exposition.close)
        _stop_on_signals(stop)
        async with running_tasks(built.health.watch, lambda: watch_loop(telemetry), *background, telemetry=telemetry):
            await built.health.check()
            await built.server.start()
            log.info("serving", port=built.port, telemetry_port=exposition.port)
            await stop.wait()
            log.info("draining", seconds=settings.drain_s)
            await drain(built, settings.drain_s)
    log.info("stopped")


def _expose(telemetry: Telemetry, settings: Settings) -> Any:
    try:
        return telemetry.start(settings.telemetry_port, settings.host)
    except OSError as error:
        msg = f"{settings.host}:{settings.telemetry_port} for /metrics cannot be used: {error.strerror}"
        raise PortBusy(msg) from error


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def drain(built: Built, drain_s: float) -> None:
    """NOT_SERVING, then no new calls, then the last line of every handler."""
    await built.health.drain()
    await asyncio.sleep(min(LAMEDUCK_S, drain_s))
    await built.server.stop(drain_s)
    await built.fused.drained(timeout_s=1.0)


@asynccontextmanager
async def running_tasks(*work: Background, telemetry: Telemetry) -> AsyncIterator[None]:
    """Keeps background work running for the block, starting again what fails."""
    tasks = [asyncio.create_task(_kept_up(each, telemetry)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept_up(work: Background, telemetry: Telemetry) -> None:
    name = getattr(work, "__qualname__", "work")
    loop, pause_s = asyncio.get_running_loop(), RESTART_MIN_S
    while True:
        begun = loop.time()
        try:
            await work()
        except Exception:  # noqa: BLE001 - it is logged, counted, and begun again
            telemetry.background.labels(name).inc()
            structlog.get_logger("background").exception("background work failed", work=name, again_in_s=pause_s)
        else:
            return
        worked = loop.time() - begun > RESTART_MAX_S
        await asyncio.sleep(pause_s * random.uniform(1, 1.5))  # noqa: S311 - spreads restarts
        pause_s = RESTART_MIN_S if worked else min(RESTART_MAX_S, pause_s * 2)


async def watch_loop(telemetry: Telemetry) -> None:
    """Measures how late the event loop is: the saturation of a process with one loop."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOP_LAG_EVERY_S
        await asyncio.sleep(LOOP_LAG_EVERY_S)
        telemetry.loop_lag.set(max(0.0, loop.time() - due))


def run(main: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
    """Runs a process's main coroutine on uvloop; what the operator must mend is one sentence, not a traceback."""
    logging.configure(process=name)
    try:
        uvloop.run(main())
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)  # noqa: T201 - for whoever started it, before logs matter
        raise SystemExit(EX_CONFIG) from None
