"""The one fused server interceptor: limit, identify, guard the deadline, validate, measure, map errors.

One wrapper a method does all of it, because each interceptor of its own costs a task switch. Outermost first:

1. shed: more calls than `calls_max` get RESOURCE_EXHAUSTED with the time after which to retry;
2. admit: only peers on the allow-list, when certificates are configured;
3. identify: request id and principal, into chassis.context;
4. guard: the caller's deadline, or the server's default, bounds the handler;
5. validate: the proto's rules, so that a servicer only sees valid messages;
6. map: our errors to google.rpc.Status, everything else to INTERNAL with an opaque id.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError

from chassis import context, ids, status
from chassis.config import Settings
from chassis.errors import (
    DeadlineExceeded,
    Internal,
    PermissionDenied,
    ResourceExhausted,
    SpotlightError,
    Unavailable,
)
from chassis.telemetry import MethodMetrics, Telemetry
from chassis.tracing import NO_TRACING, Tracing
from chassis.validation import MALFORMED, Rules

# Health and reflection answer even when everything else is shed, and have no rules of ours.
INFRASTRUCTURE = "/grpc."
SHED_RETRY_S = 0.2

Metadata = Mapping[str, str | bytes]
Identify = Callable[[Metadata], context.Principal]
Translate = Callable[[BaseException], SpotlightError | None]
ServicerContext = grpc.aio.ServicerContext[Any, Any]
# Generic in its stubs only, so its parameters may not be seen at run time.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Overloaded(ResourceExhausted):
    """This server is answering as many calls as it can: try again shortly."""

    reason = "OVERLOADED"


class PeerRefused(PermissionDenied):
    """This peer's certificate is not on the list of those that may call."""

    reason = "PEER_REFUSED"


class Interrupted(Unavailable):
    """The work was interrupted: try again."""

    reason = "INTERRUPTED"


def translate_nothing(_: BaseException) -> SpotlightError | None:
    return None


@dataclass(slots=True)
class Load:
    """Calls under way of one sort, and how many there may be."""

    limit: int
    now: int = 0


