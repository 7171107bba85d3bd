"""A gateway over real sockets, with stand-ins for the four services that can be stopped and started."""

# ruff: noqa: N802 - gRPC names its methods

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from chassis import auth, client, redis, server
from chassis.config import Settings
from chassis.embedded import free_port
from chassis.errors import InvalidArgument, NotFound, SpotlightError
from chassis.server import Registration
from chassis.telemetry import Telemetry
from gateway.config import GatewaySettings
from gateway.wiring import Gateway
from protos.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from protos.incentives.v1 import campaign_pb2, incentives_pb2, incentives_pb2_grpc, participation_pb2
from protos.matcher.v1 import matcher_pb2, matcher_pb2_grpc, review_pb2_grpc
from protos.metrics.v1 import event_pb2, metrics_pb2, metrics_pb2_grpc, report_pb2

STUDIO = "studio-a"
SCOPES = {
    "app": ["hub.read", "events.write"],
    "studio": [f"studio:{STUDIO}"],
    "reviewer": ["reviewer"],
    "creator": ["creator"],
    "admin": ["hub.read", "events.write", "reviewer", "policy.admin", "catalog.write", "campaigns.write"],
    "nobody": [],
}


class TitleMissing(NotFound):
    """This title does not exist."""

    reason = "TITLE_NOT_FOUND"


class CatalogStandIn(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self) -> None:
        self.titles: dict[str, catalog_pb2.Title] = {}
        self.changes: list[catalog_pb2.Change] = []
        self.calls: list[str] = []
        self.requests: list[Any] = []
        self.delay_s = 0.0
        self._changed = asyncio.Event()

    def put(self, title_id: str, **fields: Any) -> catalog_pb2.Title:
        """A new version of a title, as a change of the feed."""
        title = catalog_pb2.Title(id=title_id)
        if title_id in self.titles:
            title.CopyFrom(self.titles[title_id])
        title.MergeFrom(catalog_pb2.Title(**{"title": title_id.title(), "studio_id": STUDIO, **fields}))
        title.revision = len(self.changes) + 1
        self.titles[title_id] = title
        kind = catalog_pb2.CHANGE_TYPE_UPDATED
        self.changes.append(
            catalog_pb2.Change(revision=title.revision, title_id=title_id, change_type=kind, title=title)
        )
        self._changed.set()
        self._changed = asyncio.Event()
        return title

    async def GetTitle(self, request: Any, context: Any) -> catalog_pb2.Title:
        self.calls.append("GetTitle")
        await asyncio.sleep(self.delay_s)
        if request.id not in self.titles:
            raise TitleMissing
        return self.titles[request.id]

    async def BatchGetTitles(self, request: Any, context: Any) -> catalog_pb2.BatchGetTitlesResponse:
        found = [self.titles[name] for name in request.ids if name in self.titles]
        missing = [name for name in request.ids if name not in self.titles]
        return catalog_pb2.BatchGetTitlesResponse(titles=found, missing_ids=missing)

    async def ListTitles(self, request: Any, context: Any) -> catalog_pb2.ListTitlesResponse:
        return catalog_pb2.ListTitlesResponse(titles=self.titles.values())

    async def UpdateTitle(self, request: Any, context: Any) -> catalog_pb2.Title:
        self.requests.append(request)
        return request.title

    async def SearchTitles(self, request: Any, context: Any) -> catalog_pb2.SearchTitlesResponse:
        hits = [
            catalog_pb2.SearchHit(title=title, matched_name=title.title, matched_by=catalog_pb2.MATCHED_BY_EXACT)
            for title in self.titles.values()
            if request.q.lower() in title.title.lower()
        ]
        return catalog_pb2.SearchTitlesResponse(hits=hits)

    async def ListChanges(self, request: Any, context: Any) -> catalog_pb2.ListChangesResponse:
        changed = self._changed
        if request.wait_s and len(self.changes) <= request.after_revision:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(request.wait_s, 0.5))
        later = self.changes[request.after_revision : request.after_revision + (request.page_size or 50)]
        return catalog_pb2.ListChangesResponse(changes=later, latest_revision=len(self.changes))


