"""Follows catalog: one export at the first start, then its change feed; what is known is kept between starts.

The feed's client is given, so that nothing here knows the wire. Titles are stored as a few large documents, written
again when enough of them changed; a crash only means that the feed is read from a little earlier.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Protocol

import structlog

from chassis.errors import OutOfRange, SpotlightError
from services.metrics.titles import TitleFacts, Titles

log = structlog.get_logger("follow")

WAIT_S = 5.0
RETRY_S = 1.0
TITLES_A_DOCUMENT = 5_000
# The stored copy is written again after so many changes, at the latest with the next start.
CHANGES_A_SAVE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some titles as they are, and the revision from which changes follow."""

    titles: tuple[TitleFacts, ...]
    revision: int


class Feed(Protocol):
    """Catalog, as far as metrics needs it."""

    def export(self) -> AsyncIterator[Piece]:
        """All titles."""
        ...

    async def changes(self, after_revision: int, wait_s: float) -> Piece:
        """What changed since; waits for a change."""
        ...


class TitleShelf(Protocol):
    """Where what is known of titles lies between starts."""

    async def read_titles(self) -> tuple[int, Sequence[bytes]]: ...

    async def write_titles(self, revision: int, documents: Sequence[bytes]) -> None: ...


class Follower:
    """Keeps Titles like catalog."""

    def __init__(self, titles: Titles, feed: Feed, shelf: TitleShelf) -> None:
        self._titles, self._feed, self._shelf = titles, feed, shelf
        self._unsaved = 0

    async def load(self) -> None:
        """Takes up what was known."""
        revision, documents = await self._shelf.read_titles()
        for document in documents:
            self._titles.put(decoded(document))
        self._titles.revision = revision

    async def run(self) -> None:
        """Follows for ever; catalog may be away."""
        while True:
            try:
                await self.step()
            except OutOfRange:
                # Another catalog than before, or one restored from a copy: begin again.
                self._titles.revision = 0
            except SpotlightError as error:
                log.info("catalog does not answer", reason=error.reason)
                await asyncio.sleep(RETRY_S)

    async def step(self) -> None:
        """One export or one page of changes."""
        if not self._titles.revision:
            await self._export()
            return
        piece = await self._feed.changes(self._titles.revision, WAIT_S)
        self._titles.put(piece.titles)
        self._titles.revision = piece.revision
        self._unsaved += len(piece.titles)
        if self._unsaved >= CHANGES_A_SAVE:
            await self._save()

    async def _export(self) -> None:
        revision = 0
        async for piece in self._feed.export():
            self._titles.put(piece.titles)
            revision = revision or piece.revision
        self._titles.revision = revision
        if revision:
            await self._save()
        else:
            await asyncio.sleep(RETRY_S)

    async def _save(self) -> None:
        every = self._titles.all()
        documents = [
            encoded(every[start : start + TITLES_A_DOCUMENT]) for start in range(0, len(every), TITLES_A_DOCUMENT)
        ]
        await self._shelf.write_titles(self._titles.revision, documents)
        self._unsaved = 0


NAMES = tuple(field.name for field in fields(TitleFacts))


def encoded(titles: Sequence[TitleFacts]) -> bytes:
    return json.dumps([_plain(title) for title in titles]).encode()


def _plain(title: TitleFacts) -> list[object]:
    found = {name: getattr(title, name) for name in NAMES}
    found["release_dates"] = [day.isoformat() for day in title.release_dates]
    found["hashtags"] = sorted(title.hashtags)
    return list(found.values())


def decoded(document: bytes) -> list[TitleFacts]:
    found = []
    for values in json.loads(document):
        named = dict(zip(NAMES, values, strict=True))
        named["release_dates"] = tuple(date.fromisoformat(day) for day in named["release_dates"])
        named["offers"] = tuple((region, start, end) for region, start, end in named["offers"])
        named["hashtags"] = frozenset(named["hashtags"])
        found.append(TitleFacts(**named))
    return found
