"""Decoded pages of stored rollups: read many at once, kept within a bound of bytes."""

import asyncio
from collections.abc import Iterable, Sequence

from chassis.errors import Unavailable
from services.metrics import segment
from services.metrics.kept import Kept
from services.metrics.rows import Rows
from services.metrics.store.events import Store

# What more pages take to decode and merge, some milliseconds, is done beside the event loop.
PAGES_AT_ONCE = 32


class RollupsMoved(Unavailable):
    """What was being read was merged meanwhile: ask again."""

    reason = "ROLLUPS_MOVED"


class Pages:
    """The stored pages, by id."""

    def __init__(self, store: Store, *, bytes_max: int) -> None:
        self._store = store
        self._kept: Kept[str, Rows] = Kept(bytes_max)

    async def of(self, ids: Iterable[str]) -> dict[str, Rows]:
        """Each page; raises RollupsMoved where one is gone."""
        found: dict[str, Rows] = {}
        missing: list[str] = []
        for id_ in ids:
            page = self._kept.get(id_)
            if page is None:
                missing.append(id_)
            else:
                found[id_] = page
        return found | await self._read(missing) if missing else found

    async def _read(self, ids: Sequence[str]) -> dict[str, Rows]:
        """Pieces side by side: one is decoded while the store reads another."""
        pieces = [ids[start : start + PAGES_AT_ONCE] for start in range(0, len(ids), PAGES_AT_ONCE)]
        decoded = await asyncio.gather(*(self._piece(piece, is_alone=len(pieces) == 1) for piece in pieces))
        found = {id_: page for piece in decoded for id_, page in piece.items()}
        for id_, page in found.items():
            self._kept.put(id_, page, page.nbytes())
        return found

    async def _piece(self, ids: Sequence[str], *, is_alone: bool) -> dict[str, Rows]:
        pages = await self._store.pages(ids)
        if len(pages) < len(ids):
            raise RollupsMoved
        data = list(pages.values())
        decoded = segment.decode_all(data) if is_alone else await asyncio.to_thread(segment.decode_all, data)
        return dict(zip(pages, decoded, strict=True))
