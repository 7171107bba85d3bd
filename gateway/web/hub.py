"""The public page of a hub: the same bytes as the API, laid out for people."""

from typing import Any

import orjson

from chassis.errors import InvalidArgument
from gateway import locales
from gateway.domain import HubKey
from gateway.http.hub import entry_response
from gateway.http.message import Response
from gateway.web.site import Visit

OFFER_GROUPS = (
    ("Stream", frozenset({"flatrate"})),
    ("Free", frozenset({"free", "ads"})),
    ("Rent", frozenset({"rent"})),
    ("Buy", frozenset({"buy"})),
    ("Tickets", frozenset({"ticket"})),
)
PANEL_NAMES = {
    "fan_videos": "fan videos",
    "counts": "numbers",
    "campaigns": "campaigns",
    "cast": "cast",
    "offers": "offers",
}


async def show(visit: Visit) -> Response:
    """The hub of a title; as JSON for programs."""
    parameters = visit.request.parameters()
    key = HubKey(
        title_id=visit.variables["title_id"],
        region=locales.region_of(parameters.get("region", "")),
        language=locales.language_of(parameters.get("language", "") or _spoken(visit)),
    )
    entry = await visit.site.hubs.get(key)
    if not visit.request.wants_html:
        headers = visit.request.headers
        return entry_response(entry, headers.get("if-none-match", ""), headers.get("accept-encoding", ""))
    hub: dict[str, Any] = orjson.loads(entry.bodies["identity"])
    return visit.page(
        "hub.html",
        hub=hub,
        offers=offer_groups(hub["offers"]),
        unstated=offer_groups(hub["offers_of_unstated_region"]),
        missing=spoken_list([PANEL_NAMES[panel] for panel in hub["unreachable"]]),
        region=key.region,
        regions=sorted(locales.REGIONS),
    )


def offer_groups(offers: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Offers by the way they are paid for; empty groups are left out."""
    groups = [(name, [offer for offer in offers if offer["offer_type"] in types]) for name, types in OFFER_GROUPS]
    return [(name, members) for name, members in groups if members]


def spoken_list(names: list[str]) -> str:
    """Numbers, campaigns and fan videos."""
    text = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return text[:1].upper() + text[1:]


def _spoken(visit: Visit) -> str:
    """The first language a browser asks for, if it is one."""
    first = visit.request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
    try:
        return locales.language_of(first)
    except InvalidArgument:
        return ""
