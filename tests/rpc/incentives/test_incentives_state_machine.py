"""Random lives of grants against a model a child could keep: three shirts, a line of two, one minute to redeem."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chassis import mongo
from chassis.clock import FakeClock
from chassis.errors import SpotlightError
from chassis.ids import new_id
from chassis.telemetry import Telemetry
from services.incentives.claims import Claim
from services.incentives.domain import CampaignAct, Creator, Reward, RewardKind, Task, TaskKind, Terms
from services.incentives.feed import MatchChange
from services.incentives.participation import MatchState, Video, VideoMatch
from services.incentives.wiring import Peers, wire

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
UNITS, LINE_MAX, TTL_S = 3, 2, 60
CREATORS = st.sampled_from(["ann", "bob", "cid", "dan", "eve", "fay"])
HOLDING = {"reserved", "redeemed"}


class Model:
    """What should be, in a dictionary or two."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        self.ends: dict[str, datetime | None] = {}
        self.line: list[str] = []
        self.lost: set[str] = set()

    def of(self, creator: str) -> str | None:
        """The grant that keeps a creator from another one."""
        kept = {"waitlisted", "reserved", "redeemed", "revoked"}
        return next((each for each, owner in self.owner.items() if owner == creator and self.state[each] in kept), None)

    @property
    def free(self) -> int:
        return UNITS - sum(state in HOLDING for state in self.state.values())

    def promote(self, now: datetime) -> None:
        while self.line and self.free:
            self.reserve(self.line.pop(0), now)

    def reserve(self, grant: str, now: datetime) -> None:
        self.state[grant] = "reserved"
        self.ends[grant] = None if self.owner[grant] in self.lost else now + timedelta(seconds=TTL_S)

    def claim(self, creator: str) -> str:
        if creator in self.lost:
            return "REWARD_LOCKED"
        if self.of(creator):
            return "ALREADY_CLAIMED"
        if not self.line and self.free:
            return "reserved"
        return "waitlisted" if len(self.line) < LINE_MAX else "WAITLIST_FULL"


