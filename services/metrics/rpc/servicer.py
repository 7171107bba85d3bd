"""The servicer: from the wire, call, to the wire."""
# ruff: noqa: N802 - the methods have the names of the proto

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
from google.api import httpbody_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from protos.metrics.v1 import metrics_pb2 as pb
from protos.metrics.v1 import metrics_pb2_grpc
from services.metrics.domain import Period
from services.metrics.rpc.desk import Desk
from services.metrics.service.board import Board
from services.metrics.service.findings import Found
from services.metrics.service.ingest import Ingest
from services.metrics.service.reports import Reports
from services.metrics.wire import enums, events, findings, info, reports, times

Call = grpc.aio.ServicerContext[Any, Any]
SERVICE_NAME = "spotlight.metrics.v1.MetricsService"


def add_to_server(servicer: "MetricsServicer", server: grpc.aio.Server) -> None:
    """Adds the service; RecordEvents first with a parser of its own, and the first that knows a method has it.

    An event is left as its bytes: to make objects of them takes longer than all that is done with their columns.
    """
    record_events = grpc.unary_unary_rpc_method_handler(
        servicer.RecordEvents, pb.RecordEventsEnvelope.FromString, pb.RecordEventsResponse.SerializeToString
    )
    handler = grpc.method_handlers_generic_handler(SERVICE_NAME, {"RecordEvents": record_events})
    server.add_generic_rpc_handlers((handler,))
    metrics_pb2_grpc.add_MetricsServiceServicer_to_server(servicer, server)


class MetricsServicer(metrics_pb2_grpc.MetricsServiceServicer):
    """spotlight.metrics.v1.MetricsService, in the proto's order."""

    def __init__(self, ingest: Ingest, reports_: Reports, board: Board, found: Found) -> None:
        self._ingest, self._reports, self._board, self._found = ingest, reports_, board, found
        self._desk = Desk(ingest)

    async def RecordEvents(self, request: pb.RecordEventsEnvelope, _: Call) -> pb.RecordEventsResponse:  # type: ignore[override]
        receipt = await self._desk.record(request, events.sent_ms(request))
        return events.receipt(receipt)

    async def ImportEvents(self, requests: AsyncIterator[pb.ImportEventsRequest], _: Call) -> pb.ImportEventsResponse:
        pieces = ((events.count_of(request), self._desk.backfill(request)) async for request in requests)
        tally = await self._ingest.import_events(pieces)
        return events.import_receipt(tally.total, tally.rejected_count)

    async def BatchGetVideoCounts(
        self, request: pb.BatchGetVideoCountsRequest, _: Call
    ) -> pb.BatchGetVideoCountsResponse:
        counts, as_of_ms = await self._ingest.batch_get_video_counts(request.video_ids)
        return events.video_counts(counts, as_of_ms)

    async def GetTitleReport(self, request: pb.GetTitleReportRequest, _: Call) -> pb.GetTitleReportResponse:
        choice = enums.report_choice(request, period_of(request))
        found = await self._reports.get_title_report(request.title_id, request.studio_id, choice)
        return reports.title_report(found, self._reports.viewers_min, as_series=request.as_series)

    async def GetFunnel(self, request: pb.GetFunnelRequest, _: Call) -> pb.GetFunnelResponse:
        choice = enums.funnel_choice(request, period_of(request))
        found = await self._reports.get_funnel(request.title_id, request.studio_id, choice)
        return reports.funnel(found)

    async def GetGeography(self, request: pb.GetGeographyRequest, _: Call) -> pb.GetGeographyResponse:
        period = period_of(request)
        found = await self._reports.get_geography(request.title_id, request.studio_id, period)
        return reports.geography(found)

    async def GetStudioReport(self, request: pb.GetStudioReportRequest, _: Call) -> pb.GetStudioReportResponse:
        period = period_of(request)
        page = await self._board.get_studio_report(request.studio_id, period, request.page_size, request.page_token)
        spikes, insights = await self._found.counts([each.title.id for each in page.summaries], page.period)
        return reports.studio_report(page, spikes, insights)

    async def ListTrendingTitles(self, request: pb.ListTrendingTitlesRequest, _: Call) -> pb.ListTrendingTitlesResponse:
        page = await self._board.list_trending_titles(
            request.viewer_region, request.studio_id, request.page_size, request.page_token
        )
        return reports.trending(page)

    async def ListTopVideos(self, request: pb.ListTopVideosRequest, _: Call) -> pb.ListTopVideosResponse:
        period, order = period_of(request), enums.top_order(request.order)
        found = await self._reports.list_top_videos(
            request.title_id, request.studio_id, period, order, request.page_size
        )
        return reports.top_videos(found)

    async def ListTopCreators(self, request: pb.ListTopCreatorsRequest, _: Call) -> pb.ListTopCreatorsResponse:
        period, order = period_of(request), enums.top_order(request.order)
        found = await self._reports.list_top_creators(
            request.title_id, request.studio_id, period, order, request.page_size
        )
        return reports.top_creators(found)

    async def ListSpikes(self, request: pb.ListSpikesRequest, _: Call) -> pb.ListSpikesResponse:
        period = period_of(request)
        page = await self._found.list_spikes(
            request.title_id, request.studio_id, period, request.page_size, request.page_token
        )
        return findings.spike_page(page)

    async def ListInsights(self, request: pb.ListInsightsRequest, _: Call) -> pb.ListInsightsResponse:
        states = findings.states(request.states)
        page = await self._found.list_insights(
            request.title_id, request.studio_id, states, request.page_size, request.page_token
        )
        return findings.insight_page(page)

    async def DecideInsight(self, request: pb.DecideInsightRequest, _: Call) -> pb.Insight:
        act = findings.act(request.decision)
        decided = await self._found.decide_insight(
            request.insight_id, act, studio_id=request.studio_id, actor=request.actor, etag=request.etag
        )
        return findings.insight(decided)

    async def GetCampaignLift(self, request: pb.GetCampaignLiftRequest, _: Call) -> pb.GetCampaignLiftResponse:
        outcome = enums.outcome(request.outcome)
        found, stamp = await self._reports.get_campaign_lift(request.campaign_id, request.studio_id, outcome)
        return reports.campaign_lift(request.campaign_id, found, stamp)

    async def ExportReport(self, request: pb.ExportReportRequest, _: Call) -> AsyncIterator[httpbody_pb2.HttpBody]:
        choice = enums.export_choice(request, period_of(request))
        async for piece in self._reports.export_report(request.title_id, request.studio_id, choice):
            yield httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=piece.encode())

    async def WatchTitle(self, request: pb.WatchTitleRequest, _: Call) -> AsyncIterator[pb.WatchTitleResponse]:
        interval_s = enums.interval_s(request.interval_s)
        async for found in self._reports.watch_title(request.title_id, request.studio_id, interval_s):
            yield reports.live(found)

    async def GetIngestInfo(self, request: pb.GetIngestInfoRequest, _: Call) -> pb.GetIngestInfoResponse:
        found = await self._ingest.get_ingest_info(with_digest=request.with_digest)
        return info.ingest_info(found)


def period_of(request: Any) -> Period:
    """The period of a request, by default the last 7 days."""
    return times.period(_given(request, "start_time"), _given(request, "end_time"), datetime.now(UTC))


def _given(request: Message, field: str) -> Timestamp | None:
    return getattr(request, field) if request.HasField(field) else None
