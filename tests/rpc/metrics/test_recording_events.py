"""Events over the wire: acknowledged means durable, the same id counts once, bad ones are told one by one."""

import asyncio
import time

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import SpotlightError
from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import rebuild, rollups, traffic
from services.metrics.generation import Memory
from services.metrics.rollups import Rollups
from services.metrics.service.ingest import rollup_digest
from services.metrics.store.events import Store
from services.metrics.wire import events as wire
from tests.metrics_world import KEY
from tests.rpc.metrics.conftest import metrics_on
from tools.traffic import columns, plan_of, send_history, send_live


def an_event(id_, **more):
    values = {"type": pb.EVENT_TYPE_VIDEO_VIEW, "title_id": "movie:0", "video_id": "v1", "creator_id": "c1",
              "viewer_region": "US", "viewer_id_hash": f"viewer.{id_}"} | more  # fmt: skip
    return pb.Event(id=id_, **values)


def a_batch(prefix, count, **more):
    return pb.RecordEventsRequest(events=[an_event(f"{prefix}.{n}", **more) for n in range(count)])


async def total(stub, title_id="movie:0"):
    report = await stub.GetTitleReport(pb.GetTitleReportRequest(title_id=title_id, granularity=pb.GRANULARITY_TOTAL))
    return sum(each.event_count for each in report.totals)


async def test_a_batch_counts_once_however_often_it_is_sent(metrics):
    first = await metrics.stub.RecordEvents(a_batch("a", 30))
    again = await metrics.stub.RecordEvents(a_batch("a", 40))
    assert (first.accepted_count, first.duplicate_count) == (30, 0)
    assert (again.accepted_count, again.duplicate_count) == (10, 30)
    assert again.log_position == first.log_position + 1
    assert await total(metrics.stub) == 40
    same = await metrics.stub.RecordEvents(a_batch("a", 40))
    assert (same.accepted_count, same.duplicate_count, same.log_position) == (0, 40, again.log_position)


async def test_an_id_twice_in_one_batch_counts_once(metrics):
    answer = await metrics.stub.RecordEvents(
        pb.RecordEventsRequest(events=[an_event("x"), an_event("x"), an_event("y")])
    )
    assert (answer.accepted_count, answer.duplicate_count) == (2, 1)


async def test_bad_events_are_told_and_the_others_taken(metrics):
    events = [an_event("ok"), an_event("bad id"), an_event("t", type=77), an_event("r", viewer_region="usa")]
    answer = await metrics.stub.RecordEvents(pb.RecordEventsRequest(events=events))
    assert answer.accepted_count == 1
    assert [(each.index, each.event_id, each.reason) for each in answer.rejected] == [
        (1, "bad id", pb.REJECTION_REASON_ID_INVALID),
        (2, "t", pb.REJECTION_REASON_TYPE_UNKNOWN),
        (3, "r", pb.REJECTION_REASON_FIELD_INVALID),
    ]
    info = await metrics.stub.GetIngestInfo(pb.GetIngestInfoRequest())
    assert dict(info.rejected_counts) == {"id_invalid": 1, "type_unknown": 1, "field_invalid": 1}
    nothing = await metrics.stub.RecordEvents(pb.RecordEventsRequest(events=[an_event("")]))
    assert nothing.accepted_count == 0


async def test_absurd_times_do_not_break_the_batch(metrics):
    far, long_ago, odd = an_event("far"), an_event("long"), an_event("odd")
    far.time.seconds, long_ago.time.seconds, odd.time.nanos = 2**62, -(2**62), -5
    answer = await metrics.stub.RecordEvents(pb.RecordEventsRequest(events=[far, long_ago, odd, an_event("ok")]))
    assert answer.accepted_count >= 1
    assert {each.event_id: each.reason for each in answer.rejected} | {"odd": 0} == {
        "far": pb.REJECTION_REASON_IN_FUTURE,
        "long": pb.REJECTION_REASON_TOO_LATE,
        "odd": 0,
    }


async def test_columns_and_messages_are_the_same_events(metrics):
    plan = plan_of(("movie:0", "movie:1"), days=1, events=1_500, seed=4)
    batch = next(traffic.batches(plan))
    sent = await metrics.stub.RecordEvents(pb.RecordEventsRequest(columns=columns(batch, traffic.Cast(plan.title_ids))))
    assert sent.accepted_count == len(set(batch.ids))
    both = pb.RecordEventsRequest(
        columns=columns(batch.piece(0, 10), traffic.Cast(plan.title_ids)), events=[an_event("m")]
    )
    mixed = await metrics.stub.RecordEvents(both)
    assert (mixed.accepted_count, mixed.duplicate_count) == (1, 10)


