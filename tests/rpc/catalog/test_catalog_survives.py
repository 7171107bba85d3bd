"""The catalog as a process: kill -9 of it and of its database loses nothing acknowledged, and it ends cleanly."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner

from chassis import embedded
from chassis.client import Client, channel
from chassis.config import Settings
from protos.catalog.v1 import catalog_pb2 as pb
from protos.catalog.v1 import catalog_pb2_grpc
from services.catalog.importer.__main__ import Order, import_file
from services.catalog.importer.files import import_id_of

ROOT = Path(__file__).resolve().parents[3]
START_S = 60
SAMPLE = ROOT / "data" / "catalog" / "sample.jsonl.gz"


@contextlib.contextmanager
def catalog_process(mongo_url: str, port: int, database: str = "spotlight_catalog") -> Iterator[subprocess.Popen]:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")},
        "MONGO_URL": mongo_url,
        "SPOTLIGHT_CATALOG_LOCAL": "true",
        "SPOTLIGHT_CATALOG_PORT": str(port),
        "SPOTLIGHT_CATALOG_TELEMETRY_PORT": "0",
        "SPOTLIGHT_CATALOG_DATABASE": database,
    }
    process = subprocess.Popen([sys.executable, "-m", "services.catalog"], cwd=ROOT, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Any]:
    link = channel(f"127.0.0.1:{port}", Settings(local=True))
    try:
        await asyncio.wait_for(link.channel_ready(), START_S)
        yield catalog_pb2_grpc.CatalogServiceStub(link)
    finally:
        await link.close()


async def create_until_it_dies(stub: Any, acknowledged: list[str]) -> None:
    for number in range(10_000):
        title = pb.Title(id=f"movie:{number}", media_type=pb.MEDIA_TYPE_MOVIE, title=f"Film {number}")
        try:
            await stub.CreateTitle(pb.CreateTitleRequest(title=title), timeout=5)
        except grpc.aio.AioRpcError:
            return
        acknowledged.append(title.id)


async def test_nothing_acknowledged_is_lost_when_all_is_killed(tmp_path: Path) -> None:
    mongo_port, port = embedded.free_port(), embedded.free_port()
    folder, url = tmp_path / "mongo", f"mongodb://127.0.0.1:{mongo_port}"
    folder.mkdir()
    acknowledged: list[str] = []
    server = embedded.start(embedded.mongo_command(mongo_port, folder), mongo_port, tmp_path / "log")
    with catalog_process(url, port) as process:
        async with connected(port) as stub:
            writing = asyncio.create_task(create_until_it_dies(stub, acknowledged))
            async with asyncio.timeout(START_S):
                while len(acknowledged) < 40:
                    await asyncio.sleep(0.01)
            server.process.kill()
            process.kill()
            server.process.wait()
            await writing
    server = embedded.start(embedded.mongo_command(mongo_port, folder), mongo_port, tmp_path / "log")
    try:
        with catalog_process(url, port):
            async with connected(port) as stub:
                found = (await stub.BatchGetTitles(pb.BatchGetTitlesRequest(ids=acknowledged))).titles
                assert [title.id for title in found] == acknowledged
                page = await stub.ListChanges(pb.ListChangesRequest(page_size=1000))
                assert [change.revision for change in page.changes] == list(range(1, len(page.changes) + 1))
                assert {change.title_id for change in page.changes} >= set(acknowledged)
                assert all(change.HasField("title") for change in page.changes)
    finally:
        server.stop()


async def test_a_process_told_to_stop_ends_with_zero_within_ten_seconds(mongo_url: str) -> None:
    port = embedded.free_port()
    with catalog_process(mongo_url, port, "stop_test") as process:
        async with connected(port) as stub:
            await stub.ListTitles(pb.ListTitlesRequest())
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 15) == 0
            assert time.monotonic() - start < 10


async def test_an_import_that_broke_off_is_resumed_by_the_client(catalog, tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    lines = b"\n".join(b'{"id":"movie:%d","kind":"movie","title":"Film %d"}' % (n, n) for n in range(1, 1201))
    path.write_bytes(lines + b"\nnot json\n")
    order = Order(path=path, import_id=import_id_of(path), source="some")
    client = Client(lambda _: catalog.stub, catalog.channel)
    with Progress(console=Console(quiet=True)) as progress:
        first = await import_file(client, order, progress)
        again = await import_file(client, order, progress)
    assert (first.created_count, first.error_count, first.acknowledged_line) == (1200, 1, 1201)
    assert first.errors[0].reason == "ROW_UNREADABLE"
    assert again == first


async def test_the_import_command_imports_the_sample_and_says_what_it_did(mongo_url: str) -> None:
    port = embedded.free_port()
    with catalog_process(mongo_url, port, f"command_{port}"):
        async with connected(port) as stub:
            command = [sys.executable, "-m", "services.catalog.importer", str(SAMPLE), "--quiet"]
            done = await asyncio.to_thread(
                subprocess.run, [*command, "--address", f"127.0.0.1:{port}"], cwd=ROOT, capture_output=True, text=True
            )
            assert "5,439 created" in done.stdout, done.stderr
            assert len((await stub.ListTitles(pb.ListTitlesRequest(page_size=10))).titles) == 10


def test_the_import_command_says_in_one_sentence_what_is_wrong(tmp_path: Path) -> None:
    import typer

    from services.catalog.importer.__main__ import main

    app = typer.Typer()
    app.command()(main)
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    runner = CliRunner()
    assert runner.invoke(app, [str(path), "--mode", "nonsense"]).exit_code == 2
    assert runner.invoke(app, [str(path), str(path), "--import-id", "x"]).exit_code == 2
    away = runner.invoke(app, [str(path), "--address", f"127.0.0.1:{embedded.free_port()}", "--quiet"])
    assert away.exit_code == 1
