"""Many titles at once: list_trending_titles, get_studio_report; and the overview they stand on, kept fresh."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from chassis import paging
from chassis.clock import Clock
from chassis.errors import SpotlightError
from services.metrics import keys, privacy, report, trending
from services.metrics.answers import StudioPage, Summary, Trend, TrendPage
from services.metrics.domain import DAY_MINUTES, I64, MINUTE_MS, EventType, Granularity, Period
from services.metrics.fold import Table
from services.metrics.grid import Grid
from services.metrics.overview import Overview
from services.metrics.report import Choice
from services.metrics.rollups import Rollups
from services.metrics.titles import Titles
from services.metrics.trending import Velocity

log = structlog.get_logger("board")

REFRESH_S = 10.0
KINDS_A_STEP = 4_000
# Trending lists are this long at most; beyond it nobody pages.
TRENDING_MAX = 1_000
# Regional lists are made when asked for and kept as long as the next refresh.
REGION_LISTS_MAX = 300
SUMMARY_TYPES = (EventType.VIDEO_VIEW, EventType.ANCHOR_CLICK, EventType.HUB_VIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trending:
    """A finished list: velocities of titles with k viewers, and how many had fewer."""

    velocities: tuple[Velocity, ...] = ()
    suppressed_count: int = 0


class Board:
    """What is told about many titles."""

    def __init__(self, rollups: Rollups, titles: Titles, *, clock: Clock, viewers_min: int, token_key: bytes) -> None:
        self._rollups, self._titles, self._clock = rollups, titles, clock
        self._viewers_min, self._token_key = viewers_min, token_key
        self.overview = Overview()
        self._lists: dict[int, Trending] = {}
        self._positions: dict[str, int] = {}
        # The numbers of the trending titles.
        self.standing_out: frozenset[int] = frozenset()
        rollups.memory.listeners.append(self.overview.add)

    async def load(self) -> None:
        """One scan of what is stored and remembered; from then on each run of events adds itself."""
        for run in self._rollups.memory.runs():
            self.overview.add(run)
        for table, take in (
            (Table.CELLS_HOUR, self.overview.add_hours),
            (Table.CELLS_DAY, self.overview.add_days),
        ):
            async for part in self._rollups.whole(table, (), self._rollups.segments):
                take(part)
                self.overview.prune(self._now_minute())
                await asyncio.sleep(0)

    async def run(self) -> None:
        """Keeps the overview and the trending list fresh for ever."""
        position, minute = -1, -1
        while True:
            now = self._now_minute()
            if (self._rollups.memory.position, now) != (position, minute):
                position, minute = self._rollups.memory.position, now
                try:
                    await self.refresh()
                except SpotlightError as error:
                    log.warning("overview is not fresh", reason=error.reason)
            await asyncio.sleep(REFRESH_S)

    async def refresh(self) -> None:
        """Ranks all titles anew."""
        now = self._now_minute()
        self._rollups.memory.fold_all()
        self.overview.prune(now)
        # A hundred thousand titles take a quarter of a second: others have their turn between the steps.
        for _ in self.overview.rank(now, await self._kinds()):
            await asyncio.sleep(0)
        self._lists.clear()
        found = await self._trending(0)
        names = self._rollups.memory.title_names
        self._positions = {names[each.title]: place for place, each in enumerate(found.velocities, start=1)}
        self.standing_out = frozenset(each.title for each in found.velocities)

    async def _kinds(self) -> I64:
        codes: dict[str, int] = {}
        get = self._titles.get
        found: list[int] = []
        names = tuple(self._rollups.memory.title_names)
        for start in range(0, len(names), KINDS_A_STEP):
            step = names[start : start + KINDS_A_STEP]
            found += [codes.setdefault(get(name).media_type, len(codes)) for name in step]
            await asyncio.sleep(0)
        return np.array(found, np.int64)

    def _now_minute(self) -> int:
        return int(self._clock.now().timestamp() // 60)

    def position(self, title_id: str) -> int:
        """A title's place among trending ones, 0 when it has none."""
        return self._positions.get(title_id, 0)

    async def _trending(self, region: int) -> Trending:
        """The list of a region, 0 for all: made once until the next refresh."""
        if (known := self._lists.get(region)) is not None:
            return known
        now = self._now_minute()
        memory = self._rollups.memory
        every = trending.velocities(self.overview, now, len(memory.title_names), region or None)[:TRENDING_MAX]
        shown = await self._with_viewers(every, now, region)
        found = Trending(velocities=tuple(shown), suppressed_count=len(every) - len(shown))
        if len(self._lists) < REGION_LISTS_MAX:
            self._lists[region] = found
        return found

    async def _with_viewers(self, every: Sequence[Velocity], now: int, region: int) -> list[Velocity]:
        """Those whose window has k viewers."""
        shown = []
        start = (now // 60 - trending.WINDOW_HOURS + 1) * 60
        for each in every:
            spans = [(Table.CELLS_HOUR, start, now + 1), (Table.VIEWERS_HOUR, start, now + 1)]
            cells = Grid.of(*await self._rollups.title_rows(each.title, spans))
            cells = cells.take(cells.region == region) if region else cells
            viewers = cells.relabelled().viewers()
            if len(viewers) and round(float(viewers[0])) >= self._viewers_min:
                shown.append(each)
        return shown

    async def list_trending_titles(self, region: str, studio_id: str, page_size: int, page_token: str) -> TrendPage:
        query = paging.query_hash("ListTrendingTitles", region, studio_id)
        position = paging.decode(self._token_key, query, page_token)
        start = int(position[0] or 0) if position else 0
        size = paging.size(page_size)
        found = await self._trending(keys.region_code(region))
        names = self._rollups.memory.title_names
        trends = [
            Trend(title=self._titles.get(names[each.title]), position=place, velocity=each)
            for place, each in enumerate(found.velocities, start=1)
        ]
        if studio_id:
            trends = [trend for trend in trends if trend.title.studio_id == studio_id]
        page = trends[start : start + size]
        more = len(trends) > start + size
        return TrendPage(
            trends=tuple(page),
            next_page_token=paging.encode(self._token_key, query, [start + size]) if more else "",
            as_of_ms=self._now_minute() * MINUTE_MS,
            suppressed_count=found.suppressed_count,
        )

    async def get_studio_report(self, studio_id: str, period: Period, page_size: int, page_token: str) -> StudioPage:
        query = paging.query_hash("GetStudioReport", studio_id)
        position = paging.decode(self._token_key, query, page_token)
        start = int(position[0] or 0) if position else 0
        size = paging.size(page_size)
        period = report.checked(period, Granularity.TOTAL).widened(DAY_MINUTES)
        ranked = self._ranked(self._titles.of_studio(studio_id), period)
        page = ranked[start : start + size]
        more = len(ranked) > start + size
        return StudioPage(
            summaries=tuple([await self._summary(title_id, period) for title_id in page]),
            next_page_token=paging.encode(self._token_key, query, [start + size]) if more else "",
            total_size=len(ranked),
            as_of_ms=int(self._clock.now().timestamp() * 1000),
            period=period,
        )

    def _ranked(self, title_ids: frozenset[str], period: Period) -> list[str]:
        """The titles by their events in the period as of the last refresh, the rest by name."""
        numbers = self._rollups.memory.title_numbers
        sums = self.overview.title_totals(period.start, period.end, len(numbers))

        def order(title_id: str) -> tuple[int, str, str]:
            number = numbers.get(title_id)
            count = int(sums[number]) if number is not None and number < len(sums) else 0
            return -count, self._titles.get(title_id).name, title_id

        return sorted(title_ids, key=order)

    async def _summary(self, title_id: str, period: Period) -> Summary:
        title = self._titles.get(title_id)
        number = self._rollups.memory.title_numbers.get(title_id)
        if number is None:
            return Summary(title=title, counts={})
        start = period.before().start
        spans = [(Table.CELLS_DAY, start, period.end), (Table.VIEWERS_DAY, start, period.end)]
        cells = Grid.of(*await self._rollups.title_rows(number, spans))
        published = privacy.publish_title(cells, None, self._viewers_min, with_splits=False)
        choice = Choice(period=period, granularity=Granularity.TOTAL)
        totals = {total.type: total for total in report.totals(published, choice)}
        before = Choice(period=period.before(), granularity=Granularity.TOTAL)
        previous = sum(total.count for total in report.totals(published, before))
        count = sum(total.count for total in totals.values())
        return Summary(
            title=title,
            counts={kind: totals[kind].count for kind in SUMMARY_TYPES if kind in totals},
            viewers=totals[EventType.VIDEO_VIEW].viewers if EventType.VIDEO_VIEW in totals else 0,
            change=count / previous - 1 if previous and count else 0.0,
            trending_position=self.position(title_id),
            is_suppressed=bool(totals) and count == 0,
        )
