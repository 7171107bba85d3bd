"""The gateway put together: every object once, top to bottom, for the process and for tests alike."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio

from chassis import redis as redis_door
from chassis.client import Client, channel
from chassis.clock import Clock, SystemClock
from chassis.context import Principal
from chassis.server import Background
from chassis.telemetry import Telemetry
from gateway import access, openapi
from gateway.backends import (
    CATALOG,
    HUB,
    INCENTIVES,
    MATCHER,
    METRICS,
    POLICY,
    REVIEW,
    STUBS,
    Anchor,
    Backends,
    Slices,
    services,
)
from gateway.cache.anchors import AnchorCache
from gateway.cache.hubs import Freshness, HubCache
from gateway.cache.invalidation import Invalidation
from gateway.cache.near import NearCache
from gateway.cache.shelf import RedisShelf
from gateway.config import GatewaySettings
from gateway.follower import Follower
from gateway.http.api import Api, Limits
from gateway.http.app import App
from gateway.http.fixed import Fixed
from gateway.http.hub import HubPages
from gateway.http.rate import RateLimiter
from gateway.http.server import Door, HttpServer
from gateway.hubs import Hubs
from gateway.identity import refresh_keys, verifier
from gateway.owners import KnownOwners
from gateway.render import Renderer, schema_id
from gateway.rpc import HubServicer, registration
from gateway.service import HubService
from gateway.transcode.decode import Decoder
from gateway.transcode.encode import Encoder
from gateway.transcode.requests import RequestBuilder
from gateway.transcode.routes import Routes
from gateway.web.pages import pages
from gateway.web.site import Site

LAG_DEGRADED_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSide:
    """Everything behind a hub."""

    backends: Backends
    cache: HubCache
    hubs: Hubs
    near: NearCache
    follower: Follower
    invalidation: Invalidation
    servicer: HubServicer


class Gateway:
    """One gateway: its gRPC registrations, its HTTP server, its background work."""

    def __init__(self, settings: GatewaySettings, *, telemetry: Telemetry, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._settings = settings
        self._channels = _channels(settings)
        clients = {
            name: Client(stub, self._channels[name], timeout_s=settings.deadline_default_s, telemetry=telemetry)
            for name, stub in STUBS.items()
        }
        self.side = hub_side(settings, clients, clock, telemetry)
        self.verifier = verifier(settings, clock)
        routes = Routes(services())
        hub_bytes = HubPages(self.side.hubs)
        owners = KnownOwners(self.side.backends, clock=clock)
        api = Api(
            routes=routes,
            builder=RequestBuilder(Decoder(aliases=JSON_ALIASES, judged_later=JUDGED_LATER)),
            encoder=Encoder(),
            clients=clients,
            local={HUB: self.side.servicer},
            owners=owners,
            hubs=hub_bytes,
            limits=Limits(
                body_bytes_max=settings.body_bytes_max,
                match_body_bytes_max=settings.match_body_bytes_max,
                deadline_s=settings.deadline_default_s,
            ),
            clock=clock,
        )
        rates = RateLimiter(settings.redis_url, clock=clock, telemetry=telemetry)
        document = openapi.document(routes)
        self.fixed = Fixed(document, problems=self._degraded)
        self.site = Site(
            api=api,
            hubs=self.side.hubs,
            verifier=self.verifier,
            rates=rates,
            settings=settings,
            document=document,
            pages=pages(),
            clock=clock,
        )
        self.app = App(
            api=api,
            hubs=hub_bytes,
            pages=self.site,
            fixed={
                "/": self.fixed.root,
                "/healthz": self.fixed.healthz,
                "/readyz": self.fixed.readyz,
                "/openapi.json": self.fixed.openapi,
            },
            verifier=self.verifier,
            rates=rates,
            rate_app_per_min=settings.rate_app_per_min,
            rate_person_per_min=settings.rate_person_per_min,
            deadline_s=settings.deadline_default_s,
            telemetry=telemetry,
        )
        self.door = Door(self.app.hot, self.app.answer, tls=settings.http_is_https)
        self.http = HttpServer(
            self.door, host=settings.host, port=settings.http_port, connections_max=settings.connections_max
        )
        self.registrations = [registration(self.side.servicer, owners)]

    def identify(self, metadata: access.Metadata) -> Principal:
        """Who makes a gRPC call: its bearer token, as over HTTP."""
        return access.identify_bearer(self.verifier, metadata)

    def background(self, stop: asyncio.Event) -> Sequence[Background]:
        """The work beside answering: HTTP itself, following catalog, listening to drops, fresh keys."""

        async def http() -> None:
            await self.http.run(stop, self._settings.drain_s)

        async def say_draining() -> None:
            await stop.wait()
            self.fixed.is_draining = True

        async def keys() -> None:
            await refresh_keys(self.verifier, self._settings)

        return (http, say_draining, keys, self.side.follower.run, self.side.invalidation.run)

    async def close(self) -> None:
        """Finish refreshes under way and close the channels."""
        await self.side.cache.settle(1.0)
        for each in set(self._channels.values()):
            await each.close()

    def _degraded(self) -> dict[str, str]:
        degraded = {}
        if self.side.follower.lag_s > LAG_DEGRADED_S:
            degraded["catalog"] = f"not followed for {self.side.follower.lag_s:.0f} s"
        if not self.side.invalidation.is_listening:
            degraded["redis"] = "not listening"
        return degraded


JSON_ALIASES = {"spotlight.matcher.v1.Video": {"video_duration": "duration"}}
"""Names the platform's own API uses for fields of ours."""

