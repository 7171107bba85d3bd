"""A storm of claims against real incentives processes that are killed -9 while calls time out after they executed.

Each creator has one request id and asks until there is an answer, as a good client does; some ask twice at once, some
ask for a second grant. Calls go to a random process with, now and then, too little time for the answer to come back.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import grpc.aio

from chassis import embedded, mongo, status
from chassis.errors import Aborted, Cancelled, DeadlineExceeded, Unavailable
from protos.incentives.v1 import incentives_pb2, incentives_pb2_grpc
from services.incentives.campaigns import stock_counts
from services.incentives.domain import (
    Campaign,
    CampaignState,
    RevisionMark,
    Reward,
    RewardKind,
    Task,
    TaskKind,
    Terms,
)
from services.incentives.participation import Enrolment
from services.incentives.store.documents import encode
from services.incentives.store.enrolments import enrolment_id

ROOT = Path(__file__).resolve().parents[3]
READY_S = 40.0
AGAIN = (Unavailable, DeadlineExceeded, Aborted, Cancelled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """How hard it blows."""

    seed: int
    claims: int = 2_000
    clients: int = 64
    processes: int = 4
    units: int = 100
    kills: int = 6
    hasty: float = 0.2
    kind: RewardKind = RewardKind.PROFILE_FRAME
    waitlist_max: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final no, and when it was heard."""

    reason: str
    heard: datetime


@dataclass(slots=True)
class Aftermath:
    """What the clients saw."""

    grants: dict[str, object] = field(default_factory=dict)
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    extra: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    executed_then_lost: int = 0
    killed: int = 0
    seconds: float = 0.0


