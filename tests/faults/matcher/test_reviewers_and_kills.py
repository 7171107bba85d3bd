"""Many reviewers on many tasks while processes and reviewers die: no task decided twice, none lost."""

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import pytest

from chassis.embedded import free_port
from protos.matcher.v1 import policy_pb2, review_pb2, review_pb2_grpc
from services.matcher import audit
from services.matcher.lifecycle import TaskState
from tests.matcher_world import a_title, a_video, a_world, reason_of

ROOT = Path(__file__).resolve().parents[3]
LEASE_S = 3.0
PROCESSES = 2


@dataclass
class MatcherProcess:
    """One `python -m services.matcher` that can be killed and started again on its port."""

    database: str
    mongo_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")}
        environment |= {
            "MONGO_URL": self.mongo_url,
            "SPOTLIGHT_MATCHER_PORT": str(self.port),
            "SPOTLIGHT_MATCHER_TELEMETRY_PORT": "0",
            "SPOTLIGHT_MATCHER_LOCAL": "true",
            "SPOTLIGHT_MATCHER_DATABASE": self.database,
            "SPOTLIGHT_MATCHER_CATALOG_ADDRESS": f"127.0.0.1:{free_port()}",
            "SPOTLIGHT_MATCHER_INDEX_FOLDER": str(self.folder / str(self.port)),
            **self.settings,
        }
        log = (self.folder / f"{self.port}.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.matcher", cwd=ROOT, env=environment, stdout=log, stderr=log
        )

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class Scene:
    """The reviewers' side: what they were told, and when they stop."""

    addresses: list[str]
    chance: random.Random
    told: Counter[str] = field(default_factory=Counter)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def review(self, name: str) -> None:
        """Leases and decides until nothing is left; dies now and then with a task in hand."""
        async with contextlib.AsyncExitStack() as closing:
            stubs = []
            for address in self.addresses:
                channel = await closing.enter_async_context(
                    grpc.aio.insecure_channel(
                        address,
                        [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300)],
                    )
                )
                stubs.append(review_pb2_grpc.ReviewServiceStub(channel))
            lives = 0
            while not self.is_over.is_set():
                await self._one(stubs, f"{name}.{lives}")
                lives += self.chance.random() < 0.05

    async def _one(self, stubs, reviewer: str) -> None:
        task = await self._asked(
            stubs, "LeaseReviewTask", review_pb2.LeaseReviewTaskRequest(reviewer_id=reviewer, lease_s=LEASE_S)
        )
        if task is None:
            await asyncio.sleep(0.2)
            return
        if self.chance.random() < 0.1:
            return  # the reviewer is gone, the lease will run out
        request = review_pb2.DecideReviewTaskRequest(
            task_id=task.id,
            reviewer_id=reviewer,
            lease_token=task.lease.token,
            verdict=self.chance.choice([review_pb2.VERDICT_APPROVE, review_pb2.VERDICT_REJECT]),
            request_id=f"{reviewer}-{task.lease.token}-{self.chance.randrange(10**9)}",
        )
        decided = await self._asked(stubs, "DecideReviewTask", request, tries=6)
        if decided is not None:
            self.told[task.id] += 1

    async def _asked(self, stubs, method: str, request, tries: int = 1):
        """The answer of any process that lives; None where the answer is no."""
        for _ in range(tries):
            try:
                return await getattr(self.chance.choice(stubs), method)(request, timeout=5)
            except grpc.aio.AioRpcError as error:
                if reason_of(error) in {"NO_TASK", "LEASE_LOST", "TASK_CLOSED"}:
                    return None
                await asyncio.sleep(0.1)
        return None


async def play(database, mongo_url, folder, *, tasks: int, reviewers: int, kills: int, seed: int) -> None:
    async with a_world(database, folder, a_title("up", "Up", 0.6)) as world:
        policy = await world.policy.GetPolicy(policy_pb2.GetPolicyRequest())
        policy.second_read_share = 0
        policy.review_sla_hours = 24 * 3_000  # the world's clock stands in the past, the processes' does not
        await world.policy.CreatePolicyVersion(policy_pb2.CreatePolicyVersionRequest(policy=policy, activate=True))
        for first in range(0, tasks, 100):
            await sent(world, [a_video(f"v{number}", "Up") for number in range(first, min(first + 100, tasks))])
        await reviewed_by_many(database, mongo_url, folder, tasks, reviewers, kills, seed)
        await nothing_was_lost(world, tasks)


async def sent(world, videos) -> None:
    """Repeats what a busy store did not take: matching again what is known writes nothing."""
    for _ in range(10):
        try:
            await world.match(*videos)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error.details()
            await asyncio.sleep(0.5)
        else:
            return
    raise AssertionError("the store took nothing for five seconds")


async def reviewed_by_many(database, mongo_url, folder, tasks, reviewers, kills, seed) -> None:
    processes = [MatcherProcess(database.name, mongo_url, folder) for _ in range(PROCESSES)]
    chance = random.Random(seed)
    scene = Scene([f"127.0.0.1:{process.port}" for process in processes], chance)
    crowd: list[asyncio.Task[None]] = []
    try:
        for process in processes:
            await process.start()
        crowd = [asyncio.create_task(scene.review(f"r{number}")) for number in range(reviewers)]
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(1.5, 3.0))
            victim = chance.choice(processes)
            await victim.kill()
            await victim.start()
        open_states = {"$in": [int(TaskState.OPEN), int(TaskState.LEASED)]}
        async with asyncio.timeout(300 + tasks):
            while await database.tasks.count_documents({"state": open_states}):
                await asyncio.sleep(0.3)
    finally:
        scene.is_over.set()
        await asyncio.gather(*crowd, return_exceptions=True)
        for process in processes:
            await process.kill()
    assert set(scene.told.values()) <= {1}, "nobody was told twice that he had decided"


async def nothing_was_lost(world, tasks: int) -> None:
    database = world.database
    decided = [each async for each in database.tasks.find({})]
    assert len(decided) == tasks
    assert {each["state"] for each in decided} == {int(TaskState.DECIDED)}
    assert {each["nv"] for each in decided} == {1}
    per_task = Counter([each["task"] async for each in database.decisions.find({})])
    assert per_task == {each["_id"]: 1 for each in decided}
    changes, after = [], 0
    while page := await world.changes(after):
        changes += page
        after = page[-1].sequence
    assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
    reviews = Counter(change.match.id for change in changes if change.match.decided_by == "reviewers")
    assert set(reviews.values()) == {1}
    assert len(reviews) == tasks
    sequence, link = 0, audit.GENESIS
    while page := await world.wired.oversight._shelf.audit.page("", sequence, 500):
        sequence, link = audit.verify(page, sequence, link)
    assert sequence > 2 * tasks * 0.9


@pytest.mark.timeout(400)  # seconds on a quiet machine; processes start slowly on a busy one
async def test_a_dozen_reviewers_decide_each_task_once_while_processes_are_killed(database, mongo_url, tmp_path):
    await play(database, mongo_url, tmp_path, tasks=60, reviewers=12, kills=2, seed=1)


@pytest.mark.stress
@pytest.mark.timeout(1_800)
async def test_64_reviewers_decide_1000_tasks_once_while_processes_are_killed(database, mongo_url, tmp_path):
    await play(database, mongo_url, tmp_path, tasks=1_000, reviewers=64, kills=12, seed=2)
