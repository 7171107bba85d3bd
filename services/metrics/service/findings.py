"""What was found: list_spikes, list_insights, decide_insight; and the titles' overview numbers of both."""

from collections.abc import Sequence
from dataclasses import replace

from chassis import paging
from chassis.clock import Clock
from services.metrics.domain import EtagMismatch, InsightNotFound, Period, TitleNotInStudio
from services.metrics.insights import Act, Insight, InsightPage, InsightState, SpikePage, moved
from services.metrics.store.findings import Findings
from services.metrics.titles import Titles

LISTED = (InsightState.OPEN, InsightState.ACCEPTED, InsightState.MEASURED)


class Found:
    """Spikes and suggestions as they are told and decided."""

    def __init__(self, findings: Findings, titles: Titles, *, clock: Clock, viewers_min: int, token_key: bytes) -> None:
        self._findings, self._titles, self._clock = findings, titles, clock
        self._viewers_min, self._token_key = viewers_min, token_key

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    async def list_spikes(
        self, title_id: str, studio_id: str, period: Period, page_size: int, page_token: str
    ) -> SpikePage:
        self._titles.require(title_id, studio_id)
        query = paging.query_hash("ListSpikes", title_id)
        start = self._start(query, page_token)
        size = paging.size(page_size)
        every = await self._findings.spikes(title_id, period.start, period.end)
        page = every[start : start + size]
        return SpikePage(
            spikes=tuple(page),
            next_page_token=self._next(query, start + size, len(every)),
            as_of_ms=self._now_ms(),
            viewers_min=self._viewers_min,
        )

    async def list_insights(
        self,
        title_id: str,
        studio_id: str,
        states: Sequence[InsightState],
        page_size: int,
        page_token: str,
    ) -> InsightPage:
        if title_id:
            self._titles.require(title_id, studio_id)
        query = paging.query_hash("ListInsights", title_id, studio_id, [int(state) for state in states])
        start = self._start(query, page_token)
        size = paging.size(page_size)
        every = await self._findings.insights(title_id=title_id, studio_id=studio_id, states=states or LISTED)
        return InsightPage(
            insights=tuple(every[start : start + size]),
            next_page_token=self._next(query, start + size, len(every)),
            as_of_ms=self._now_ms(),
        )

    def _start(self, query: str, page_token: str) -> int:
        position = paging.decode(self._token_key, query, page_token)
        return int(position[0] or 0) if position else 0

    def _next(self, query: str, end: int, count: int) -> str:
        return paging.encode(self._token_key, query, [end]) if end < count else ""

    async def decide_insight(self, id_: str, act: Act, *, studio_id: str, actor: str, etag: str) -> Insight:
        """Accepts or dismisses; the same decision again changes nothing."""
        known = await self._findings.insight(id_)
        if known is None:
            raise InsightNotFound
        if studio_id and known.studio_id != studio_id:
            raise TitleNotInStudio
        state = moved(known, act)
        if state is known.state:
            return known
        if etag and etag != known.etag:
            raise EtagMismatch
        decided = replace(known, state=state, decide_minute=self._now_ms() // 60_000, decided_by=actor)
        if not await self._findings.put_insight(decided, etag=known.etag):
            raise EtagMismatch
        return decided

    async def counts(self, title_ids: Sequence[str], period: Period) -> tuple[list[int], list[int]]:
        """How many spikes of the period and open suggestions each title has."""
        spikes, insights = [], []
        for title_id in title_ids:
            spikes.append(len(await self._findings.spikes(title_id, period.start, period.end)))
            insights.append(len(await self._findings.insights(title_id=title_id, states=[InsightState.OPEN])))
        return spikes, insights
