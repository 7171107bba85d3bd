"""Incentives over a real channel and the real store, with a clock that tests turn and peers that tests fill."""

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chassis.client import Client
from chassis.clock import FakeClock
from chassis.server import Registration
from chassis.telemetry import Telemetry
from chassis.testing import running_server
from protos.incentives.v1 import campaign_pb2, incentives_pb2, incentives_pb2_grpc, participation_pb2
from services.incentives.domain import Creator
from services.incentives.feed import MatchChange
from services.incentives.participation import MatchState, Video, VideoMatch
from services.incentives.peers import ToldEvent, VideoCount
from services.incentives.rpc import SERVICE_NAME, IncentivesServicer
from services.incentives.wiring import Peers, Wired, wire

HERE = Path(__file__).parent
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = bytes(range(32))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stress: the long form (minutes); run with -m stress")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "stress" in (config.getoption("markexpr") or ""):
        return
    long = [item for item in items if HERE in item.path.parents and item.get_closest_marker("stress")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@dataclass
class PeersOfTests:
    """Stands where matcher and metrics stand: tests put in what they would say."""

    changes_: list[MatchChange] = field(default_factory=list)
    counts_: dict[str, VideoCount] = field(default_factory=dict)
    events: list[ToldEvent] = field(default_factory=list)

    async def changes(self, after_sequence, limit, wait_s):
        found = [each for each in self.changes_ if each.sequence > after_sequence][:limit]
        return found, max((each.sequence for each in found), default=after_sequence)

    async def counts(self, video_ids):
        return {each: self.counts_[each] for each in video_ids if each in self.counts_}

    async def record(self, events):
        self.events += events
        return {}


class House:
    """The running service and the words to speak with it."""

    def __init__(
        self, client: Client, wired: Wired, clock: FakeClock, peers: PeersOfTests, telemetry: Telemetry
    ) -> None:
        self.telemetry = telemetry
        self.client = client
        self.wired = wired
        self.clock = clock
        self.peers = peers
        self.numbers = itertools.count(1)
        self.sequences: dict[str, int] = defaultdict(int)

    def request_id(self) -> str:
        return f"r{next(self.numbers)}"

    async def call(self, method, **fields):
        request = getattr(incentives_pb2, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = self.request_id()
        return await self.client.call(method, request, timeout_s=10.0)

    async def running(self, **changes):
        """A campaign that is active now, as of `a_campaign`."""
        campaign = await self.call("CreateCampaign", studio_id="studio-1", campaign=a_campaign(**changes))
        for act in ("SCHEDULE", "START"):
            campaign = await self.act(campaign.id, act)
        return campaign

    async def act(self, campaign_id, act):
        number = getattr(campaign_pb2, f"CAMPAIGN_ACT_{act}")
        return await self.call("ChangeCampaignState", campaign_id=campaign_id, act=number, reason="test", actor="ann")

    async def enrol(self, campaign, *creator_ids, team_id=""):
        for creator_id in creator_ids:
            await self.call("Enrol", campaign_id=campaign.id, creator_id=creator_id, team_id=team_id)

    async def tell(self, video_id, creator_id, state=MatchState.APPROVED, **facts):
        """The match feed says something of a video."""
        sequence = facts.pop("sequence", None) or next(self.numbers)
        await self.wired.follower.apply([self.change(video_id, creator_id, state, sequence=sequence, **facts)])

    def change(
        self,
        video_id,
        creator_id,
        state=MatchState.APPROVED,
        *,
        sequence,
        title_id="t1",
        creator=None,
        measure_time=None,
        **facts,
    ):
        facts.setdefault("create_time", self.clock.now() + timedelta(seconds=1))
        return MatchChange(
            sequence=sequence,
            match=VideoMatch(title_id=title_id, match_id=f"m-{video_id}-{title_id}", state=state, sequence=sequence),
            video=Video(id=video_id, creator_id=creator_id, **facts),
            creator=creator or Creator(id=creator_id, follower_count=5_000, region_code="US", strike_score=0.0),
            measure_time=measure_time or self.clock.now(),
            change_time=self.clock.now(),
        )

    async def ready(self, campaign, *creator_ids):
        """Creators who have joined and done the task."""
        await self.enrol(campaign, *creator_ids)
        for creator_id in creator_ids:
            await self.tell(f"v-{campaign.id[:8]}-{creator_id}", creator_id)

    async def claim(self, campaign, creator_id, reward_id="frame", **fields):
        return await self.call(
            "ClaimReward", campaign_id=campaign.id, reward_id=reward_id, creator_id=creator_id, **fields
        )

    async def progress(self, campaign, creator_id):
        answer = await self.call("GetProgress", creator_id=creator_id, campaign_id=campaign.id)
        return answer.progress[0]


def a_reward(reward_id="frame", kind="PROFILE_FRAME", **changes):
    changes.setdefault("stock_count", 0 if kind == "TICKET" or changes.get("is_unlimited") else 10)
    number = getattr(campaign_pb2, f"REWARD_KIND_{kind}")
    return campaign_pb2.Reward(id=reward_id, display_name=reward_id.title(), kind=number, **changes)


def a_task(task_id="one", kind="VIDEOS", target=1, **changes):
    number = getattr(campaign_pb2, f"TASK_KIND_{kind}")
    return campaign_pb2.Task(id=task_id, display_name=f"Task {task_id}", kind=number, target=target, **changes)


def a_campaign(**changes):
    message = campaign_pb2.Campaign(
        display_name=changes.pop("display_name", "Dune week"),
        title_ids=changes.pop("title_ids", ["t1"]),
        tasks=changes.pop("tasks", [a_task()]),
        rewards=changes.pop("rewards", [a_reward()]),
        **changes,
    )
    if not message.HasField("start_time"):
        message.start_time.FromDatetime(START + timedelta(hours=1))
    if not message.HasField("end_time"):
        message.end_time.FromDatetime(START + timedelta(days=28))
    return message


@pytest.fixture
async def house(database):
    clock, peers, telemetry = FakeClock(START), PeersOfTests(), Telemetry()
    wired = await wire(
        database,
        token_key=b"k" * 32,
        code_keys=[KEY],
        telemetry=telemetry,
        peers=Peers(feed=peers, counts=peers, events=peers),
        clock=clock,
    )
    servicer = IncentivesServicer(wired.campaigns, wired.participation, wired.rewards)
    add = incentives_pb2_grpc.add_IncentivesServiceServicer_to_server
    async with running_server([Registration(add, servicer, SERVICE_NAME)]) as channel:
        client = Client(incentives_pb2_grpc.IncentivesServiceStub, channel, timeout_s=10.0)
        yield House(client, wired, clock, peers, telemetry)


__all__ = ["House", "a_campaign", "a_reward", "a_task", "participation_pb2"]
