"""The four services behind this door: one client a gRPC service, and what a hub needs of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from chassis.client import Client
from chassis.clock import Clock
from gateway import wire
from gateway.domain import FanVideo, HubCampaign, HubCounts, TitleFacts
from gateway.follower import Changes, TitleChange
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.hub.v1 import hub_pb2
from protos.incentives.v1 import incentives_pb2, incentives_pb2_grpc
from protos.matcher.v1 import (
    matcher_pb2,
    matcher_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    review_pb2,
    review_pb2_grpc,
)
from protos.metrics.v1 import event_pb2, metrics_pb2, metrics_pb2_grpc, report_pb2

CATALOG = "spotlight.catalog.v1.CatalogService"
MATCHER = "spotlight.matcher.v1.MatcherService"
REVIEW = "spotlight.matcher.v1.ReviewService"
POLICY = "spotlight.matcher.v1.PolicyService"
INCENTIVES = "spotlight.incentives.v1.IncentivesService"
METRICS = "spotlight.metrics.v1.MetricsService"
HUB = "spotlight.hub.v1.HubService"

STUBS: Mapping[str, Any] = {
    CATALOG: catalog_pb2_grpc.CatalogServiceStub,
    MATCHER: matcher_pb2_grpc.MatcherServiceStub,
    REVIEW: review_pb2_grpc.ReviewServiceStub,
    POLICY: policy_pb2_grpc.PolicyServiceStub,
    INCENTIVES: incentives_pb2_grpc.IncentivesServiceStub,
    METRICS: metrics_pb2_grpc.MetricsServiceStub,
}

Anchor = matcher_pb2.Anchor

FAN_VIDEOS_MAX = 24
CAMPAIGNS_MAX = 10
CHANGES_PAGE = 200
TRENDING_KEPT_S = 10.0
FEED_MARGIN_S = 5.0


def services() -> tuple[ServiceDescriptor, ...]:
    """Every service this door serves over HTTP; the first wins a path that two claim."""
    return (
        hub_pb2.DESCRIPTOR.services_by_name["HubService"],
        catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
        matcher_pb2.DESCRIPTOR.services_by_name["MatcherService"],
        review_pb2.DESCRIPTOR.services_by_name["ReviewService"],
        policy_pb2.DESCRIPTOR.services_by_name["PolicyService"],
        incentives_pb2.DESCRIPTOR.services_by_name["IncentivesService"],
        metrics_pb2.DESCRIPTOR.services_by_name["MetricsService"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """What each part of a hub may take, in seconds."""

    title_s: float = 1.0
    panel_s: float = 0.4


class Backends:
    """Calls to the services, as a hub needs them and in general."""

    def __init__(self, clients: Mapping[str, Client], *, slices: Slices, clock: Clock) -> None:
        self.clients = clients
        self._slices = slices
        self._clock = clock
        self._trending: dict[str, tuple[float, report_pb2.ListTrendingTitlesResponse]] = {}

    async def title(self, title_id: str) -> TitleFacts:
        """What catalog says about a title."""
        request = catalog_pb2.GetTitleRequest(id=title_id)
        title = await self.clients[CATALOG].call("GetTitle", request, timeout_s=self._slices.title_s)
        return wire.title_facts(title)

    async def fan_videos(self, title_id: str, region: str) -> tuple[FanVideo, ...]:
        """The approved videos of a title whose anchor is shown in a region, most viewed first."""
        request = matcher_pb2.ListTitleVideosRequest(
            title_id=title_id,
            state=matcher_pb2.MATCH_STATE_APPROVED,
            viewer_region=region,
            page_size=FAN_VIDEOS_MAX,
        )
        page = await self.clients[MATCHER].call("ListTitleVideos", request, timeout_s=self._slices.panel_s)
        return tuple(wire.fan_video(entry) for entry in page.videos[:FAN_VIDEOS_MAX])

    async def campaigns(self, title_id: str, region: str) -> tuple[HubCampaign, ...]:
        """The campaigns that run for a title in a region."""
        request = incentives_pb2.ListActiveCampaignsRequest(title_id=title_id, region=region)
        page = await self.clients[INCENTIVES].call("ListActiveCampaigns", request, timeout_s=self._slices.panel_s)
        return tuple(wire.hub_campaign(campaign) for campaign in page.campaigns[:CAMPAIGNS_MAX])

    async def counts(self, title_id: str, region: str) -> HubCounts:
        """How a title's fandom moved in the last seven days."""
        request = report_pb2.GetTitleReportRequest(
            title_id=title_id,
            granularity=report_pb2.GRANULARITY_TOTAL,
            event_types=[event_pb2.EVENT_TYPE_HUB_VIEW, event_pb2.EVENT_TYPE_ANCHOR_CLICK],
        )
        report = await self.clients[METRICS].call("GetTitleReport", request, timeout_s=self._slices.panel_s)
        return wire.hub_counts(report, await self._trending_in(region))

    async def anchors(self, video_ids: tuple[str, ...], region: str) -> dict[str, list[matcher_pb2.Anchor]]:
        """The anchors that videos have in a region, by video."""
        request = matcher_pb2.BatchGetAnchorsRequest(video_ids=video_ids, viewer_region=region)
        answer = await self.clients[MATCHER].call("BatchGetAnchors", request)
        anchors: dict[str, list[matcher_pb2.Anchor]] = {}
        for anchor in answer.anchors:
            anchors.setdefault(anchor.video_id, []).append(anchor)
        return anchors

    async def changes(self, after_revision: int, *, wait_s: float) -> Changes:
        """One page of catalog's change feed."""
        request = catalog_pb2.ListChangesRequest(
            after_revision=after_revision, page_size=CHANGES_PAGE if wait_s else 1, wait_s=wait_s
        )
        page = await self.clients[CATALOG].call("ListChanges", request, timeout_s=wait_s + FEED_MARGIN_S)
        return Changes(changes=[_title_change(change) for change in page.changes], latest_revision=page.latest_revision)

    async def studio_of_title(self, title_id: str) -> str:
        """The studio that owns a title."""
        return str((await self._ask(CATALOG, "GetTitle", catalog_pb2.GetTitleRequest(id=title_id))).studio_id)

    async def studio_of_campaign(self, campaign_id: str) -> str:
        """The studio that runs a campaign."""
        request = incentives_pb2.GetCampaignRequest(campaign_id=campaign_id)
        return str((await self._ask(INCENTIVES, "GetCampaign", request)).studio_id)

    async def campaign_of_grant(self, grant_id: str) -> str:
        """The campaign a grant belongs to."""
        request = incentives_pb2.GetGrantRequest(grant_id=grant_id)
        return str((await self._ask(INCENTIVES, "GetGrant", request)).campaign_id)

    async def creator_of_video(self, video_id: str) -> str:
        """The creator who posted a video."""
        request = matcher_pb2.GetVideoRequest(video_id=video_id)
        return str((await self._ask(MATCHER, "GetVideo", request)).creator.id)

    async def _ask(self, service: str, method: str, request: Any) -> Any:
        return await self.clients[service].call(method, request)

    async def _trending_in(self, region: str) -> report_pb2.ListTrendingTitlesResponse:
        """The trending titles of a region; the same list serves all hubs for a few seconds."""
        now = self._clock.monotonic()
        kept = self._trending.get(region)
        if kept is not None and now < kept[0]:
            return kept[1]
        request = report_pb2.ListTrendingTitlesRequest(viewer_region=region, page_size=100)
        trending: report_pb2.ListTrendingTitlesResponse = await self.clients[METRICS].call(
            "ListTrendingTitles", request, timeout_s=self._slices.panel_s
        )
        self._trending[region] = (now + TRENDING_KEPT_S, trending)
        return trending


def _title_change(change: catalog_pb2.Change) -> TitleChange:
    known = change.title.revision if change.HasField("title") else 0
    return TitleChange(revision=change.revision, title_id=change.title_id, title_revision=known or change.revision)
