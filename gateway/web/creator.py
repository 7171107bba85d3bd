"""The creator's side: why a video has an anchor or none, what would change it, and how campaigns stand."""

from collections.abc import Mapping
from typing import Any

from chassis import ids
from chassis.errors import SpotlightError
from gateway.http.message import Response, redirect
from gateway.web.site import Visit


async def show_home(visit: Visit) -> Response:
    """Campaigns joined and appeals filed."""
    wanted = visit.request.parameters().get("video", "")
    if wanted:
        return redirect(f"/creator/videos/{wanted}")
    me = {"creator_id": visit.request.principal.subject}
    return visit.page(
        "creator.html",
        progress=await _optional(visit, "IncentivesService.GetProgress", me),
        appeals=await _optional(visit, "ReviewService.ListAppeals", me),
    )


async def show_video(visit: Visit) -> Response:
    """Every gate of a video's anchor, in order, with what would make it pass."""
    video_id = visit.variables["video_id"]
    call = visit.site.api.call
    who = visit.request.principal
    explained = await call(who, "HubService.ExplainAnchor", {"video_id": video_id, **_region(visit)})
    video = await call(who, "MatcherService.GetVideo", {"video_id": video_id})
    me = {"creator_id": video["creator"]["id"]}
    appeals = await _optional(visit, "ReviewService.ListAppeals", me)
    title_id = explained["anchor"]["title_id"]
    return visit.page(
        "creator_video.html",
        video=video,
        anchor=explained["anchor"],
        match=explained.get("match"),
        gates=explained["anchor"].get("explanation", {}).get("gates", []),
        title=await _optional(visit, "CatalogService.GetTitle", {"id": title_id}) if title_id else None,
        progress=await _optional(visit, "IncentivesService.GetProgress", me),
        appeals=[each for each in (appeals or {}).get("appeals", []) if each["video_id"] == video_id],
        request_id=ids.new_id(),
        note=visit.request.parameters().get("note", ""),
    )


async def file_appeal(visit: Visit) -> Response:
    """Ask for another look at a decision."""
    video_id = visit.variables["video_id"]
    await visit.site.api.call(
        visit.request.principal,
        "ReviewService.FileAppeal",
        {
            "video_id": video_id,
            "title_id": visit.form.get("title_id", ""),
            "text": visit.form.get("text", "").replace("\r\n", "\n"),
            "request_id": visit.form.get("request_id", "") or ids.new_id(),
        },
    )
    return redirect(f"/creator/videos/{video_id}?note=appealed")


async def claim(visit: Visit) -> Response:
    """Claim a reward that was earned."""
    await visit.site.api.call(
        visit.request.principal,
        "IncentivesService.ClaimReward",
        {
            "campaign_id": visit.variables["campaign_id"],
            "reward_id": visit.variables["reward_id"],
            "request_id": visit.form.get("request_id", "") or ids.new_id(),
        },
    )
    return redirect("/creator?note=claimed")


def _region(visit: Visit) -> dict[str, str]:
    region = visit.request.parameters().get("region", "")
    return {"viewer_region": region} if region else {}


async def _optional(visit: Visit, name: str, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """An answer the page can do without."""
    try:
        answer: dict[str, Any] = await visit.site.api.call(visit.request.principal, name, fields)
    except SpotlightError:
        return None
    return answer
