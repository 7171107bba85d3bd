"""The metrics process put together: what stands on what, what runs beside it."""

import asyncio
from dataclasses import dataclass

from chassis.clock import Clock, SystemClock
from chassis.errors import Unavailable
from chassis.ids import NewId, new_id
from chassis.mongo import Database
from chassis.server import Background
from chassis.telemetry import Telemetry
from services.metrics.config import MetricsSettings
from services.metrics.digest import Key
from services.metrics.follow import Feed, Follower
from services.metrics.generation import Memory
from services.metrics.journal import Journal
from services.metrics.rollups import Rollups
from services.metrics.service.board import Board
from services.metrics.service.findings import Found
from services.metrics.service.ingest import Ingest
from services.metrics.service.reports import Reports
from services.metrics.service.watch import Watch
from services.metrics.store.events import Store
from services.metrics.store.findings import Findings
from services.metrics.titles import Titles

# A generation is looked for so often, and when the fold waits for room; merging follows storing.
STORE_EVERY_S = 1.0


class NotLoaded(Unavailable):
    """Metrics is still reading its log: try again shortly."""

    reason = "METRICS_LOADING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """The parts a servicer and the tests need."""

    store: Store
    rollups: Rollups
    titles: Titles
    journal: Journal
    board: Board
    ingest: Ingest
    reports: Reports
    found: Found
    watch: Watch
    background: tuple[Background, ...]


async def wire(
    database: Database,
    settings: MetricsSettings,
    feed: Feed,
    *,
    token_key: bytes,
    telemetry: Telemetry,
    clock: Clock | None = None,
    make_id: NewId = new_id,
) -> Wired:
    """Loads what is stored and connects the parts; nothing runs yet."""
    clock = clock or SystemClock()
    store = Store(database)
    key = Key.of(await store.secret())
    rollups = Rollups(store, Memory(key), cache_bytes_max=settings.page_cache_bytes_max)
    await rollups.load()
    titles = Titles()
    follower = Follower(titles, feed, store)
    await follower.load()
    board = Board(rollups, titles, clock=clock, viewers_min=settings.viewers_min, token_key=token_key)
    await board.load()
    journal = Journal(store, rollups, clock=clock, new_id=make_id, pending_events_max=settings.pending_events_max)
    ingest = Ingest(journal, rollups, key=key, clock=clock, titles_max=settings.titles_max, telemetry=telemetry)
    reports = Reports(rollups, titles, board, key=key, clock=clock, viewers_min=settings.viewers_min)
    findings = Findings(database)
    await findings.ensure()
    found = Found(findings, titles, clock=clock, viewers_min=settings.viewers_min, token_key=token_key)
    watch = Watch(rollups, titles, board, reports, findings, clock=clock, every_s=settings.insights_every_s)

    async def keep_stored() -> None:
        while True:
            await rollups.filled(STORE_EVERY_S)
            await rollups.flush()

    async def keep_merged() -> None:
        try:
            while True:
                await asyncio.sleep(STORE_EVERY_S)
                while await rollups.merge():
                    pass
        finally:
            rollups.leave_dropping()

    return Wired(
        store=store,
        rollups=rollups,
        titles=titles,
        journal=journal,
        board=board,
        ingest=ingest,
        reports=reports,
        found=found,
        watch=watch,
        background=(journal.run, journal.follow, keep_stored, keep_merged, board.run, follower.run, watch.run),
    )
