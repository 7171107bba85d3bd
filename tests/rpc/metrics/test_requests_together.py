"""Requests that wait together are read and written together, and each is answered as if it had been alone."""

import asyncio
import time

import pytest

from chassis.errors import InvalidArgument
from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics.domain import LogUnavailable
from services.metrics.rpc import desk
from services.metrics.rpc.desk import Desk
from services.metrics.service.ingest import Ingest
from tests.rpc.metrics.test_recording_events import a_batch, an_event

HOUR_S = 3_600


def envelope(*events, columns=None):
    request = pb.RecordEventsRequest(events=events, columns=columns)
    return pb.RecordEventsEnvelope.FromString(request.SerializeToString())


def column_of(*ids):
    count = len(ids)
    return pb.EventColumns(
        ids=ids,
        strings=["", "movie:0", "v1"],
        type_numbers=bytes([pb.EVENT_TYPE_VIDEO_VIEW] * count),
        title_codes=b"\1\0\0\0" * count,
        video_codes=b"\2\0\0\0" * count,
    )


async def accepted(metrics):
    return (await metrics.stub.GetIngestInfo(pb.GetIngestInfoRequest())).accepted_count


@pytest.fixture
def groups(monkeypatch):
    """The sizes of the groups that reach ingest."""
    found, take = [], Ingest.take

    async def told(self, batches, parts):
        found.append([part.count for part in parts])
        return await take(self, batches, parts)

    monkeypatch.setattr(Ingest, "take", told)
    return found


async def test_each_request_of_a_group_gets_its_own_receipt(metrics, groups):
    here = Desk(metrics.wired.ingest)
    requests = (
        envelope(an_event("a"), an_event("b"), an_event("c")),
        envelope(an_event("d"), an_event("bad id"), an_event("e")),
        envelope(an_event("c"), an_event("b"), an_event("f")),
        envelope(columns=column_of("g", "a")),
        envelope(),
        envelope(an_event("h"), columns=column_of("i", "no id")),
    )
    found = await asyncio.gather(*(here.record(request, 0) for request in requests))
    # Those in messages alone come first.
    assert groups == [[3, 3, 3, 0, 2, 3]]
    counts = [(each.accepted_count, each.duplicate_count) for each in found]
    assert counts == [(3, 0), (2, 0), (1, 2), (1, 1), (0, 0), (2, 0)]
    rejected = [[(each.index, each.event_id) for each in receipt.rejected] for receipt in found]
    assert rejected == [[], [(1, "bad id")], [], [], [], [(2, "no id")]]
    assert len({each.log_position for each in found}) == 1
    assert await accepted(metrics) == 9


@pytest.mark.parametrize("columns", [None, pb.EventColumns()])
async def test_a_request_without_events_is_answered_alone_too(metrics, columns):
    before = await metrics.stub.RecordEvents(pb.RecordEventsRequest(events=[an_event("a")]))
    empty = await metrics.stub.RecordEvents(pb.RecordEventsRequest(columns=columns))
    assert (empty.accepted_count, empty.duplicate_count, len(empty.rejected)) == (0, 0, 0)
    assert empty.log_position == before.log_position


async def test_one_that_cannot_be_read_harms_nobody_else(metrics, groups):
    here = Desk(metrics.wired.ingest)
    strange = an_event("s", user_agent="x" * 2_000)
    found = await asyncio.gather(
        here.record(envelope(an_event("a")), 0),
        here.record(pb.RecordEventsEnvelope(events=[an_event("b").SerializeToString(), b"\xff\xff"]), 0),
        here.record(envelope(an_event("c"), strange), 0),
        return_exceptions=True,
    )
    assert isinstance(found[1], InvalidArgument)
    assert groups == [[1, 2]]
    assert [(each.accepted_count, len(each.rejected)) for each in (found[0], found[2])] == [(1, 0), (1, 1)]
    with pytest.raises(InvalidArgument):
        await here.record(a_batch("many", 1_001), 0)


async def test_each_has_the_clock_of_its_sender_and_an_import_any_age(metrics, groups):
    here, now = Desk(metrics.wired.ingest), int(time.time())
    old = [an_event(name) for name in "abc"]
    for event in old:
        event.time.seconds = now - 60 * HOUR_S
    found = await asyncio.gather(
        here.record(envelope(old[0]), 0),
        here.record(envelope(old[1]), (now - 60 * HOUR_S) * 1000),
        here.backfill(envelope(old[2])),
    )
    assert groups == [[1, 1, 1]]
    assert [each.accepted_count for each in found] == [0, 1, 1]
    assert [each.reason for each in found[0].rejected] == [pb.REJECTION_REASON_TOO_LATE]


async def test_groups_have_a_bound_and_nobody_is_left_waiting(metrics, groups, monkeypatch):
    monkeypatch.setattr(desk, "REQUESTS_AT_ONCE", 3)
    here = Desk(metrics.wired.ingest)
    under_way = [asyncio.create_task(here.record(envelope(an_event(f"n{n}")), 0)) for n in range(8)]
    await asyncio.sleep(0)
    under_way[1].cancel()
    found = await asyncio.gather(*under_way, return_exceptions=True)
    assert isinstance(found.pop(1), asyncio.CancelledError)
    assert [each.accepted_count for each in found] == [1] * 7
    assert [len(group) for group in groups] == [3, 3, 2]
    # Who goes away may have been counted, as with any call that is broken off.
    assert await accepted(metrics) == 8


async def test_what_breaks_ingest_is_told_to_whoever_sent_it_and_an_error_of_the_log_to_all(metrics, monkeypatch):
    here, take = Desk(metrics.wired.ingest), Ingest.take

    async def breaking(self, batches, parts):
        if any(part.count == 2 for part in parts):
            raise RuntimeError
        if any(part.count == 3 for part in parts):
            raise LogUnavailable(retry_after_s=1)
        return await take(self, batches, parts)

    monkeypatch.setattr(Ingest, "take", breaking)

    async def sent(*sizes):
        requests = [a_batch(f"of{len(sizes)}.{size}", size) for size in sizes]
        return await asyncio.gather(*(here.record(each, 0) for each in requests), return_exceptions=True)

    first, broken, last = await sent(1, 2, 4)
    assert (first.accepted_count, type(broken), last.accepted_count) == (1, RuntimeError, 4)
    assert [type(each) for each in await sent(1, 3)] == [LogUnavailable] * 2
