"""Random lives of campaigns and grants against a model of a page: shirts that are shipped, tickets that have codes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chassis import mongo
from chassis.clock import FakeClock
from chassis.errors import SpotlightError
from chassis.ids import new_id
from chassis.telemetry import Telemetry
from services.incentives.claims import Claim
from services.incentives.domain import (
    CampaignAct,
    Creator,
    EligibilityRules,
    Reward,
    RewardKind,
    Task,
    TaskKind,
    Terms,
)
from services.incentives.feed import MatchChange
from services.incentives.participation import MatchState, ShippingState, Video, VideoMatch
from services.incentives.wiring import Peers, wire
from tests.rpc.incentives.lives import ACTS, LINE_MAX, TTL_S, Model

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
UNITS = 3
# Requests after which a campaign may end.
LATE = 60
NAMES = ["ann", "bob", "cid", "dan", "eve", "fay"]
CREATORS = st.sampled_from(NAMES)
DEVICES = st.sampled_from(["", "", "", "d1", "d2"])
GRANTS = st.integers(0, 50)
# Shipped comes most often: what left is where the rules differ.
WAYS = st.lists(st.sampled_from(["shipped", "shipped", "preparing", "delivered", "returned"]), min_size=1, max_size=3)


class GrantLives(RuleBasedStateMachine):
    """Shirts: reserved for a minute, redeemed, shipped."""

    mongo_url = ""
    kind = RewardKind.MERCHANDISE
    # What came of acts, over all lives.
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock(START)
        self.model = Model(UNITS, is_ticket=self.kind.has_codes)
        self.count = 0
        self.codes: set[str] = set()
        self.shown: dict[str, str] = {}
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
            self.database,
            token_key=b"k" * 32,
            code_keys=[bytes(32)],
            telemetry=Telemetry(),
            peers=Peers(),
            clock=self.clock,
        )
        reward = Reward(
            id="prize",
            display_name="Prize",
            kind=self.kind,
            stock_count=0 if self.kind.has_codes else UNITS,
            waitlist_max=LINE_MAX,
            reservation_ttl_s=TTL_S,
        )
        terms = Terms(
            display_name="Lives",
            title_ids=("t1",),
            start_time=START,
            end_time=START + timedelta(days=28),
            rules=EligibilityRules(strike_score_max=1.0),
            tasks=(Task(id="one", display_name="One", kind=TaskKind.VIDEOS, target=1),),
            rewards=(reward,),
        )
        created = await self.house.campaigns.create_campaign("s", terms, self.number(), "test")
        self.campaign_id = created.id
        if self.kind.has_codes:
            await self.bring(UNITS)
        for act in (CampaignAct.SCHEDULE, CampaignAct.START):
            await self.act(act)
        for creator in NAMES:
            await self.house.participation.enrol(self.campaign_id, creator, "", self.number())
            await self.tell(creator, MatchState.APPROVED)
        self.clock.advance(1)

    async def act(self, act: CampaignAct):
        return await self.house.campaigns.change_campaign_state(
            self.campaign_id, act, reason="", etag="", request_id=self.number(), actor="test"
        )

    async def bring(self, count: int) -> None:
        codes = [f"CODE-{len(self.codes) + number:03d}" for number in range(count)]
        self.codes |= set(codes)
        await self.house.rewards.import_reward_codes(self.campaign_id, "prize", codes, self.number(), "test")

    async def grow(self) -> None:
        campaign = (await self.house.campaigns.get_campaign(self.campaign_id)).campaign
        reward = campaign.terms.rewards[0]
        terms = replace(campaign.terms, rewards=(replace(reward, stock_count=reward.stock_count + 1),))
        await self.house.campaigns.update_campaign(
            self.campaign_id,
            terms,
            ["rewards"],
            etag="",
            validate_only=False,
            request_id=self.number(),
            actor="test",
        )

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
            self.seen[refusal.reason] += 1
            return refusal.reason
        self.last = view.grant
        self.seen[view.grant.state.value] += 1
        if view.code:
            assert self.shown.setdefault(view.code, view.grant.id) == view.grant.id, "a code is one grant's"
        return view.grant.state.value

    def pick(self, index: int, *states: str) -> str:
        """A grant in one of the states, where something may come of it; sometimes any other."""
        fitting = [grant for grant, life in self.model.lives.items() if life.state in states]
        grants = sorted(fitting if fitting and index % 5 else self.model.lives)
        return grants[index % len(grants)]

    @initialize(creators=st.permutations(NAMES), devices=st.lists(DEVICES, min_size=6, max_size=6))
    def rush(self, creators: list[str], devices: list[str]) -> None:
        """Lives begin with the stock gone and a full line: what is worth watching comes after."""
        for creator, device in zip(creators, devices, strict=False):
            self.claim_once(creator, device)

    @rule(claims=st.lists(st.tuples(CREATORS, DEVICES), min_size=1, max_size=3))
    def claim(self, claims: list[tuple[str, str]]) -> None:
        for creator, device in claims:
            self.claim_once(creator, device)

    def claim_once(self, creator: str, device: str) -> None:
        wanted = self.model.claim(creator, self.clock.now())
        claim = Claim(
            campaign_id=self.campaign_id,
            reward_id="prize",
            creator_id=creator,
            request_id=self.number(),
            device_id_hash=device,
        )
        found = self.tried(self.house.rewards.claim_reward(claim))
        if wanted in {"reserved", "waitlisted"}:
            self.model.claimed(self.last.id, creator, wanted, device, self.clock.now())
            wanted = self.model.lives[self.last.id].state
            assert self.tried(self.house.rewards.claim_reward(claim)) == found, "a repeat gives the same"
        assert found == wanted

    @rule(index=GRANTS)
    def redeem(self, index: int) -> None:
        self.hand_over(self.pick(index, "reserved"))

    def hand_over(self, grant: str) -> None:
        wanted = self.model.redeem(grant, self.clock.now())
        creator, request_id = self.model.lives[grant].owner, self.number()
        assert self.tried(self.house.rewards.redeem_grant(grant, creator, request_id)) == wanted
        assert self.tried(self.house.rewards.redeem_grant(grant, creator, request_id)) == wanted, "a repeat is the same"

    @rule(index=GRANTS, way=WAYS)
    def ship(self, index: int, way: list[str]) -> None:
        self.send(self.pick(index, "redeemed"), way)

    @rule(index=GRANTS, way=WAYS, by_person=st.booleans())
    def hand_over_and_take_back(self, index: int, way: list[str], *, by_person: bool) -> None:
        grant = self.pick(index, "reserved")
        self.hand_over(grant)
        self.send(grant, way)
        self.end(grant, by_person=by_person)

    @rule(index=GRANTS, creator=CREATORS, by_person=st.booleans())
    def come_after_a_pause_in_which_a_unit_came_back(self, index: int, creator: str, *, by_person: bool) -> None:
        self.move("pause")
        self.claim_once(creator, "")
        self.end(self.pick(index, "reserved"), by_person=by_person)
        self.move("resume")
        self.claim_once(creator, "")

    def send(self, grant: str, way: list[str]) -> None:
        for to in way:
            work = self.house.rewards.fulfil_grant(
                grant, ShippingState(to), carrier="", tracking_reference="", request_id=self.number(), actor="eve"
            )
            assert self.tried(work) == self.model.ship(grant, to)

    @rule(index=GRANTS, by_person=st.booleans())
    def take_back(self, index: int, *, by_person: bool) -> None:
        self.end(self.pick(index, "redeemed", "fulfilled", "waitlisted"), by_person=by_person)

    def end(self, grant: str, *, by_person: bool) -> None:
        rewards, owner, now = self.house.rewards, self.model.lives[grant].owner, self.clock.now()
        if by_person:
            found = self.tried(rewards.revoke_grant(grant, "because", self.number(), "eve"))
            assert found == self.model.revoke(grant, now)
        else:
            found = self.tried(rewards.roll_back_grant(grant, owner, "", self.number()))
            assert found == self.model.roll_back(grant, now)

    @precondition(lambda self: any("SHARED_DEVICE" in life.holds for life in self.model.lives.values()))
    @rule(index=GRANTS, approve=st.booleans())
    def release(self, index: int, *, approve: bool) -> None:
        grant = self.pick(index)
        work = self.house.rewards.release_grant(
            grant, approve=approve, reason="looked at", request_id=self.number(), actor="eve"
        )
        assert self.tried(work) == self.model.release(grant, self.clock.now(), approve=approve)

    @rule(seconds=st.sampled_from([10, 61, 200]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.sweep()

    def sweep(self) -> None:
        self.do(self.house.sweeper.sweep())
        self.model.swept(self.clock.now())

    @rule()
    def more_units(self) -> None:
        if self.kind.has_codes:
            self.do(self.bring(1))
        elif self.model.phase in {"active", "paused"}:
            self.do(self.grow())
        else:
            return
        self.model.total += 1
        self.sweep()

    @rule(creator=CREATORS)
    def lose_or_win_the_match(self, creator: str) -> None:
        lost = creator not in self.model.lost
        self.do(self.tell(creator, MatchState.REJECTED if lost else MatchState.APPROVED))
        (self.model.lost.add if lost else self.model.lost.discard)(creator)
        self.model.judged(creator, self.clock.now())

    @rule(creator=CREATORS)
    def strike_or_pardon(self, creator: str) -> None:
        struck = creator not in self.model.struck
        told = Creator(id=creator, strike_score=5.0 if struck else 0.0)
        self.do(self.house.participation.batch_update_creators([told], self.number()))
        (self.model.struck.add if struck else self.model.struck.discard)(creator)
        self.model.judged(creator, self.clock.now())

    @rule(act=st.sampled_from(["pause", "pause", "resume", "resume", "resume", "end", "archive", "start"]))
    def move_campaign(self, act: str) -> None:
        # Most of a life is spent while the campaign runs.
        if act == "end" and self.count < LATE:
            return
        self.move(act)

    def move(self, act: str) -> None:
        reached = ACTS[self.model.phase].get(act)
        try:
            view = self.do(self.act(CampaignAct(act)))
        except SpotlightError as refusal:
            assert (refusal.reason, reached) == ("ACT_NOT_ALLOWED", None)
            return
        assert view.campaign.state.value == reached
        self.model.phase = reached

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        found = {each["_id"]: each for each in self.do(self.all_grants())}
        assert found.keys() == self.model.lives.keys()
        for grant, life in self.model.lives.items():
            seen = found[grant]
            assert (seen["creator_id"], seen["state"], seen["expire_time"]) == (life.owner, life.state, life.ends)
            assert {hold["code"] for hold in seen["holds"]} == life.holds
            assert seen["shipping_state"] == life.parcel
            assert sum(row["stock_delta"] for row in seen["ledger"]) == -int(seen["holds_unit"])
            assert [row["number"] for row in seen["ledger"]] == list(range(1, len(seen["ledger"]) + 1))
        units = [each["unit_number"] for each in found.values() if each["holds_unit"]]
        assert len(units) == len(set(units)) == self.model.total - self.model.free
        assert set(self.shown) <= self.codes
        assert len(set(self.shown.values())) == len(self.shown), "a grant has one code"

    @invariant()
    def the_line_stands_as_the_model_says(self) -> None:
        line = self.do(self.database["lines"].find_one({"_id": f"{self.campaign_id}/prize"}))
        assert (line["grant_ids"] if line else []) == self.model.line

    @invariant()
    def ledger_and_stock_agree(self) -> None:
        page = self.do(
            self.house.rewards.list_ledger(
                self.campaign_id, reward_id="", creator_id="", kind=None, page_size=1, page_token=""
            )
        )
        assert [(each.balance, each.available_count) for each in page.balances] == [(self.model.free, self.model.free)]

    async def all_grants(self) -> list[dict[str, object]]:
        return await self.database["grants"].find({}).to_list(None)

    def teardown(self) -> None:
        self.do(self.database.client.drop_database(self.database.name))
        mongo.close(self.database)
        self.runner.close()


class TicketLives(GrantLives):
    """Tickets: a code each, shown with the redemption, never shown again."""

    kind = RewardKind.TICKET
    seen: ClassVar[Counter[str]] = Counter()


def live(machine: type[GrantLives], mongo_url: str, examples: int, steps: int, *, is_fixed: bool) -> None:
    machine.mongo_url = mongo_url
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        derandomize=is_fixed,
        database=None,
        print_blob=True,
    )
    case("runTest").runTest()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", [GrantLives, TicketLives])
def test_grants_live_as_the_model_says(mongo_url, machine):
    live(machine, mongo_url, examples=6, steps=25, is_fixed=True)


@pytest.mark.stress
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("machine", [GrantLives, TicketLives])
def test_grants_live_as_the_model_says_for_long(mongo_url, machine):
    live(machine, mongo_url, examples=60, steps=50, is_fixed=False)
    wanted = {"reserved", "waitlisted", "fulfilled", "revoked", "rolled_back", "ALREADY_CLAIMED"}
    wanted |= {"WAITLIST_FULL", "REWARD_LOCKED", "CLAIMS_CLOSED", "RESERVATION_EXPIRED", "GRANT_HELD"}
    assert wanted <= machine.seen.keys(), "the lives went everywhere"
