"""Looks at every title that moves, again and again: finds spikes, explains them, makes and measures suggestions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import structlog

from chassis.clock import Clock
from chassis.errors import SpotlightError
from chassis.ids import derived_id
from services.metrics import causes, heads, insights, keys
from services.metrics.alarms import MINUTES_BACK, find_alarms, human_counts
from services.metrics.answers import Region
from services.metrics.causes import ContributorKind, Spike, Surge
from services.metrics.domain import (
    DAY_MINUTES,
    F64,
    HOUR_MINUTES,
    I64,
    Agent,
    EventType,
    Granularity,
    Period,
    TopOrder,
)
from services.metrics.fold import SLOT_VALUES, Table
from services.metrics.grid import Grid
from services.metrics.insights import MEASURES, OUTCOME_MINUTES, Act, Insight, InsightState, Outcome, Sight
from services.metrics.report import Choice
from services.metrics.rollups import Rollups
from services.metrics.rounds import Rounds
from services.metrics.rows import Rows
from services.metrics.service.board import Board
from services.metrics.service.reports import Reports
from services.metrics.spikes import Alarm
from services.metrics.store.findings import Findings
from services.metrics.titles import TitleFacts, Titles

log = structlog.get_logger("watch")

# After so long the titles that stand out meanwhile have their turn; a title takes some 20 ms.
ROUND_S = 60.0
# So many times as long as a look took nothing is done: events and reports come first.
PAUSES = 3
STEP_S = 2.0
POURING_EVENTS = 10_000  # in a step: an import
HISTORY_DAYS = 104  # 90 shown, and 14 before them to know what is usual
SAME_SPIKE_MINUTES = 90
COMPARED_DAYS = 7
INSIGHT_DAYS = 14
CREATORS_LOOKED_AT = 10
NAMED_TABLES: Mapping[ContributorKind, Table] = {
    ContributorKind.VIDEO: Table.VIDEOS_HOUR,
    ContributorKind.CREATOR: Table.CREATORS_HOUR,
    ContributorKind.HASHTAG: Table.HASHTAGS_HOUR,
    ContributorKind.CAMPAIGN: Table.CAMPAIGNS_HOUR,
}
LOOKED_UP_MAX = 20
TENS = 10


class Watch:
    """The eye on all titles."""

    def __init__(
        self,
        rollups: Rollups,
        titles: Titles,
        board: Board,
        reports: Reports,
        findings: Findings,
        *,
        clock: Clock,
        every_s: float,
    ) -> None:
        self._rollups, self._titles, self._board = rollups, titles, board
        self._reports, self._findings = reports, findings
        self._clock, self._every_s = clock, every_s
        self._rounds = Rounds()

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            await self._next_round()
            try:
                await self.look()
            except SpotlightError as error:
                log.warning("could not look at titles", reason=error.reason)

    async def _next_round(self) -> None:
        """Returns after a while, and soon when titles that were never looked at have their events."""
        count = self._rollups.memory.accepted_count
        for _ in range(max(int(self._every_s / STEP_S), 1)):
            await asyncio.sleep(min(STEP_S, self._every_s))
            before, count = count, self._rollups.memory.accepted_count
            # Half an import would be taken for a spike.
            is_calm = count - before < POURING_EVENTS and len(self._titles) > 0
            if is_calm and self._known(self._rounds.new(self._rollups.memory.title_positions)):
                return

    async def look(self) -> int:
        """One round over the titles that moved; how many it looked at."""
        positions, count = self._rollups.memory.title_positions.copy(), 0
        ends = self._clock.monotonic() + ROUND_S
        for title in self._known(self._rounds.due(positions, self._board.standing_out)):
            began = self._clock.monotonic()
            if began >= ends:
                break
            self._rounds.look(title, int(positions[title]))
            await self.look_at(title, self._titles.get(self._rollups.memory.title_names[title]))
            count += 1
            await asyncio.sleep(PAUSES * (self._clock.monotonic() - began))
        return count

    def _known(self, titles: Sequence[int]) -> list[int]:
        """Those that catalog told of: nobody may see what was found of another."""
        names = self._rollups.memory.title_names
        return [title for title in titles if names[title] in self._titles]

    def _now(self) -> int:
        return int(self._clock.now().timestamp() // 60)

    async def look_at(self, title: int, facts: TitleFacts) -> None:
        """Finds and explains one title's spikes, then renews its suggestions."""
        now = self._now()
        start = now // DAY_MINUTES * DAY_MINUTES - HISTORY_DAYS * DAY_MINUTES
        hourly, minutes = await self._rollups.title_rows(
            title,
            [(Table.CELLS_HOUR, start, now + 1), (Table.CELLS_MINUTE, now - MINUTES_BACK, now + 1)],
        )
        alarms = find_alarms(hourly, minutes, start, now)
        known = await self._findings.spikes(facts.id, start, now + 1)
        for alarm in alarms:
            await self._keep(title, facts, alarm, known, hourly, now)
        await self._suggest(facts, hourly, now)

    async def _keep(
        self, title: int, facts: TitleFacts, alarm: Alarm, known: list[Spike], hourly: Rows, now: int
    ) -> None:
        same = [spike for spike in known if spike.overlaps(alarm, SAME_SPIKE_MINUTES)]
        if same and same[-1].end >= alarm.end and same[-1].count >= alarm.count and len(same) == 1:
            return
        if same:
            alarm = _joined(alarm, same, hourly)
        surge = await self._surge(title, facts, alarm)
        proof = causes.evidence(surge)
        spike = Spike(
            id=same[-1].id if same else derived_id("spike", facts.id, str(alarm.start)),
            title_id=facts.id,
            event_type=_what_rose(hourly, alarm),
            start=alarm.start,
            end=alarm.end,
            peak=alarm.peak,
            detect=same[-1].detect if same else now,
            count=alarm.count,
            expected=alarm.expected,
            score=alarm.score,
            cause=causes.verdict(proof),
            contributions=causes.contributions(surge),
            evidence=proof,
            viewers=surge.viewers,
        )
        await self._findings.put_spike(spike)
        if len(same) > 1:
            await self._findings.drop_spikes([each.id for each in same[:-1]])
        known[:] = [each for each in known if each not in same] + [spike]

    async def _surge(self, title: int, facts: TitleFacts, alarm: Alarm) -> Surge:
        """What happened in the alarm's hours, against the same hours of the week before."""
        window = Period(start=alarm.start, end=alarm.end).widened(HOUR_MINUTES)
        first = window.start - COMPARED_DAYS * DAY_MINUTES
        spans = [(table, first, window.end) for table in NAMED_TABLES.values()]
        spans += [(Table.CELLS_HOUR, first, window.end), (Table.VIEWERS_HOUR, first, window.end)]
        days = window.widened(DAY_MINUTES)
        spans += [(table, days.start, days.end) for table in (Table.VIDEOS_DAY, Table.VIDEO_VIEWERS)]
        *named, cells, viewers, video_counts, video_viewers = await self._rollups.title_rows(title, spans)
        counts = {kind: await self._named(rows, window) for kind, rows in zip(NAMED_TABLES, named, strict=True)}
        people, usual_people, bots, regions = _by_region(cells, window)
        grid = Grid.of(cells, viewers)
        now = grid.take(grid.bucket >= window.start).relabelled().viewers()
        before = grid.take((grid.bucket < window.start) & _same_hours(grid.bucket, window))
        usual = before.relabelled(bucket=(before.bucket - window.start) // DAY_MINUTES).viewers()
        campaign = [_compared(rows, window) for rows in named[3:]]
        return Surge(
            alarm=alarm,
            viewers=round(float(now[0])) if len(now) else 0,
            expected_viewers=float(usual.sum()) / COMPARED_DAYS,
            human_count=people,
            expected_human_count=usual_people,
            bot_count=bots,
            campaign_count=int(sum(part[1].sum() for part in campaign)),
            expected_campaign_count=float(sum(part[2].sum() for part in campaign)),
            views_per_viewer=_views_per_viewer(_leading(named[0], window), video_counts, video_viewers),
            release_dates=facts.release_dates,
            counts={**counts, ContributorKind.REGION: regions},
        )

    async def _named(self, rows: Rows, window: Period) -> list[tuple[str, int, float]]:
        every, counts, usual = _compared(rows, window)
        order = np.argsort(usual - counts, kind="stable")
        chosen = [place for place in order.tolist() if int(every[place])][:LOOKED_UP_MAX]
        names = await self._rollups.names([int(every[place]) for place in chosen])
        viewers_min = self._reports.viewers_min
        return [
            (names[int(every[place])], int(counts[place]), float(usual[place]))
            for place in chosen
            if int(every[place]) in names and counts[place] >= viewers_min
        ]

    # Suggestions

    async def _suggest(self, facts: TitleFacts, hourly: Rows, now: int) -> None:
        known = {insight.id: insight for insight in await self._findings.insights(title_id=facts.id)}
        found = insights.seen(await self._sight(facts, hourly, now))
        for insight in found:
            if (store := insights.renewed(known.get(insight.id), insight)) is not None:
                await self._findings.put_insight(store)
        for insight in known.values():
            await self._follow_up(insight, now, {each.id for each in found})

    async def _follow_up(self, insight: Insight, now: int, seen: set[str]) -> None:
        """Measures what was accepted, lets go of what no longer holds."""
        if insight.state is InsightState.ACCEPTED:
            await self._findings.put_insight(await self._measured(insight, now), etag=insight.etag)
            return
        is_gone = insight.id not in seen and now - insight.update_minute >= insights.EXPIRE_MINUTES
        if insight.state is InsightState.OPEN and is_gone:
            gone = replace(insight, state=insights.moved(insight, Act.EXPIRE))
            await self._findings.put_insight(gone, etag=insight.etag)

    async def _measured(self, insight: Insight, now: int) -> Insight:
        """With the outcome so far: whole days before and after the decision, at equal length."""
        decided = insight.decide_minute // DAY_MINUTES * DAY_MINUTES
        end = min(now // DAY_MINUTES * DAY_MINUTES, decided + DAY_MINUTES + OUTCOME_MINUTES)
        length = max(end - decided - DAY_MINUTES, 0)
        kind = MEASURES[insight.kind]
        before = after = 0.0
        if length:
            before = await self._count(insight.title_id, kind, Period(start=decided - length, end=decided))
            after = await self._count(insight.title_id, kind, Period(start=end - length, end=end))
        outcome = Outcome(
            measure=f"{kind.name.lower()}_count",
            before=before,
            after=after,
            measure_minute=end,
            is_final=length >= OUTCOME_MINUTES,
            change=after / before - 1 if before else 0.0,
        )
        state = insights.moved(insight, Act.MEASURE) if outcome.is_final else insight.state
        return replace(insight, outcome=outcome, state=state)

    async def _count(self, title_id: str, kind: EventType, period: Period) -> float:
        choice = Choice(period=period, granularity=Granularity.DAY, event_types=frozenset({kind}))
        found = await self._reports.get_title_report(title_id, "", choice)
        return float(sum(total.count for total in found.totals))

    async def _sight(self, facts: TitleFacts, hourly: Rows, now: int) -> Sight:
        """What the rules look at: published numbers, as in any report."""
        end = now // DAY_MINUTES * DAY_MINUTES + DAY_MINUTES
        period = Period(start=end - INSIGHT_DAYS * DAY_MINUTES, end=end)
        week = Period(start=end - COMPARED_DAYS * DAY_MINUTES, end=end)
        top = await self._reports.list_top_creators(facts.id, "", week, TopOrder.RISING, CREATORS_LOOKED_AT)
        choice = Choice(period=period, granularity=Granularity.DAY)
        totals = {
            total.type: total.count for total in (await self._reports.get_title_report(facts.id, "", choice)).totals
        }
        by_day = human_counts(hourly, end - 2 * COMPARED_DAYS * DAY_MINUTES, end, HOUR_MINUTES)
        half = len(by_day) // 2
        recent, before = float(by_day[half:].sum()), float(by_day[:half].sum())
        return Sight(
            title=facts,
            minute=now,
            regions=await self._clicks(facts, period, now),
            creators=[(top.names.get(head.id, ""), head) for head in top.list.heads],
            growth=recent / before if before else 0.0,
            week_count=int(recent),
            tags=await self._tags(facts.id, period),
            impressions=totals.get(EventType.ANCHOR_IMPRESSION, 0),
            clicks=totals.get(EventType.ANCHOR_CLICK, 0),
            spikes=await self._findings.spikes(facts.id, period.start, period.end),
        )

    async def _clicks(self, facts: TitleFacts, period: Period, now: int) -> list[Region]:
        """Clicks by region over two weeks, of regions with k viewers; in tens, so that no day's few can be told."""
        number = self._rollups.memory.title_numbers[facts.id]
        spans = [(table, period.start, period.end) for table in (Table.CELLS_DAY, Table.VIEWERS_DAY)]
        cells = Grid.of(*await self._rollups.title_rows(number, spans))
        cells = cells.take(cells.type == EventType.ANCHOR_CLICK)
        by_region = cells.relabelled(region=cells.region)
        total = int(by_region.count.sum())
        each = zip(by_region.region.tolist(), by_region.count.tolist(), by_region.viewers().tolist(), strict=True)
        return [
            Region(
                region=keys.region_name(code),
                clicks=count // TENS * TENS,
                viewers=int(viewers) // TENS * TENS,
                share=count / total,
                has_offer=facts.has_offer(keys.region_name(code), now * 60),
            )
            for code, count, viewers in each
            if round(viewers) >= self._reports.viewers_min
        ]

    async def _tags(self, title_id: str, period: Period) -> list[tuple[str, int, int]]:
        number = self._rollups.memory.title_numbers[title_id]
        (rows,) = await self._rollups.title_rows(number, [(Table.HASHTAGS_HOUR, period.start, period.end)])
        kind = keys.unpack(rows.a).type
        every, place = np.unique(rows.b, return_inverse=True)

        def summed(of: EventType) -> I64:
            return np.bincount(place[kind == of], rows.v[kind == of], len(every)).astype(np.int64)

        shown, clicked = summed(EventType.ANCHOR_IMPRESSION), summed(EventType.ANCHOR_CLICK)
        chosen = np.argsort(-shown, kind="stable")[:LOOKED_UP_MAX]
        names = await self._rollups.names([int(every[each]) for each in chosen])
        return [
            (names[int(every[each])], int(shown[each]), int(clicked[each]))
            for each in chosen
            if int(every[each]) in names
        ]


def _joined(alarm: Alarm, same: Sequence[Spike], hourly: Rows) -> Alarm:
    """The alarm and the spikes it touches as one: hours find a little more or less of a spike than minutes do."""
    start, end = min(alarm.start, *(each.start for each in same)), max(alarm.end, *(each.end for each in same))
    apart = [each for each in same if each.end <= alarm.start or each.start >= alarm.end]
    first, last = start // HOUR_MINUTES * HOUR_MINUTES, -(-end // HOUR_MINUTES) * HOUR_MINUTES
    return Alarm(
        start=start,
        end=end,
        peak=alarm.peak if alarm.score >= max(each.score for each in same) else same[-1].peak,
        count=int(human_counts(hourly, first, last, HOUR_MINUTES).sum()),
        expected=max(alarm.expected, *(each.expected for each in same)) + sum(each.expected for each in apart),
        score=max(alarm.score, *(each.score for each in same)),
    )


def _what_rose(hourly: Rows, alarm: Alarm) -> EventType:
    """The type with the most events in the spike."""
    parts = keys.unpack(hourly.a)
    mask = (parts.agent == Agent.HUMAN) & (parts.minute >= alarm.start // 60 * 60) & (parts.minute < alarm.end)
    counts = np.bincount(parts.type[mask], hourly.v[mask], 16)
    return EventType(int(counts.argmax())) if counts.any() else EventType.VIDEO_VIEW


def _compared(rows: Rows, window: Period) -> "tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], I64, F64]":
    """Each head's events in the window, and the mean of the same hours of the days before."""
    minute = keys.unpack(rows.a).minute
    every, place = np.unique(rows.b, return_inverse=True)
    inside = minute >= window.start
    counts = np.bincount(place[inside], rows.v[inside], len(every)).astype(np.int64)
    before = _same_hours(minute, window) & ~inside
    usual = np.bincount(place[before], rows.v[before], len(every)) / COMPARED_DAYS
    return every, counts, usual


def _leading(videos: Rows, window: Period) -> int:
    """The video with the most events above its usual ones."""
    every, counts, usual = _compared(videos.where(videos.b != 0), window)
    return int(every[int((counts - usual).argmax())]) if len(every) else 0


def _views_per_viewer(video: int, counts: Rows, viewers: Rows) -> float:
    """How often each of a video's viewers saw it in the time of these rows; 0 where it was not viewed."""
    kind = np.uint64(EventType.VIDEO_VIEW)
    views = counts.where((counts.b == np.uint64(video)) & (keys.unpack(counts.a).type == kind)).v.sum()
    slots = np.uint64(SLOT_VALUES)
    seen = viewers.where((viewers.b | slots == np.uint64(video) | slots) & (keys.unpack(viewers.a).type == kind))
    return float(views / heads.viewers_of(seen)) if video and len(seen) else 0.0


def _same_hours(minute: I64, window: Period) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return (minute - window.start) % DAY_MINUTES < min(window.end - window.start, DAY_MINUTES)


def _by_region(cells: Rows, window: Period) -> tuple[int, float, int, list[tuple[str, int, float]]]:
    """People's events of the window and usually, others' events, and the regions' counts against before."""
    parts = keys.unpack(cells.a)
    inside = parts.minute >= window.start
    people = parts.agent == Agent.HUMAN
    before = _same_hours(parts.minute, window) & ~inside & people
    counts = np.bincount(parts.region[inside & people], cells.v[inside & people], 1024)
    usual = np.bincount(parts.region[before], cells.v[before], 1024) / COMPARED_DAYS
    regions = [
        (keys.region_name(code), int(counts[code]), float(usual[code]))
        for code in np.flatnonzero(counts).tolist()
        if code
    ]
    return int(counts.sum()), float(usual.sum()), int(cells.v[inside & ~people].sum()), regions
