"""Taking events in: take, import_events, batch_get_video_counts, get_ingest_info."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

import numpy as np
from prometheus_client import Counter

from chassis.clock import Clock
from chassis.telemetry import Telemetry
from services.metrics import digest, intake, keys
from services.metrics.answers import IngestInfo
from services.metrics.columns import RawEvents, concatenated
from services.metrics.domain import I64, MINUTE_MS, Agent, Bools, EventType, Reason, Receipt, Rejection, VideoCounts
from services.metrics.fold import NUMBERS, Table
from services.metrics.intake import Arrival, Checked
from services.metrics.journal import Journal
from services.metrics.pages import RollupsMoved
from services.metrics.query import Query
from services.metrics.rollups import MINUTE_TABLES, MINUTES_KEPT_MS, Rollups
from services.metrics.texts import Texts

REJECTED_SHOWN_MAX = 100
# An entry of the log holds what came while the one before was written.
PIECES_AT_ONCE = 16
NOTHING = Receipt(accepted_count=0, duplicate_count=0, rejected=(), log_position=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A request's events among those of others."""

    count: int
    arrival: Arrival


class Tally:
    """The sum of an import."""

    def __init__(self) -> None:
        self.total = NOTHING
        self.rejected_count = self._seen = 0

    async def add(self, count: int, under_way: Awaitable[Receipt]) -> None:
        """Takes in a piece of so many events when it is done."""
        got = await under_way
        shown = tuple(replace(each, index=each.index + self._seen) for each in got.rejected)
        self.total = Receipt(
            accepted_count=self.total.accepted_count + got.accepted_count,
            duplicate_count=self.total.duplicate_count + got.duplicate_count,
            rejected=(*self.total.rejected, *shown)[:REJECTED_SHOWN_MAX],
            log_position=got.log_position,
        )
        self.rejected_count += len(got.rejected)
        self._seen += count


class Ingest:
    """What enters metrics."""

    def __init__(
        self,
        journal: Journal,
        rollups: Rollups,
        *,
        key: digest.Key,
        clock: Clock,
        titles_max: int,
        telemetry: Telemetry,
    ) -> None:
        self._journal, self._rollups = journal, rollups
        self.key, self._clock, self._titles_max = key, clock, titles_max
        self._accepted = telemetry.counter("events_accepted_total", "Events written to the log.")
        self._duplicates = telemetry.counter("events_duplicate_total", "Events whose id was seen within 24 hours.")
        rejected = telemetry.counter("events_rejected_total", "Events not taken, by reason.", ("reason",))
        self._rejected: dict[Reason, Counter] = {reason: rejected.labels(reason.name.lower()) for reason in Reason}
        self._nonhuman = telemetry.counter("events_nonhuman_total", "Events of bots, previews and HEAD requests.")
        self._late = telemetry.histogram(
            "event_age_seconds",
            "Age of events when received.",
            buckets=(1, 10, 60, 600, 3_600, 21_600, 86_400, 172_800),
        )
        telemetry.gauge("journal_pending_events", "Events waiting for the log.").set_function(
            lambda: journal.pending_count
        )
        telemetry.gauge("rollup_lag_entries", "Log entries folded and not yet stored as rollups.").set_function(
            lambda: rollups.memory.position - rollups.manifest.position
        )
        telemetry.gauge("dedupe_ids", "Event ids remembered.").set_function(lambda: len(rollups.memory.seen))
        self._duplicate_count = 0
        self._rejected_counts: dict[Reason, int] = {}

    def now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    async def take(self, batches: Sequence[RawEvents], parts: Sequence[Part]) -> list[Receipt]:
        """Checks, writes and folds the events of several requests, which lie one after another; a receipt for each."""
        if not sum(part.count for part in parts):
            return [replace(NOTHING, log_position=self._rollups.memory.position) for _ in parts]
        raw, arrival = concatenated(batches), Arrival.of_each([(part.count, part.arrival) for part in parts])
        checked = intake.check(raw, arrival, self.key, title_is_new=self._title_limit())
        written = await self._journal.append(checked.events)
        self._observe(checked, int(written.is_counted.sum()))
        is_counted = np.zeros(len(raw), bool)
        is_counted[np.flatnonzero(checked.is_kept)] = written.is_counted
        ends = np.cumsum([part.count for part in parts])
        by_part = zip(
            np.split(is_counted, ends[:-1]), np.split(checked.is_kept, ends[:-1]), _shared(checked.rejected, ends),
            strict=True,
        )  # fmt: skip
        return [_receipt(*each, written.position) for each in by_part]

    async def import_events(self, pieces: AsyncIterator[tuple[int, Coroutine[None, None, Receipt]]]) -> Tally:
        """Takes pieces of so many events each, some side by side so that they share log entries."""
        tally = Tally()
        under_way: deque[tuple[int, asyncio.Task[Receipt]]] = deque()
        try:
            async for count, piece in pieces:
                under_way.append((count, asyncio.create_task(piece)))
                if len(under_way) >= PIECES_AT_ONCE:
                    await tally.add(*under_way.popleft())
            while under_way:
                await tally.add(*under_way.popleft())
        finally:
            for _, task in under_way:
                task.cancel()
        return tally

    def _title_limit(self) -> Callable[[str], bool] | None:
        numbers = self._rollups.memory.title_numbers
        return None if len(numbers) < self._titles_max else lambda name: name not in numbers

    def _observe(self, checked: Checked, accepted: int) -> None:
        events, duplicates = checked.events, len(checked.events) - accepted
        self._accepted.inc(accepted)
        self._duplicates.inc(duplicates)
        self._duplicate_count += duplicates
        for each in checked.rejected:
            self._rejected[each.reason].inc()
            self._rejected_counts[each.reason] = self._rejected_counts.get(each.reason, 0) + 1
        if len(events):
            self._nonhuman.inc(int((events.agent != Agent.HUMAN).sum()))
            # One sample for all that came together: the median event stands for it.
            self._late.observe(max(0.0, (self.now_ms() - float(np.median(events.derived_ms))) / 1000))

    async def batch_get_video_counts(self, video_ids: Sequence[str]) -> tuple[list[VideoCounts], int]:
        """Exact lifetime counts, and as of when."""
        heads = digest.digest64(Texts.of(video_ids), self.key)
        as_of_ms = self._rollups.memory.time_ms
        queries = [Query.of_key(Table.VIDEO_TOTALS, head) for head in heads.tolist()]
        found = await self._rollups.rows(queries, lambda facts: np.isin(facts.video, heads))
        counts = [dict(zip(each.b.tolist(), each.v.tolist(), strict=True)) for each in found]
        return [_counts(id_, each) for id_, each in zip(video_ids, counts, strict=True)], as_of_ms

    async def get_ingest_info(self, *, with_digest: bool) -> IngestInfo:
        """Where log, fold and stored rollups are."""
        memory = self._rollups.memory
        return IngestInfo(
            log_position=await self._journal.last_position(),
            fold_position=memory.position,
            stored_position=self._rollups.manifest.position,
            accepted_count=memory.accepted_count,
            duplicate_count=self._duplicate_count,
            rejected_counts={reason.name.lower(): count for reason, count in self._rejected_counts.items()},
            bot_count=memory.bot_count,
            as_of_ms=memory.time_ms,
            rollup_digest=await rollup_digest(self._rollups) if with_digest else "",
        )


