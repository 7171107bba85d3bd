"""How long a rematch of one title takes over a back catalog of stored videos, killed once in the middle.

    python -m benchmarks.rematch --catalog FILE.jsonl[.gz] --posts FILE.jsonl[.gz]... --title ID
        [--videos 1000000] [--videos-per-s 1000000] [--folder KEPT] [--store-only] [--json]

A real store, a catalog and a matcher process are started. The posts are sent over gRPC in batches of 100 until so
many videos are stored; with --folder they are kept for the next time, and --store-only stops there. Then two
rematches of one title: over the whole corpus, where the matcher is killed (SIGKILL) at half and started again, and
over what its names can touch by the index from names to videos. `--videos-per-s` is the limit that both are given.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.match_rpc import BATCH, IN_FLIGHT, batches, cpu_s, read_posts, save_index
from chassis import embedded
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc
from services.matcher.text.titles import TitleNames
from tools.cli.catalogs import read_titles

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.25
READY_S = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--posts", type=Path, nargs="+", required=True)
    parser.add_argument("--title", required=True, help="its id in the catalog file")
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--videos-per-s", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the stored videos are kept")
    parser.add_argument("--store-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        result = asyncio.run(measured(arguments, arguments.folder or Path(passing)))
    for name, value in result.items():
        print(f"{name:>28} {value:,.1f}")
    if arguments.json:
        print(json.dumps(result))


@dataclass(slots=True)
class Matcher:
    """A matcher process that is killed and started again on its port."""

    folder: Path
    environment: dict[str, str]
    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None, "it was started"
        return self.process.pid

    async def start(self) -> None:
        with (self.folder / "matcher.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.matcher", cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


async def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    title = next(each for each in read_titles(arguments.catalog) if each.title_id == arguments.title)
    if not (folder / "index").exists():
        save_index(arguments.catalog, folder / "index")
    async with running(folder, title) as (matcher, stub):
        stored = await filled(stub, arguments)
        if arguments.store_only:
            return stored
        whole = await rematched(matcher, stub, arguments, is_whole=True)
        touched = await rematched(matcher, stub, arguments, is_whole=False)
    assert whole["videos"] >= arguments.videos, "a rematch of the whole corpus leaves no video out"
    return {
        **stored,
        **{f"whole_{name}": value for name, value in whole.items()},
        **{f"touched_{name}": value for name, value in touched.items()},
    }


@asynccontextmanager
async def running(
    folder: Path, title: TitleNames, *, is_catalog_apart: bool = False
) -> AsyncIterator[tuple[Matcher, Any]]:
    """A store with what the folder keeps, a catalog with the one title (in that store or its own), and a matcher."""
    ports = {name: embedded.free_port() for name in ("mongo", "catalog", "matcher")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")} | {
        "MONGO_URL": f"mongodb://127.0.0.1:{ports['mongo']}",
        "SPOTLIGHT_CATALOG_PORT": str(ports["catalog"]),
        "SPOTLIGHT_CATALOG_TELEMETRY_PORT": "0",
        "SPOTLIGHT_CATALOG_LOCAL": "true",
        "SPOTLIGHT_MATCHER_PORT": str(ports["matcher"]),
        "SPOTLIGHT_MATCHER_TELEMETRY_PORT": "0",
        "SPOTLIGHT_MATCHER_LOCAL": "true",
        "SPOTLIGHT_MATCHER_CATALOG_ADDRESS": f"127.0.0.1:{ports['catalog']}",
        "SPOTLIGHT_MATCHER_INDEX_FOLDER": str(folder / "index"),
    }
    async with AsyncExitStack() as closing:
        closing.callback(started_store(folder / "mongo", ports["mongo"]).stop)
        catalog_port = embedded.free_port() if is_catalog_apart else ports["mongo"]
        if is_catalog_apart:
            closing.callback(started_store(folder / "catalog-mongo", catalog_port).stop)
        catalog_environment = environment | {"MONGO_URL": f"mongodb://127.0.0.1:{catalog_port}"}
        with (folder / "catalog.log").open("ab") as log:
            catalog = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.catalog", cwd=ROOT, env=catalog_environment, stdout=log, stderr=log
            )
        closing.push_async_callback(catalog.wait)
        closing.callback(catalog.terminate)
        await known_to_catalog(title, f"127.0.0.1:{ports['catalog']}")
        matcher = Matcher(folder, environment, ports["matcher"])
        await matcher.start()
        closing.push_async_callback(matcher.stop)
        channel = await closing.enter_async_context(
            grpc.aio.insecure_channel(
                f"127.0.0.1:{ports['matcher']}",
                [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300)],
            )
        )
        stub: Any = matcher_pb2_grpc.MatcherServiceStub(channel)
        await ready(stub)
        yield matcher, stub


def started_store(folder: Path, port: int) -> embedded.Running:
    folder.mkdir(parents=True, exist_ok=True)
    return embedded.start(embedded.mongo_command(port, folder), port, folder.with_suffix(".log"))


async def ready(stub: Any) -> None:
    """Returns when the matcher has an index; its first start over a kept folder may build indexes of the store."""
    async with asyncio.timeout(READY_S):
        while True:
            try:
                if (await stub.GetIndexInfo(pb.GetIndexInfoRequest())).is_ready:
                    return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(POLL_S)


async def known_to_catalog(title: TitleNames, address: str) -> None:
    """The title in the catalog process, where a rematch asks for its names."""
    message = catalog_pb2.Title(
        id=title.title_id,
        media_type=catalog_pb2.MEDIA_TYPE_MOVIE,
        title=title.names[0].text,
        hashtags=[catalog_pb2.Hashtag(name=tag) for tag in title.hashtags],
    )
    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(READY_S):
        stub: Any = catalog_pb2_grpc.CatalogServiceStub(channel)
        while True:
            try:
                await stub.CreateTitle(catalog_pb2.CreateTitleRequest(title=message))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.ALREADY_EXISTS:
                    return
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(POLL_S)
            else:
                return


async def filled(stub: Any, arguments: argparse.Namespace) -> dict[str, float]:
    """Sends what is missing of so many videos; what is kept from last time is counted by the matcher itself."""
    posts = [fields for path in arguments.posts for fields in read_posts(path)]
    random.Random(1).shuffle(posts)
    began = time.perf_counter()
    kept = await remembered(stub)
    read_s = time.perf_counter() - began
    requests = itertools.islice(batches(posts), int(kept) // BATCH, -(-arguments.videos // BATCH))

    async def sender() -> None:
        for request in requests:
            await taken(stub, request)

    began = time.perf_counter()
    await asyncio.gather(*[sender() for _ in range(IN_FLIGHT)])
    return {"kept_videos": kept, "read_index_s": read_s, "stored_videos": await remembered(stub),
            "store_s": time.perf_counter() - began}  # fmt: skip


async def taken(stub: Any, request: pb.BatchMatchVideosRequest) -> None:
    """Sends a batch until it is stored: what is known already is not stored twice."""
    while True:
        try:
            await stub.BatchMatchVideos(request)
        except grpc.aio.AioRpcError as error:
            if error.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise
            await asyncio.sleep(POLL_S)
        else:
            return


async def remembered(stub: Any) -> float:
    """How many videos the matcher knows, once it has read the archive."""
    known = -1
    while True:
        count = (await stub.GetIndexInfo(pb.GetIndexInfoRequest())).video_count
        if count == known:
            return float(count)
        known = count
        await asyncio.sleep(2.0)


async def rematched(matcher: Matcher, stub: Any, arguments: argparse.Namespace, *, is_whole: bool) -> dict[str, float]:
    """Carries out one rematch; of the whole corpus with a kill at half."""
    began = time.perf_counter()
    run = await stub.RematchTitle(
        pb.RematchTitleRequest(
            title_id=arguments.title, whole_corpus=is_whole, videos_per_s=arguments.videos_per_s, actor="benchmark"
        )
    )
    killed_at = idle_s = 0.0
    cpu, used, peak_mb = cpu_s(matcher.pid), 0.0, 0.0
    while run.state == pb.REMATCH_STATE_RUNNING:
        await asyncio.sleep(POLL_S if is_whole else POLL_S / 10)
        run = await stub.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
        peak_mb = max(peak_mb, peak_rss_mb(matcher.pid))
        if is_whole and not killed_at and run.video_count >= arguments.videos / 2:
            killed_at, used = float(run.video_count), cpu_s(matcher.pid) - cpu
            idle_s = await killed_and_back(matcher, stub, run)
            cpu = cpu_s(matcher.pid)  # without the new process's start
    total_s = time.perf_counter() - began
    assert run.state == pb.REMATCH_STATE_DONE, pb.RematchState.Name(run.state)
    return {
        "videos": float(run.video_count),
        "changed": float(run.changed_count),
        "total_s": total_s,
        "killed_at_videos": killed_at,
        "killed_until_going_on_s": idle_s,
        "videos_per_s": run.video_count / (total_s - idle_s),
        "cpu_s": used + cpu_s(matcher.pid) - cpu,
        "peak_rss_mb": peak_mb,
    }


async def killed_and_back(matcher: Matcher, stub: Any, run: pb.RematchRun) -> float:
    """SIGKILL, a new process, and how long until the run goes on."""
    began = time.perf_counter()
    await matcher.stop(signal.SIGKILL)
    await matcher.start()
    await ready(stub)
    async with asyncio.timeout(READY_S):
        while True:
            now = await stub.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
            if now.video_count > run.video_count:
                return time.perf_counter() - began
            await asyncio.sleep(POLL_S)


def peak_rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