class Fused(grpc.aio.ServerInterceptor):
    """Wraps every method once, at its first call, and keeps the wrapper."""

    def __init__(
        self,
        settings: Settings,
        *,
        telemetry: Telemetry,
        identify: Identify = context.peer_principal,
        translate: Translate = translate_nothing,
        tracing: Tracing = NO_TRACING,
        rules: Rules | None = None,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._identify = identify
        self._translate = translate
        self._tracing = tracing
        self._rules = rules or Rules()
        self._unary_load = Load(settings.calls_max)
        self._stream_load = Load(settings.streams_max)
        self._wrapped: dict[str, Handler] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._log = structlog.get_logger("rpc")

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        # An unknown method has no handler, and must not fill the table.
        if handler is None or method.startswith(INFRASTRUCTURE):
            return handler
        self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    async def drained(self, timeout_s: float) -> None:
        """Waits until the handlers under way have run their last line: server.stop does not."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _wrap(self, method: str, handler: Any) -> Handler:
        metrics = self._telemetry.method(method.removeprefix("/"))
        load = self._stream_load if handler.request_streaming or handler.response_streaming else self._unary_load
        guard = Guard(self, method, metrics, load)
        parse, serialise = _forgiving(handler.request_deserializer), handler.response_serializer
        match handler.request_streaming, handler.response_streaming:
            case False, False:
                wrapped = guard.one(handler.unary_unary, self._one_valid)
                return grpc.unary_unary_rpc_method_handler(wrapped, parse, serialise)
            case True, False:
                wrapped = guard.one(handler.stream_unary, self._each_valid)
                return grpc.stream_unary_rpc_method_handler(wrapped, parse, serialise)
            case False, True:
                many = guard.many(handler.unary_stream, self._one_valid)
                return grpc.unary_stream_rpc_method_handler(many, parse, serialise)
            case _:
                many = guard.many(handler.stream_stream, self._each_valid)
                return grpc.stream_stream_rpc_method_handler(many, parse, serialise)

    def _one_valid(self, request: Any) -> Any:
        self._rules.check(request)
        return request

    async def _each_valid(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._rules.check(request)
            yield request

    def enter(self, call: ServicerContext, load: Load) -> float | None:
        """Steps 1 to 3; gives the seconds the call may take."""
        if load.now > load.limit:
            self._telemetry.shed.inc()
            raise Overloaded(retry_after_s=SHED_RETRY_S * random.uniform(1, 2))  # noqa: S311 - spreads retries
        if self._settings.tls_peer_names:
            self._admit(call)
        metadata: dict[str, str | bytes] = dict(call.invocation_metadata() or ())
        given = metadata.get(context.REQUEST_ID_KEY)
        known = isinstance(given, str) and context.REQUEST_ID.fullmatch(given)
        remaining_s = self._remaining_s(call, load)
        request_id = str(given) if known else ids.new_id()
        context.enter(request_id=request_id, remaining_s=remaining_s, principal=context.NOBODY)
        context.become(self._identify(metadata))
        return remaining_s

    def _remaining_s(self, call: ServicerContext, load: Load) -> float | None:
        given: float | None = call.time_remaining()
        if load is self._stream_load:
            return given
        return self._settings.deadline_default_s if given is None else min(given, self._settings.deadline_max_s)

    def _admit(self, call: ServicerContext) -> None:
        names = {
            name.decode("utf-8", "replace")
            for key in ("x509_common_name", "x509_subject_alternative_name")
            for name in call.auth_context().get(key, ())
        }
        if names.isdisjoint(self._settings.tls_peer_names):
            raise PeerRefused

    def error_of(self, raised: BaseException, method: str) -> SpotlightError:
        """What the caller is told; what only we may know goes to the log."""
        leaf = _leaf(raised)
        if isinstance(leaf, SpotlightError):
            return leaf
        if isinstance(leaf, TimeoutError):
            return DeadlineExceeded()
        if isinstance(leaf, asyncio.CancelledError):
            return Interrupted()
        if isinstance(leaf, grpc.aio.AioRpcError):
            return status.from_rpc_error(leaf)
        translated = self._translate(leaf)
        if translated is not None:
            return translated
        error_id = ids.new_id()
        self._log.error("a handler failed", method=method, error_id=error_id, exc_info=raised)
        return Internal(f"Something went wrong on our side; its id is {error_id}.", metadata={"error_id": error_id})


class Guard:
    """One method's wrapper around its handler."""

    def __init__(self, fused: Fused, method: str, metrics: MethodMetrics, load: Load) -> None:
        self._fused, self._method, self._metrics, self._load = fused, method, metrics, load

    def one(self, behavior: Callable[..., Awaitable[Any]], valid: Callable[[Any], Any]) -> Any:
        """For methods that answer once."""

        async def handle(request: Any, call: ServicerContext) -> Any:
            under_way = UnderWay(self._fused, self._method, self._metrics, self._load, call)
            with under_way:
                try:
                    remaining_s = under_way.enter()
                    async with asyncio.timeout(remaining_s):
                        return await behavior(valid(request), call)
                except BaseException as raised:  # noqa: BLE001 - the outermost place: everything becomes a status
                    await under_way.fail(raised)

        return handle

    def many(self, behavior: Callable[..., Any], valid: Callable[[Any], Any]) -> Any:
        """For methods that answer with a stream."""

        async def handle(request: Any, call: ServicerContext) -> AsyncIterator[Any]:
            under_way = UnderWay(self._fused, self._method, self._metrics, self._load, call)
            with under_way:
                try:
                    remaining_s = under_way.enter()
                    async with asyncio.timeout(remaining_s):
                        async for response in behavior(valid(request), call):
                            yield response
                except GeneratorExit:
                    under_way.code = "CANCELLED"
                    raise
                except BaseException as raised:  # noqa: BLE001 - likewise
                    await under_way.fail(raised)

        return handle


class UnderWay:
    """One call: counted while it lasts, measured when it ends."""

    __slots__ = ("_call", "_fused", "_load", "_method", "_metrics", "_span", "_start", "_task", "code")

    def __init__(self, fused: Fused, method: str, metrics: MethodMetrics, load: Load, call: ServicerContext) -> None:
        self._fused, self._method, self._metrics, self._load, self._call = fused, method, metrics, load, call
        self.code = "OK"

    def __enter__(self) -> None:
        self._start = time.perf_counter()
        self._load.now += 1
        self._metrics.in_flight.inc()
        self._task = asyncio.current_task()
        assert self._task is not None, "a handler runs in a task"
        self._fused._tasks.add(self._task)  # noqa: SLF001 - one mechanism in two classes
        self._span = self._fused._tracing.begin(self._method, self._call)  # noqa: SLF001

    def enter(self) -> float | None:
        return self._fused.enter(self._call, self._load)

    async def fail(self, raised: BaseException) -> None:
        """Ends the call with the status that stands for what was raised."""
        assert self._task is not None, "the call was entered"
        if isinstance(raised, asyncio.CancelledError) and self._task.cancelling():
            self.code = "CANCELLED"
            raise raised
        if isinstance(raised, grpc.aio.AbortError):
            self.code = status.name_of(self._call.code())
            raise raised
        if not isinstance(raised, Exception | asyncio.CancelledError):
            self.code = "ABORTED"
            raise raised
        error = self._fused.error_of(raised, self._method)
        found = status.to_status(error)
        self.code = status.code_of(error.kind).name
        trailing = ((status.DETAILS_KEY, found.SerializeToString()),)
        await self._call.abort(status.code_of(error.kind), found.message, trailing)

    def __exit__(self, *_: object) -> None:
        self._load.now -= 1
        self._metrics.in_flight.dec()
        self._fused._tasks.discard(self._task)  # noqa: SLF001
        seconds = time.perf_counter() - self._start
        self._metrics.count(self.code)
        self._metrics.duration.observe(seconds, self._span.exemplar)
        self._span.end(self.code)


def _leaf(raised: BaseException) -> BaseException:
    """The first error in a task group's error: its siblings were cancelled because of it."""
    while isinstance(raised, BaseExceptionGroup):
        ours = raised.subgroup(SpotlightError)
        raised = (ours or raised).exceptions[0]
    return raised


def _forgiving(parse: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Bytes that are no message are the caller's mistake: INVALID_ARGUMENT, not INTERNAL."""
    if parse is None:
        return None

    def parsed(serialised: bytes) -> Any:
        try:
            return parse(serialised)
        except DecodeError:
            return MALFORMED

    return parsed
