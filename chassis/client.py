"""Calls out: one channel an address, a deadline on every call, errors of ours instead of the library's.

`Client` wraps a stub instead of intercepting the channel: an aio client interceptor costs a task a call. Each
call takes the smaller of its own slice and what the incoming call has left, less a margin for the way back.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from chassis import context, status, transport
from chassis.config import Settings
from chassis.errors import DeadlineExceeded, SpotlightError, Unavailable
from chassis.telemetry import Telemetry
from chassis.tracing import NO_TRACING, Tracing

MARGIN_S = 0.005
# Only reads are repeated, and only once: a write is repeated by whoever chose its request_id.
READS = ("Get", "List", "Search", "BatchGet", "Explain")
RETRY_PAUSE_S = 0.025
# A retry costs one token, a success gives a tenth back: an outage is not answered with twice the load.
RETRY_TOKENS_MAX = 10.0
RETRY_TOKEN_GAIN = 0.1


def channel(address: str, settings: Settings) -> grpc.aio.Channel:
    """The channel to a peer: mTLS when certificates are configured, plaintext otherwise."""
    credentials = transport.channel_credentials(settings)
    options = transport.client_options(settings)
    if credentials is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, credentials, options)


class Client:
    """One stub, called by the name of its methods."""

    def __init__(
        self,
        stub_class: Callable[[grpc.aio.Channel], Any],
        channel: grpc.aio.Channel,
        *,
        timeout_s: float = 1.0,
        telemetry: Telemetry | None = None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._stub = stub_class(channel)
        self._name = getattr(stub_class, "__name__", "stub").removesuffix("Stub")
        self._timeout_s = timeout_s
        self._telemetry = telemetry
        self._tracing = tracing
        self._retry_tokens = RETRY_TOKENS_MAX

    async def call(self, method: str, request: Any, *, timeout_s: float | None = None) -> Any:
        """Calls a method that answers once; `request` is a message, or an async iterator of them."""
        ends = time.monotonic() + self._budget_s(timeout_s)
        try:
            return await self._once(method, request, ends)
        except Unavailable:
            if not (method.startswith(READS) and self._may_retry(ends)):
                raise
        await asyncio.sleep(RETRY_PAUSE_S * random.uniform(1, 2))  # noqa: S311 - spreads retries
        return await self._once(method, request, ends)

    async def _once(self, method: str, request: Any, ends: float) -> Any:
        start = time.perf_counter()
        outcome = "OK"
        try:
            response = await getattr(self._stub, method)(
                request, timeout=max(MARGIN_S, ends - time.monotonic()), metadata=self._metadata()
            )
        except BaseException as raised:
            error = translated(raised)
            outcome = error.kind.name if error else "CANCELLED"
            if error is None:
                raise
            raise error from raised
        else:
            self._retry_tokens = min(RETRY_TOKENS_MAX, self._retry_tokens + RETRY_TOKEN_GAIN)
            return response
        finally:
            self._observe(method, outcome, start)

    async def stream(self, method: str, request: Any, *, timeout_s: float | None = None) -> AsyncIterator[Any]:
        """Calls a method that answers with a stream; `timeout_s` and the incoming deadline bound it."""
        remaining_s = context.remaining_s()
        bounded = timeout_s is not None or remaining_s is not None
        timeout = self._budget_s(timeout_s if timeout_s is not None else remaining_s) if bounded else None
        start = time.perf_counter()
        outcome = "OK"
        try:
            async for response in getattr(self._stub, method)(request, timeout=timeout, metadata=self._metadata()):
                yield response
        except BaseException as raised:
            error = translated(raised)
            outcome = error.kind.name if error else "CANCELLED"
            if error is None:
                raise
            raise error from raised
        finally:
            self._observe(method, outcome, start)

    def _budget_s(self, timeout_s: float | None) -> float:
        slice_s = self._timeout_s if timeout_s is None else timeout_s
        remaining_s = context.remaining_s()
        budget_s = slice_s if remaining_s is None else min(slice_s, remaining_s - MARGIN_S)
        if budget_s <= 0:
            raise DeadlineExceeded
        return budget_s

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (*context.outgoing(), *self._tracing.outgoing())

    def _may_retry(self, ends: float) -> bool:
        if self._retry_tokens < 1 or ends - time.monotonic() < 3 * RETRY_PAUSE_S:
            return False
        self._retry_tokens -= 1
        return True

    def _observe(self, method: str, outcome: str, start: float) -> None:
        if self._telemetry is not None:
            self._telemetry.observe_dependency(self._name, method, outcome, time.perf_counter() - start)


def translated(raised: BaseException) -> SpotlightError | None:
    """The error of ours that a call's error stands for; None for what is not the call's doing."""
    if isinstance(raised, grpc.aio.AioRpcError):
        return status.from_rpc_error(raised)
    if isinstance(raised, grpc.aio.UsageError):
        return Unavailable()
    if isinstance(raised, asyncio.CancelledError):
        # A closed channel cancels its calls: that is not the cancellation of whoever waits for them.
        task = asyncio.current_task()
        return None if task is None or task.cancelling() else Unavailable()
    return None
