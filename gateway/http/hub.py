"""Hubs over HTTP: kept bytes in the coding the client reads, 304 for those who have them, and the hot way out."""

from collections import OrderedDict
from typing import Any

from gateway import wire
from gateway.cache.envelope import Entry
from gateway.domain import HubKey
from gateway.http.conditional import coding_for, is_known
from gateway.http.message import JSON, Request, Response
from gateway.hubs import Hubs

CACHE_CONTROL = "private, no-cache"
VARY = "accept-encoding, authorization"
TARGETS_MAX = 50_000


class HubPages:
    """Answers with hubs' bytes."""

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs
        self._targets: OrderedDict[tuple[str, str], HubKey] = OrderedDict()

    async def serve_json(self, request: Request, message: Any) -> Response:
        """The hub a valid request asks for."""
        key, at = wire.hub_wish(message)
        entry = await self._hubs.get(key, at)
        if at is None:
            self._remember(request, key)
        return entry_response(
            entry, request.headers.get("if-none-match", ""), request.headers.get("accept-encoding", "")
        )

    def at_hand(self, path: str, query: str) -> Entry | None:
        """The fresh entry of a target that was answered before."""
        key = self._targets.get((path, query))
        return None if key is None else self._hubs.fresh(key)

    def _remember(self, request: Request, key: HubKey) -> None:
        self._targets[request.path, request.query] = key
        if len(self._targets) > TARGETS_MAX:
            self._targets.popitem(last=False)


def entry_response(entry: Entry, if_none_match: str, accept_encoding: str) -> Response:
    """An entry as a response."""
    headers = [("etag", entry.etag), ("cache-control", CACHE_CONTROL), ("vary", VARY)]
    if is_known(if_none_match, entry.etag):
        return Response(status=304, headers=headers)
    coding = coding_for(accept_encoding, entry.bodies)
    headers.append(("content-type", JSON))
    if coding != "identity":
        headers.append(("content-encoding", coding))
    return Response(headers=headers, body=entry.bodies[coding])
