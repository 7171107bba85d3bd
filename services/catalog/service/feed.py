"""The change feed for followers: what happened after a revision, waiting for it when asked to."""

from dataclasses import replace

from chassis import context
from services.catalog.domain import ChangePage
from services.catalog.errors import RevisionAhead
from services.catalog.store import Feed, Journal, Titles

CHANGES_DEFAULT = 50
CHANGES_MAX = 1_000
WAIT_MARGIN_S = 0.2  # of the caller's deadline: an empty answer beats a late one


class FeedCases:
    """What followers may ask."""

    def __init__(self, *, feed: Feed, titles: Titles, journal: Journal) -> None:
        self._feed, self._titles, self._journal = feed, titles, journal

    async def list_changes(self, after_revision: int, page_size: int, wait_s: float) -> ChangePage:
        latest = await self._journal.latest()
        if after_revision > latest:
            raise RevisionAhead(metadata={"latest_revision": str(latest)})
        if after_revision == latest and wait_s > 0:
            await self._journal.wait_for_newer(after_revision, _wait_s(wait_s))
            latest = await self._journal.latest()
        changes = await self._feed.page(
            after=after_revision, until=latest, limit=min(page_size or CHANGES_DEFAULT, CHANGES_MAX)
        )
        titles = await self._titles.get_all([change.title_id for change in changes])
        return ChangePage(
            changes=tuple(replace(change, title=titles.get(change.title_id)) for change in changes),
            latest_revision=latest,
        )


def _wait_s(wait_s: float) -> float:
    remaining_s = context.remaining_s()
    return wait_s if remaining_s is None else max(0.0, min(wait_s, remaining_s - WAIT_MARGIN_S))
