"""What callers notice while the matcher's index follows a catalog that changes: nothing dropped, how slow, how soon.

    python -m benchmarks.live_index --catalog FILE.jsonl[.gz] --posts FILE.jsonl[.gz]...
        [--updates 1000] [--updates-per-s 20] [--calls-per-s 15] [--seconds 20] [--apart] [--folder KEPT] [--json]

A real store, a catalog and a matcher that holds the whole catalog are started. Batches of posts come at a steady rate:
first alone, then while titles are created one after another. Every 20th title has a video waiting for its name:
`matchable_*` is the time from the answer of CreateTitle until that video is matched to it, `never_matchable` how many
were not within 30 seconds.
"""

import argparse
import asyncio
import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.match_rpc import batches, cpu_s, kept_index, read_posts, rss_mb
from benchmarks.rematch import running
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.matcher.v1 import matcher_pb2 as pb
from tools.cli.catalogs import read_titles

POSTS_PER_CALL = 20
LOOK_EVERY = 20
LOOK_S = 0.1  # each look is a run of the engine, which costs as much as a small batch
LOOK_MAX_S = 30.0
# The titles are as well known as any, and not of a year to come: the model must believe the name; the question is when.
POPULARITY, YEAR = 1e6, 2023
SYLLABLES = ("ba", "dro", "fen", "gul", "hix", "jor", "kev", "lum", "mip", "nox", "quo", "ruz", "sty", "vam", "zel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--posts", type=Path, nargs="+", required=True)
    parser.add_argument("--updates", type=int, default=1_000)
    parser.add_argument("--updates-per-s", type=float, default=20.0)
    parser.add_argument("--calls-per-s", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=20.0, help="alone, before the updates")
    parser.add_argument("--apart", action="store_true", help="the catalog writes to a store of its own")
    parser.add_argument("--folder", type=Path, help="where the index is kept for the next time")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        result = asyncio.run(measured(arguments, Path(passing)))
    for name, value in result.items():
        print(f"{name:>28} {value:,.1f}")
    if arguments.json:
        print(json.dumps(result))


@dataclass(slots=True)
class Calls:
    """How the batches of one stretch of time were answered."""

    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def measured(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    kept_index(arguments, folder / "index")
    first = next(iter(read_titles(arguments.catalog)))
    posts = [fields for path in arguments.posts for fields in read_posts(path)]
    random.Random(1).shuffle(posts)
    async with running(folder, first, is_catalog_apart=arguments.apart) as (matcher, stub):
        address = matcher.environment["SPOTLIGHT_MATCHER_CATALOG_ADDRESS"]
        requests = batches(posts, POSTS_PER_CALL)
        await sent_for(stub, requests, arguments.calls_per_s, asyncio.create_task(asyncio.sleep(3)))  # warm
        before = await sent_for(
            stub, requests, arguments.calls_per_s, asyncio.create_task(asyncio.sleep(arguments.seconds))
        )
        early_mb, cpu = rss_mb(matcher.pid), cpu_s(matcher.pid)
        updates = asyncio.create_task(updated(stub, address, arguments, matcher.pid))
        during = await sent_for(stub, requests, arguments.calls_per_s, updates)
        waits, fifth_mb = updates.result()
        return {
            "calls_before": float(len(before.seconds)),
            "p50_before_ms": before.quantile_ms(0.5),
            "p99_before_ms": before.quantile_ms(0.99),
            "calls_during": float(len(during.seconds)),
            "p50_during_ms": during.quantile_ms(0.5),
            "p99_during_ms": during.quantile_ms(0.99),
            "failed_calls": float(before.failures + during.failures),
            "updates": float(arguments.updates),
            "never_matchable": float(sum(wait >= LOOK_MAX_S for wait in waits)),
            "matchable_p50_s": sorted(waits)[len(waits) // 2],
            "matchable_max_s": max(waits),
            "rss_before_mb": early_mb,
            "rss_after_a_fifth_mb": fifth_mb,
            "rss_after_mb": rss_mb(matcher.pid),
            "matcher_cpu_s": cpu_s(matcher.pid) - cpu,
        }


async def sent_for(
    stub: Any, requests: Iterator[pb.BatchMatchVideosRequest], per_s: float, end: asyncio.Task[Any]
) -> Calls:
    """Calls at a steady rate, whether or not the last was answered, until something else has ended."""
    calls = Calls()

    async def one() -> None:
        began = time.perf_counter()
        try:
            await stub.BatchMatchVideos(next(requests), timeout=10)
        except grpc.aio.AioRpcError:
            calls.failures += 1
        calls.seconds.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for number in itertools.count(1):
            if end.done():
                break
            due = asyncio.create_task(asyncio.sleep(1 / per_s))
            group.create_task(one(), name=f"call {number}")
            await due
    await end
    return calls


async def updated(stub: Any, address: str, arguments: argparse.Namespace, pid: int) -> tuple[list[float], float]:
    """Creates titles at a steady rate: how long some of them took to be found, and the memory after a fifth of them."""
    waits: list[float] = []
    fifth_mb = 0.0
    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as group:
        catalog: Any = catalog_pb2_grpc.CatalogServiceStub(channel)

        async def looked_for(name: str, title_id: str) -> None:
            began = time.perf_counter()
            video = pb.Video(id=f"look-{title_id}", video_description=f"{name} is the best movie", hashtag_names=[name])
            request = pb.MatchVideoRequest(video=video, validate_only=True)
            while time.perf_counter() - began < LOOK_MAX_S:
                answer = await stub.MatchVideo(request)
                if title_id in {match.title_id for match in answer.matches}:
                    break
                await asyncio.sleep(LOOK_S)
            waits.append(time.perf_counter() - began)

        for number in range(arguments.updates):
            due = asyncio.create_task(asyncio.sleep(1 / arguments.updates_per_s))
            name = invented(number)
            title = catalog_pb2.Title(
                media_type=catalog_pb2.MEDIA_TYPE_MOVIE, title=name, year=YEAR, popularity=POPULARITY
            )
            made = await catalog.CreateTitle(catalog_pb2.CreateTitleRequest(title=title))
            if number % LOOK_EVERY == 0:
                group.create_task(looked_for(name, made.id))
            if number == arguments.updates // 5:
                fifth_mb = rss_mb(pid)
            await due
    return waits, fifth_mb


def invented(number: int) -> str:
    """A word of no language, another for each number."""
    chance = random.Random(number)
    word = "".join(chance.choice(SYLLABLES) for _ in range(5))
    return f"{word.capitalize()}{SYLLABLES[number % len(SYLLABLES)]}"


if __name__ == "__main__":
    main()
