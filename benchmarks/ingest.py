"""How fast events come in, and how soon and how fast they are told: `python -m benchmarks.ingest [--json]`.

On one core each for the service and the store: events a second through parse, validate, dedupe and fold in memory (as
messages and as columns, against a plain dictionary fold), through the RPC to the durable log (against insert_many of
the same events), seconds until a report shows them, memory after ten million events of 100,000 titles, and the time of
a 90-day hourly report. The last line of --json is one object.

Measured on two cores of a Zen 4 with nothing else to do, in three and a half minutes: 544,000 messages and 496,000
events as columns a CPU-second, 11.6 times a dictionary fold; through the RPC 162,000 a second, 8 times insert_many,
shown after 15 ms; 662 MB, after reports 705; 90 days by hour p99 43 ms cold, 3.3 ms warm, and over one million events
(`--events 1000000`) 19 and 2.3 ms. In a slower hour of the same machine: 522,000 and 418,000 events, 126,000 a second
acknowledged, 53 ms cold. Reports are asked once what came is stored and merged; while that goes on they wait
for the store.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import grpc.aio
import numpy as np
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern

from chassis import embedded
from protos.metrics.v1 import metrics_pb2 as pb
from protos.metrics.v1 import metrics_pb2_grpc
from services.metrics import collector, digest, intake, processor, traffic
from services.metrics.columns import concatenated
from services.metrics.generation import Memory
from services.metrics.intake import Arrival
from services.metrics.rpc.desk import REQUESTS_AT_ONCE
from services.metrics.wire import events as wire
from tools.traffic import columns

KEY = digest.Key.of(bytes(range(32)))
ROOT = Path(__file__).resolve().parent.parent
TITLES = 100_000
CALLS_AT_ONCE = 8
BATCH = 1_000
FOLDS = 5
# What a process and a store that only wait use of a second: the store 0.1 to 0.2, the more it holds.
IDLE_S, IDLE_SECONDS = 0.3, 3
# The desk reads what waits together, and the journal writes what waits as one entry: under load some 16 batches.
BATCHES_AN_ENTRY = 16


def plan(events: int, *, hours: int, titles: int, seed: int = 1) -> traffic.Plan:
    now = int(time.time() // 60) // 60 * 60
    return traffic.Plan(
        title_ids=tuple(traffic.ids_of("movie", titles)),
        start_minute=now - hours * 60,
        hours=hours,
        events=events,
        seed=seed,
    )


def as_columns(what: traffic.Plan, count: int) -> list[pb.EventColumns]:
    """The first batches of a plan."""
    found = []
    for batch in traffic.batches(what):
        if len(batch) == BATCH:
            found.append(columns(batch, traffic.Cast(what.title_ids)))
        if len(found) * BATCH >= count:
            break
    return found


def as_messages(batch: pb.EventColumns) -> list[pb.Event]:
    """The same events as messages."""
    raw = wire.of_columns(batch)
    coded = {
        "video_id": raw.videos, "title_id": raw.titles, "creator_id": raw.creators, "campaign_id": raw.campaigns,
        "offer_id": raw.offers, "viewer_region": raw.regions, "hashtag_names": raw.hashtags,
    }  # fmt: skip
    plain = {
        "id": raw.ids.values(), "viewer_id_hash": raw.viewers.values(), "type": raw.types.tolist(),
        "device": raw.devices.tolist(), "source": raw.sources.tolist(), "agent_kind": raw.agents.tolist(),
        "campaign_arm": raw.arms.tolist(),
    }  # fmt: skip
    values = plain | {name: column.values() for name, column in coded.items()}
    found = []
    for place, time_ms in enumerate(raw.times_ms.tolist()):
        fields = {name: column[place] for name, column in values.items()}
        fields["hashtag_names"] = fields["hashtag_names"].split(",") if fields["hashtag_names"] else []
        event = pb.Event(**fields)
        event.time.FromMilliseconds(time_ms)
        found.append(event)
    return found


def fold_rate(requests: Sequence[bytes]) -> float:
    """Events a CPU-second from serialised requests to finished rollups and their names: the best of five passes.

    As timeit does: what else runs on the machine only takes away.
    """
    return max(_fold_rate(requests) for _ in range(FOLDS))


def _fold_rate(requests: Sequence[bytes]) -> float:
    memory = Memory(KEY)
    arrival = Arrival(received_ms=int(time.time() * 1000))
    start = time.process_time()
    count = 0
    for position, entry in enumerate(_cut(requests, BATCHES_AN_ENTRY), start=1):
        kept = []
        for group in _cut(entry, REQUESTS_AT_ONCE):
            sent = [wire.sent(pb.RecordEventsEnvelope.FromString(data)) for data in group]
            raw = wire.together(sent, KEY) or concatenated(part for each in sent for part in wire.alone(each, KEY))
            kept.append(intake.check(raw, arrival, KEY).events)
            count += len(raw)
        memory.apply(position, arrival.received_ms, concatenated(kept))
    for generation in memory.generations:
        generation.tables()
        generation.names.sorted()
    return count / (time.process_time() - start)


def _cut(requests: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (requests[first : first + size] for first in range(0, len(requests), size))


def dict_rate(requests: Sequence[bytes]) -> float:
    """The same tables by a plain loop over dictionaries and sets."""
    cells: Counter[tuple[object, ...]] = Counter()
    viewers: dict[tuple[object, ...], set[str]] = {}
    heads: Counter[tuple[object, ...]] = Counter()
    seen: set[str] = set()
    start = time.process_time()
    for data in requests:
        for event in pb.RecordEventsRequest.FromString(data).events:
            if not intake.ID_PATTERN.fullmatch(event.id) or event.id in seen:
                continue
            seen.add(event.id)
            minute = event.time.seconds // 60
            for width in (1, 60, 1440):
                cell = (
                    event.title_id,
                    minute // width,
                    event.viewer_region,
                    event.type,
                    event.source,
                    event.agent_kind,
                )
                cells[width, cell] += 1
                viewers.setdefault((width, cell), set()).add(event.viewer_id_hash)
            for head in (event.video_id, event.creator_id):
                for width in (60, 1440):
                    heads[width, event.title_id, minute // width, event.type, head] += 1
                viewers.setdefault((event.title_id, minute // 1440, event.type, head), set()).add(event.viewer_id_hash)
    return len(seen) / (time.process_time() - start)


class Servers:
    """A store and a metrics process of their own."""

    def __init__(self, folder: Path) -> None:
        port = embedded.free_port()
        self.store = embedded.start(embedded.mongo_command(port, folder / "mongo"), port, folder / "store.log")
        self.mongo_url = f"mongodb://127.0.0.1:{port}"
        self.port = embedded.free_port()
        environment = {
            **os.environ,
            "MONGO_URL": self.mongo_url,
            "SPOTLIGHT_METRICS_PORT": str(self.port),
            "SPOTLIGHT_METRICS_LOCAL": "true",
            "SPOTLIGHT_METRICS_CATALOG_ADDRESS": "127.0.0.1:1",
            "SPOTLIGHT_METRICS_LOG_LEVEL": "error",
            "SPOTLIGHT_METRICS_INSIGHTS_EVERY_S": "3600",
        }
        with (folder / "metrics.log").open("wb") as log:
            self.metrics = subprocess.Popen(
                [sys.executable, "-m", "services.metrics"], env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    async def settled(self) -> None:
        """Returns when what came is stored and merged: three seconds in which process and store do next to nothing."""
        used, idle = self._cpu_s(), 0
        while idle < IDLE_SECONDS:
            await asyncio.sleep(1)
            before, used = used, self._cpu_s()
            idle = idle + 1 if used - before < IDLE_S else 0

    def _cpu_s(self) -> float:
        """What the process and the store have used."""
        stats = [Path(f"/proc/{pid}/stat").read_text() for pid in (self.metrics.pid, self.store.process.pid)]
        fields = [stat.rpartition(")")[2].split() for stat in stats]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """The metrics process's greatest resident memory."""
        status = Path(f"/proc/{self.metrics.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def stop(self) -> None:
        self.metrics.terminate()
        self.metrics.wait(20)
        self.store.stop()


async def ack_rate(stub: "metrics_pb2_grpc.MetricsServiceAsyncStub", batches: Sequence[pb.EventColumns]) -> float:
    """Events a second through the RPC to the durable answer, several callers at once."""
    waiting = iter(batches)

    async def caller() -> int:
        return sum(
            [
                (await stub.RecordEvents(pb.RecordEventsRequest(columns=each), timeout=30)).accepted_count
                for each in waiting
            ]
        )

    start = time.perf_counter()
    accepted = sum(await asyncio.gather(*(caller() for _ in range(CALLS_AT_ONCE))))
    return accepted / (time.perf_counter() - start)


async def insert_many_rate(mongo_url: str, batches: Sequence[Sequence[pb.Event]]) -> float:
    """The same events as documents, 1,000 an insert_many, as durable."""
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(mongo_url)
    plain = client.get_database("plain", write_concern=WriteConcern(w="majority", j=True))["events"]
    documents = [
        [
            {
                "_id": e.id, "type": e.type, "time": e.time.seconds, "title_id": e.title_id, "video_id": e.video_id,
                "creator_id": e.creator_id, "region": e.viewer_region, "viewer": e.viewer_id_hash, "source": e.source,
            }
            for e in batch
        ]
        for batch in batches
    ]  # fmt: skip
    start = time.perf_counter()
    for each in documents:
        await plain.insert_many(each, ordered=False)
    rate = sum(map(len, documents)) / (time.perf_counter() - start)
    client.close()
    return rate


async def visible_s(stub: "metrics_pb2_grpc.MetricsServiceAsyncStub") -> float:
    """From the answer to a batch until a report counts it, the slowest of five."""
    slowest = 0.0
    for number in range(5):
        title = f"visible:{number}"
        events = [
            pb.Event(
                id=f"{title}.{place}.{time.time_ns()}",
                type=pb.EVENT_TYPE_HUB_VIEW,
                title_id=title,
                viewer_id_hash=f"v{place}",
            )
            for place in range(50)
        ]
        await stub.RecordEvents(pb.RecordEventsRequest(events=events))
        start = time.perf_counter()
        while True:
            report = await stub.GetTitleReport(
                pb.GetTitleReportRequest(title_id=title, granularity=pb.GRANULARITY_TOTAL)
            )
            if sum(total.event_count for total in report.totals) == len(events):
                break
            await asyncio.sleep(0.01)
        slowest = max(slowest, time.perf_counter() - start)
    return slowest


async def report_times(
    stub: "metrics_pb2_grpc.MetricsServiceAsyncStub", title_ids: Sequence[str]
) -> tuple[float, float]:
    """p99 in ms of a 90-day report by hour: first time from the store, and again."""
    cold: list[float] = []
    warm: list[float] = []
    now = int(time.time())
    for title in title_ids:
        request = pb.GetTitleReportRequest(
            title_id=title, granularity=pb.GRANULARITY_HOUR, event_types=[pb.EVENT_TYPE_VIDEO_VIEW], as_series=True
        )
        request.start_time.seconds, request.end_time.seconds = now - 90 * 86_400, now
        for times in (cold, warm):
            start = time.perf_counter()
            await stub.GetTitleReport(request)
            times.append((time.perf_counter() - start) * 1000)
    return float(np.percentile(cold, 99)), float(np.percentile(warm, 99))


async def import_all(stub: "metrics_pb2_grpc.MetricsServiceAsyncStub", what: traffic.Plan) -> int:
    async def pieces() -> AsyncIterator[pb.ImportEventsRequest]:
        for batch in traffic.batches(what):
            yield pb.ImportEventsRequest(columns=columns(batch, traffic.Cast(what.title_ids)))

    return int((await stub.ImportEvents(pieces())).accepted_count)


async def through_the_service(arguments: argparse.Namespace) -> AsyncIterator[tuple[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers(Path(folder))
        try:
            async for name, value in _measured(servers, arguments):
                yield name, value
        finally:
            servers.stop()


async def _measured(servers: Servers, arguments: argparse.Namespace) -> AsyncIterator[tuple[str, float]]:
    fresh = as_columns(plan(arguments.ack_events * 2, hours=24, titles=TITLES, seed=5), arguments.ack_events)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{servers.port}") as channel:
        await asyncio.wait_for(channel.channel_ready(), 60)
        stub = metrics_pb2_grpc.MetricsServiceStub(channel)
        acks = await ack_rate(stub, fresh)
        yield "ack_events_per_s", acks
        yield (
            "ack_vs_insert_many",
            acks / await insert_many_rate(servers.mongo_url, [as_messages(e) for e in fresh[:20]]),
        )
        yield "visible_s", await visible_s(stub)
        what = plan(arguments.events, hours=90 * 24, titles=TITLES, seed=9)
        start = time.perf_counter()
        counted = await import_all(stub, what)
        yield "import_events_per_s", counted / (time.perf_counter() - start)
        yield "rss_events", counted
        yield "rss_mb", servers.rss_mb()
        await servers.settled()
        random = np.random.default_rng(1)
        chosen = dict.fromkeys(random.choice(TITLES, 200, p=traffic.title_weights(TITLES)).tolist())
        # So that what is measured are the service's pauses, not those of a million objects here.
        collector.settle()
        cold, warm = await report_times(stub, [what.title_ids[title] for title in chosen])
        yield "report_p99_ms", cold
        yield "report_warm_p99_ms", warm
        yield "rss_after_reports_mb", servers.rss_mb()


def fold_figures(events: int) -> Iterator[tuple[str, float]]:
    """The fold in memory: of messages, as clients send them, of columns, and against plain dictionaries."""
    batches = as_columns(plan(events * 2, hours=24, titles=TITLES), events)
    by_message = [pb.RecordEventsRequest(events=as_messages(each)).SerializeToString() for each in batches]
    rate = fold_rate(by_message)
    yield "fold_events_per_s", rate
    yield "fold_columns_per_s", fold_rate([pb.RecordEventsRequest(columns=e).SerializeToString() for e in batches])
    yield "fold_vs_dict", rate / dict_rate(by_message)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--only-fold", action="store_true", help="without the service: seconds instead of minutes")
    parser.add_argument("--fold-events", type=int, default=300_000)
    parser.add_argument("--ack-events", type=int, default=200_000)
    parser.add_argument(
        "--events", type=int, default=10_000_000, help="imported before memory and reports are measured"
    )
    arguments = parser.parse_args()
    # As the service itself does.
    processor.tune()
    # However it ends, the servers end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found: dict[str, float] = {}

    def tell(name: str, value: float) -> None:
        found[name] = round(value, 3)
        print(f"{name:24} {value:>14,.3f}", flush=True)

    async def service() -> None:
        async for name, value in through_the_service(arguments):
            tell(name, value)

    for name, value in fold_figures(arguments.fold_events):
        tell(name, value)
    if not arguments.only_fold:
        asyncio.run(service())
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
