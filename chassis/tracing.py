"""OpenTelemetry spans for calls in and out, when an OTLP endpoint is configured; nothing at all otherwise.

The contrib interceptor records aborted calls as status 0, so this small one is ours.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from chassis.config import Settings

EXPORT_TIMEOUT_S = 5


class Span(Protocol):
    @property
    def exemplar(self) -> dict[str, str] | None:
        """What a histogram's bucket points at."""
        ...

    def end(self, code: str) -> None: ...


class Tracing(Protocol):
    def begin(self, method: str, call: Any) -> Span:
        """A span for a call that came in, the child of its caller's."""
        ...

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        """The metadata that makes the next service's span a child of the present one."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class NoSpan:
    exemplar: dict[str, str] | None = None

    def end(self, code: str) -> None:
        """There is nothing to end."""


class NoTracing:
    """What runs when no endpoint is set."""

    _span = NoSpan()

    def begin(self, method: str, call: Any) -> Span:  # noqa: ARG002 - the protocol's signature
        return self._span

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        return ()

    def close(self) -> None:
        """There is nothing to close."""


NO_TRACING = NoTracing()


class OtlpSpan:
    """One call's span, current while the call lasts."""

    __slots__ = ("_scope", "_span")

    def __init__(self, span: Any, scope: AbstractContextManager[Any]) -> None:
        self._span, self._scope = span, scope
        self._scope.__enter__()

    @property
    def exemplar(self) -> dict[str, str] | None:
        found = self._span.get_span_context()
        return {"trace_id": f"{found.trace_id:032x}"} if found.trace_flags.sampled else None

    def end(self, code: str) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only where traces are on

        self._span.set_attribute("rpc.grpc.status_code", code)
        if code not in {"OK", "NOT_FOUND", "INVALID_ARGUMENT", "CANCELLED"}:
            self._span.set_status(Status(StatusCode.ERROR, code))
        self._scope.__exit__(None, None, None)
        self._span.end()


class OtlpTracing:
    """Spans sent in batches to a collector."""

    def __init__(self, process: str, processor: Any) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - loads slowly, needed only here
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._provider = TracerProvider(resource=Resource.create({"service.name": f"spotlight-{process}"}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("spotlight")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, method: str, call: Any) -> Span:
        from opentelemetry.trace import SpanKind, use_span  # noqa: PLC0415

        carrier: Mapping[str, Any] = dict(call.invocation_metadata() or ())
        parent = self._propagator.extract(carrier)
        span = self._tracer.start_span(method.removeprefix("/"), context=parent, kind=SpanKind.SERVER)
        return OtlpSpan(span, use_span(span, end_on_exit=False, record_exception=False))

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return tuple(carrier.items())

    def close(self) -> None:
        self._provider.shutdown()


def configure(process: str, settings: Settings) -> Tracing:
    """Tracing to the configured endpoint, or none."""
    if not settings.otlp_endpoint:
        return NO_TRACING
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    exporter = OTLPSpanExporter(
        endpoint=settings.otlp_endpoint,
        insecure=settings.otlp_endpoint.startswith("http://"),
        timeout=EXPORT_TIMEOUT_S,
    )
    return OtlpTracing(process, BatchSpanProcessor(exporter))
