"""Sends generated traffic (services/metrics/traffic.py) to metrics: history at once, then a live trickle.

Tests, the benchmark and the sample data of a local house send through here, each with its own cast of names.
`python -m tools.traffic --help`.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import grpc.aio
import numpy as np

from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.metrics.v1 import metrics_pb2 as pb
from protos.metrics.v1 import metrics_pb2_grpc
from services.metrics import traffic
from services.metrics.domain import I64, Bools, EventType
from services.metrics.traffic import REGIONS, Batch, Cast, Plan

NEEDS_VIDEO = [
    EventType.ANCHOR_IMPRESSION, EventType.ANCHOR_CLICK, EventType.VIDEO_VIEW, EventType.VIDEO_LIKE,
    EventType.VIDEO_SHARE,
]  # fmt: skip
OF_ANCHORS = [EventType.ANCHOR_IMPRESSION, EventType.ANCHOR_CLICK]
NEEDS_CAMPAIGN = [*traffic.CAMPAIGN_TYPES, EventType.CONVERSION]
NEEDS_OFFER = [EventType.OFFER_IMPRESSION, EventType.OFFER_CLICK, EventType.TICKET_CLICK]
VIDEOS_MAX = 1 << 20  # of a title, in a pair's number
TAGS_MAX = 1 << 6
PAGE = 200
LIVE_TICK_S = 1.0


class Strings:
    """The distinct strings of a batch, and codes for columns of them."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {"": 0}

    def codes(self, numbers: I64, text: Callable[[int], str], where: Bools | None = None) -> bytes:
        """Each number as the code of its text; each distinct number is put in words once."""
        if where is not None:
            numbers = np.where(where, numbers, numbers[where][0] if where.any() else numbers[0])
        distinct, place = np.unique(numbers, return_inverse=True)
        known = [self._codes.setdefault(name, len(self._codes)) for name in map(text, distinct.tolist())]
        found = np.array(known, np.int64)[place]
        return (found if where is None else np.where(where, found, 0)).astype("<u4").tobytes()

    def all(self) -> list[str]:
        return list(self._codes)


def columns(batch: Batch, cast: Cast) -> pb.EventColumns:
    """A batch as the wire has it."""
    strings = Strings()
    pair = _pairs(batch, cast)
    with_video = np.isin(batch.types, NEEDS_VIDEO)

    def of_pair(name: Callable[[int, int], str]) -> Callable[[int], str]:
        return lambda both: name(*divmod(both, VIDEOS_MAX))

    def hashtags(number: int) -> str:
        both, tag = divmod(number, TAGS_MAX)
        return ",".join(cast.hashtags(*divmod(both, VIDEOS_MAX), tag))

    distinct, place = np.unique(pair, return_inverse=True)
    sources = np.array([cast.source(*divmod(both, VIDEOS_MAX)) for both in distinct.tolist()], "u1")[place]
    return pb.EventColumns(
        ids=batch.ids,
        type_numbers=batch.types.astype("u1").tobytes(),
        time_values=batch.times_ms.astype("<i8").tobytes(),
        title_codes=strings.codes(batch.titles, cast.title_ids.__getitem__),
        video_codes=strings.codes(pair, of_pair(cast.video), with_video),
        creator_codes=strings.codes(pair, of_pair(cast.creator), with_video),
        campaign_codes=strings.codes(batch.titles, cast.campaign, np.isin(batch.types, NEEDS_CAMPAIGN)),
        offer_codes=strings.codes(batch.titles, cast.offer, np.isin(batch.types, NEEDS_OFFER)),
        region_codes=strings.codes(batch.regions, lambda region: REGIONS[region][0]),
        hashtag_codes=strings.codes(pair * TAGS_MAX + batch.tags, hashtags, with_video),
        viewer_id_hashes=[f"{viewer:016x}" for viewer in batch.viewers.tolist()],
        source_numbers=sources.tobytes(),
        agent_numbers=batch.agents.astype("u1").tobytes(),
        arm_numbers=batch.arms.astype("u1").tobytes(),
        device_numbers=(batch.viewers % 4 + 1).astype("u1").tobytes(),
        strings=strings.all(),
    )


def _pairs(batch: Batch, cast: Cast) -> I64:
    """Title and video of each event as one number; only videos with an anchor have events of it."""
    distinct, place = np.unique(batch.titles * VIDEOS_MAX + batch.videos, return_inverse=True)
    each = [divmod(both, VIDEOS_MAX) for both in distinct.tolist()]
    anchored = np.array([title * VIDEOS_MAX + cast.anchored(title, video) for title, video in each])
    return np.where(np.isin(batch.types, OF_ANCHORS), anchored[place], distinct[place])


