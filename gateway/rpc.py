"""The hub's gRPC servicer: from the wire, call, to the wire; and the guard of scopes in front of it."""

from typing import Any

from chassis import context
from chassis.server import Registration
from gateway import access, wire
from gateway.backends import CATALOG, HUB, MATCHER, METRICS, Backends
from gateway.cache.anchors import AnchorCache
from gateway.hubs import Hubs
from protos.hub.v1 import hub_pb2, hub_pb2_grpc
from protos.matcher.v1 import matcher_pb2


class HubServicer(hub_pb2_grpc.HubServiceServicer):
    """Serves HubService, over gRPC and for the HTTP side of this process."""

    def __init__(self, hubs: Hubs, anchors: AnchorCache[matcher_pb2.Anchor], backends: Backends) -> None:
        self._hubs = hubs
        self._anchors = anchors
        self._clients = backends.clients

    async def GetHub(self, request: hub_pb2.GetHubRequest, _call: Any) -> hub_pb2.Hub:  # noqa: N802
        key, at = wire.hub_wish(request)
        entry = await self._hubs.get(key, at)
        return hub_pb2.Hub.FromString(entry.protobuf)

    async def BatchGetAnchors(  # noqa: N802
        self, request: hub_pb2.BatchGetAnchorsRequest, _call: Any
    ) -> hub_pb2.BatchGetAnchorsResponse:
        wish = wire.anchors_wish(request)
        anchors = await self._anchors.get(*wish)
        return hub_pb2.BatchGetAnchorsResponse(anchors=anchors)

    async def ExplainAnchor(  # noqa: N802
        self, request: hub_pb2.ExplainAnchorRequest, _call: Any
    ) -> hub_pb2.ExplainAnchorResponse:
        wish = wire.explain_request(request)
        answer = await self._clients[MATCHER].call("ExplainAnchor", wish)
        return wire.explain_response(answer)

    async def RecordEvents(  # noqa: N802
        self, request: hub_pb2.RecordEventsRequest, _call: Any
    ) -> hub_pb2.RecordEventsResponse:
        batch = wire.events_request(request)
        answer = await self._clients[METRICS].call("RecordEvents", batch)
        return wire.events_response(answer)

    async def SearchTitles(  # noqa: N802
        self, request: hub_pb2.SearchTitlesRequest, _call: Any
    ) -> hub_pb2.SearchTitlesResponse:
        wish, language = wire.search_request(request)
        answer = await self._clients[CATALOG].call("SearchTitles", wish)
        return wire.search_response(answer, language)


def registration(servicer: HubServicer, owners: access.Owners) -> Registration:
    """The guarded servicer as a server takes it."""
    return Registration(hub_pb2_grpc.add_HubServiceServicer_to_server, guarded(servicer, owners), HUB)


def guarded(servicer: HubServicer, owners: access.Owners) -> Any:
    """The servicer as the world reaches it: every method asks first who calls."""
    service = hub_pb2.DESCRIPTOR.services_by_name["HubService"]
    methods = {
        method.name: _guard(getattr(servicer, method.name), method.full_name, owners) for method in service.methods
    }
    return type("GuardedHubServicer", (), {name: staticmethod(method) for name, method in methods.items()})()


def _guard(answer: Any, name: str, owners: access.Owners) -> Any:
    async def method(request: Any, call: Any) -> Any:
        access.enter(context.principal(), name, request)
        await access.confine(context.principal(), name, request, owners)
        return await answer(request, call)

    return method