def _shared(rejected: Sequence[Rejection], ends: I64) -> list[list[Rejection]]:
    """Each part's rejections, their places counted from its start."""
    found: list[list[Rejection]] = [[] for _ in ends]
    for each in rejected:
        part = int(np.searchsorted(ends, each.index, "right"))
        start = int(ends[part - 1]) if part else 0
        found[part].append(replace(each, index=each.index - start))
    return found


def _receipt(is_counted: Bools, is_kept: Bools, rejected: Sequence[Rejection], position: int) -> Receipt:
    accepted = int(is_counted.sum())
    return Receipt(
        accepted_count=accepted,
        duplicate_count=int(is_kept.sum()) - accepted,
        rejected=tuple(rejected),
        log_position=position,
    )


def _counts(video_id: str, by_type: dict[int, int]) -> VideoCounts:
    return VideoCounts(
        video_id=video_id,
        views=by_type.get(EventType.VIDEO_VIEW, 0),
        likes=by_type.get(EventType.VIDEO_LIKE, 0),
        shares=by_type.get(EventType.VIDEO_SHARE, 0),
        impressions=by_type.get(EventType.ANCHOR_IMPRESSION, 0),
        clicks=by_type.get(EventType.ANCHOR_CLICK, 0),
    )


async def rollup_digest(rollups: Rollups) -> str:
    """A digest of every rollup and title number: a function of the log up to the fold position."""
    while True:
        segments = rollups.segments
        try:
            return await _digest(rollups)
        except RollupsMoved:
            if not await rollups.have_moved(segments):
                raise


async def _digest(rollups: Rollups) -> str:
    memory, segments = rollups.memory, rollups.segments
    found = hashlib.sha256("\n".join(memory.title_names).encode())
    oldest_minute = (memory.time_ms - MINUTES_KEPT_MS) // MINUTE_MS
    remembered = [memory.tables(NUMBERS)]
    for table in NUMBERS:
        # One hash a column: where pieces end must leave no trace.
        columns = [hashlib.sha256() for _ in range(3)]
        async for part in rollups.whole(table, remembered, segments):
            kept = part.where(keys.unpack(part.a).minute >= oldest_minute) if table in MINUTE_TABLES else part
            for column, values in zip(columns, (kept.a, kept.b, kept.v), strict=True):
                column.update(values.tobytes())
        found.update(b"".join(column.digest() for column in columns))
    return found.hexdigest()
