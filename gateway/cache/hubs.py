"""The way to a hub: near-cache, then Redis, then composing; kept copies while something is away.

```text
age 0 ── soft ──────────── stale_max ─────────────── hard
   fresh │ shown, refreshed  │ composed anew; the kept │ gone
         │ behind its back   │ copy only if that fails │
```
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from chassis import context
from chassis.clock import Clock
from chassis.errors import OF_KIND, DeadlineExceeded, NotFound, SpotlightError, Unavailable
from chassis.telemetry import Telemetry
from gateway.cache.envelope import Entry, Refused
from gateway.cache.flight import Flights
from gateway.cache.near import NearCache
from gateway.domain import HubKey, HubUnavailable

Compose = Callable[[HubKey], Awaitable[Entry]]
"""Makes an entry from the services; its expiries say how long it may be kept."""
MarkStale = Callable[[Entry], Entry]
"""The same answer, saying of itself that it is a kept copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How long answers are kept. Jitter spreads the refreshes of hubs that were made together."""

    soft_s: float = 20.0
    stale_max_s: float = 300.0
    hard_s: float = 3600.0
    negative_s: float = 3.0
    degraded_s: float = 2.0
    jitter: float = 0.2
    compose_s: float = 2.0


class Shelf(Protocol):
    """Copies shared by all gateway processes. It never raises and never takes longer than its limit."""

    async def fetch(self, key: HubKey) -> Entry | None:
        """The copy, if there is one that can be trusted."""

    async def store(self, key: HubKey, entry: Entry) -> None:
        """Keep a copy."""


class HubCache:
    """Hubs as kept answers."""

    def __init__(
        self,
        *,
        near: NearCache,
        shelf: Shelf,
        compose: Compose,
        mark_stale: MarkStale,
        freshness: Freshness,
        clock: Clock,
        telemetry: Telemetry,
        chance: random.Random,
    ) -> None:
        self._near = near
        self._shelf = shelf
        self._compose = compose
        self._mark_stale = mark_stale
        self._freshness = freshness
        self._clock = clock
        self._chance = chance
        self._flights: Flights[HubKey, Entry] = Flights()
        self._stores: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("hub_cache")
        answered = telemetry.counter("hub_cache_answers_total", "Hubs answered, by where from.", ("source",))
        self._counted = {
            source: answered.labels(source) for source in ("near", "near_stale", "redis", "composed", "kept")
        }
        self._age = telemetry.histogram(
            "hub_cache_age_seconds", "Age of the copies shown.", buckets=(1, 5, 10, 20, 60, 300, 1800, 3600)
        )

    def fresh(self, key: HubKey) -> Entry | None:
        """The copy at hand if it is fresh and positive: the way a hot hub takes, without waiting."""
        entry = self._near.get(key)
        if entry is None or entry.refused is not None or self._now() >= entry.soft_expiry:
            return None
        self._counted["near"].inc()
        return entry

    async def get(self, key: HubKey) -> Entry:
        """The hub's entry; raises what a negative entry says, or HubUnavailable."""
        now = self._now()
        entry = self._near.get(key)
        if entry is not None and now < self._shown_until(entry):
            stale = now >= entry.soft_expiry
            if stale:
                self._flights.start(key, lambda: self._renew(key, entry))
            self._counted["near_stale" if stale else "near"].inc()
        else:
            entry = await self._flights.join(key, lambda: self._fetch(key, entry))
        self._age.observe(max(0.0, now - entry.made_time))
        return _positive(entry)

    async def settle(self, timeout_s: float) -> None:
        """Wait for refreshes and stores under way."""
        await self._flights.settle(timeout_s)
        if self._stores:
            await asyncio.wait(set(self._stores), timeout=timeout_s)

    def _shown_until(self, entry: Entry) -> float:
        """Until when a copy is shown without asking anyone first."""
        if entry.refused is not None:
            return entry.soft_expiry
        return min(entry.hard_expiry, entry.soft_expiry + self._freshness.stale_max_s)

    async def _fetch(self, key: HubKey, kept: Entry | None) -> Entry:
        """From Redis, else composed; whatever copy was seen last answers for services that are away."""
        found = await self._shelf.fetch(key)
        now = self._now()
        if found is not None and now < self._shown_until(found) and self._near.put(key, found):
            self._counted["redis"].inc()
            if now >= found.soft_expiry:
                asyncio.get_running_loop().call_soon(lambda: self._flights.start(key, lambda: self._renew(key, found)))
            return found
        newest = max((copy for copy in (found, kept) if copy), key=lambda copy: copy.made_time, default=None)
        return await self._renew(key, newest)

    async def _renew(self, key: HubKey, kept: Entry | None) -> Entry:
        """Compose anew and keep the result."""
        try:
            with context.scope(remaining_s=self._freshness.compose_s):
                entry = await self._compose(key)
        except NotFound as error:
            entry = self._negative(error)
        except (Unavailable, DeadlineExceeded) as error:
            return self._kept_copy(key, kept, error)
        entry = self._spread(entry)
        self._counted["composed"].inc()
        if self._near.put(key, entry):
            self._store(key, entry)
        return entry

    def _kept_copy(self, key: HubKey, kept: Entry | None, error: SpotlightError) -> Entry:
        """The copy shown while catalog is away; asked anew soon."""
        now = self._now()
        if kept is None or kept.refused is not None or now >= kept.hard_expiry:
            raise HubUnavailable(retry_after_s=1.0) from error
        copy = replace(self._mark_stale(kept), soft_expiry=now + self._freshness.degraded_s)
        if not self._near.put(key, copy):
            raise HubUnavailable(retry_after_s=1.0) from error
        self._log.warning("a kept copy is shown", title_id=key.title_id, reason=error.reason)
        self._counted["kept"].inc()
        return copy

    def _negative(self, error: SpotlightError) -> Entry:
        now = self._now()
        expiry = now + self._freshness.negative_s
        refused = Refused(kind=error.kind, reason=error.reason, message=error.message)
        return Entry(made_time=now, soft_expiry=expiry, hard_expiry=expiry, revision=_ANY_REVISION, refused=refused)

    def _spread(self, entry: Entry) -> Entry:
        life = entry.soft_expiry - entry.made_time
        factor = 1 - self._freshness.jitter * self._chance.random()
        return replace(entry, soft_expiry=entry.made_time + life * factor)

    def _store(self, key: HubKey, entry: Entry) -> None:
        task = asyncio.get_running_loop().create_task(self._shelf.store(key, entry))
        self._stores.add(task)
        task.add_done_callback(self._stores.discard)

    def _now(self) -> float:
        return self._clock.now().timestamp()


_ANY_REVISION = 2**62
"""A refusal is kept near whatever is known of the title: it lives for seconds."""


def _positive(entry: Entry) -> Entry:
    if entry.refused is not None:
        refused = entry.refused
        raise OF_KIND[refused.kind](refused.message, reason=refused.reason)
    return entry
