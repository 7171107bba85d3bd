"""Reports over the wire: a studio's titles only, every answer with its freshness, findings decided once."""

import asyncio
import time

import grpc
import pytest

from chassis import mongo
from chassis.ids import new_id
from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import traffic
from services.metrics.traffic import Cause, Plan, Spike
from tests.rpc.metrics.conftest import metrics_on, some_titles
from tests.rpc.metrics.test_recording_events import a_batch, an_event
from tools.traffic import plan_of, send_history


@pytest.fixture(scope="module")
def plan():
    return plan_of(tuple(f"movie:{n}" for n in range(8)), days=20, events=25_000, seed=3)


@pytest.fixture(scope="module")
async def told(mongo_url, plan):
    """One metrics for all tests that only read."""
    database = mongo.connect(mongo_url, f"test_{new_id().lower()}")
    async with metrics_on(database) as running:
        await send_history(running.stub, plan)
        await running.wired.board.refresh()
        await running.wired.watch.look()
        yield running
    await database.client.drop_database(database.name)
    mongo.close(database)


def since(request, days=19):
    request.start_time.seconds = int(time.time()) - days * 86_400
    return request


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_a_studio_sees_its_numbers_from_every_side(told):
    stub = told.stub
    base = since(pb.GetTitleReportRequest(title_id="movie:0", studio_id="s", granularity=pb.GRANULARITY_DAY))
    report = await stub.GetTitleReport(base)
    assert report.title == "Film 0"
    totals = {total.event_type: total for total in report.totals}
    views = totals[pb.EVENT_TYPE_VIDEO_VIEW]
    assert views.event_count == sum(r.event_count for r in report.rows if r.event_type == pb.EVENT_TYPE_VIDEO_VIEW)
    assert views.viewer_count_lower <= views.viewer_count <= views.viewer_count_upper
    assert 0 < report.error_bound < 0.04
    assert report.as_of_time.seconds > 0
    assert report.is_thresholded == (report.suppressed_rows > 0)
    assert report.source_share.fan_event_count > report.source_share.official_event_count > 0
    best = next(c for c in report.comparisons if c.event_type == pb.EVENT_TYPE_VIDEO_VIEW)
    assert best.percentile > 80
    base.as_series = True
    series = await stub.GetTitleReport(base)
    line = next(each for each in series.series if each.event_type == pb.EVENT_TYPE_VIDEO_VIEW)
    assert sum(line.event_counts) == views.event_count
    assert not series.rows
    by_region = since(pb.GetTitleReportRequest(
        title_id="movie:0", granularity=pb.GRANULARITY_TOTAL,
        dimensions=[pb.DIMENSION_VIEWER_REGION, pb.DIMENSION_SOURCE],
    ))  # fmt: skip
    rows = (await stub.GetTitleReport(by_region)).rows
    assert {row.viewer_region for row in rows} >= {"US", "ZZ"}
    assert {row.event_type for row in rows} == {0}


async def test_the_other_reports_answer_too(told):
    stub, title = told.stub, {"title_id": "movie:0", "studio_id": "s"}
    funnel = await stub.GetFunnel(since(pb.GetFunnelRequest(**title)))
    assert [step.event_type for step in funnel.steps] == [1, 2, 3, 5, 6, 13]
    assert funnel.steps[1].rate_lower < funnel.steps[1].rate < funnel.steps[1].rate_upper
    filtered = await stub.GetFunnel(
        since(pb.GetFunnelRequest(**title, viewer_regions=["US"], source=pb.EVENT_SOURCE_FAN))
    )
    assert filtered.steps[0].event_count < funnel.steps[0].event_count
    regions = (await stub.GetGeography(since(pb.GetGeographyRequest(**title)))).regions
    assert {region.viewer_region: region.has_watch_offer for region in regions}["US"]
    assert sum(region.share for region in regions) == pytest.approx(1)
    rates = {region.viewer_region: region.click_rate for region in regions}
    assert 0.05 < rates["US"] < 0.5
    assert rates.get("ZZ", 0.0) == 0
    assert all(0 <= rate <= 1 for rate in rates.values())
    videos = (await stub.ListTopVideos(since(pb.ListTopVideosRequest(**title, page_size=3)))).videos
    assert [video.view_count for video in videos] == sorted((video.view_count for video in videos), reverse=True)
    assert all(video.video_id and video.creator_id for video in videos)
    clicks = await stub.ListTopVideos(since(pb.ListTopVideosRequest(**title, order=pb.TOP_ORDER_CLICKS)))
    assert clicks.as_of_time.seconds
    creators = (await stub.ListTopCreators(since(pb.ListTopCreatorsRequest(**title)))).creators
    assert "official.0" in {creator.creator_id for creator in creators}
    lift = await stub.GetCampaignLift(pb.GetCampaignLiftRequest(campaign_id="campaign.0", studio_id="s"))
    assert lift.is_thresholded == (not lift.arms)
    pieces = [piece async for piece in stub.ExportReport(since(pb.ExportReportRequest(**title)))]
    assert pieces[0].data.startswith(b"start_time,event_type")
    assert pieces[0].content_type.startswith("text/csv")
    last = pieces[-1].data.decode()
    assert all(f"{name}=" in last for name in ("as_of_time", "is_thresholded", "suppressed_rows", "error_bound"))


