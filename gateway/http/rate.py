"""How often one caller may ask: a sliding window in Redis, spent locally in small leases.

A lease takes a six-hundredth of a minute's budget at once and is good for a second, so a busy caller costs
Redis one round trip per lease and not per request. What is left of a lease is lost: a caller spread over
n processes may get up to 10 % per process less than its limit, never more. Without Redis each process
counts for itself.
"""

from collections import OrderedDict
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from chassis.clock import Clock
from chassis.errors import ResourceExhausted
from chassis.redis import REQUEST_TIMEOUT_S, Breaker, RedisUnavailable
from chassis.telemetry import Telemetry

LEASES_PER_WINDOW = 600
LEASE_S = 1.0
REFUSED_S = 0.25
LEASES_MAX = 20_000


class RateLimited(ResourceExhausted):
    """Too many requests in the last minute: try again later."""

    reason = "RATE_LIMITED"


@dataclass(slots=True, kw_only=True)
class Allowance:
    """What one caller may still spend before Redis is asked again."""

    limit: int
    left: int
    until: float
    remaining: int
    """Of the whole window, when the lease was taken."""
    reset_s: float

    def headers(self) -> list[tuple[str, str]]:
        """What the caller is told of its budget."""
        return [
            ("ratelimit-limit", str(self.limit)),
            ("ratelimit-remaining", str(self.remaining + self.left)),
            ("ratelimit-reset", str(max(1, int(self.reset_s)))),
        ]


class RateLimiter:
    """Allowances by caller."""

    def __init__(self, redis_url: str, *, clock: Clock, telemetry: Telemetry) -> None:
        shared = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            socket_timeout=REQUEST_TIMEOUT_S,
            socket_connect_timeout=REQUEST_TIMEOUT_S,
        )
        self._shared = SlidingWindowCounterRateLimiter(shared)
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._breaker = Breaker(telemetry)
        self._clock = clock
        self._leases: OrderedDict[str, Allowance] = OrderedDict()
        self._refused = telemetry.counter("http_rate_limited_total", "Requests refused for their rate.")

    def spend(self, caller: str) -> Allowance | None:
        """Spend one of a lease at hand; None when there is none and `take` must be awaited."""
        lease = self._leases.get(caller)
        if lease is None or lease.left <= 0 or self._clock.monotonic() >= lease.until:
            return None
        lease.left -= 1
        return lease

    async def take(self, caller: str, per_minute: int) -> Allowance:
        """Spend one, from a new lease if need be; refused when the window is used up."""
        spent = self.spend(caller)
        if spent is not None:
            return spent
        lease = self._leases.get(caller)
        if lease is None or self._clock.monotonic() >= lease.until:
            lease = await self._lease(caller, per_minute)
            self._leases[caller] = lease
            self._leases.move_to_end(caller)
            if len(self._leases) > LEASES_MAX:
                self._leases.popitem(last=False)
        elif lease.left <= 0 and lease.remaining > 0:
            lease = self._leases[caller] = await self._lease(caller, per_minute)
        if lease.left <= 0:
            self._refused.inc()
            raise RateLimited(retry_after_s=lease.reset_s, metadata={"limit": str(per_minute), "window": "60 s"})
        lease.left -= 1
        return lease

    async def _lease(self, caller: str, per_minute: int) -> Allowance:
        item = RateLimitItemPerMinute(per_minute)
        try:
            return await self._breaker.call(lambda: self._ask(self._shared, item, caller), name="rate")
        except RedisUnavailable:
            return await self._ask(self._own, item, caller)

    async def _ask(self, limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, caller: str) -> Allowance:
        granted = 0
        for size in sorted({max(1, item.amount // LEASES_PER_WINDOW), 1}, reverse=True):
            if await limiter.hit(item, caller, cost=size):
                granted = size
                break
        window = await limiter.get_window_stats(item, caller)
        reset_s = max(0.0, window.reset_time - self._clock.now().timestamp())
        return Allowance(
            limit=item.amount,
            left=granted,
            until=self._clock.monotonic() + (LEASE_S if granted else REFUSED_S),
            remaining=window.remaining,
            reset_s=min(60.0, reset_s),
        )
