"""How fast are rewards claimed under contention, beside MongoDB's bare conditional update?

`python -m benchmarks.claims [--json]` starts a MongoDB (or takes MONGO_URL), real incentives processes over it, and
lets 64 clients claim one reward of half as many units as there are claims. In the same run, on the same server, as
many clients take one off a counter with find_one_and_update: what a claim would cost at least if it were written by
itself. Claims are written down together, so more of them fit in a second.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio

from chassis import embedded, mongo
from protos.incentives.v1 import incentives_pb2, incentives_pb2_grpc
from services.incentives.domain import Campaign, CampaignState, RevisionMark, Reward, RewardKind, Task, TaskKind, Terms
from services.incentives.participation import Enrolment
from services.incentives.store.documents import encode

READY_S = 60.0
CALL_S = 30.0
# Bare updates are slow and alike: an eighth as many as claims tell as much.
BARE_SHARE = 8
SOLD_OUT = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The figures of one run."""

    claims_per_s: float
    p50_ms: float
    p99_ms: float
    granted_count: int
    sold_out_count: int
    bare_updates_per_s: float
    bare_p99_ms: float
    vs_bare_update: float
    processes: int
    clients: int


@dataclass(frozen=True, slots=True)
class Timed:
    """How long each of some operations took, and all of them."""

    latencies_s: Sequence[float]
    seconds: float

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--claims", type=int, default=4_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        outcome = asyncio.run(measure(closing, folder, arguments))
    if arguments.json:
        print(json.dumps(asdict(outcome)))
        return
    print(f"claims       {outcome.claims_per_s:8.0f} /s   p50 {outcome.p50_ms:6.1f} ms   p99 {outcome.p99_ms:6.1f} ms")
    print(f"bare update  {outcome.bare_updates_per_s:8.0f} /s   p99 {outcome.bare_p99_ms:6.1f} ms")
    print(f"a claim goes {outcome.vs_bare_update:.2f} times as fast as one find_one_and_update")
    print(f"{outcome.granted_count} granted, {outcome.sold_out_count} sold out, {outcome.processes} processes")


async def measure(closing: ExitStack, folder: Path, arguments: argparse.Namespace) -> Outcome:
    """Both measurements, one after the other, on one server."""
    url = os.environ.get("MONGO_URL") or start_mongo(closing, folder)
    name = f"bench_claims_{os.getpid()}"
    database = mongo.connect(url, name)
    try:
        ports = [start_incentives(closing, folder, url, name) for _ in range(arguments.processes)]
        channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}") for port in ports]
        for channel in channels:
            await asyncio.wait_for(channel.channel_ready(), READY_S)
        await prepare(database, arguments.claims)
        claims, granted = await claimed(channels, arguments)
        bare = await bare_updates(database, arguments)
        for channel in channels:
            await channel.close()
    finally:
        await database.client.drop_database(name)
        mongo.close(database)
    return Outcome(
        claims_per_s=round(claims.per_s, 1),
        p50_ms=round(claims.percentile_ms(0.5), 2),
        p99_ms=round(claims.percentile_ms(0.99), 2),
        granted_count=granted,
        sold_out_count=arguments.claims - granted,
        bare_updates_per_s=round(bare.per_s, 1),
        bare_p99_ms=round(bare.percentile_ms(0.99), 2),
        vs_bare_update=round(claims.per_s / bare.per_s, 3),
        processes=arguments.processes,
        clients=arguments.clients,
    )


def start_mongo(closing: ExitStack, folder: Path) -> str:
    port = embedded.free_port()
    running = embedded.start(embedded.mongo_command(port, folder / "mongo"), port, folder / "mongo.log")
    closing.callback(running.stop)
    return f"mongodb://127.0.0.1:{port}"


