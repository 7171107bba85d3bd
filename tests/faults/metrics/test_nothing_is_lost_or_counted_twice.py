"""kill -9 of the process and of the store, and writes whose answer is lost, at random points: every acknowledged event
counts once. Two short seeds with every run; `-m stress` runs twenty of 10,000 events each."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import grpc.aio
import pytest

from chassis import embedded, mongo
from protos.metrics.v1 import metrics_pb2 as pb
from protos.metrics.v1 import metrics_pb2_grpc
from services.metrics import rebuild

ROOT = Path(__file__).resolve().parents[3]
BATCH = 100
CALLERS = 4
VIDEOS = 20


class ForgetfulWire:
    """A proxy before the store that now and then lets a request through and drops the answer."""

    def __init__(self, store_port, rng, drop_share):
        self._store_port, self._rng, self._drop_share = store_port, rng, drop_share
        self.dropped = 0
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()

    async def _serve(self, reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._store_port)
        except OSError:
            writer.close()
            return
        forget = asyncio.Event()
        for work in (self._there(reader, to_writer, forget), self._back(to_reader, writer, forget)):
            task = asyncio.ensure_future(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _there(self, reader, writer, forget):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(head, "little") - 4)
                if b"event_log" in body and b"insert" in body and self._rng.random() < self._drop_share:
                    forget.set()
                writer.write(head + body)
                await writer.drain()
        writer.close()

    async def _back(self, reader, writer, forget):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(head, "little") - 4)
                if forget.is_set():
                    # The store has done it; nobody will hear of it.
                    self.dropped += 1
                    break
                writer.write(head + body)
                await writer.drain()
        writer.close()


class House:
    """A store and a metrics process that can be shot."""

    def __init__(self, folder, rng):
        self.folder, self.rng = folder, rng
        self.store_port, self.port = embedded.free_port(), embedded.free_port()
        self.mongo_port = self.store_port
        self.start_store()

    def start_store(self):
        command = embedded.mongo_command(self.store_port, self.folder / "mongo")
        self.store = embedded.start(command, self.store_port, self.folder / "store.log")

    def start_metrics(self):
        environment = {
            **os.environ,
            "MONGO_URL": f"mongodb://127.0.0.1:{self.mongo_port}",
            "SPOTLIGHT_METRICS_PORT": str(self.port),
            "SPOTLIGHT_METRICS_LOCAL": "true",
            "SPOTLIGHT_METRICS_CATALOG_ADDRESS": "127.0.0.1:1",
            "SPOTLIGHT_METRICS_LOG_LEVEL": "error",
        }
        with (self.folder / "metrics.log").open("ab") as log:
            self.metrics = subprocess.Popen(
                [sys.executable, "-m", "services.metrics"], env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    def kill_metrics(self):
        self.metrics.send_signal(signal.SIGKILL)
        self.metrics.wait(10)

    def kill_store(self):
        self.store.process.send_signal(signal.SIGKILL)
        self.store.process.wait(10)

    def stop(self):
        if self.metrics.poll() is None:
            self.kill_metrics()
        self.store.stop()


async def send_until_acknowledged(house, batch, give_up):
    """Sends a batch over fresh channels until it is acknowledged."""
    while time.monotonic() < give_up:
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{house.port}") as channel:
                return await metrics_pb2_grpc.MetricsServiceStub(channel).RecordEvents(
                    batch, timeout=5, wait_for_ready=True
                )
        except grpc.aio.AioRpcError as error:
            assert error.code() in {
                grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
            }, error  # fmt: skip
            await asyncio.sleep(0.05)
    raise AssertionError("not acknowledged in time")


def batches(seed, events):
    return [
        pb.RecordEventsRequest(
            events=[
                pb.Event(
                    id=f"{seed}.{start + n}", type=pb.EVENT_TYPE_VIDEO_VIEW, title_id="movie:1",
                    video_id=f"v{(start + n) % VIDEOS}", viewer_id_hash=f"u{start + n}",
                )
                for n in range(BATCH)
            ]
        )
        for start in range(0, events, BATCH)
    ]  # fmt: skip


async def shoot(house, rng, done):
    """Kills something every now and then, and starts it again."""
    targets = ["metrics", "store", "metrics"]
    rng.shuffle(targets)
    for target in targets:
        await asyncio.sleep(rng.uniform(0.3, 1.5))
        if done.is_set():
            return
        if target == "metrics":
            house.kill_metrics()
            house.start_metrics()
        else:
            house.kill_store()
            await asyncio.sleep(rng.uniform(0, 0.5))
            await asyncio.to_thread(house.start_store)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
async def test_every_acknowledged_event_counts_once(seed, tmp_path):
    await run(seed, 3_000, tmp_path)


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(20))
async def test_every_acknowledged_event_counts_once_in_twenty_seeds(seed, tmp_path):
    await run(seed, 10_000, tmp_path)


async def run(seed, events, tmp_path):
    rng = random.Random(seed)
    house = House(tmp_path, rng)
    async with ForgetfulWire(house.store_port, rng, 0.05) as wire:
        house.mongo_port = wire.port
        house.start_metrics()
        try:
            await counted_once(house, seed, rng, events)
        finally:
            house.stop()


async def counted_once(house, seed, rng, events):
    waiting, give_up, done = iter(batches(seed, events)), time.monotonic() + 240, asyncio.Event()

    async def caller():
        for batch in waiting:
            await send_until_acknowledged(house, batch, give_up)
            if rng.random() < 0.1:  # an impatient sender
                await send_until_acknowledged(house, batch, give_up)

    shooter = asyncio.create_task(shoot(house, rng, done))
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    done.set()
    await shooter
    async with grpc.aio.insecure_channel(f"127.0.0.1:{house.port}") as channel:
        stub = metrics_pb2_grpc.MetricsServiceStub(channel)
        asked = pb.BatchGetVideoCountsRequest(video_ids=[f"v{n}" for n in range(VIDEOS)])
        found = await stub.BatchGetVideoCounts(asked, timeout=60, wait_for_ready=True)
        info = await stub.GetIngestInfo(pb.GetIngestInfoRequest(with_digest=True), timeout=60)
        report = await stub.GetTitleReport(
            pb.GetTitleReportRequest(title_id="movie:1", granularity=pb.GRANULARITY_TOTAL)
        )
    assert Counter({each.video_id: each.view_count for each in found.counts}) == {
        f"v{n}": events // VIDEOS for n in range(VIDEOS)
    }
    assert info.accepted_count == sum(total.event_count for total in report.totals) == events
    house.kill_metrics()
    database = mongo.connect(f"mongodb://127.0.0.1:{house.store_port}", "spotlight_metrics")
    stored, anew = await rebuild.verify(database)
    mongo.close(database)
    assert stored == anew == info.rollup_digest