@pytest.mark.parametrize(
    ("columns_", "field"),
    [
        (pb.EventColumns(ids=["a"], strings=["x"]), "columns.strings"),
        (pb.EventColumns(ids=["a"], strings=["", "x", ""]), "columns.strings"),
        (pb.EventColumns(ids=["a"], type_numbers=b"12"), "columns.type_numbers"),
        (pb.EventColumns(ids=["a"], title_codes=b"\5\0\0\0"), "columns.title_codes"),
        (pb.EventColumns(ids=["a"], viewer_id_hashes=["a", "b"]), "columns.viewer_id_hashes"),
        (pb.EventColumns(ids=["a"] * 1_001), "events"),
    ],
)
def test_columns_without_a_shape_refuse_the_batch(columns_, field):
    with pytest.raises(SpotlightError) as refused:
        wire.sent(pb.RecordEventsRequest(columns=columns_))
    assert [violation.field for violation in refused.value.violations] == [field]


async def test_more_than_a_thousand_events_are_refused_by_name(metrics):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await metrics.stub.RecordEvents(a_batch("x", 1_001))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_bots_are_counted_apart(metrics):
    await metrics.stub.RecordEvents(a_batch("h", 20))
    await metrics.stub.RecordEvents(a_batch("b", 7, user_agent="Googlebot/2.1"))
    report = await metrics.stub.GetTitleReport(pb.GetTitleReportRequest(title_id="movie:0"))
    assert sum(each.event_count for each in report.totals) == 20
    assert report.nonhuman_event_count == 7


