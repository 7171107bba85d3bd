"""Reports on one title: get_title_report, get_funnel, get_geography, top lists, lift, live numbers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from chassis.clock import Clock
from services.metrics import digest, export, funnel, heads, keys, lift, reading, report, sketch
from services.metrics.answers import FunnelReport, Geography, Live, Region, Stamp, TitleReport, Top
from services.metrics.domain import (
    DAY_MINUTES,
    HOUR_MINUTES,
    MINUTE_MS,
    CampaignNotInStudio,
    Dimension,
    EventType,
    Granularity,
    Period,
    TopOrder,
)
from services.metrics.fold import Table
from services.metrics.grid import Grid
from services.metrics.heads import TopList
from services.metrics.kept import Kept
from services.metrics.lift import Lift
from services.metrics.privacy import Published
from services.metrics.query import Query
from services.metrics.report import Choice
from services.metrics.rollups import Rollups
from services.metrics.rows import Rows, empty
from services.metrics.service.board import Board
from services.metrics.texts import Texts
from services.metrics.titles import TitleFacts, Titles

TOP_SIZE_DEFAULT = 20
TOP_SIZE_MAX = 200
LIVE_MINUTES = 60
# Reports kept ready; one of 90 days by hour has 120 kB of rows for each event type.
REPORTS_BYTES_MAX, REPORT_BYTES = 32 * 2**20, 8 * 2**10
# Making a report of more rows takes some milliseconds: that is done beside the event loop.
ROWS_AT_ONCE = 20_000


class Reports:
    """What is told about single titles."""

    def __init__(
        self, rollups: Rollups, titles: Titles, board: Board, *, key: digest.Key, clock: Clock, viewers_min: int
    ) -> None:
        self._rollups, self._titles, self._board = rollups, titles, board
        self._key, self._clock, self.viewers_min = key, clock, viewers_min
        # Reports by what was asked, good until an event of the title is folded or the day ends.
        self._kept: Kept[tuple[str, Choice], tuple[tuple[int, int], TitleReport]] = Kept(REPORTS_BYTES_MAX)

    def stamp(self) -> Stamp:
        """As of now, if everything written is folded: nothing newer is known."""
        return Stamp(as_of_ms=int(self._clock.now().timestamp() * 1000), position=self._rollups.memory.position)

    async def get_title_report(self, title_id: str, studio_id: str, choice: Choice) -> TitleReport:
        title = self._titles.require(title_id, studio_id)
        choice = replace(choice, period=report.checked(choice.period, choice.granularity))
        stamp = self.stamp()
        number = self._rollups.memory.title_numbers.get(title_id)
        moved = (self._rollups.memory.position_of(number), stamp.as_of_ms // (DAY_MINUTES * MINUTE_MS))
        kept = self._kept.get((title_id, choice))
        if kept is not None and kept[0] == moved:
            return replace(kept[1], title=title, stamp=stamp)
        found = await self._title_report(title, number, choice, stamp)
        self._kept.put((title_id, choice), (moved, found), found.rows.nbytes() + REPORT_BYTES)
        return found

    async def _title_report(self, title: TitleFacts, number: int | None, choice: Choice, stamp: Stamp) -> TitleReport:
        found = await self._found(number, choice)
        kinds = choice.event_types or frozenset(EventType)
        days = (choice.period.end - choice.period.start) / DAY_MINUTES

        def made() -> TitleReport:
            published, minutes = reading.published(found, choice, self.viewers_min)
            return TitleReport(
                title=title,
                choice=choice,
                rows=report.rows(published, minutes, choice),
                totals=report.totals(published, replace(choice, period=self._to_day_end(choice.period))),
                previous=report.totals(published, replace(choice, period=choice.period.before())),
                standings={kind: self._board.overview.standing(number, kind, days) for kind in kinds},
                share=report.source_share(published, choice),
                nonhuman_count=reading.nonhuman_count(found, choice.period),
                stamp=stamp,
            )

        return await asyncio.to_thread(made) if sum(map(len, found)) > ROWS_AT_ONCE else made()

    def _to_day_end(self, period: Period) -> Period:
        """A period that reaches the present, to the end of its day: nothing lies there, and whole days lose nothing."""
        now = int(self._clock.now().timestamp() // 60)
        return Period(start=period.start, end=period.widened(DAY_MINUTES).end) if period.end > now else period

    async def _found(self, number: int | None, choice: Choice) -> list[Rows]:
        """A title's cells and viewers over the period and the one before it: by day, hour and minute, as needed."""
        spans = reading.spans(choice)
        if number is None:
            return [empty()] * len(spans)
        return await self._rollups.title_rows(number, spans, choice.event_types)

    async def _days(self, title_id: str, choice: Choice) -> Published:
        """The atoms of a title by day."""
        number = self._rollups.memory.title_numbers.get(title_id)
        return reading.published(await self._found(number, choice), choice, self.viewers_min)[0]

    async def get_funnel(self, title_id: str, studio_id: str, choice: Choice) -> FunnelReport:
        self._titles.require(title_id, studio_id)
        choice = replace(choice, period=_days(choice.period), granularity=Granularity.DAY)
        stamp = self.stamp()
        published = await self._days(title_id, choice)
        return FunnelReport(steps=funnel.steps(report.totals(published, choice)), period=choice.period, stamp=stamp)

    async def get_geography(self, title_id: str, studio_id: str, period: Period) -> Geography:
        title = self._titles.require(title_id, studio_id)
        choice = Choice(
            period=_days(period),
            granularity=Granularity.TOTAL,
            dimensions=frozenset({Dimension.VIEWER_REGION}),
        )
        stamp = self.stamp()
        published = await self._days(title_id, choice)
        every = report.rows(published, None, choice)
        by_type = replace(
            choice,
            granularity=Granularity.DAY,
            dimensions=frozenset({Dimension.VIEWER_REGION, Dimension.EVENT_TYPE}),
            event_types=frozenset({EventType.ANCHOR_IMPRESSION, EventType.ANCHOR_CLICK}),
        )
        clicks = report.rows(published, None, by_type)
        now_s = stamp.as_of_ms // 1000
        return Geography(regions=_regions(every, clicks, title, now_s), period=choice.period, stamp=stamp)

    async def list_top_videos(self, title_id: str, studio_id: str, period: Period, order: TopOrder, size: int) -> Top:
        self._titles.require(title_id, studio_id)
        found, stamp = await self._top(title_id, (Table.VIDEOS_DAY, Table.VIDEO_VIEWERS), period, order, size)
        makers = await self._creators_of([head.id for head in found.heads])
        names = await self._rollups.names([*(head.id for head in found.heads), *makers.values()])
        creators = {video: names.get(maker, "") for video, maker in makers.items()}
        return Top(list=found, names=names, creators=creators, stamp=stamp)

    async def list_top_creators(self, title_id: str, studio_id: str, period: Period, order: TopOrder, size: int) -> Top:
        self._titles.require(title_id, studio_id)
        found, stamp = await self._top(title_id, (Table.CREATORS_DAY, Table.CREATOR_VIEWERS), period, order, size)
        names = await self._rollups.names([head.id for head in found.heads])
        return Top(list=found, names=names, creators={}, stamp=stamp)

    async def _top(
        self, title_id: str, tables: tuple[Table, Table], period: Period, order: TopOrder, size: int
    ) -> tuple[TopList, Stamp]:
        period = _days(period)
        stamp = self.stamp()
        number = self._rollups.memory.title_numbers.get(title_id)
        if number is None:
            return TopList(heads=(), suppressed_count=0), stamp
        start = period.before().start
        wanted = (*tables, Table.CELLS_DAY, Table.VIEWERS_DAY)
        found = await self._rollups.title_rows(number, [(table, start, period.end) for table in wanted])
        size = min(size or TOP_SIZE_DEFAULT, TOP_SIZE_MAX)
        totals = Grid.of(found[2], found[3])
        return heads.top(found[0], found[1], totals, period, order, size, self.viewers_min), stamp

    async def _creators_of(self, videos: Sequence[int]) -> Mapping[int, int]:
        """Whose each video is: the creator most of its events name."""
        wanted = np.array(videos, np.uint64)
        queries = [Query.of_key(Table.VIDEO_CREATORS, video) for video in videos]
        found = await self._rollups.rows(queries, lambda facts: np.isin(facts.video, wanted))
        return {
            video: int(rows.b[int(rows.v.argmax())]) for video, rows in zip(videos, found, strict=True) if len(rows)
        }

    async def get_campaign_lift(self, campaign_id: str, studio_id: str, outcome: EventType) -> tuple[Lift, Stamp]:
        head = int(digest.digest64(Texts.of([campaign_id]), self._key)[0])
        stamp = self.stamp()
        queries = [Query.of_key(table, head) for table in (Table.ARMS, Table.CAMPAIGN_TITLES)]
        arms, about = await self._rollups.rows(queries, lambda facts: facts.campaign == np.uint64(head))
        names = self._rollups.memory.title_names
        studios = {self._titles.get(names[number]).studio_id for number in about.b.astype(np.int64).tolist()}
        if studio_id and studios != {studio_id}:
            raise CampaignNotInStudio
        return lift.lift(arms, outcome, self.viewers_min), stamp

    async def export_report(self, title_id: str, studio_id: str, choice: Choice) -> AsyncIterator[str]:
        """The report's rows as CSV."""
        found = await self.get_title_report(title_id, studio_id, choice)
        hidden = int(found.rows.is_suppressed.sum())
        note = (
            f"as_of_time={datetime.fromtimestamp(found.stamp.as_of_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ} "
            f"is_thresholded={str(hidden > 0).lower()} suppressed_rows={hidden} error_bound={sketch.ERROR_BOUND:.4f}: "
            f"suppressed rows stand for fewer than {self.viewers_min} viewers, or would tell of one"
        )
        for piece in export.pieces(found.rows, note, has_regions=choice.has_regions):
            yield piece

    async def watch_title(self, title_id: str, studio_id: str, interval_s: float) -> AsyncIterator[Live]:
        """Live numbers: at once, then whenever the title's events changed."""
        self._titles.require(title_id, studio_id)
        shown_position, shown_minute = -1, -1
        memory = self._rollups.memory
        while True:
            position = memory.position_of(memory.title_numbers.get(title_id))
            minute = int(self._clock.now().timestamp() // 60)
            if position != shown_position or minute != shown_minute:
                shown_position, shown_minute = position, minute
                yield await self._live(title_id, minute)
            await asyncio.sleep(interval_s)

    async def _live(self, title_id: str, minute: int) -> Live:
        period = Period(start=minute - LIVE_MINUTES, end=minute + 1)
        choice = Choice(period=period.widened(HOUR_MINUTES), granularity=Granularity.MINUTE)
        stamp = self.stamp()
        number = self._rollups.memory.title_numbers.get(title_id)
        published, minutes = reading.published(await self._found(number, choice), choice, self.viewers_min)
        shown = replace(choice, period=period, event_types=frozenset({EventType.VIDEO_VIEW, EventType.ANCHOR_CLICK}))
        # Totals are of the running and the last hour: an hour has k viewers where a minute has not.
        totals = report.totals(published, replace(choice, period=self._to_day_end(choice.period)))
        return Live(
            title_id=title_id,
            totals=totals,
            rows=report.rows(published, minutes, shown),
            trending_position=self._board.position(title_id),
            stamp=stamp,
        )


def _days(period: Period) -> Period:
    return report.checked(period, Granularity.TOTAL).widened(DAY_MINUTES)


def _regions(every: report.Table, by_day: report.Table, title: TitleFacts, now_s: int) -> tuple[Region, ...]:
    impressions, clicks = _of_regions(by_day, EventType.ANCHOR_IMPRESSION), _of_regions(by_day, EventType.ANCHOR_CLICK)
    total = int(every.count.sum())
    found = []
    for place, code in enumerate(every.region.tolist()):
        name = keys.region_name(code)
        shown, clicked = impressions.get(code, {}), clicks.get(code, {})
        # A day may show one and hide the other; the pool of small regions holds other ones of each.
        both = sum(shown[day] for day in shown.keys() & clicked.keys()) if code else 0
        found.append(
            Region(
                region=name,
                count=int(every.count[place]),
                viewers=int(every.viewers[place]),
                share=int(every.count[place]) / total if total else 0.0,
                impressions=sum(shown.values()),
                clicks=sum(clicked.values()),
                click_rate=sum(clicked[day] for day in shown.keys() & clicked.keys()) / both if both else 0.0,
                has_offer=title.has_offer(name, now_s),
                is_suppressed=bool(every.is_suppressed[place]),
            )
        )
    return tuple(sorted(found, key=lambda each: (each.is_suppressed, -each.count, each.region)))


def _of_regions(by_day: report.Table, kind: EventType) -> Mapping[int, Mapping[int, int]]:
    """The shown counts of a type by region and day."""
    mask = (by_day.type == kind) & ~by_day.is_suppressed
    found: dict[int, dict[int, int]] = {}
    for region, day, count in zip(
        by_day.region[mask].tolist(), by_day.start[mask].tolist(), by_day.count[mask].tolist(), strict=True
    ):
        found.setdefault(region, {})[day] = count
    return found
