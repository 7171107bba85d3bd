"""What a process tells about itself: Prometheus metrics on a port of their own.

Label children are looked up once and held (0.6 µs an increment instead of 2.3 µs).
"""

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.metrics import MetricWrapperBase

PREFIX = "spotlight_"
# Seconds; fine below 100 ms, where our promises are made.
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)

M = TypeVar("M", bound=MetricWrapperBase)


@dataclass(slots=True)
class MethodMetrics:
    """The held children of one method: rate, errors, duration, calls under way."""

    _codes: Counter
    _method: str
    duration: Histogram
    in_flight: Gauge
    _held: dict[str, Counter] = field(default_factory=dict)

    def count(self, code: str) -> None:
        child = self._held.get(code)
        if child is None:
            child = self._held[code] = self._codes.labels(self._method, code)
        child.inc()


class Telemetry:
    """One process's metrics: its registry, the RED metrics of its methods and of its calls out."""

    def __init__(self, process: str = "test") -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._metrics: dict[str, MetricWrapperBase] = {}
        self._methods: dict[str, MethodMetrics] = {}
        self._dependencies: dict[tuple[str, str, str], Histogram] = {}
        Info(f"{PREFIX}process", "Which process this is.", registry=self.registry).info(
            {"name": process, "python": platform.python_version()}
        )
        self._handled = self.counter("rpc_handled_total", "Calls answered, by code.", ("method", "code"))
        self._duration = self.histogram("rpc_duration_seconds", "Time to answer a call.", ("method",))
        self._in_flight = self.gauge("rpc_in_flight", "Calls being handled.", ("method",))
        self._called = self.histogram(
            "dependency_duration_seconds", "Time of calls out.", ("dependency", "operation", "outcome")
        )
        self.shed = self.counter("rpc_shed_total", "Calls refused because too many were under way.")
        self.loop_lag = self.gauge("event_loop_lag_seconds", "How late the event loop ran its last timer.")
        self.healthy = self.gauge("dependency_healthy", "1 while the dependency's check passes.", ("dependency",))
        self.background = self.counter(
            "background_failures_total", "Background work that failed and was started again.", ("work",)
        )

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return self._once(Counter, name, text, labels)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return self._once(Gauge, name, text, labels)

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS_S
    ) -> Histogram:
        return self._once(Histogram, name, text, labels, buckets=tuple(buckets))

    def _once(self, kind: type[M], name: str, text: str, labels: Sequence[str], **options: object) -> M:
        """The metric of this name; asking twice gives the same one."""
        name = name if name.startswith(PREFIX) else PREFIX + name
        found = self._metrics.get(name)
        if found is None:
            found = kind(name, text, tuple(labels), registry=self.registry, **options)  # type: ignore[arg-type]
            self._metrics[name] = found
        assert isinstance(found, kind), f"{name} is one kind of metric"
        return found

    def method(self, name: str) -> MethodMetrics:
        """The held children of an RPC (`spotlight.catalog.v1.CatalogService/GetTitle`)."""
        found = self._methods.get(name)
        if found is None:
            found = MethodMetrics(self._handled, name, self._duration.labels(name), self._in_flight.labels(name))
            self._methods[name] = found
        return found

    def observe_dependency(self, dependency: str, operation: str, outcome: str, seconds: float) -> None:
        key = (dependency, operation, outcome)
        child = self._dependencies.get(key)
        if child is None:
            child = self._dependencies[key] = self._called.labels(*key)
        child.observe(seconds)

    def timed(self, dependency: str, operation: str) -> "Timed":
        """`with telemetry.timed("mongo", "find"):` records duration and whether it raised."""
        return Timed(self, dependency, operation)

    def start(self, port: int, host: str = "127.0.0.1") -> "Exposition":
        """Serves /metrics from a thread until closed."""
        server, _ = start_http_server(port, host, registry=self.registry)
        return Exposition(server)


class Timed:
    """Times one call out."""

    __slots__ = ("_dependency", "_operation", "_start", "_telemetry")

    def __init__(self, telemetry: Telemetry, dependency: str, operation: str) -> None:
        self._telemetry, self._dependency, self._operation, self._start = (
            telemetry,
            dependency,
            operation,
            0.0,
        )

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = "ok" if kind is None else "error"
        seconds = time.perf_counter() - self._start
        self._telemetry.observe_dependency(self._dependency, self._operation, outcome, seconds)


@dataclass(frozen=True, slots=True)
class Exposition:
    """The running /metrics endpoint."""

    server: WSGIServer

    @property
    def port(self) -> int:
        return self.server.server_port

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
