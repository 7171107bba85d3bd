"""The studio's dashboard: its titles, and for each the trend with its spikes, funnel, regions, people, suggestions."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from chassis import ids
from chassis.auth import ScopeMissing
from chassis.errors import InvalidArgument, SpotlightError, Violation
from gateway import locales
from gateway.http.message import Response, redirect
from gateway.transcode.decode import parse_json
from gateway.web.charts import chart_columns, chart_table, spike_bands
from gateway.web.site import Visit

PERIODS: Mapping[str, tuple[str, int, str]] = {
    "1d": ("24 hours", 1, "hour"),
    "7d": ("7 days", 7, "hour"),
    "28d": ("28 days", 28, "hour"),
    "90d": ("90 days", 90, "day"),
}
"""Name, days and bucket width of each period on offer."""
DEFAULT_PERIOD = "7d"
SHOWN = ("video_view", "anchor_click", "hub_view", "offer_click")
"""Event types with a tile or a line: an hourly report of all thirteen would be three times as long."""
TOP_MAX = 8
TITLES_MAX = 25
LIFTS_MAX = 5
ID_CHARACTERS_MAX = 128
OFFERS_MASK = "update_mask=watch_offers"
DECIDED = {
    "sent": "Done: the draft was sent, and its outcome will be measured.",
    "accepted": "Accepted: its outcome will be measured.",
    "noted": "Accepted. Sending the draft is for an editor of the catalog; its outcome will be measured.",
    "dismissed": "Dismissed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the address says: period, region, studio."""

    period: str
    region: str
    studio_id: str
    start: datetime
    end: datetime

    @property
    def granularity(self) -> str:
        return PERIODS[self.period][2]

    def times(self) -> dict[str, str]:
        """The period as request fields."""
        return {"start_time": _text(self.start), "end_time": _text(self.end)}

    def regions(self) -> dict[str, list[str]]:
        """The region as request fields."""
        return {"viewer_regions": [self.region]} if self.region else {}

    def query(self, **changes: str) -> str:
        """The address with some of it changed."""
        values = {"period": self.period, "region": self.region, "studio": self.studio_id, **changes}
        return urlencode({name: value for name, value in values.items() if value})


def filters_of(visit: Visit) -> Filters:
    """The filters of a page, each checked."""
    given = visit.request.parameters()
    period = given.get("period", DEFAULT_PERIOD)
    if period not in PERIODS:
        raise InvalidArgument(violations=[Violation("period", f"must be one of: {', '.join(PERIODS)}")])
    region = given.get("region", "")
    end = visit.site.clock.now()
    studios = visit.request.principal.studio_ids
    return Filters(
        period=period,
        region=locales.region_of(region) if region else "",
        studio_id=given.get("studio", "")[:ID_CHARACTERS_MAX] or (min(studios) if studios else ""),
        start=end - timedelta(days=PERIODS[period][1]),
        end=end,
    )


async def show_overview(visit: Visit) -> Response:
    """All titles of a studio and what waits for a decision."""
    filters = filters_of(visit)
    if not filters.studio_id:
        return visit.page("studio_choose.html")
    own = {"studio_id": filters.studio_id}
    after = visit.request.parameters().get("after", "")
    report, insights, campaigns = await asyncio.gather(
        _ask(visit, "GetStudioReport", {**own, "page_size": TITLES_MAX, "page_token": after, **filters.times()}),
        _ask(visit, "ListInsights", {**own, "page_size": 6, "states": ["open"]}),
        _ask(visit, "ListCampaigns", {**own, "page_size": 20}, service="IncentivesService"),
    )
    running = [each["id"] for each in (campaigns or {}).get("campaigns", ())][:LIFTS_MAX]
    lifts = await asyncio.gather(*(_ask(visit, "GetCampaignLift", {**own, "campaign_id": id_}) for id_ in running))
    return visit.page(
        "studio.html",
        filters=filters,
        periods=PERIODS,
        report=report,
        insights=insights,
        campaigns=campaigns,
        lifts=dict(zip(running, lifts, strict=True)),
        decided=DECIDED.get(visit.request.parameters().get("decided", ""), ""),
    )


