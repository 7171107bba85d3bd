"""Search: builds its index from the store, follows the journal, and answers queries from it."""

import asyncio
from collections.abc import Sequence

from chassis import paging
from chassis.clock import Clock
from chassis.telemetry import Telemetry
from services.catalog.domain import ChangePage, SearchHit, SearchPage
from services.catalog.errors import IndexNotReady
from services.catalog.names import name_folding_to
from services.catalog.search.index import SEARCHED_FIELDS, Restriction, SearchIndex, entry_of
from services.catalog.service.feed import FeedCases
from services.catalog.store import Journal, Titles
from services.catalog.title import MediaType, Title

BUILD_TITLES = 4_000
FOLLOW_CHANGES = 500
FOLLOW_WAIT_S = 20.0
HITS_BYTES_MAX = 2_000_000
RETRY_AFTER_S = 1.0


class SearchCases:
    """The index and whoever asks it."""

    def __init__(
        self,
        *,
        index: SearchIndex,
        titles: Titles,
        journal: Journal,
        feed: FeedCases,
        clock: Clock,
        token_key: bytes,
        telemetry: Telemetry,
    ) -> None:
        self._index, self._titles, self._journal, self._feed = index, titles, journal, feed
        self._clock, self._token_key = clock, token_key
        self._is_ready = False
        self._lag = telemetry.gauge("catalog_index_lag", "Revisions the search index is behind.")
        self._size = telemetry.gauge("catalog_index_titles", "Titles in the search index.")

    async def check_ready(self) -> None:
        if not self._is_ready:
            raise IndexNotReady(retry_after_s=RETRY_AFTER_S)

    async def search_titles(
        self,
        q: str,
        *,
        media_type: MediaType = MediaType.UNSPECIFIED,
        studio_id: str = "",
        include_hidden: bool = False,
        page_size: int = 0,
        page_token: str = "",
    ) -> SearchPage:
        await self.check_ready()
        query = paging.query_hash("SearchTitles", q, media_type, studio_id, include_hidden)
        position = paging.decode(self._token_key, query, page_token)
        start = int(position[0] or 0) if position else 0
        restriction = Restriction(
            now=self._clock.now(), media_type=media_type, studio_id=studio_id, include_hidden=include_hidden
        )
        hits = self._index.search(q, restriction)
        chosen = hits[start : start + paging.size(page_size)]
        titles, unread = await self._titles.get_many([hit.title_id for hit in chosen], HITS_BYTES_MAX)
        end = start + len(chosen) - len(unread)
        return SearchPage(
            hits=tuple(
                SearchHit(
                    title=titles[hit.title_id],
                    matched_name=name_folding_to(titles[hit.title_id], hit.name),
                    matched_by=hit.matched_by,
                    typo_count=hit.meeting.typo_count,
                )
                for hit in chosen
                if hit.title_id in titles
            ),
            next_page_token=paging.encode(self._token_key, query, [end]) if end < len(hits) else "",
            revision=self._index.revision,
        )

    async def follow(self) -> None:
        """Builds the index and keeps it at the journal's revision; to be run as long as the process lives."""
        await self._build()
        while True:
            await self._catch_up()
            await self._journal.wait_for_newer(self._index.revision, FOLLOW_WAIT_S)

    async def _build(self) -> None:
        """Reads all titles; the work on names goes on in a thread, while more is read and other calls are answered."""
        revision = await self._journal.latest()
        titles: list[Title] = []
        putting = asyncio.create_task(self._put_in_thread(()))
        try:
            async for read in self._titles.scan(SEARCHED_FIELDS, until=revision):
                titles += read
                if len(titles) >= BUILD_TITLES:
                    await putting
                    putting = asyncio.create_task(self._put_in_thread(titles))
                    titles = []
        finally:
            await putting
        await self._put_in_thread(titles)
        self._index.revision = revision
        self._is_ready = True
        self._measure(revision)

    async def _catch_up(self) -> None:
        """Takes what this process itself just committed from memory, the rest from the feed."""
        latest = await self._journal.latest()
        while self._index.revision < latest:
            recent = self._journal.recent_after(self._index.revision)
            if recent is not None:
                self._put(recent.titles, recent.last)
            else:
                page = await self._feed.list_changes(self._index.revision, FOLLOW_CHANGES, 0)
                self._put(_titles_of(page), page.changes[-1].revision)
                latest = max(latest, page.latest_revision)
            await self._tidy()
            self._measure(latest)

    async def _put_in_thread(self, titles: Sequence[Title]) -> None:
        """For the build only: nobody asks the index yet."""
        await asyncio.to_thread(lambda: self._index.put(map(entry_of, titles)))
        await self._tidy()

    def _put(self, titles: Sequence[Title], revision: int) -> None:
        self._index.put(map(entry_of, titles))
        self._index.revision = revision

    async def _tidy(self) -> None:
        work = self._index.merging()
        if work is not None:
            self._index.merged(work, await asyncio.to_thread(work.run))

    def _measure(self, latest: int) -> None:
        self._lag.set(max(0, latest - self._index.revision))
        self._size.set(len(self._index))


def _titles_of(page: ChangePage) -> list[Title]:
    return [change.title for change in page.changes if change.title is not None]
