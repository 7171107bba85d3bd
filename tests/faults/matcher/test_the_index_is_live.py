"""Real processes: an index that follows its catalog under load, and one whose catalog begins anew."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from chassis.embedded import free_port
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc
from tests.faults.matcher.test_reviewers_and_kills import MatcherProcess
from tests.matcher_world import a_video

ROOT = Path(__file__).resolve().parents[3]
CHANNEL = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300)]
CALLERS = 3
GROWTH_MB_MAX = 40  # over all updates but the first fifth; a leak of 64 kB an update is seen


@dataclass
class CatalogProcess:
    """One `python -m services.catalog` on a port of its own."""

    database: str
    mongo_url: str
    folder: Path
    port: int = field(default_factory=free_port)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")} | {
            "MONGO_URL": self.mongo_url,
            "SPOTLIGHT_CATALOG_PORT": str(self.port),
            "SPOTLIGHT_CATALOG_TELEMETRY_PORT": "0",
            "SPOTLIGHT_CATALOG_LOCAL": "true",
            "SPOTLIGHT_CATALOG_DATABASE": self.database,
        }
        with (self.folder / f"{self.port}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.catalog", cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.kill()
            await process.wait()

    async def create(self, *names: str) -> list[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", CHANNEL) as channel:
            stub: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
            titles = [
                catalog_pb2.Title(media_type=catalog_pb2.MEDIA_TYPE_MOVIE, title=name, popularity=1e6, year=2023)
                for name in names
            ]
            return [
                (await answered(stub.CreateTitle, catalog_pb2.CreateTitleRequest(title=title))).id for title in titles
            ]


@asynccontextmanager
async def a_matcher(catalog: CatalogProcess, database: str, folder: Path) -> AsyncIterator[tuple[Any, int]]:
    """A matcher process that follows the catalog: its stub and its pid."""
    settings = {"SPOTLIGHT_MATCHER_CATALOG_ADDRESS": f"127.0.0.1:{catalog.port}"}
    process = MatcherProcess(database, catalog.mongo_url, folder, settings)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}", CHANNEL) as channel:
            assert process.process is not None
            yield matcher_pb2_grpc.MatcherServiceStub(channel), process.process.pid
    finally:
        await process.kill()


async def answered(call: Any, request: Any) -> Any:
    """What a process answers once it serves."""
    while True:
        try:
            return await call(request)
        except grpc.aio.AioRpcError as error:
            assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}, error.details()
            await asyncio.sleep(0.1)


async def found(stub: Any, video: pb.Video) -> set[str]:
    """The titles of a video; nothing is stored."""
    answer = await answered(stub.MatchVideo, pb.MatchVideoRequest(video=video, validate_only=True))
    return {match.title_id for match in answer.matches}


def of_name(name: str) -> pb.Video:
    return a_video("look", f"{name} is the best movie of the year", hashtag_names=[name.replace(" ", "")])


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=[pytest.mark.stress, pytest.mark.timeout(900)])])
async def test_titles_are_found_as_they_come_while_calls_go_on(count, database, mongo_url, tmp_path):
    catalog = CatalogProcess(f"{database.name}_c", mongo_url, tmp_path)
    async with catalog.running():
        (first,) = await catalog.create("Zorblatt Fnord")
        async with a_matcher(catalog, database.name, tmp_path) as (stub, pid):
            while first not in await found(stub, of_name("Zorblatt Fnord")):
                await asyncio.sleep(0.1)
            is_over, calls = asyncio.Event(), [0] * CALLERS

            async def caller(number: int) -> None:
                while not is_over.is_set():
                    videos = [
                        a_video(f"v{number}-{calls[number]}-{k}", "Zorblatt Fnord is the best movie of the year")
                        for k in range(10)
                    ]
                    answer = await stub.BatchMatchVideos(pb.BatchMatchVideosRequest(videos=videos))
                    assert all(first in {match.title_id for match in each.matches} for each in answer.results)
                    calls[number] += 1

            async with asyncio.TaskGroup() as group:
                for number in range(CALLERS):
                    group.create_task(caller(number))
                early_mb = 0.0
                for number in range(count):
                    name = f"Quuxley Fnord {number}"
                    (made,) = await catalog.create(name)
                    early_mb = early_mb or (rss_mb(pid) if number == count // 5 else 0.0)
                    if number % 10 == 9:
                        while made not in await found(stub, of_name(name)):
                            await asyncio.sleep(0.05)
                is_over.set()
            assert min(calls) > 0, "a call that failed would have ended the group"
            assert rss_mb(pid) - early_mb < GROWTH_MB_MAX + count * CALLERS * 0.01
            info = await stub.GetIndexInfo(pb.GetIndexInfoRequest())
            assert info.title_count == count + 1


async def test_a_catalog_that_begins_anew_is_followed_from_its_beginning(database, mongo_url, tmp_path):
    before = CatalogProcess(f"{database.name}_before", mongo_url, tmp_path)
    async with before.running():
        old = (await before.create("Zorblatt Fnord", "Quuxley Fnord", "Mimsy Fnordia"))[-1]
        async with a_matcher(before, database.name, tmp_path) as (stub, _):
            while old not in await found(stub, of_name("Mimsy Fnordia")):
                await asyncio.sleep(0.1)
    after = CatalogProcess(f"{database.name}_after", mongo_url, tmp_path, before.port)
    async with after.running():
        (new,) = await after.create("Blimber Wickett")
        async with a_matcher(after, database.name, tmp_path) as (stub, _):
            while new not in await found(stub, of_name("Blimber Wickett")):
                await asyncio.sleep(0.1)
            assert await found(stub, of_name("Mimsy Fnordia")) == set()
            info = await stub.GetIndexInfo(pb.GetIndexInfoRequest())
            assert (info.title_count, info.catalog_revision) == (1, 1)
            (next_one,) = await after.create("Wumping Tonnard")
            while next_one not in await found(stub, of_name("Wumping Tonnard")):
                await asyncio.sleep(0.1)


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