async def test_late_events_land_in_their_own_hour(metrics):
    now = int(time.time())
    at = now - 40 * 3_600
    batch = a_batch("late", 30)
    for event in batch.events:
        event.time.seconds = at
    await metrics.stub.RecordEvents(batch)
    report = await metrics.stub.GetTitleReport(
        pb.GetTitleReportRequest(title_id="movie:0", granularity=pb.GRANULARITY_HOUR)
    )
    assert [(row.start_time.seconds, row.event_count) for row in report.rows] == [(at // 3_600 * 3_600, 30)]


async def test_video_counts_are_exact_and_in_the_order_asked(metrics):
    await metrics.stub.RecordEvents(a_batch("a", 5))
    await metrics.stub.RecordEvents(a_batch("b", 3, type=pb.EVENT_TYPE_ANCHOR_CLICK, video_id="v2"))
    await metrics.stub.RecordEvents(a_batch("c", 3, video_id="v2", agent_kind=pb.AGENT_KIND_BOT))
    found = await metrics.stub.BatchGetVideoCounts(pb.BatchGetVideoCountsRequest(video_ids=["v2", "none", "v1"]))
    assert [(each.video_id, each.view_count, each.anchor_click_count) for each in found.counts] == [
        ("v2", 0, 3), ("none", 0, 0), ("v1", 5, 0),
    ]  # fmt: skip


async def test_a_restart_forgets_no_event_and_no_id(database):
    plan = plan_of(tuple(f"movie:{n}" for n in range(10)), days=2, events=9_000, seed=6)
    async with metrics_on(database) as first:
        done = await send_history(first.stub, plan)
        before = await first.stub.GetIngestInfo(pb.GetIngestInfoRequest(with_digest=True))
    async with metrics_on(database) as second:
        again = await send_history(second.stub, plan)
        after = await second.stub.GetIngestInfo(pb.GetIngestInfoRequest(with_digest=True))
        assert second.catalog.exports == 0  # what catalog told is kept
    assert (again.accepted_count, again.duplicate_count) == (0, done.accepted_count + done.duplicate_count)
    assert after.rollup_digest == before.rollup_digest
    assert after.accepted_count == done.accepted_count


async def small_generations(monkeypatch):
    from services.metrics import generation, segment
    from services.metrics.service import ingest

    monkeypatch.setattr(ingest, "PIECES_AT_ONCE", 1)
    monkeypatch.setattr(generation, "ENTRIES_MAX", 1)
    monkeypatch.setattr(segment, "PAGE_ROWS", 4_000)
    monkeypatch.setattr(rollups, "NAMES_A_PAGE", 400)
    monkeypatch.setattr(rollups, "WINDOW_PAGES", 8)
    monkeypatch.setattr(rollups, "DROP_AFTER_S", 0.5)


async def test_a_process_that_lags_counts_once_what_another_has_stored(database, monkeypatch):
    await small_generations(monkeypatch)
    async with metrics_on(database) as running:
        await send_history(running.stub, plan_of(("movie:1",), days=1, events=1_000, seed=1))
        late = await rebuild.loaded(database)
        await send_history(running.stub, plan_of(("movie:1",), days=2, events=8_000, seed=2))
        await running.wired.rollups.flush()
        assert running.wired.rollups.manifest.position > late.memory.position
        await late.flush()
        await late.catch_up()
        await late.flush()
        info = await running.stub.GetIngestInfo(pb.GetIngestInfoRequest(with_digest=True))
        assert await rollup_digest(late) == info.rollup_digest


async def test_a_log_is_verified_while_events_come_in(database, monkeypatch):
    await small_generations(monkeypatch)
    plan = plan_of(("movie:1", "movie:2"), days=1, events=4_000, seed=8)
    async with metrics_on(database) as running:
        await send_history(running.stub, plan)
        sending = asyncio.create_task(send_live(running.stub, plan, rate=200, for_s=60))
        stored, anew = await rebuild.verify(database)
        position = running.wired.rollups.memory.position
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert stored == anew
        assert (await running.stub.GetIngestInfo(pb.GetIngestInfoRequest(with_digest=True))).rollup_digest != stored
        assert position > 4


@pytest.mark.timeout(400)
async def test_rollups_derived_anew_equal_the_live_ones_bit_for_bit(database, monkeypatch):
    """Some twenty generations, stored and merged, against memory alone and against a rebuild."""
    await small_generations(monkeypatch)
    plan = plan_of(tuple(f"movie:{n}" for n in range(10)), days=3, events=18_000, seed=2)
    async with metrics_on(database) as running:
        await send_history(running.stub, plan)
        await running.wired.rollups.flush()
        while await running.wired.rollups.merge():
            pass
        info = await running.stub.GetIngestInfo(pb.GetIngestInfoRequest(with_digest=True))
        video = traffic.video_id("movie:0", 0)
        counts = await running.stub.BatchGetVideoCounts(pb.BatchGetVideoCountsRequest(video_ids=[video]))
        top = await running.stub.ListTopVideos(pb.ListTopVideosRequest(title_id="movie:0"))
        assert max(each.level for each in running.wired.rollups.segments) >= 1
    assert info.stored_position > 15
    stored, anew = await rebuild.verify(database)
    assert stored == anew == info.rollup_digest
    assert await rebuild.rebuild(database) == stored
    async with metrics_on(database) as again:
        found = await again.stub.BatchGetVideoCounts(pb.BatchGetVideoCountsRequest(video_ids=[video]))
        assert found.counts == counts.counts
        assert (await again.stub.ListTopVideos(pb.ListTopVideosRequest(title_id="movie:0"))).videos == top.videos
    monkeypatch.undo()
    in_memory = await rebuild.loaded(database, "other_")
    assert await rollup_digest(in_memory) == stored


async def test_the_log_waits_for_rollups_so_that_memory_stays_bounded(database, monkeypatch):
    await small_generations(monkeypatch)
    monkeypatch.setattr(rollups, "SEALED_MAX", 2)
    async with metrics_on(database) as running:
        waiting = []
        for number in range(9):
            sent = await running.stub.RecordEvents(a_batch(f"b{number}.", 5))
            assert sent.accepted_count == 5
            waiting.append(len(running.wired.rollups.memory.sealed()))
        assert max(waiting) == 3
        assert running.wired.rollups.manifest.position >= 5
    # A process that starts with a long log stores as it reads.
    again = await rebuild.loaded(database, "other_")
    assert again.manifest.position >= 8
    assert again.memory.accepted_count == 45


async def test_two_processes_share_a_log_and_count_nothing_twice(database):
    """The same events through both at once: each counts once, and both end with the same numbers."""
    async with metrics_on(database) as one, metrics_on(database) as two:

        async def send(running, order):
            return [await running.stub.RecordEvents(a_batch(f"b{n}", 50)) for n in order]

        answers = await asyncio.gather(send(one, range(12)), send(two, reversed(range(12))))
        assert sum(answer.accepted_count for each in answers for answer in each) == 600
        async with asyncio.timeout(30):
            while one.wired.rollups.memory.position != two.wired.rollups.memory.position:
                await asyncio.sleep(0.05)
        assert await rollup_digest(one.wired.rollups) == await rollup_digest(two.wired.rollups)
        assert await total(two.stub) == 600


async def test_two_processes_store_the_same_generation_once(database, monkeypatch):
    await small_generations(monkeypatch)
    async with metrics_on(database) as one, metrics_on(database) as two:
        for n in range(24):
            await (one, two)[n % 2].stub.RecordEvents(a_batch(f"g{n}", 20))
        await asyncio.gather(*(each.wired.rollups.catch_up() for each in (one, two)))
        for _ in range(3):
            await asyncio.gather(*(each.wired.rollups.flush() for each in (one, two)))
            await asyncio.gather(*(each.wired.rollups.merge() for each in (one, two)))
        assert await total(one.stub) == await total(two.stub) == 480
    stored, anew = await rebuild.verify(database)
    assert stored == anew


async def test_a_generation_that_a_merge_overtook_is_stored_all_the_same(database, monkeypatch):
    """Another process merges between the writing of a generation and of the manifest that names it."""
    await small_generations(monkeypatch)
    monkeypatch.setattr(rollups, "SEALED_MAX", 100)
    async with metrics_on(database) as running:
        for n in range(13):
            await running.stub.RecordEvents(a_batch(f"o{n}.", 20))
        key = running.wired.ingest.key

    def beside():
        store = Store(database, "beside_")
        return store, Rollups(store, Memory(key), cache_bytes_max=1 << 20)

    (_, one), (store, two) = beside(), beside()
    await one.load(until=9)
    assert await one.flush() >= 8
    await two.load()
    put_segment = store.put_segment

    async def overtaken(new):
        store.put_segment = put_segment
        await put_segment(new)
        assert await one.merge()

    store.put_segment = overtaken
    assert await two.flush() >= 2
    ends = [(each.first, each.last) for each in two.segments]
    assert [first for first, _ in ends] == [1, *(last + 1 for _, last in ends[:-1])]
    assert await rollup_digest(two) == await rollup_digest(await rebuild.loaded(database, "other_"))


async def test_too_many_waiting_events_are_refused_with_a_delay(database):
    async with metrics_on(database, pending_events_max=1_000) as running:
        calls = [running.stub.RecordEvents(a_batch(f"o{n}", 1_000)) for n in range(6)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
        assert refused
        assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert await total(running.stub) == 1_000 * (6 - len(refused))


async def test_titles_beyond_the_limit_are_rejected(database):
    async with metrics_on(database, titles_max=1) as running:
        await running.stub.RecordEvents(a_batch("a", 1))
        answer = await running.stub.RecordEvents(
            pb.RecordEventsRequest(events=[an_event("n", title_id="new"), an_event("o")])
        )
    assert [(each.index, each.reason) for each in answer.rejected] == [(0, pb.REJECTION_REASON_TITLE_LIMIT)]


async def test_the_live_trickle_is_of_the_present(metrics):
    assert await send_live(metrics.stub, plan_of(("movie:0",), days=1, events=1, seed=1), rate=50, for_s=0.1) > 0
    found = await metrics.stub.GetTitleReport(pb.GetTitleReportRequest(title_id="movie:0"))
    assert found.as_of_position > 0


async def test_a_store_that_is_away_is_an_error_to_retry(metrics, monkeypatch):
    from services.metrics import journal

    monkeypatch.setattr(journal, "WRITE_S", 0.1)

    async def away(*_):
        raise SpotlightError

    monkeypatch.setattr(Store, "append", away)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await metrics.stub.RecordEvents(a_batch("w", 3))
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    monkeypatch.undo()
    assert (await metrics.stub.RecordEvents(a_batch("w", 3))).accepted_count == 3


@settings(max_examples=40)
@given(st.lists(st.builds(
    pb.Event,
    id=st.text(max_size=8), type=st.integers(0, 14), video_id=st.text(max_size=5), title_id=st.text(max_size=5),
    creator_id=st.text(max_size=5), viewer_region=st.text(max_size=3), hashtag_names=st.lists(st.text(max_size=4), max_size=3),
    viewer_id_hash=st.text(max_size=5), device=st.integers(0, 5),
), min_size=1, max_size=8))  # fmt: skip
def test_any_messages_become_columns_field_by_field(events):
    (raw,) = wire.alone(wire.sent(pb.RecordEventsRequest(events=events)), KEY)
    assert list(raw.ids) == [in_a_line(event.id) for event in events]
    assert raw.types.tolist() == [event.type for event in events]
    for column, name in ((raw.videos, "video_id"), (raw.titles, "title_id"), (raw.regions, "viewer_region")):
        assert column.values() == [in_a_line(getattr(event, name)) for event in events]
    assert raw.hashtags.values() == [in_a_line(",".join(event.hashtag_names)) for event in events]
    assert list(raw.viewers) == [in_a_line(event.viewer_id_hash) for event in events]


def in_a_line(text):
    """No accepted field may hold a line feed; columns keep strings in lines."""
    return text.replace("\n", "\0")
