"""Writes batches to the event log, many in one entry, and folds each entry once it is durable.

Every process appends to one log. An entry takes the next position; the store refuses a position twice, so a process
that was overtaken first folds the others' entries, drops the ids they brought, and tries the next position. There is
no lease and no split: the order of the log decides which of two equal ids counts. A write whose outcome is unknown is
repeated at the same position under the same token until the answer is known.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import numpy as np
import structlog

from chassis.clock import Clock
from chassis.errors import SpotlightError
from chassis.ids import NewId
from services.metrics import codec
from services.metrics.columns import Events, concatenated
from services.metrics.domain import Bools, IngestOverloaded, LogUnavailable
from services.metrics.rollups import Rollups
from services.metrics.store.events import LogEntry, Store

log = structlog.get_logger("journal")

# One entry holds what came while the one before was being written: some 40 bytes an event compressed.
ENTRY_EVENTS_MAX = 16_000
# A batch whose entry is still in doubt after this gets an error; its events may count, and repeating it is safe.
WRITE_S = 8.0
RETRY_MIN_S, RETRY_MAX_S = 0.02, 0.5
# Other processes' entries are folded at least so often.
FOLLOW_EVERY_S = 0.5
OVERLOADED_RETRY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a batch: which of its events count, and where it lies."""

    is_counted: Bools
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A batch on its way."""

    events: Events
    answer: "asyncio.Future[Written]"


class Journal:
    """The way of events into the log."""

    def __init__(self, store: Store, rollups: Rollups, *, clock: Clock, new_id: NewId, pending_events_max: int) -> None:
        self._store, self._rollups = store, rollups
        self._clock, self._new_id = clock, new_id
        self._pending_events_max = pending_events_max
        self._writer = new_id()
        self._waiting: deque[Waiting] = deque()
        self.pending_count = 0
        self._came = asyncio.Event()
        # Only one coroutine at a time moves the fold forward.
        self._turn = asyncio.Lock()

    async def append(self, events: Events) -> Written:
        """Returns when the events are durable and folded."""
        if not len(events):
            return Written(is_counted=np.zeros(0, bool), position=self._rollups.memory.position)
        if self.pending_count + len(events) > self._pending_events_max:
            raise IngestOverloaded(retry_after_s=OVERLOADED_RETRY_S)
        waiting = Waiting(events=events, answer=asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self.pending_count += len(events)
        self._came.set()
        return await waiting.answer

    async def last_position(self) -> int:
        """Where the log ends, whoever wrote it."""
        return await self._store.last_position(self._rollups.memory.position)

    async def run(self) -> None:
        """Writes for ever; what waits when it is cancelled gets an error."""
        try:
            while True:
                await self._came.wait()
                self._came.clear()
                while self._waiting:
                    await self._rollups.stored_enough()
                    await self._write(self._next())
        finally:
            while self._waiting:
                _fail([self._waiting.popleft()])
            self.pending_count = 0

    async def follow(self) -> None:
        """Folds other processes' entries for ever."""
        while True:
            await asyncio.sleep(FOLLOW_EVERY_S)
            if self._turn.locked():
                continue
            async with self._turn:
                try:
                    await self._rollups.catch_up()
                except SpotlightError as error:
                    log.warning("cannot follow the log", reason=error.reason)

    def _next(self) -> list[Waiting]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].events)
        while self._waiting and size + len(self._waiting[0].events) <= ENTRY_EVENTS_MAX:
            size += len(self._waiting[0].events)
            batch.append(self._waiting.popleft())
        return batch

    async def _write(self, batch: list[Waiting]) -> None:
        count = sum(len(waiting.events) for waiting in batch)
        try:
            async with self._turn:
                fresh, position = await self._appended(concatenated(waiting.events for waiting in batch))
        except SpotlightError as error:
            log.warning("events not written", reason=error.reason, events=count)
            _fail(batch)
        except BaseException:
            _fail(batch)
            raise
        else:
            _answer(batch, fresh, position)
        finally:
            self.pending_count -= count

    async def _appended(self, whole: Events) -> tuple[Bools, int]:
        """Which events count, and the position that makes them durable."""
        memory = self._rollups.memory
        give_up = self._clock.monotonic() + WRITE_S
        token = self._new_id()
        while True:
            now_ms = max(int(self._clock.now().timestamp() * 1000), memory.time_ms)
            fresh = memory.unseen(whole, now_ms)
            if not fresh.any():
                return fresh, memory.position
            events = whole.take(fresh)
            entry = LogEntry(
                position=memory.position + 1,
                time_ms=now_ms,
                writer=self._writer,
                token=token,
                count=len(events),
                id_digests=codec.digests(events),
                frame=codec.encode(events),
            )
            if await self._settled(entry, give_up):
                memory.apply(entry.position, now_ms, events)
                return fresh, entry.position
            await self._rollups.catch_up()

    async def _settled(self, entry: LogEntry, give_up: float) -> bool:
        """Whether the entry has its position; asks until that is known."""
        pause_s = RETRY_MIN_S
        while True:
            try:
                return await self._store.append(entry)
            except SpotlightError:
                if self._clock.monotonic() + pause_s >= give_up:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_MAX_S)


def _answer(batch: list[Waiting], fresh: Bools, position: int) -> None:
    ends = np.cumsum([len(waiting.events) for waiting in batch])
    for waiting, part in zip(batch, np.split(fresh, ends[:-1]), strict=True):
        if not waiting.answer.done():
            waiting.answer.set_result(Written(is_counted=part, position=position))


def _fail(batch: list[Waiting]) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(LogUnavailable(retry_after_s=RETRY_MAX_S))