async def test_a_title_without_events_has_empty_answers(told):
    title = {"title_id": "movie:19"}
    assert not (await told.stub.GetTitleReport(pb.GetTitleReportRequest(**title, granularity=pb.GRANULARITY_MINUTE,
                start_time={"seconds": int(time.time()) - 3_600}))).rows  # fmt: skip
    assert not (await told.stub.ListTopVideos(pb.ListTopVideosRequest(**title))).videos
    assert not (await told.stub.GetGeography(pb.GetGeographyRequest(**title))).regions
    assert [step.event_count for step in (await told.stub.GetFunnel(pb.GetFunnelRequest(**title))).steps] == [0] * 6


async def test_another_studios_title_is_refused_everywhere(told):
    stub, title = told.stub, {"title_id": "movie:0", "studio_id": "t"}
    calls = [
        stub.GetTitleReport(pb.GetTitleReportRequest(**title)),
        stub.GetFunnel(pb.GetFunnelRequest(**title)),
        stub.GetGeography(pb.GetGeographyRequest(**title)),
        stub.ListTopVideos(pb.ListTopVideosRequest(**title)),
        stub.ListTopCreators(pb.ListTopCreatorsRequest(**title)),
        stub.ListSpikes(pb.ListSpikesRequest(**title)),
        stub.ListInsights(pb.ListInsightsRequest(**title)),
        stub.GetCampaignLift(pb.GetCampaignLiftRequest(campaign_id="campaign.0", studio_id="t")),
        stub.WatchTitle(pb.WatchTitleRequest(**title)).read(),
        stub.ExportReport(pb.ExportReportRequest(**title)).read(),
    ]
    codes = await asyncio.gather(*(refused(call) for call in calls))
    assert set(codes) == {grpc.StatusCode.PERMISSION_DENIED}


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        ("GetTitleReport", pb.GetTitleReportRequest(title_id='{"$gt": ""}')),
        ("GetTitleReport", pb.GetTitleReportRequest(title_id="a", granularity=99)),
        ("GetTitleReport", pb.GetTitleReportRequest(title_id="a", viewer_regions=["usa"])),
        ("GetTitleReport", pb.GetTitleReportRequest(title_id="a", start_time={"seconds": 2**60})),
        ("GetTitleReport", pb.GetTitleReportRequest(title_id="a", start_time={"seconds": 10}, end_time={"seconds": 9})),
        ("ListTrendingTitles", pb.ListTrendingTitlesRequest(page_token="forged")),
        ("ListTrendingTitles", pb.ListTrendingTitlesRequest(viewer_region="x")),
        ("GetStudioReport", pb.GetStudioReportRequest(studio_id="s", page_size=201)),
        ("ListInsights", pb.ListInsightsRequest()),
        ("ListSpikes", pb.ListSpikesRequest(title_id="a", page_token="AAAA")),
        ("DecideInsight", pb.DecideInsightRequest(insight_id="x")),
        ("BatchGetVideoCounts", pb.BatchGetVideoCountsRequest()),
        ("BatchGetVideoCounts", pb.BatchGetVideoCountsRequest(video_ids=["a b"])),
    ],
)
async def test_bad_requests_are_refused_by_name(metrics, call, request_):
    assert await refused(getattr(metrics.stub, call)(request_)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_period_with_too_many_buckets_is_out_of_range(metrics):
    request = since(pb.GetTitleReportRequest(title_id="a", granularity=pb.GRANULARITY_MINUTE))
    assert await refused(metrics.stub.GetTitleReport(request)) is grpc.StatusCode.OUT_OF_RANGE


async def test_a_studio_overview_pages_over_its_own_titles(told):
    seen, token = [], ""
    for _ in range(20):
        page = await told.stub.GetStudioReport(
            since(pb.GetStudioReportRequest(studio_id="s", page_size=4, page_token=token))
        )
        seen += page.titles
        token = page.next_page_token
        if not token:
            break
    assert {title.title_id for title in seen} == {f"movie:{n}" for n in range(0, 20, 2)}
    assert page.total_size == len(seen) == 10
    assert seen[0].title_id == "movie:0"
    assert seen[0].view_count > seen[1].view_count > 0
    assert all(title.viewer_count <= title.view_count for title in seen)
    assert seen[0].viewer_count > 0


async def test_the_same_period_by_hour_and_by_day_has_the_same_totals(told):
    day = int(time.time()) // 86_400 * 86_400
    # From midnight, and from within a day.
    for start in (day - 12 * 86_400, day - 11 * 86_400 - 5 * 3_600):
        by_hour, by_day = (
            pb.GetTitleReportRequest(title_id="movie:0", granularity=granularity, start_time={"seconds": start}, end_time={"seconds": day})
            for granularity in (pb.GRANULARITY_HOUR, pb.GRANULARITY_DAY)
        )  # fmt: skip
        by_day.start_time.seconds = start // 86_400 * 86_400
        hourly, daily = await told.stub.GetTitleReport(by_hour), await told.stub.GetTitleReport(by_day)
        if start % 86_400 == 0:
            assert hourly.totals == daily.totals
            assert hourly.nonhuman_event_count == daily.nonhuman_event_count > 0
        views = [sum(t.event_count for t in found.totals if t.event_type == 7) for found in (hourly, daily)]
        assert 0 < views[0] <= views[1]


async def test_planted_spikes_are_found_with_their_causes(told, plan):
    wanted = {
        "video": pb.CONTRIBUTOR_KIND_VIDEO,
        "creator": pb.CONTRIBUTOR_KIND_CREATOR,
        "region": pb.CONTRIBUTOR_KIND_REGION,
    }
    for planted in plan.spikes[:6]:
        request = since(pb.ListSpikesRequest(title_id=f"movie:{planted.title}"))
        spikes = (await told.stub.ListSpikes(request)).spikes
        found = [
            s for s in spikes
            if s.start_time.seconds // 60 <= planted.start_minute + 60 and s.end_time.seconds // 60 >= planted.start_minute
        ]  # fmt: skip
        assert found, planted
        spike = found[0]
        if planted.cause is Cause.BOTS:
            facts = [(fact.code, round(fact.value, 1)) for fact in spike.evidence]
            assert spike.is_suppressed or spike.cause == pb.SPIKE_CAUSE_SUSPICIOUS, (facts, spike.event_count)
        if planted.cause is Cause.CAMPAIGN:
            assert spike.cause == pb.SPIKE_CAUSE_CAMPAIGN
        if planted.cause.value in wanted:
            best = [c for c in spike.contributions if c.kind == wanted[planted.cause.value]]
            assert best
            assert best[0].share > 0.4
        assert spike.event_count > spike.expected_count


async def test_a_running_spike_is_found_and_stays_one_spike(database):
    now = int(time.time()) // 60
    titles = ("movie:0", "movie:1")
    start = (now - 15 * 1440) // 60 * 60
    hours = (now - start) // 60
    spike = Spike(title=0, start_minute=now - 12, minutes=12, events=250, cause=Cause.VIDEO)
    quiet = Plan(title_ids=titles, start_minute=start, hours=hours, events=12_000, seed=5)
    async with metrics_on(database) as running:
        await send_history(running.stub, quiet)
        burst = Plan(title_ids=titles, start_minute=now - 12, hours=1, events=5, seed=6, spikes=(spike,))
        for batch in traffic.batches(burst):
            batch.times_ms[:] = (now - 12) * 60_000 + batch.received_ms % (12 * 60_000)
            from tools.traffic import columns

            await running.stub.RecordEvents(pb.RecordEventsRequest(columns=columns(batch, traffic.Cast(titles))))
        await running.wired.watch.look()
        await running.stub.RecordEvents(a_batch("more", 30))
        await running.wired.watch.look()
        found = (await running.stub.ListSpikes(pb.ListSpikesRequest(title_id="movie:0", studio_id="s"))).spikes
        recent = [each for each in found if each.is_open]
        assert len(recent) == 1
        assert any(c.kind == pb.CONTRIBUTOR_KIND_VIDEO and c.share > 0.5 for c in recent[0].contributions)


async def surge(running):
    """A suspicious surge and the suggestion it makes.

    Before it lie nearly two days, the most that is taken: at any hour they hold the whole day the watch needs.
    """
    now = int(time.time())
    for day in range(4):
        quiet = a_batch(f"q{day}", 30)
        for n, event in enumerate(quiet.events):
            event.time.seconds = now - (day + 1) * 42_500 - n * 60
        await running.stub.RecordEvents(quiet)
    events = [an_event(f"s{n}", viewer_id_hash=f"few{n % 12}") for n in range(600)]
    for n, event in enumerate(events):
        event.time.seconds = now - 600 + n
    await running.stub.RecordEvents(pb.RecordEventsRequest(events=events))
    await running.wired.watch.look()
    found = await running.stub.ListInsights(pb.ListInsightsRequest(title_id="movie:0", studio_id="s"))
    return next(each for each in found.insights if each.kind == pb.INSIGHT_KIND_REVIEW_SURGE)


async def test_an_insight_is_decided_once_and_its_outcome_measured(metrics):
    insight = await surge(metrics)
    assert insight.observation
    assert insight.draft.http_path
    other = pb.DecideInsightRequest(insight_id=insight.id, decision=pb.INSIGHT_DECISION_ACCEPT, studio_id="t")
    assert await refused(metrics.stub.DecideInsight(other)) is grpc.StatusCode.PERMISSION_DENIED
    stale = pb.DecideInsightRequest(
        insight_id=insight.id, decision=pb.INSIGHT_DECISION_ACCEPT, studio_id="s", etag="old"
    )
    assert await refused(metrics.stub.DecideInsight(stale)) is grpc.StatusCode.ABORTED
    accept = pb.DecideInsightRequest(
        insight_id=insight.id, decision=pb.INSIGHT_DECISION_ACCEPT, studio_id="s", actor="ana", etag=insight.etag
    )
    accepted = await metrics.stub.DecideInsight(accept)
    assert (accepted.state, accepted.decided_by) == (pb.INSIGHT_STATE_ACCEPTED, "ana")
    again = await metrics.stub.DecideInsight(accept)
    assert again == accepted
    dismiss = pb.DecideInsightRequest(insight_id=insight.id, decision=pb.INSIGHT_DECISION_DISMISS, studio_id="s")
    assert await refused(metrics.stub.DecideInsight(dismiss)) is grpc.StatusCode.FAILED_PRECONDITION
    missing = pb.DecideInsightRequest(insight_id="none", decision=pb.INSIGHT_DECISION_ACCEPT)
    assert await refused(metrics.stub.DecideInsight(missing)) is grpc.StatusCode.NOT_FOUND
    await metrics.stub.RecordEvents(a_batch("later", 20))
    await metrics.wired.watch.look()
    listed = await metrics.stub.ListInsights(pb.ListInsightsRequest(studio_id="s", states=[pb.INSIGHT_STATE_ACCEPTED]))
    assert listed.insights[0].outcome.measure == "video_view_count"
    assert not listed.insights[0].outcome.is_final


async def test_a_surge_shows_up_in_the_overview(metrics):
    await surge(metrics)
    page = await metrics.stub.GetStudioReport(pb.GetStudioReportRequest(studio_id="s"))
    first = next(title for title in page.titles if title.title_id == "movie:0")
    assert (first.spike_count >= 1, first.open_insight_count >= 1) == (True, True)


async def test_trending_titles_come_with_positions(metrics):
    now = int(time.time())
    for day in range(1, 8):
        for title in ("movie:1", "movie:2"):
            past = pb.ImportEventsRequest(events=a_batch(f"{title}.{day}", 40, title_id=title).events)
            for event in past.events:
                event.time.seconds = now - day * 86_400 - 3_600
            await metrics.stub.ImportEvents(iter([past]))
    await metrics.stub.RecordEvents(a_batch("hot", 400, title_id="movie:2"))
    as_ever = a_batch("as-ever", 40, title_id="movie:1")
    for event in as_ever.events:
        event.time.seconds = now - 3_600
    await metrics.stub.RecordEvents(as_ever)
    await metrics.wired.board.refresh()
    found = await metrics.stub.ListTrendingTitles(pb.ListTrendingTitlesRequest())
    assert [(each.title_id, each.position) for each in found.titles] == [("movie:2", 1)]
    assert found.titles[0].recent_rate_per_hour > found.titles[0].baseline_rate_per_hour
    in_us = await metrics.stub.ListTrendingTitles(pb.ListTrendingTitlesRequest(viewer_region="US", studio_id="s"))
    assert [each.title_id for each in in_us.titles] == ["movie:2"]
    assert not (await metrics.stub.ListTrendingTitles(pb.ListTrendingTitlesRequest(studio_id="t"))).titles


async def test_live_numbers_move(metrics):
    await metrics.stub.RecordEvents(a_batch("a", 30))
    watching = metrics.stub.WatchTitle(pb.WatchTitleRequest(title_id="movie:0", studio_id="s", interval_s=1))
    first = await watching.read()
    assert sum(total.event_count for total in first.totals) == 30
    await metrics.stub.RecordEvents(a_batch("b", 12))
    async with asyncio.timeout(30):
        while sum(total.event_count for total in (await watching.read()).totals) != 42:
            pass
    watching.cancel()


async def test_a_report_that_is_kept_ready_counts_the_next_event(metrics):
    now = int(time.time()) // 3_600 * 3_600
    request = pb.GetTitleReportRequest(
        title_id="movie:0", granularity=pb.GRANULARITY_HOUR, as_series=True,
        start_time={"seconds": now - 90 * 86_400}, end_time={"seconds": now + 3_600},
    )  # fmt: skip
    for number, batch in enumerate(("a", "b", "c"), start=1):
        await metrics.stub.RecordEvents(a_batch(batch, 20))
        for _ in range(2):
            report = await metrics.stub.GetTitleReport(request)
            assert sum(total.event_count for total in report.totals) == number * 20
            assert sum(sum(line.event_counts) for line in report.series) == number * 20


async def test_few_viewers_are_never_shown(metrics):
    await metrics.stub.RecordEvents(a_batch("few", 9))
    report = await metrics.stub.GetTitleReport(pb.GetTitleReportRequest(title_id="movie:0"))
    assert report.is_thresholded
    assert [total.event_count for total in report.totals] == [0]
    assert report.totals[0].is_suppressed
    assert (await metrics.stub.ListTopVideos(pb.ListTopVideosRequest(title_id="movie:0"))).suppressed_rows == 1


async def test_titles_follow_catalog(metrics):
    moved = [type(each)(id=each.id, name=each.name, media_type="movie", studio_id="new") for each in some_titles(3)]
    metrics.catalog.titles, metrics.catalog.revision = moved, 2
    async with asyncio.timeout(30):
        while metrics.wired.titles.get("movie:0").studio_id != "new":
            await asyncio.sleep(0.02)
    assert (
        await metrics.stub.GetTitleReport(pb.GetTitleReportRequest(title_id="movie:0", studio_id="new"))
    ).title == "Film 0"
    assert metrics.wired.titles.of_studio("new") == {"movie:0", "movie:1", "movie:2"}
