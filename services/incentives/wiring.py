"""Puts incentives together, by hand: stores, use cases, servicer, background work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis import ids
from chassis.clock import Clock, SystemClock
from chassis.mongo import Database
from chassis.server import Background
from chassis.telemetry import Telemetry
from services.incentives.codes import CodeSafe
from services.incentives.domain import stored_moment
from services.incentives.peers import CountPeer, EventPeer, FeedPeer, NoPeers
from services.incentives.service.campaigns import CampaignCases
from services.incentives.service.desk import ClaimDesk
from services.incentives.service.followers import Follower, Pace
from services.incentives.service.ledger import Ledger
from services.incentives.service.participation import ParticipationCases
from services.incentives.service.renewal import Renewal
from services.incentives.service.rewards import RewardCases
from services.incentives.service.stockroom import Stockroom
from services.incentives.service.stocks import JoinBoard, StockBoard
from services.incentives.service.sweeper import Sweeper
from services.incentives.store.stores import Stores, ensure_indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Who is followed and told; None where nobody is."""

    feed: FeedPeer | None = None
    counts: CountPeer | None = None
    events: EventPeer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """The use cases of incentives and what must run beside them."""

    campaigns: CampaignCases
    participation: ParticipationCases
    rewards: RewardCases
    follower: Follower
    sweeper: Sweeper
    background: Sequence[Background]


async def wire(
    database: Database,
    *,
    token_key: bytes,
    code_keys: Sequence[bytes],
    telemetry: Telemetry,
    peers: Peers,
    pace: Pace | None = None,
    sweep_s: float = 1.0,
    clock: Clock | None = None,
    new_id: ids.NewId = ids.new_id,
) -> Wired:
    """Makes what is missing in the database and everything above it."""
    clock = clock or SystemClock()

    def now() -> datetime:
        return stored_moment(clock.now())

    await ensure_indexes(database)
    stores, holder, report = Stores.of(database), new_id(), Reporter(telemetry)
    stockroom = Stockroom(stores)
    board = StockBoard(stores, stockroom, clock.monotonic)
    renewal, ledger = Renewal(stores, now), Ledger(stores, board, token_key)
    counts = peers.counts or NoPeers()
    joined = JoinBoard(stores, clock.monotonic)
    campaigns = CampaignCases(stores, stockroom, board, joined, counts, now=now, new_id=new_id, token_key=token_key)
    follower = Follower(stores, renewal, holder=holder, now=now, pace=pace or Pace(), report=report)
    sweeper = Sweeper(stores, campaigns, stockroom, ledger, holder=holder, now=now, sweep_s=sweep_s, report=report)
    return Wired(
        campaigns=campaigns,
        participation=ParticipationCases(stores, renewal, board, now=now, token_key=token_key),
        rewards=RewardCases(
            stores,
            ClaimDesk(stores, stockroom, now),
            stockroom,
            ledger,
            CodeSafe(code_keys),
            now=now,
            token_key=token_key,
        ),
        follower=follower,
        sweeper=sweeper,
        background=_background(follower, sweeper, peers),
    )


def _background(follower: Follower, sweeper: Sweeper, peers: Peers) -> list[Background]:
    """The sweeper always; each follower where there is somebody to follow."""
    work: list[Background] = [sweeper.run]
    if peers.feed is not None:
        feed = peers.feed
        work.append(lambda: follower.follow_matches(feed))
    if peers.counts is not None:
        counts = peers.counts
        work.append(lambda: follower.follow_counts(counts))
    if peers.events is not None:
        events = peers.events
        work.append(lambda: follower.follow_events(events))
    return work


class Reporter:
    """Sets the gauges and adds to the counters of this service's own figures."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._gauges = {
            "match_lag_s": telemetry.gauge(
                "incentives_match_lag_seconds", "Age of the newest match change that was applied."
            ),
            "stock_drift": telemetry.gauge(
                "incentives_stock_drift", "Stock less ledger over all running campaigns; anything but 0 is a bug."
            ),
        }
        self._counters = {
            "events_told": telemetry.counter(
                "incentives_events_told_total", "Events of joins and grants handed to metrics."
            ),
            "events_refused": telemetry.counter(
                "incentives_events_refused_total", "Events of joins and grants that metrics will never take."
            ),
        }

    def __call__(self, name: str, value: float) -> None:
        if name in self._counters:
            self._counters[name].inc(value)
        else:
            self._gauges[name].set(value)
