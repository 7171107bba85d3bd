"""A catalog on a real port over a real database, with its index following."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc.aio
import pytest

from chassis import testing
from chassis.mongo import Database
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.catalog.v1 import catalog_pb2 as pb
from protos.catalog.v1 import catalog_pb2_grpc
from services.catalog.rpc import SERVICE_NAME, CatalogServicer
from services.catalog.wiring import Wired, wire

TOKEN_KEY = b"a key for tests only, 32 bytes.."


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    stub: Any
    wired: Wired
    channel: grpc.aio.Channel

    async def settled(self) -> None:
        """Waits until search has caught up."""
        search = self.wired.catalog.search
        latest = await self.wired.journal.latest()
        async with asyncio.timeout(30):
            while not search._is_ready or search._index.revision < latest:
                await asyncio.sleep(0.01)

    async def search(self, q: str, **more: Any) -> list[pb.SearchHit]:
        await self.settled()
        return list((await self.stub.SearchTitles(pb.SearchTitlesRequest(q=q, **more))).hits)


@contextlib.asynccontextmanager
async def running_catalog(database: Database) -> AsyncIterator[Running]:
    wired = await wire(database, token_key=TOKEN_KEY, telemetry=Telemetry("catalog"))
    tasks = [asyncio.create_task(work()) for work in wired.background]
    registration = Registration(
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server, CatalogServicer(wired.catalog), SERVICE_NAME
    )
    try:
        async with testing.running_server([registration]) as channel:
            yield Running(stub=catalog_pb2_grpc.CatalogServiceStub(channel), wired=wired, channel=channel)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await wired.journal.drain()


@pytest.fixture
async def catalog(database: Database) -> AsyncIterator[Running]:
    async with running_catalog(database) as running:
        yield running


@pytest.fixture
def another_catalog(database: Database) -> Any:
    """`async with another_catalog() as second`: one more process's worth of catalog over the same database."""
    return lambda: running_catalog(database)