class Fleet:
    """Incentives processes, each with a channel."""

    def __init__(self, mongo_url: str, database: str, folder: Path, count: int) -> None:
        self._environ = {
            **os.environ,
            "MONGO_URL": mongo_url,
            "SPOTLIGHT_INCENTIVES_DATABASE": database,
            "SPOTLIGHT_INCENTIVES_LOCAL": "true",
            "SPOTLIGHT_INCENTIVES_MATCHER_ADDRESS": "",
            "SPOTLIGHT_INCENTIVES_METRICS_ADDRESS": "",
            "SPOTLIGHT_INCENTIVES_TELEMETRY_PORT": "0",
            "SPOTLIGHT_INCENTIVES_LOG_LEVEL": "error",
            "SPOTLIGHT_INCENTIVES_CODE_KEY_FILES": str(folder / "codes.key"),
        }
        self._log = (folder / "fleet.log").open("ab")
        self.ports = [embedded.free_port() for _ in range(count)]
        self._processes: list[subprocess.Popen[bytes]] = []
        options = (("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 50))
        self.channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for port in self.ports]

    async def __aenter__(self) -> Self:
        self._processes = [self._start(port) for port in self.ports]
        for process, channel in zip(self._processes, self.channels, strict=True):
            try:
                await asyncio.wait_for(channel.channel_ready(), READY_S)
            except TimeoutError as error:
                msg = f"a process is not ready; it ended with {process.poll()}: {self._said()}"
                raise AssertionError(msg) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self.channels:
            await channel.close()
        for process in self._processes:
            process.kill()
            process.wait()
        self._log.close()

    def kill_and_restart(self, index: int) -> None:
        """kill -9, and a new one on the same port at once."""
        self._processes[index].send_signal(signal.SIGKILL)
        self._processes[index].wait()
        self._processes[index] = self._start(self.ports[index])

    def stub(self, index: int) -> incentives_pb2_grpc.IncentivesServiceStub:
        return incentives_pb2_grpc.IncentivesServiceStub(self.channels[index])

    def _said(self) -> str:
        return Path(self._log.name).read_text(errors="replace")[-2_000:]

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        environ = {**self._environ, "SPOTLIGHT_INCENTIVES_PORT": str(port)}
        return subprocess.Popen(
            [sys.executable, "-m", "services.incentives"], env=environ, cwd=ROOT, stdout=self._log, stderr=self._log
        )


def terms_of(storm: Storm, now: datetime) -> Terms:
    reward = Reward(
        id="prize",
        display_name="Prize",
        kind=storm.kind,
        stock_count=0 if storm.kind.has_codes else storm.units,
        waitlist_max=storm.waitlist_max,
    )
    return Terms(
        display_name="Storm",
        title_ids=("t1",),
        start_time=now - timedelta(days=1),
        end_time=now + timedelta(days=1),
        tasks=(Task(id="one", display_name="One", kind=TaskKind.VIDEOS, target=1),),
        rewards=(reward,),
    )


async def prepare(database: mongo.Database, storm: Storm) -> Campaign:
    """A running campaign whose creators have done its task."""
    now = datetime.now(UTC).replace(microsecond=0)
    terms = terms_of(storm, now)
    mark = RevisionMark(
        revision=1, body_id="body-1", changed_paths=(), actor="test", create_time=now, stock_counts=stock_counts(terms)
    )
    campaign = Campaign(
        id=f"storm{storm.seed}",
        studio_id="s",
        terms=terms,
        create_time=now,
        update_time=now,
        state=CampaignState.ACTIVE,
        revision=1,
        revisions=(mark,),
    )
    await database["campaigns"].insert_one(encode(campaign))
    joined = [
        Enrolment(
            id=enrolment_id(campaign.id, creator_id),
            campaign_id=campaign.id,
            creator_id=creator_id,
            revision=1,
            create_time=now,
            done_task_ids=("one",),
        )
        for creator_id in creators_of(storm)
    ]
    await database["enrolments"].insert_many([encode(each) for each in joined])
    return campaign


def creators_of(storm: Storm) -> list[str]:
    return [f"c{number:05d}" for number in range(storm.claims)]


async def rage(fleet: Fleet, campaign: Campaign, storm: Storm) -> Aftermath:
    """Lets it blow until every creator has a final answer."""
    chance = random.Random(storm.seed)
    waiting = creators_of(storm)
    chance.shuffle(waiting)
    aftermath = Aftermath()
    # Half of the kills while the stock lasts, where they can do harm; the others at any time.
    early = [chance.randrange(1, max(2, storm.units)) for _ in range(storm.kills // 2)]
    late = [chance.randrange(storm.units, storm.claims) for _ in range(storm.kills - len(early))]
    kills = sorted(early + late)
    answered = 0
    begun = time.monotonic()

    async def client() -> None:
        nonlocal answered
        while waiting:
            creator_id = waiting.pop()
            request_id = f"storm-{storm.seed}-{creator_id}"
            asks = [_ask(fleet, campaign, storm, chance, aftermath, creator_id, request_id)]
            if chance.random() < 0.1:
                # The same request twice at once, as an impatient proxy sends it.
                asks.append(_ask(fleet, campaign, storm, chance, aftermath, creator_id, request_id))
            if chance.random() < 0.1:
                asks.append(_second(fleet, campaign, storm, chance, aftermath, creator_id))
            await asyncio.gather(*asks)
            answered += 1
            while kills and answered >= kills[0]:
                kills.pop(0)
                aftermath.killed += 1
                fleet.kill_and_restart(chance.randrange(storm.processes))

    await asyncio.gather(*(client() for _ in range(storm.clients)))
    aftermath.seconds = time.monotonic() - begun
    return aftermath


async def _ask(fleet, campaign, storm, chance, aftermath, creator_id, request_id):
    answer = await _persist(fleet, campaign, storm, chance, aftermath, creator_id, request_id)
    if isinstance(answer, Refusal):
        aftermath.refusals.setdefault(creator_id, []).append(answer)
    else:
        known = aftermath.grants.setdefault(creator_id, answer)
        assert (known.id, known.unit_number, known.code) == (answer.id, answer.unit_number, answer.code), (
            "the same request has the same grant"
        )


async def _second(fleet, campaign, storm, chance, aftermath, creator_id):
    """A second grant of a reward one creator gets once: refused, or it is the one grant of this creator."""
    answer = await _persist(
        fleet, campaign, storm, chance, aftermath, creator_id, f"storm-{storm.seed}-{creator_id}-second"
    )
    if isinstance(answer, Refusal):
        aftermath.extra[answer.reason] += 1
        aftermath.refusals.setdefault(creator_id, []).append(answer)
    else:
        aftermath.extra["granted"] += 1
        aftermath.grants.setdefault(f"{creator_id}/second", answer)


async def _persist(fleet, campaign, storm, chance, aftermath, creator_id, request_id):
    """Asks until the answer is final."""
    request = incentives_pb2.ClaimRewardRequest(
        campaign_id=campaign.id, reward_id="prize", creator_id=creator_id, request_id=request_id
    )
    lost = False
    for attempt in range(400):
        hasty = attempt < 3 and chance.random() < storm.hasty
        begun = datetime.now(UTC)
        try:
            answer = await fleet.stub(chance.randrange(storm.processes)).ClaimReward(
                request, timeout=chance.uniform(0.002, 0.06) if hasty else 10.0
            )
        except grpc.aio.AioRpcError as error:
            refusal = status.from_rpc_error(error)
            if not isinstance(refusal, AGAIN):
                return Refusal(refusal.reason, datetime.now(UTC))
            lost = True
            aftermath.retries[refusal.kind.name] += 1
            await asyncio.sleep(chance.uniform(0.01, 0.2))
        else:
            if lost and answer.create_time.ToDatetime(tzinfo=UTC) < begun - timedelta(milliseconds=5):
                aftermath.executed_then_lost += 1
            return answer
    raise AssertionError("no final answer after 400 tries")


@contextlib.asynccontextmanager
async def storm_house(mongo_url: str, name: str, folder: Path, storm: Storm):
    """A database, its indexes, and a fleet over it."""
    database = mongo.connect(mongo_url, name)
    try:
        async with Fleet(mongo_url, name, folder, storm.processes) as fleet:
            campaign = await prepare(database, storm)
            yield database, fleet, campaign
    finally:
        await database.client.drop_database(name)
        mongo.close(database)
