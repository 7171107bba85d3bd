"""Hubs over HTTP: kept bytes in the coding the client reads, 304 for those who have them, and the hot way out."""

from collections import OrderedDict
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Target:
    """A request target that was answered before, with the heads of its answer made once a copy."""

    key: HubKey
    entry: Entry | None = None
    heads: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def head(self, coding: str) -> list[tuple[str, str]]:
        """The headers of the copy in a coding."""
        found = self.heads.get(coding)
        if found is None:
            assert self.entry is not None, "a copy is at hand"
            found = self.heads[coding] = head_of(self.entry, coding)
        return found


class HubPages:
    """Answers with hubs' bytes."""

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs
        self._targets: OrderedDict[tuple[str, str], Target] = OrderedDict()

    async def serve_json(self, request: Request, message: Any) -> Response:
        """The hub a valid request asks for."""
        key, at = wire.hub_wish(message)
        entry = await self._hubs.get(key, at)
        if at is None:
            self._remember(request, key)
        return entry_response(
            entry, request.headers.get("if-none-match", ""), request.headers.get("accept-encoding", "")
        )

    def at_hand(self, path: str, query: str) -> tuple[Entry, Target] | None:
        """The fresh copy of a target that was answered before."""
        target = self._targets.get((path, query))
        if target is None:
            return None
        entry = self._hubs.fresh(target.key)
        if entry is None:
            return None
        if target.entry is not entry:
            target.entry = entry
            target.heads.clear()
        return entry, target

    def _remember(self, request: Request, key: HubKey) -> None:
        where = (request.path, request.query)
        if where not in self._targets:
            self._targets[where] = Target(key)
            if len(self._targets) > TARGETS_MAX:
                self._targets.popitem(last=False)


def head_of(entry: Entry, coding: str) -> list[tuple[str, str]]:
    """The headers of an entry in a coding."""
    head = [("content-type", JSON), ("etag", entry.etag), ("cache-control", CACHE_CONTROL), ("vary", VARY)]
    return head if coding == "identity" else [*head, ("content-encoding", coding)]


def entry_response(entry: Entry, if_none_match: str, accept_encoding: str) -> Response:
    """An entry as a response."""
    if is_known(if_none_match, entry.etag):
        return Response(status=304, headers=head_of(entry, "identity")[1:])
    coding = coding_for(accept_encoding, entry.bodies)
    return Response(headers=head_of(entry, coding), body=entry.bodies[coding])