class MatcherStandIn(matcher_pb2_grpc.MatcherServiceServicer):
    def __init__(self) -> None:
        self.videos: dict[str, matcher_pb2.Video] = {}
        self.anchors: dict[str, str] = {}
        self.calls: list[str] = []
        self.requests: list[Any] = []

    async def MatchVideo(self, request: Any, context: Any) -> matcher_pb2.MatchVideoResponse:
        self.requests.append(request)
        return matcher_pb2.MatchVideoResponse()

    async def ListTitleVideos(self, request: Any, context: Any) -> matcher_pb2.ListTitleVideosResponse:
        entries = [matcher_pb2.TitleVideo(video=video) for video in self.videos.values()]
        return matcher_pb2.ListTitleVideosResponse(videos=entries)

    async def BatchGetAnchors(self, request: Any, context: Any) -> matcher_pb2.BatchGetAnchorsResponse:
        self.calls.append("BatchGetAnchors")
        anchors = [
            matcher_pb2.Anchor(
                video_id=video_id,
                title_id=self.anchors[video_id],
                hub_url=f"/hubs/{self.anchors[video_id]}",
                state=matcher_pb2.ANCHOR_STATE_SHOWN,
                viewer_region=request.viewer_region,
            )
            for video_id in request.video_ids
            if video_id in self.anchors
        ]
        return matcher_pb2.BatchGetAnchorsResponse(anchors=anchors)

    async def ExplainAnchor(self, request: Any, context: Any) -> matcher_pb2.ExplainAnchorResponse:
        gate = matcher_pb2.Gate(code=matcher_pb2.GATE_CODE_VIEWS, value="60", threshold="1300", gap=1240)
        gate.remedy = "1,240 more views"
        explained = matcher_pb2.Explanation(gates=[gate], policy_version="7")
        return matcher_pb2.ExplainAnchorResponse(
            anchor=matcher_pb2.Anchor(
                video_id=request.video_id, state=matcher_pb2.ANCHOR_STATE_WITHHELD, explanation=explained
            )
        )

    async def GetVideo(self, request: Any, context: Any) -> matcher_pb2.Video:
        if request.video_id not in self.videos:
            raise NotFound(reason="VIDEO_NOT_FOUND")
        return self.videos[request.video_id]


class IncentivesStandIn(incentives_pb2_grpc.IncentivesServiceServicer):
    def __init__(self) -> None:
        self.campaigns: dict[str, campaign_pb2.Campaign] = {}
        self.requests: list[Any] = []

    async def ListActiveCampaigns(self, request: Any, context: Any) -> incentives_pb2.ListActiveCampaignsResponse:
        return incentives_pb2.ListActiveCampaignsResponse(campaigns=self.campaigns.values())

    async def GetCampaign(self, request: Any, context: Any) -> campaign_pb2.Campaign:
        if request.campaign_id not in self.campaigns:
            raise NotFound(reason="CAMPAIGN_NOT_FOUND")
        return self.campaigns[request.campaign_id]

    async def Enrol(self, request: Any, context: Any) -> participation_pb2.Enrolment:
        self.requests.append(request)
        return participation_pb2.Enrolment(campaign_id=request.campaign_id, creator_id=request.creator_id)

    async def CreateCampaign(self, request: Any, context: Any) -> campaign_pb2.Campaign:
        self.requests.append(request)
        return campaign_pb2.Campaign(id="new", studio_id=request.studio_id)

    async def GetGrant(self, request: Any, context: Any) -> participation_pb2.Grant:
        return participation_pb2.Grant(id=request.grant_id, campaign_id="campaign-b")

    async def RevokeGrant(self, request: Any, context: Any) -> participation_pb2.Grant:
        return participation_pb2.Grant(id=request.grant_id)


class MetricsStandIn(metrics_pb2_grpc.MetricsServiceServicer):
    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.watchers = 0
        self.refusal: SpotlightError | None = None

    async def RecordEvents(self, request: Any, context: Any) -> metrics_pb2.RecordEventsResponse:
        self.requests.append(request)
        return metrics_pb2.RecordEventsResponse(accepted_count=len(request.events))

    async def GetTitleReport(self, request: Any, context: Any) -> report_pb2.GetTitleReportResponse:
        self.requests.append(request)
        tally = report_pb2.Tally(event_type=event_pb2.EVENT_TYPE_HUB_VIEW, event_count=1234)
        return report_pb2.GetTitleReportResponse(title_id=request.title_id, totals=[tally])

    async def ListTrendingTitles(self, request: Any, context: Any) -> report_pb2.ListTrendingTitlesResponse:
        trending = report_pb2.TrendingTitle(title_id="dune", position=3)
        return report_pb2.ListTrendingTitlesResponse(titles=[trending])

    async def ExportReport(self, request: Any, context: Any) -> AsyncIterator[Any]:
        from google.api import httpbody_pb2

        if self.refusal:
            raise self.refusal
        yield httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=b"time,count\n")
        yield httpbody_pb2.HttpBody(data=b"2026,1\n")

    async def WatchTitle(self, request: Any, context: Any) -> AsyncIterator[report_pb2.WatchTitleResponse]:
        self.watchers += 1
        try:
            for position in range(1, 100):
                yield report_pb2.WatchTitleResponse(title_id=request.title_id, trending_position=position)
                if request.title_id == "broken":
                    raise InvalidArgument(reason="BROKEN")
                await asyncio.sleep(0.02)
        finally:
            self.watchers -= 1


