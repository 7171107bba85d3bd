"""Reports to the wire, field by field."""

from collections.abc import Iterable, Sequence

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import grid, keys, sketch
from services.metrics.answers import (
    FunnelReport,
    Geography,
    Live,
    Region,
    Stamp,
    StudioPage,
    Summary,
    TitleReport,
    Top,
    Trend,
    TrendPage,
)
from services.metrics.domain import I64, EventType
from services.metrics.funnel import Step
from services.metrics.heads import Head
from services.metrics.lift import ArmTally, Lift
from services.metrics.overview import Standing
from services.metrics.report import Table, Total
from services.metrics.wire import times


def title_report(found: TitleReport, viewers_min: int, *, as_series: bool) -> pb.GetTitleReportResponse:
    suppressed = int(found.rows.is_suppressed.sum())
    hidden_total = any(total.is_suppressed for total in found.totals)
    return pb.GetTitleReportResponse(
        title_id=found.title.id,
        title=found.title.name,
        start_time=times.of_minute(found.choice.period.start),
        end_time=times.of_minute(found.choice.period.end),
        granularity=pb.Granularity.ValueType(found.choice.granularity),
        rows=[] if as_series else rows(found.rows, found.choice.has_regions),
        series=series(found.rows, found.choice.has_regions) if as_series else [],
        totals=[tally(total) for total in found.totals],
        comparisons=comparisons(found),
        source_share=pb.SourceShare(
            fan_event_count=found.share.fan,
            official_event_count=found.share.official,
            fan_share=found.share.fan_share,
            is_suppressed=found.share.is_suppressed,
        ),
        as_of_time=times.of_ms(found.stamp.as_of_ms),
        as_of_position=found.stamp.position,
        is_thresholded=bool(suppressed) or hidden_total,
        suppressed_rows=suppressed,
        error_bound=sketch.ERROR_BOUND,
        viewers_min=viewers_min,
        nonhuman_event_count=found.nonhuman_count,
    )


def rows(table: Table, has_regions: bool) -> list[pb.ReportRow]:  # noqa: FBT001
    columns = zip(
        table.start.tolist(),
        table.type.tolist(),
        _regions(table, has_regions),
        table.source.tolist(),
        table.count.tolist(),
        table.viewers.tolist(),
        table.is_suppressed.tolist(),
        strict=True,
    )
    return [
        pb.ReportRow(
            start_time=Timestamp(seconds=start * 60),
            event_type=kind,
            viewer_region=region,
            source=source,
            event_count=count,
            viewer_count=viewers,
            is_suppressed=hidden,
        )
        for start, kind, region, source, count, viewers, hidden in columns
    ]


def _regions(table: Table, has_regions: bool) -> Iterable[str]:  # noqa: FBT001
    if not has_regions:
        return [""] * len(table)
    names = {code: keys.region_name(code) for code in set(table.region.tolist())}
    return [names[code] for code in table.region.tolist()]


def series(table: Table, has_regions: bool) -> list[pb.ReportSeries]:  # noqa: FBT001
    """The rows regrouped: one line for each combination of dimensions."""
    group, first = grid.grouped([table.type, table.region, table.source])
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(len(first)), "right")
    return [line(table, places, has_regions) for places in np.split(order, ends[:-1]) if len(places)]


def line(table: Table, places: I64, has_regions: bool) -> pb.ReportSeries:  # noqa: FBT001
    """The rows of one combination of dimensions."""
    one = places[0]
    return pb.ReportSeries(
        event_type=pb.EventType.ValueType(table.type[one]),
        viewer_region=keys.region_name(int(table.region[one])) if has_regions else "",
        source=pb.EventSource.ValueType(table.source[one]),
        start_seconds=(table.start[places] * 60).tolist(),
        event_counts=table.count[places].tolist(),
        viewer_counts=table.viewers[places].tolist(),
        suppressed_indexes=table.is_suppressed[places].nonzero()[0].tolist(),
    )


def tally(total: Total) -> pb.Tally:
    return pb.Tally(
        event_type=pb.EventType.ValueType(total.type),
        event_count=total.count,
        viewer_count=total.viewers,
        viewer_count_lower=total.lower,
        viewer_count_upper=total.upper,
        is_suppressed=total.is_suppressed,
    )


