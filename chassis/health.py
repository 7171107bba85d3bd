"""Deep health: what a process can do depends on what it needs, so each dependency is checked and told by name.

Served as grpc.health.v1: "" is the whole process, each service has its name, and so has each dependency ("mongo").
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from chassis.telemetry import Telemetry

Check = Callable[[], Awaitable[None]]
Watch = Callable[[bool], None]

CHECK_EVERY_S = 2.0
FAILING_EVERY_S = 0.5
CHECK_TIMEOUT_S = 1.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The statuses of one process, kept fresh by `watch`."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        services: Iterable[str],
        *,
        telemetry: Telemetry,
        every_s: float = CHECK_EVERY_S,
    ) -> None:
        self.servicer = aio.HealthServicer()
        self._checks = dict(checks)
        self._services = ("", *services)
        self._telemetry = telemetry
        self._every_s = every_s
        self._log = structlog.get_logger("health")
        self._failing: dict[str, str] = {}
        self.is_serving = False

    async def watch(self) -> None:
        """Checks everything, again and again; oftener while something fails, so that its end is seen soon."""
        while True:
            failing = await self.check()
            await asyncio.sleep(min(self._every_s, FAILING_EVERY_S) if failing else self._every_s)

    async def check(self) -> Mapping[str, str]:
        """Checks every dependency at once; gives the failing ones and why."""
        results = await asyncio.gather(*(_problem(check) for check in self._checks.values()))
        failing = {name: problem for name, problem in zip(self._checks, results, strict=True) if problem}
        if failing != self._failing:
            self._log.warning("health changed", failing=failing)
        self._failing = failing
        for name in self._checks:
            self._telemetry.healthy.labels(name).set(0 if name in failing else 1)
            await self.servicer.set(name, NOT_SERVING if name in failing else SERVING)
        self.is_serving = not failing
        for name in self._services:
            await self.servicer.set(name, NOT_SERVING if failing else SERVING)
        return failing

    async def drain(self) -> None:
        """NOT_SERVING from now on, whatever the checks say."""
        self.is_serving = False
        await self.servicer.enter_graceful_shutdown()


async def _problem(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever a check raises, the dependency is not well
        return str(error) or type(error).__name__
    return ""