class Backend:
    """One stand-in on a port of its own, which it keeps when stopped and started."""

    def __init__(self, *registrations: Registration) -> None:
        self.port = free_port()
        self._registrations = registrations
        self._built: server.Built | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        settings = Settings(local=True, port=self.port, message_bytes_max=40 * 2**20)
        self._built = server.build_server(settings, self._registrations, telemetry=Telemetry())
        await self._built.server.start()

    async def stop(self) -> None:
        if self._built is not None:
            built, self._built = self._built, None
            await built.server.stop(0)
            await built.fused.drained(1.0)


@dataclass(kw_only=True)
class World:
    """A running gateway and what stands behind it."""

    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    gateway: Gateway
    telemetry: Telemetry
    tokens: dict[str, str]
    catalog: CatalogStandIn
    matcher: MatcherStandIn
    incentives: IncentivesStandIn
    metrics: MetricsStandIn
    backends: dict[str, Backend] = field(default_factory=dict)

    def bearer(self, role: str = "app") -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[role]}"}

    async def get(self, path: str, role: str = "app", **options: Any) -> httpx.Response:
        headers = {**self.bearer(role), **options.pop("headers", {})}
        return await self.http.get(path, headers=headers, **options)

    async def post(self, path: str, role: str = "app", **options: Any) -> httpx.Response:
        headers = {**self.bearer(role), **options.pop("headers", {})}
        return await self.http.post(path, headers=headers, **options)


def tokens(key: bytes) -> dict[str, str]:
    now = datetime.now(UTC)
    return {role: auth.mint_local(key, f"{role}-1", scopes, now=now) for role, scopes in SCOPES.items()}


@asynccontextmanager
async def gateway_world(
    redis_url: str,
    folder: Path,
    *,
    stand_ins: tuple[Any, Any, Any, Any] | None = None,
    extra: Iterable[tuple[str, Registration]] = (),
    **settings: Any,
) -> AsyncIterator[World]:
    """A gateway on ephemeral ports; settings by name."""
    stand_ins = stand_ins or (CatalogStandIn(), MatcherStandIn(), IncentivesStandIn(), MetricsStandIn())
    backends = _backends(*stand_ins, extra)
    key = secrets.token_hex(16)
    key_file = folder / "jwt.key"
    key_file.write_text(key)
    chosen = GatewaySettings(
        local=True,
        redis_url=redis_url,
        jwt_secret_file=key_file,
        **{"drain_s": 1.0, **settings},
        **{f"{name}_address": backend.address for name, backend in backends.items()},
    )
    async with redis.connect_consumer(redis_url) as emptied:
        await emptied.flushall()
    async with AsyncExitStack() as stack:
        for backend in backends.values():
            await backend.start()
            stack.push_async_callback(backend.stop)
        telemetry = Telemetry()
        gateway = Gateway(chosen, telemetry=telemetry)
        stack.push_async_callback(gateway.close)
        stop = asyncio.Event()
        await stack.enter_async_context(server.running_tasks(*gateway.background(stop), telemetry=telemetry))
        stack.callback(stop.set)
        built = server.build_server(chosen, gateway.registrations, telemetry=telemetry, identify=gateway.identify)
        await built.server.start()
        stack.push_async_callback(built.server.stop, 0)
        channel = client.channel(f"127.0.0.1:{built.port}", chosen)
        stack.push_async_callback(channel.close)
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.http.port}", timeout=10)
        )
        await gateway.http.listening()
        catalog, matcher, incentives, metrics = stand_ins
        yield World(
            http=http,
            channel=channel,
            gateway=gateway,
            telemetry=telemetry,
            tokens=tokens(key.encode()),
            catalog=catalog,
            matcher=matcher,
            incentives=incentives,
            metrics=metrics,
            backends=backends,
        )


def _backends(catalog: Any, matcher: Any, incentives: Any, metrics: Any, extra: Any) -> dict[str, Backend]:
    registrations: dict[str, list[Registration]] = {
        "catalog": [
            Registration(
                catalog_pb2_grpc.add_CatalogServiceServicer_to_server,
                catalog,
                "spotlight.catalog.v1.CatalogService",
            )
        ],
        "matcher": [
            Registration(
                matcher_pb2_grpc.add_MatcherServiceServicer_to_server,
                matcher,
                "spotlight.matcher.v1.MatcherService",
            )
        ],
        "incentives": [
            Registration(
                incentives_pb2_grpc.add_IncentivesServiceServicer_to_server,
                incentives,
                "spotlight.incentives.v1.IncentivesService",
            )
        ],
        "metrics": [
            Registration(
                metrics_pb2_grpc.add_MetricsServiceServicer_to_server,
                metrics,
                "spotlight.metrics.v1.MetricsService",
            )
        ],
    }
    for name, registration in extra:
        registrations[name].append(registration)
    return {name: Backend(*each) for name, each in registrations.items()}


def review_registration(servicer: Any) -> tuple[str, Registration]:
    add = review_pb2_grpc.add_ReviewServiceServicer_to_server
    return "matcher", Registration(add, servicer, "spotlight.matcher.v1.ReviewService")