def start_incentives(closing: ExitStack, folder: Path, url: str, name: str) -> int:
    """A process of its own, with nobody to follow; it is stopped whatever happens, and one that dies is named."""
    port = embedded.free_port()
    environ = {
        "MONGO_URL": url,
        "SPOTLIGHT_INCENTIVES_DATABASE": name,
        "SPOTLIGHT_INCENTIVES_PORT": str(port),
        "SPOTLIGHT_INCENTIVES_TELEMETRY_PORT": "0",
        "SPOTLIGHT_INCENTIVES_LOCAL": "true",
        "SPOTLIGHT_INCENTIVES_MATCHER_ADDRESS": "",
        "SPOTLIGHT_INCENTIVES_METRICS_ADDRESS": "",
        "SPOTLIGHT_INCENTIVES_LOG_LEVEL": "error",
    }
    command = ["env", *(f"{key}={value}" for key, value in environ.items())]
    command += [sys.executable, "-m", "services.incentives"]
    running = embedded.start(command, port, folder / f"incentives-{port}.log")
    closing.callback(running.stop)
    return port


async def prepare(database: mongo.Database, claims: int) -> None:
    """A running campaign, and creators who have done its task."""
    now = datetime.now(UTC).replace(microsecond=0)
    terms = Terms(
        display_name="Benchmark",
        title_ids=("t1",),
        start_time=now - timedelta(days=1),
        end_time=now + timedelta(days=1),
        tasks=(Task(id="one", display_name="One", kind=TaskKind.VIDEOS, target=1),),
        rewards=(Reward(id="prize", display_name="Prize", kind=RewardKind.PROFILE_FRAME, stock_count=claims // 2),),
    )
    campaign = Campaign(
        id="bench",
        studio_id="s",
        terms=terms,
        create_time=now,
        update_time=now,
        state=CampaignState.ACTIVE,
        revision=1,
        revisions=(RevisionMark(revision=1, body_id="b", changed_paths=(), actor="bench", create_time=now),),
    )
    await database["campaigns"].insert_one(encode(campaign))
    joined = [
        Enrolment(
            id=f"bench/c{number}",
            campaign_id="bench",
            creator_id=f"c{number}",
            revision=1,
            create_time=now,
            done_task_ids=("one",),
        )
        for number in range(claims)
    ]
    await database["enrolments"].insert_many([encode(each) for each in joined])


async def claimed(channels: Sequence[grpc.aio.Channel], arguments: argparse.Namespace) -> tuple[Timed, int]:
    """Every creator claims once."""
    stubs = [incentives_pb2_grpc.IncentivesServiceStub(channel) for channel in channels]
    granted = 0

    async def claim(number: int) -> None:
        nonlocal granted
        request = incentives_pb2.ClaimRewardRequest(
            campaign_id="bench", reward_id="prize", creator_id=f"c{number}", request_id=f"claim-{number}"
        )
        try:
            await stubs[number % len(stubs)].ClaimReward(request, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is not SOLD_OUT:
                raise
        else:
            granted += 1

    timed = await at_once(claim, arguments.claims, arguments.clients)
    if granted != arguments.claims // 2:
        msg = f"{granted} grants for {arguments.claims // 2} units"
        raise SystemExit(msg)
    return timed, granted


async def bare_updates(database: mongo.Database, arguments: argparse.Namespace) -> Timed:
    """The same number of clients take one off a counter."""
    await database["bare"].insert_one({"_id": "stock", "left": arguments.claims})

    async def take(_: int) -> None:
        await database["bare"].find_one_and_update({"_id": "stock", "left": {"$gt": 0}}, {"$inc": {"left": -1}})

    return await at_once(take, arguments.claims // BARE_SHARE, arguments.clients)


async def at_once(act: Callable[[int], Awaitable[None]], count: int, clients: int) -> Timed:
    """Runs an act `count` times, `clients` of them at any moment."""
    numbers = iter(range(count))
    latencies: list[float] = []

    async def client() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await act(number)
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Timed(latencies, time.perf_counter() - begun)


if __name__ == "__main__":
    main()