async def show_title(visit: Visit) -> Response:
    """The dashboard of one title; sections that fail are missing, the others stand."""
    filters = filters_of(visit)
    title_id = visit.variables["title_id"]
    about = {"title_id": title_id, "studio_id": filters.studio_id}
    period = {**about, **filters.times()}
    within = {**period, **filters.regions()}
    trend = {**within, "granularity": filters.granularity, "event_types": list(SHOWN)}
    report, funnel, geography, videos, creators, rising, spikes, insights, campaigns = await asyncio.gather(
        _ask(visit, "GetTitleReport", trend, must=True),
        _ask(visit, "GetFunnel", within),
        _ask(visit, "GetGeography", period),
        _ask(visit, "ListTopVideos", {**period, "page_size": TOP_MAX}),
        _ask(visit, "ListTopCreators", {**period, "page_size": TOP_MAX}),
        _ask(visit, "ListTopCreators", {**period, "page_size": TOP_MAX, "order": "rising"}),
        _ask(visit, "ListSpikes", {**period, "page_size": 20}),
        _ask(visit, "ListInsights", {**about, "page_size": 20}),
        _ask(visit, "ListCampaigns", {**about, "page_size": 50}, service="IncentivesService"),
    )
    assert report is not None, "the report must be had"
    columns = chart_columns(report["rows"])
    return visit.page(
        "studio_title.html",
        filters=filters,
        periods=PERIODS,
        regions=sorted(locales.REGIONS),
        title_id=title_id,
        report=report,
        comparisons={each.get("event_type"): each for each in report["comparisons"]},
        totals={each.get("event_type"): each for each in report["totals"]},
        chart={**columns, "spikes": spike_bands((spikes or {}).get("spikes", ()))},
        table=chart_table(columns),
        funnel=funnel,
        geography=geography,
        videos=videos,
        creators=creators,
        rising=[each for each in (rising or {}).get("creators", ()) if each["is_rising"]],
        spikes=spikes,
        campaign_names={each["id"]: each["display_name"] for each in (campaigns or {}).get("campaigns", ())},
        insights=insights,
        decided=DECIDED.get(visit.request.parameters().get("decided", ""), ""),
    )


async def watch_title(visit: Visit) -> Response:
    """The title's live numbers, for the page's own script."""
    filters = filters_of(visit)
    fields = {"title_id": visit.variables["title_id"], "studio_id": filters.studio_id, "interval_s": 2}
    return await visit.site.api.watch(visit.request.principal, visit.request, "MetricsService.WatchTitle", fields)


async def export_title(visit: Visit) -> Response:
    """The report as CSV."""
    filters = filters_of(visit)
    fields = {
        "title_id": visit.variables["title_id"],
        "studio_id": filters.studio_id,
        "granularity": filters.granularity,
        **filters.times(),
        **filters.regions(),
    }
    return await visit.site.api.watch(visit.request.principal, visit.request, "MetricsService.ExportReport", fields)


async def decide_insight(visit: Visit) -> Response:
    """Accept a suggestion, sending its draft when there is one, or dismiss it."""
    form = visit.form
    decision = form.get("decision", "")
    outcome = "dismissed"
    if decision == "accept":
        outcome = await _send_draft(visit)
    await visit.site.api.call(
        visit.request.principal,
        "MetricsService.DecideInsight",
        {
            "insight_id": visit.variables["insight_id"],
            "decision": decision,
            "studio_id": form.get("studio_id", ""),
            "etag": form.get("etag", ""),
            "request_id": form.get("request_id", "") or ids.new_id(),
        },
    )
    back = form.get("back", "")
    target = back if back.startswith("/studio") else "/studio"
    return redirect(f"{target}{'&' if '?' in target else '?'}decided={outcome}")


async def _send_draft(visit: Visit) -> str:
    """The draft as the studio left it in the form, sent as any call of the API is; says what became of it."""
    form = visit.form
    method, path = form.get("http_method", ""), form.get("http_path", "")
    if not path or method == "GET":
        return "accepted"
    body = form.get("body_json", "").encode()
    if OFFERS_MASK in path:
        body = await _with_offers_there(visit, path, body)
    try:
        await visit.site.api.send(
            visit.request.principal,
            method=method,
            path=path,
            body=body,
            request_id=form.get("request_id", "") or ids.new_id(),
        )
    except ScopeMissing:
        return "noted"
    return "sent"


async def _with_offers_there(visit: Visit, path: str, body: bytes) -> bytes:
    """A draft adds an offer, and the method takes the whole list: what is there stays."""
    wanted = parse_json(body)
    title_id = path.partition("?")[0].rsplit("/", 1)[-1]
    title = await visit.site.api.call(visit.request.principal, "CatalogService.GetTitle", {"id": title_id})
    if isinstance(wanted, dict) and isinstance(wanted.get("watch_offers"), list):
        wanted["watch_offers"] = [*title["watch_offers"], *wanted["watch_offers"]]
        wanted["etag"] = title["etag"]
    return orjson.dumps(wanted)


async def _ask(
    visit: Visit, method: str, fields: Mapping[str, Any], *, service: str = "MetricsService", must: bool = False
) -> dict[str, Any] | None:
    """An answer of the API, or None where a section may be missing."""
    try:
        answer: dict[str, Any] = await visit.site.api.call(visit.request.principal, f"{service}.{method}", fields)
    except SpotlightError:
        if must:
            raise
        return None
    return answer


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