def comparisons(found: TitleReport) -> list[pb.Comparison]:
    previous = {total.type: total for total in found.previous}
    return [
        comparison(total, previous.get(total.type, Total(type=total.type)), found.standings.get(total.type))
        for total in found.totals
    ]


def comparison(total: Total, before: Total, standing: Standing | None) -> pb.Comparison:
    kind = pb.EventType.ValueType(total.type)
    if total.is_suppressed:
        return pb.Comparison(event_type=kind, is_suppressed=True)
    standing = standing or Standing()
    return pb.Comparison(
        event_type=kind,
        event_count=total.count,
        previous_event_count=before.count,
        change=total.count / before.count - 1 if before.count else 0.0,
        percentile=standing.percentile,
        kind_mean=standing.kind_mean,
        kind_title_count=standing.kind_title_count,
    )


def funnel(found: FunnelReport) -> pb.GetFunnelResponse:
    hidden = sum(step.is_suppressed for step in found.steps)
    return pb.GetFunnelResponse(
        steps=[funnel_step(step) for step in found.steps],
        start_time=times.of_minute(found.period.start),
        end_time=times.of_minute(found.period.end),
        as_of_time=times.of_ms(found.stamp.as_of_ms),
        is_thresholded=hidden > 0,
        suppressed_rows=hidden,
        error_bound=sketch.ERROR_BOUND,
    )


def funnel_step(step: Step) -> pb.FunnelStep:
    return pb.FunnelStep(
        event_type=pb.EventType.ValueType(step.type),
        event_count=step.count,
        viewer_count=step.viewers,
        rate=step.rate.value,
        rate_lower=step.rate.lower,
        rate_upper=step.rate.upper,
        rate_from_start=step.rate_from_start,
        is_suppressed=step.is_suppressed,
    )


def geography(found: Geography) -> pb.GetGeographyResponse:
    hidden = sum(region.is_suppressed for region in found.regions)
    return pb.GetGeographyResponse(
        regions=[region_row(region) for region in found.regions],
        start_time=times.of_minute(found.period.start),
        end_time=times.of_minute(found.period.end),
        as_of_time=times.of_ms(found.stamp.as_of_ms),
        is_thresholded=hidden > 0,
        suppressed_rows=hidden,
        error_bound=sketch.ERROR_BOUND,
    )


def region_row(region: Region) -> pb.RegionRow:
    return pb.RegionRow(
        viewer_region=region.region,
        event_count=region.count,
        viewer_count=region.viewers,
        share=region.share,
        impression_count=region.impressions,
        click_count=region.clicks,
        click_rate=region.click_rate,
        has_watch_offer=region.has_offer,
        is_suppressed=region.is_suppressed,
    )


def top_videos(found: Top) -> pb.ListTopVideosResponse:
    return pb.ListTopVideosResponse(
        videos=[
            pb.TopVideo(
                video_id=found.names.get(head.id, ""),
                creator_id=found.creators.get(head.id, ""),
                view_count=head.count(EventType.VIDEO_VIEW),
                like_count=head.count(EventType.VIDEO_LIKE),
                share_count=head.count(EventType.VIDEO_SHARE),
                anchor_impression_count=head.count(EventType.ANCHOR_IMPRESSION),
                anchor_click_count=head.count(EventType.ANCHOR_CLICK),
                view_share=head.view_share,
                previous_view_count=head.previous_views,
                growth_score=head.growth,
            )
            for head in found.list.heads
        ],
        as_of_time=times.of_ms(found.stamp.as_of_ms),
        is_thresholded=found.list.suppressed_count > 0,
        suppressed_rows=found.list.suppressed_count,
        error_bound=sketch.ERROR_BOUND,
    )


def top_creators(found: Top) -> pb.ListTopCreatorsResponse:
    return pb.ListTopCreatorsResponse(
        creators=[top_creator(head, found.names.get(head.id, "")) for head in found.list.heads],
        as_of_time=times.of_ms(found.stamp.as_of_ms),
        is_thresholded=found.list.suppressed_count > 0,
        suppressed_rows=found.list.suppressed_count,
        error_bound=sketch.ERROR_BOUND,
    )