JUDGED_LATER = frozenset({"spotlight.metrics.v1.Event"})
"""What its service accepts or rejects one by one, with a reason each."""


def _channels(settings: GatewaySettings) -> dict[str, grpc.aio.Channel]:
    matcher = channel(settings.matcher_address, settings)
    return {
        CATALOG: channel(settings.catalog_address, settings),
        MATCHER: matcher,
        REVIEW: matcher,
        POLICY: matcher,
        INCENTIVES: channel(settings.incentives_address, settings),
        METRICS: channel(settings.metrics_address, settings),
    }


def hub_side(settings: GatewaySettings, clients: dict[str, Client], clock: Clock, telemetry: Telemetry) -> HubSide:
    """Hubs from the services up to their bytes."""
    backends = Backends(clients, slices=Slices(title_s=settings.hub_title_s, panel_s=settings.hub_panel_s), clock=clock)
    freshness = Freshness(
        soft_s=settings.hub_soft_s,
        stale_max_s=settings.hub_stale_max_s,
        hard_s=settings.hub_hard_s,
        negative_s=settings.hub_negative_s,
    )
    service = HubService(backends, clock=clock, telemetry=telemetry)
    renderer = Renderer(Encoder(), freshness)
    near = NearCache(bytes_max=settings.near_cache_bytes_max)
    shelf = RedisShelf(redis_door.connect(settings.redis_url), schema_id=schema_id(), clock=clock, telemetry=telemetry)
    cache = HubCache(
        near=near,
        shelf=shelf,
        compose=lambda key: renderer.compose(service.get_hub(key)),
        mark_stale=renderer.stale,
        freshness=freshness,
        clock=clock,
        telemetry=telemetry,
        chance=random.Random(),  # noqa: S311 - spreads refreshes
    )
    hubs = Hubs(service, cache, renderer)
    anchors: AnchorCache[Anchor] = AnchorCache(
        backends.anchors, kept_s=settings.anchor_near_s, clock=clock, telemetry=telemetry
    )
    return HubSide(
        backends=backends,
        cache=cache,
        hubs=hubs,
        near=near,
        follower=Follower(feed=backends, near=near, shelf=shelf, clock=clock, telemetry=telemetry),
        invalidation=Invalidation(settings.redis_url, near),
        servicer=HubServicer(hubs, anchors, backends),
    )
