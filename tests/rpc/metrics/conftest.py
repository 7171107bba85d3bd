"""Metrics on a real port over a real database, with a catalog that says what the test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis import testing
from chassis.mongo import Database
from chassis.server import Registration, running_tasks
from chassis.telemetry import Telemetry
from protos.metrics.v1 import metrics_pb2_grpc
from services.metrics.config import MetricsSettings
from services.metrics.follow import Piece
from services.metrics.rpc.servicer import SERVICE_NAME, MetricsServicer, add_to_server
from services.metrics.titles import TitleFacts
from services.metrics.wiring import Wired, wire

TOKEN_KEY = b"a key for tests only, 32 bytes.."


@dataclass
class PaperCatalog:
    """Catalog's feed from a list."""

    titles: list[TitleFacts] = field(default_factory=list)
    revision: int = 1
    exports: int = 0

    async def export(self) -> AsyncIterator[Piece]:
        self.exports += 1
        yield Piece(titles=tuple(self.titles), revision=self.revision)

    async def changes(self, after_revision: int, wait_s: float) -> Piece:
        await asyncio.sleep(0.05)
        return Piece(titles=tuple(self.titles) if self.revision > after_revision else (), revision=self.revision)


def some_titles(count: int = 20) -> list[TitleFacts]:
    """Even ones are studio s's, odd ones t's."""
    soon = datetime.now(UTC).date() + timedelta(days=9)
    return [
        TitleFacts(
            id=f"movie:{n}", name=f"Film {n}", media_type="movie", studio_id="st"[n % 2], offers=(("US", 0, 0),),
            release_dates=(soon,) if n == 2 else (),
        )
        for n in range(count)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    stub: Any
    wired: Wired
    catalog: PaperCatalog


@contextlib.asynccontextmanager
async def metrics_on(database: Database, catalog: PaperCatalog | None = None, **more: Any) -> AsyncIterator[Running]:
    """A metrics process in this one."""
    catalog = catalog or PaperCatalog(some_titles())
    telemetry = Telemetry()
    settings = MetricsSettings(local=True, insights_every_s=3_600, **more)
    wired = await wire(database, settings, catalog, token_key=TOKEN_KEY, telemetry=telemetry)
    servicer = MetricsServicer(wired.ingest, wired.reports, wired.board, wired.found)
    registration = Registration(add_to_server, servicer, SERVICE_NAME)
    async with (
        running_tasks(*wired.background, telemetry=telemetry),
        testing.running_server([registration], settings=settings) as channel,
    ):
        async with asyncio.timeout(30):
            while not len(wired.titles) >= len(catalog.titles):
                await asyncio.sleep(0.01)
        yield Running(stub=metrics_pb2_grpc.MetricsServiceStub(channel), wired=wired, catalog=catalog)


@pytest.fixture
async def metrics(database: Database) -> AsyncIterator[Running]:
    async with metrics_on(database) as running:
        yield running
