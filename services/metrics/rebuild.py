"""Derives every rollup anew from the log: beside the live ones, to compare, or in their place.

What is stored is a function of the log, so both must give the same digest, sketches included.
"""

from chassis.mongo import Database
from services.metrics.digest import Key
from services.metrics.generation import Memory
from services.metrics.pages import RollupsMoved
from services.metrics.rollups import Rollups
from services.metrics.service.ingest import rollup_digest
from services.metrics.store.events import Store

BESIDE = "rebuilt_"
CACHE_BYTES = 16 * 2**20
TRIES_MAX = 5


async def loaded(database: Database, prefix: str = "", until: int | None = None) -> Rollups:
    """The rollups of a prefix, with everything after them folded and all that is complete stored."""
    rollups = await _read(database, prefix, until)
    await rollups.flush()
    while await rollups.merge():
        pass
    await rollups.settled()
    return rollups


async def _read(database: Database, prefix: str, until: int | None) -> Rollups:
    store = Store(database, prefix)
    rollups = Rollups(store, Memory(Key.of(await store.secret())), cache_bytes_max=CACHE_BYTES)
    await rollups.load(until=until)
    return rollups


async def verify(database: Database) -> tuple[str, str]:
    """The digests of the live rollups and of ones derived anew beside them, which are removed again.

    Both as of one position of the log: events may come in meanwhile, and nothing live is touched.
    """
    live, stored = await _live(database)
    await Store(database, BESIDE).drop_all()
    anew = await rollup_digest(await loaded(database, BESIDE, until=live.memory.position))
    await Store(database, BESIDE).drop_all()
    return stored, anew


async def _live(database: Database) -> tuple[Rollups, str]:
    """The live rollups and their digest: read again where a running process merged and dropped what was being read."""
    for left in range(TRIES_MAX - 1, -1, -1):
        live = await _read(database, "", None)
        try:
            return live, await rollup_digest(live)
        except RollupsMoved:
            if not left:
                raise
    raise AssertionError


async def rebuild(database: Database) -> str:
    """Drops the stored rollups and derives them again; the digest. No metrics process may run meanwhile."""
    await Store(database).drop_all()
    return await rollup_digest(await loaded(database))