async def title_ids_of(catalog_address: str, count: int) -> tuple[str, ...]:
    """The first titles catalog lists."""
    found: list[str] = []
    async with grpc.aio.insecure_channel(catalog_address) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        token = ""
        while len(found) < count:
            request = catalog_pb2.ListTitlesRequest(page_size=min(PAGE, count), page_token=token)
            page = await stub.ListTitles(request, timeout=10)
            found += [title.id for title in page.titles]
            token = page.next_page_token
            if not token:
                break
    return tuple(found[:count])


def plan_of(title_ids: tuple[str, ...], *, days: int, events: int, seed: int, end: datetime | None = None) -> Plan:
    """The last days up to now, with a release and a spike of each kind among the first titles."""
    end_minute = int((end or datetime.now(UTC)).timestamp() // 60)
    start = end_minute - days * 1440
    releases = {number: start + days * 1440 * (number + 2) // 8 for number in range(min(4, len(title_ids)))}
    plan = Plan(title_ids=title_ids, start_minute=start, hours=days * 24, events=events, seed=seed, releases=releases)
    return replace(plan, spikes=traffic.planted(plan))


async def history(plan: Plan, cast: Cast) -> AsyncIterator[pb.ImportEventsRequest]:
    """The plan's events as an import; the same events again change nothing within a day."""
    for number, batch in enumerate(traffic.batches(plan)):
        yield pb.ImportEventsRequest(columns=columns(batch, cast), request_id=f"traffic-{number}")


async def send_history(stub: "metrics_pb2_grpc.MetricsServiceAsyncStub", plan: Plan) -> pb.ImportEventsResponse:
    return await stub.ImportEvents(history(plan, Cast(plan.title_ids)))


def present(plan: Plan, cast: Cast, *, rate: float, tick: int) -> Iterator[pb.RecordEventsRequest]:
    """The events of one second of now, at so many a second; a plan's releases and campaigns hold."""
    now = int(time.time() * 1000)
    second = replace(
        plan,
        start_minute=now // 60_000,
        hours=1,
        events=rate * LIVE_TICK_S,
        spikes=(),
        seed=plan.seed * 1_000_003 + now % 1_000_000_007 + tick,
    )
    for batch in traffic.batches(second):
        batch.times_ms[:] = now - batch.received_ms % int(LIVE_TICK_S * 1000)
        yield pb.RecordEventsRequest(columns=columns(batch, cast))


async def send_live(stub: "metrics_pb2_grpc.MetricsServiceAsyncStub", plan: Plan, *, rate: float, for_s: float) -> int:
    """Sends events of the present at a rate until the time is over; how many were accepted."""
    accepted, ends, cast = 0, time.monotonic() + for_s, Cast(plan.title_ids)
    for tick in itertools.count():
        for request in present(plan, cast, rate=rate, tick=tick):
            accepted += (await stub.RecordEvents(request, timeout=10)).accepted_count
        if time.monotonic() >= ends:
            return accepted
        await asyncio.sleep(LIVE_TICK_S)
    return accepted


async def main(arguments: argparse.Namespace) -> None:
    titles = str(arguments.titles)
    if titles.isdigit():
        title_ids = await title_ids_of(arguments.catalog, int(titles))
    else:
        title_ids = tuple(titles.split(","))
    if not title_ids:
        msg = "no titles: import some into catalog first, or name them with --titles a,b"
        raise SystemExit(msg)
    async with grpc.aio.insecure_channel(arguments.address) as channel:
        stub = metrics_pb2_grpc.MetricsServiceStub(channel)
        plan = plan_of(title_ids, days=arguments.days or 1, events=arguments.events, seed=arguments.seed)
        if arguments.days:
            done = await send_history(stub, plan)
            print(
                f"{done.accepted_count} events accepted, {done.duplicate_count} known, {done.rejected_count} rejected"
            )
        if arguments.live:
            sent = await send_live(stub, plan, rate=arguments.live, for_s=arguments.live_s)
            print(f"{sent} live events accepted")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tools.traffic", description=__doc__)
    found.add_argument("--address", default="127.0.0.1:8085", help="where metrics answers")
    found.add_argument("--catalog", default="127.0.0.1:8082", help="where catalog answers, for --titles N")
    found.add_argument("--titles", default="100", help="how many of catalog's titles, or ids with commas between")
    found.add_argument("--days", type=int, default=90, help="days of history; 0: none")
    found.add_argument("--events", type=int, default=300_000, help="events of history")
    found.add_argument("--seed", type=int, default=1, help="the same seed, the same events")
    found.add_argument("--live", type=float, default=0, help="events a second from now on")
    found.add_argument("--live-s", type=float, default=1e9, help="seconds of live events")
    return found


if __name__ == "__main__":
    asyncio.run(main(parser().parse_args()))