def top_creator(head: Head, name: str) -> pb.TopCreator:
    return pb.TopCreator(
        creator_id=name,
        view_count=head.count(EventType.VIDEO_VIEW),
        like_count=head.count(EventType.VIDEO_LIKE),
        share_count=head.count(EventType.VIDEO_SHARE),
        anchor_impression_count=head.count(EventType.ANCHOR_IMPRESSION),
        anchor_click_count=head.count(EventType.ANCHOR_CLICK),
        view_share=head.view_share,
        previous_view_count=head.previous_views,
        growth_score=head.growth,
        is_rising=head.is_rising,
    )


def campaign_lift(campaign_id: str, found: Lift, stamp: Stamp) -> pb.GetCampaignLiftResponse:
    return pb.GetCampaignLiftResponse(
        campaign_id=campaign_id,
        arms=[arm(tally_) for tally_ in found.arms],
        lift=found.lift.value,
        lift_lower=found.lift.lower,
        lift_upper=found.lift.upper,
        relative_lift=found.relative,
        is_significant=found.is_significant,
        as_of_time=times.of_ms(stamp.as_of_ms),
        is_thresholded=found.suppressed_count > 0,
        suppressed_rows=found.suppressed_count,
        error_bound=sketch.ERROR_BOUND,
    )


def arm(found: ArmTally) -> pb.ArmTally:
    return pb.ArmTally(
        arm=pb.CampaignArm.ValueType(found.arm),
        viewer_count=found.viewers,
        outcome_viewer_count=found.outcome_viewers,
        rate=found.rate.value,
        rate_lower=found.rate.lower,
        rate_upper=found.rate.upper,
    )


def trending(found: TrendPage) -> pb.ListTrendingTitlesResponse:
    return pb.ListTrendingTitlesResponse(
        titles=[trending_title(trend) for trend in found.trends],
        next_page_token=found.next_page_token,
        as_of_time=times.of_ms(found.as_of_ms),
        is_thresholded=found.suppressed_count > 0,
        suppressed_rows=found.suppressed_count,
        error_bound=sketch.ERROR_BOUND,
    )


def trending_title(trend: Trend) -> pb.TrendingTitle:
    return pb.TrendingTitle(
        title_id=trend.title.id,
        title=trend.title.name,
        position=trend.position,
        velocity_score=trend.velocity.score,
        recent_rate_per_hour=trend.velocity.recent_per_hour,
        baseline_rate_per_hour=trend.velocity.baseline_per_hour,
    )


def studio_report(found: StudioPage, spikes: Sequence[int], insights: Sequence[int]) -> pb.GetStudioReportResponse:
    """The page; `spikes` and `insights` are how many each title has."""
    hidden = sum(summary.is_suppressed for summary in found.summaries)
    each = zip(found.summaries, spikes, insights, strict=True)
    return pb.GetStudioReportResponse(
        titles=[title_summary(summary, spike, insight) for summary, spike, insight in each],
        next_page_token=found.next_page_token,
        total_size=found.total_size,
        as_of_time=times.of_ms(found.as_of_ms),
        is_thresholded=hidden > 0,
        suppressed_rows=hidden,
        error_bound=sketch.ERROR_BOUND,
    )


def title_summary(summary: Summary, spikes: int, insights: int) -> pb.TitleSummary:
    return pb.TitleSummary(
        title_id=summary.title.id,
        title=summary.title.name,
        media_type=summary.title.media_type,
        release_date=summary.title.release_date,
        view_count=summary.counts.get(EventType.VIDEO_VIEW, 0),
        click_count=summary.counts.get(EventType.ANCHOR_CLICK, 0),
        hub_view_count=summary.counts.get(EventType.HUB_VIEW, 0),
        viewer_count=summary.viewers,
        change=summary.change,
        trending_position=summary.trending_position,
        spike_count=spikes,
        open_insight_count=insights,
        is_suppressed=summary.is_suppressed,
    )


def live(found: Live) -> pb.WatchTitleResponse:
    hidden = int(found.rows.is_suppressed.sum()) + sum(total.is_suppressed for total in found.totals)
    return pb.WatchTitleResponse(
        title_id=found.title_id,
        totals=[tally(total) for total in found.totals],
        rows=rows(found.rows, has_regions=False),
        trending_position=found.trending_position,
        as_of_time=times.of_ms(found.stamp.as_of_ms),
        is_thresholded=hidden > 0,
        suppressed_rows=hidden,
        error_bound=sketch.ERROR_BOUND,
    )