class GrantLives(RuleBasedStateMachine):
    mongo_url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock(START)
        self.model = Model()
        self.count = 0
        self.do(self.open())

    def do(self, work: Awaitable):
        async def run():
            return await work

        return self.runner.run(run())

    def number(self) -> str:
        self.count += 1
        return f"r{self.count}"

    async def open(self) -> None:
        self.database = mongo.connect(self.mongo_url, f"lives_{new_id().lower()}")
        self.house = await wire(
            self.database, token_key=b"k" * 32, code_keys=[], telemetry=Telemetry(), peers=Peers(), clock=self.clock
        )
        terms = Terms(
            display_name="Lives",
            title_ids=("t1",),
            start_time=START,
            end_time=START + timedelta(days=28),
            tasks=(Task(id="one", display_name="One", kind=TaskKind.VIDEOS, target=1),),
            rewards=(
                Reward(
                    id="shirt",
                    display_name="Shirt",
                    kind=RewardKind.MERCHANDISE,
                    stock_count=UNITS,
                    waitlist_max=LINE_MAX,
                    reservation_ttl_s=TTL_S,
                ),
            ),
        )
        created = await self.house.campaigns.create_campaign("s", terms, self.number(), "test")
        for act in (CampaignAct.SCHEDULE, CampaignAct.START):
            view = await self.house.campaigns.change_campaign_state(
                created.id, act, reason="", etag="", request_id=self.number(), actor="test"
            )
        self.campaign = view.campaign
        for creator in ("ann", "bob", "cid", "dan", "eve", "fay"):
            await self.house.participation.enrol(self.campaign.id, creator, "", self.number())
            await self.tell(creator, MatchState.APPROVED)

    async def tell(self, creator: str, state: MatchState) -> None:
        self.count += 1
        change = MatchChange(
            sequence=self.count,
            match=VideoMatch(title_id="t1", match_id=f"m-{creator}", state=state, sequence=self.count),
            video=Video(id=f"v-{creator}", creator_id=creator, create_time=START),
            creator=Creator(id=creator),
            measure_time=self.clock.now(),
            change_time=self.clock.now(),
        )
        await self.house.follower.apply([change])

    def tried(self, work: Awaitable) -> str:
        """The state it came to, or the reason it was refused."""
        try:
            view = self.do(work)
        except SpotlightError as refusal:
            return refusal.reason
        self.last = view.grant
        return view.grant.state.value

    def pick(self, index: int) -> str:
        grants = sorted(self.model.state)
        return grants[index % len(grants)]

    @rule(creator=CREATORS)
    def claim(self, creator: str) -> None:
        wanted = self.model.claim(creator)
        claim = Claim(campaign_id=self.campaign.id, reward_id="shirt", creator_id=creator, request_id=self.number())
        assert self.tried(self.house.rewards.claim_reward(claim)) == wanted
        if wanted in {"reserved", "waitlisted"}:
            self.model.owner[self.last.id] = creator
            self.model.state[self.last.id] = wanted
            self.model.ends[self.last.id] = self.last.expire_time
            if wanted == "waitlisted":
                self.model.line.append(self.last.id)
            assert self.tried(self.house.rewards.claim_reward(claim)) == wanted, "a repeat gives the same"

    @precondition(lambda self: self.model.state)
    @rule(index=st.integers(0, 50))
    def redeem(self, index: int) -> None:
        grant = self.pick(index)
        creator, state, ends = self.model.owner[grant], self.model.state[grant], self.model.ends.get(grant)
        found = self.tried(self.house.rewards.redeem_grant(grant, creator, self.number()))
        if state == "expired" or (state == "reserved" and ends is not None and ends <= self.clock.now()):
            assert found == "RESERVATION_EXPIRED"
        elif state != "reserved":
            assert found == "ACT_NOT_ALLOWED"
        elif creator in self.model.lost:
            assert found == "GRANT_HELD"
        else:
            assert found == "redeemed"
            self.model.state[grant] = found

    @precondition(lambda self: self.model.state)
    @rule(index=st.integers(0, 50), by_person=st.booleans())
    def take_back(self, index: int, *, by_person: bool) -> None:
        grant = self.pick(index)
        rewards = self.house.rewards
        if by_person:
            found = self.tried(rewards.revoke_grant(grant, "because", self.number(), "eve"))
        else:
            found = self.tried(rewards.roll_back_grant(grant, self.model.owner[grant], "", self.number()))
        if self.model.state[grant] in {"waitlisted", *HOLDING}:
            assert found == ("revoked" if by_person else "rolled_back")
            self.model.state[grant] = found
            if grant in self.model.line:
                self.model.line.remove(grant)
            self.model.promote(self.clock.now())
        else:
            assert found == "ACT_NOT_ALLOWED"

    @rule(seconds=st.sampled_from([10, 61, 200]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.do(self.house.sweeper.sweep())
        now = self.clock.now()
        for grant, ends in self.model.ends.items():
            if self.model.state[grant] == "reserved" and ends is not None and ends <= now:
                self.model.state[grant] = "expired"
        self.model.promote(now)

    @rule(creator=CREATORS)
    def lose_or_win_the_match(self, creator: str) -> None:
        lost = creator not in self.model.lost
        self.do(self.tell(creator, MatchState.REJECTED if lost else MatchState.APPROVED))
        (self.model.lost.add if lost else self.model.lost.discard)(creator)
        for grant, owner in self.model.owner.items():
            if owner == creator and self.model.state[grant] == "reserved":
                self.model.ends[grant] = None if lost else self.clock.now() + timedelta(seconds=TTL_S)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        found = {each["_id"]: each for each in self.do(self.all_grants())}
        assert {grant: found[grant]["state"] for grant in self.model.state} == self.model.state
        assert len(found) == len(self.model.state)
        units = [each["unit_number"] for each in found.values() if each["holds_unit"]]
        assert len(units) == len(set(units)) == UNITS - self.model.free

    @invariant()
    def ledger_and_stock_agree(self) -> None:
        page = self.do(
            self.house.rewards.list_ledger(
                self.campaign.id, reward_id="", creator_id="", kind=None, page_size=1, page_token=""
            )
        )
        assert [(each.balance, each.available_count) for each in page.balances] == [(self.model.free, self.model.free)]

    async def all_grants(self) -> list[dict[str, object]]:
        return await self.database["grants"].find({}).to_list(None)

    def teardown(self) -> None:
        self.do(self.database.client.drop_database(self.database.name))
        mongo.close(self.database)
        self.runner.close()


@pytest.mark.timeout(300)
def test_grants_live_as_the_model_says(mongo_url):
    GrantLives.mongo_url = mongo_url
    machine = GrantLives.TestCase
    machine.settings = settings(
        max_examples=12,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    machine("runTest").runTest()
