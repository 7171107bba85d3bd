"""How many posts a second the matcher takes through gRPC, matched, decided and stored.

    python -m benchmarks.match_rpc --catalog FILE.jsonl[.gz] --posts FILE.jsonl[.gz]... [--seconds 20]
        [--folder KEPT] [--json]

One matcher process and one local store (synced at every commit) are started; this process sends batches of 100.
`posts_per_cpu_s` divides by the processor time of the matcher alone, which other work on the machine leaves alone.
"""

import argparse
import asyncio
import gzip
import itertools
import json
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio

from chassis import embedded
from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc
from services.matcher import index
from services.matcher.domain import TitleCard, TitleState
from services.matcher.text.index import TextIndex
from services.matcher.text.titles import TitleNames
from tools.cli.catalogs import read_titles

ROOT = Path(__file__).resolve().parent.parent
BATCH = 100
IN_FLIGHT = 12
WARM_BATCHES = 20
CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # the matcher refuses them; whoever sends posts has them taken out


def main() -> None:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(measured(arguments, Path(folder)))
    for name, value in result.items():
        print(f"{name:>28} {value:,.1f}")
    if arguments.json:
        print(json.dumps(result))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--posts", type=Path, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--folder", type=Path, help="where the index is kept for the next time")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    kept_index(arguments, folder / "index")
    posts = [fields for path in arguments.posts for fields in read_posts(path)]
    random.Random(1).shuffle(posts)  # sources differ: every batch is a mixture of them
    (folder / "mongo").mkdir()
    mongo_port = embedded.free_port()
    store = embedded.start(embedded.mongo_command(mongo_port, folder / "mongo"), mongo_port, folder / "mongo.log")
    try:
        return await served(folder, store.port, posts, arguments.seconds)
    finally:
        store.stop()


def kept_index(arguments: argparse.Namespace, folder: Path) -> None:
    """The index a matcher starts from, made or copied: the matcher writes into its own."""
    kept = arguments.folder / "index" if arguments.folder else folder
    if not kept.exists():
        save_index(arguments.catalog, kept)
    if kept != folder:
        shutil.copytree(kept, folder)


def save_index(catalog: Path, folder: Path) -> None:
    """The file a matcher starts from: no catalog needs to run beside it."""
    cards: dict[str, TitleCard] = {}

    def noted() -> Iterator[TitleNames]:
        for title in read_titles(catalog):
            cards[title.title_id] = TitleCard(title.names[0].text, TitleState.ACTIVE, "movie", "studio")
            yield title

    text = TextIndex.build(noted())
    index.save(index.Saved(text=text, revision=1, cards=cards, soundtracks={}), folder)


def read_posts(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield {
                "video_description": CONTROL.sub(" ", row.get("text") or row.get("video_description") or ""),
                "hashtag_names": strings(row.get("hashtags") or row.get("hashtag_names")),
                "video_mention_list": strings(row.get("mentions")),
            }


def strings(values: Any) -> list[str]:
    return [CONTROL.sub(" ", value) for value in values or () if isinstance(value, str)]


async def served(folder: Path, mongo_port: int, posts: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    port = embedded.free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")} | {
        "MONGO_URL": f"mongodb://127.0.0.1:{mongo_port}",
        "SPOTLIGHT_MATCHER_PORT": str(port),
        "SPOTLIGHT_MATCHER_TELEMETRY_PORT": "0",
        "SPOTLIGHT_MATCHER_LOCAL": "true",
        "SPOTLIGHT_MATCHER_CATALOG_ADDRESS": f"127.0.0.1:{embedded.free_port()}",
        "SPOTLIGHT_MATCHER_INDEX_FOLDER": str(folder / "index"),
    }
    with (folder / "matcher.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.matcher", cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = matcher_pb2_grpc.MatcherServiceStub(channel)
            await ready(stub)
            return await sent(stub, process.pid, posts, seconds)
    except grpc.aio.AioRpcError:
        print((folder / "matcher.log").read_text()[-3_000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 15)


async def ready(stub: Any) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await stub.GetIndexInfo(pb.GetIndexInfoRequest())).is_ready:
                    return
            except grpc.aio.AioRpcError:
                pass
            await asyncio.sleep(0.2)


async def sent(stub: Any, pid: int, posts: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    requests = batches(posts)
    for request in itertools.islice(requests, WARM_BATCHES):
        await stub.BatchMatchVideos(request)
    latencies: list[float] = []
    ends = time.perf_counter() + seconds

    async def sender() -> None:
        while time.perf_counter() < ends:
            start = time.perf_counter()
            await stub.BatchMatchVideos(next(requests))
            latencies.append(time.perf_counter() - start)

    cpu, start = cpu_s(pid), time.perf_counter()
    await asyncio.gather(*[sender() for _ in range(IN_FLIGHT)])
    elapsed, used = time.perf_counter() - start, cpu_s(pid) - cpu
    count = len(latencies) * BATCH
    latencies.sort()
    return {
        "posts": float(count),
        "posts_per_s": count / elapsed,
        "posts_per_cpu_s": count / used,
        "batch_p50_ms": 1e3 * latencies[len(latencies) // 2],
        "batch_p99_ms": 1e3 * latencies[int(len(latencies) * 0.99)],
        "matcher_rss_mb": rss_mb(pid),
        "client_cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
    }


def batches(posts: list[dict[str, Any]], size: int = BATCH) -> Iterator[pb.BatchMatchVideosRequest]:
    """Each post once under each number of its round: every batch is news to the store."""
    creator = pb.Creator(id="c1", username="fan", follower_count=20_000)
    numbered = ((number, fields) for number, fields in enumerate(itertools.cycle(posts)))
    while True:
        yield pb.BatchMatchVideosRequest(
            videos=[
                pb.Video(id=f"v{number}", creator=creator, view_count=5_000, create_time=1_700_000_000, **fields)
                for number, fields in itertools.islice(numbered, size)
            ]
        )


def cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
