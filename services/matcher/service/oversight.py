"""Oversight of review: counts and records, the audit trail, and the clocks that run out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from chassis import paging
from chassis.clock import Clock
from chassis.telemetry import Telemetry
from services.matcher import audit, reviewing
from services.matcher.audit import AuditEntry
from services.matcher.domain import Cause, DecidedBy, MatchState, match_id
from services.matcher.errors import AppealClosed, AuditBroken
from services.matcher.results import ReviewStats
from services.matcher.reviewing import Task
from services.matcher.rulings import said
from services.matcher.service.hearings import Hearings
from services.matcher.service.learning import Learning
from services.matcher.service.matching import Matching
from services.matcher.service.qualities import Qualities
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale, Unit

UPKEEP_EVERY_S = 5.0
OVERDUE_MAX = 100
AT_RISK_SHARE = 0.8
EXPORT_SIZE = 200
GAUGES_EVERY, DRIFT_EVERY = 6, 60  # upkeeps: counting a long queue costs some stores a second
GAUGES_REST = 9.0  # a tenth of the time that is taken: calls wait for the store meanwhile
STATS_KEPT_S = 2.0  # however many desks ask every five seconds


class Oversight:
    """Watches over the queue."""

    def __init__(
        self,
        shelf: Shelf,
        matching: Matching,
        hearings: Hearings,
        regime: RegimeFollower,
        *,
        learning: Learning,
        qualities: Qualities,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._shelf = shelf
        self._matching = matching
        self._hearings = hearings
        self._regime = regime
        self._learning = learning
        self._qualities = qualities
        self._clock = clock
        self._counting = asyncio.Lock()
        self._stats: ReviewStats | None = None
        self._stats_at = 0.0
        self._open = telemetry.gauge("matcher_review_open", "Review tasks that wait or are held.")
        self._age = telemetry.gauge("matcher_review_oldest_age_seconds", "Age of the oldest waiting task.")
        self._expired = telemetry.counter(
            "matcher_review_expired_total", "Tasks and appeals whose SLA ran out.", ("what",)
        )
        self._psi = telemetry.gauge("matcher_drift_psi", "Population stability index of the match probabilities.")
        self._bias = telemetry.gauge(
            "matcher_drift_bias", "Share reviewers approve less the mean probability they saw."
        )
        self._alert = telemetry.gauge("matcher_drift_alerting", "1 while drift passes its alert limit.")

    async def get_review_stats(self) -> ReviewStats:
        """The queue and its readers, two seconds old at most."""
        async with self._counting:
            if self._stats is None or self._clock.monotonic() - self._stats_at >= STATS_KEPT_S:
                self._stats = await self._counted()
                self._stats_at = self._clock.monotonic()
            return self._stats

    async def _counted(self, rest: float = 0.0) -> ReviewStats:
        now = self._clock.now()
        day_ago = now - timedelta(days=1)
        sla = timedelta(hours=self._regime.policy.review_sla_hours)
        queue = await self._shelf.tasks.queue(now, sla, now - AT_RISK_SHARE * sla, rest=rest)
        return ReviewStats(
            open_count=queue.open_count,
            leased_count=queue.leased_count,
            decided_count=await self._shelf.tasks.decided_since(day_ago, now, rest=rest),
            at_risk_count=queue.at_risk_count,
            open_appeal_count=await self._shelf.appeals.count_open(),
            oldest_age_s=(now - queue.oldest_time).total_seconds() if queue.oldest_time else 0.0,
            reviewers=await self._qualities.all(),
            drift=await self._learning.drift(),
        )

    async def list_audit_entries(
        self, subject: str, after_sequence: int, page_size: int
    ) -> tuple[tuple[AuditEntry, ...], int]:
        found = await self._shelf.audit.page(subject, after_sequence, paging.size(page_size))
        return tuple(found), await self._shelf.audit.latest_sequence()

    async def export_audit(self, after_sequence: int) -> AsyncIterator[tuple[AuditEntry, ...]]:
        """The whole chain from a point on, verified while it goes."""
        before = await self._shelf.audit.at(after_sequence) if after_sequence else None
        if after_sequence and before is None:
            raise AuditBroken(metadata={"sequence": str(after_sequence)})
        sequence, link = (before.sequence, before.hash) if before else (0, audit.GENESIS)
        while page := await self._shelf.audit.page("", sequence, EXPORT_SIZE):
            sequence, link = audit.verify(page, sequence, link)
            yield tuple(page)

    async def keep_up(self) -> None:
        """Background: clocks that ran out, histograms, gauges."""
        rounds = 0
        while True:
            await self.upkeep()
            if rounds % GAUGES_EVERY == 0:
                await self._gauge()
            if rounds % DRIFT_EVERY == 0:
                await self._watch_drift()
            rounds += 1
            await asyncio.sleep(UPKEEP_EVERY_S)

    async def upkeep(self) -> None:
        await self.run_clocks()
        await self._shelf.state.count_probabilities(self._clock.now(), self._matching.take_counts())

    async def run_clocks(self) -> None:
        """Closes overdue tasks as rejected, and grants overdue appeals."""
        now = self._clock.now()
        for task in await self._shelf.tasks.overdue(now, OVERDUE_MAX):
            await self._expire(task)
        for appeal in await self._shelf.appeals.overdue(now, OVERDUE_MAX):
            with contextlib.suppress(AppealClosed):  # somebody was faster
                await self._hearings.expire(appeal.id)
                self._expired.labels("appeal").inc()

    async def _gauge(self) -> None:
        stats = await self._counted(GAUGES_REST)
        self._open.set(stats.open_count + stats.leased_count)
        self._age.set(stats.oldest_age_s)

    async def _expire(self, task: Task) -> None:
        """Nobody read it in time: a wrong anchor is worse than none, and the creator can appeal."""
        now = self._clock.now()
        video = await self._shelf.videos.get(task.video_id)
        rulings = (
            [
                said(
                    self._regime.now(),
                    now,
                    video,
                    {task.title_id: MatchState.REJECTED},
                    by=DecidedBy.SLA,
                    cause=Cause.REVIEW,
                )
            ]
            if video and video.match_of(task.title_id)
            else []
        )
        match = match_id(task.video_id, task.title_id)
        entry = audit.entry("sla", "task.expire", f"task:{task.id}", now, match=match)
        unit = Unit(time=now, tasks=[(task, reviewing.closed(task, now))], audit=[entry])
        try:
            await self._matching.write(rulings, unit)
        except Stale:
            return  # somebody was faster; the next round looks again
        self._expired.labels("task").inc()

    async def _watch_drift(self) -> None:
        drift = await self._learning.drift()
        self._psi.set(drift.psi)
        self._bias.set(drift.bias)
        self._alert.set(drift.is_alerting)
