"""The reviewers' desk: one leased task at a time, decided by keyboard, with the queue and its counters beside it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from chassis import ids
from chassis.errors import InvalidArgument, NotFound, SpotlightError, Violation
from gateway.http.message import Response, redirect
from gateway.web.evidence import Shown, by_strength, jpeg_address, texts_of, visual_pairs
from gateway.web.site import Visit

QUEUE_MAX = 30
LEASE_S = 120
REFERENCES_MAX = 100
PICTURES_MAX = 24
NAMES_MAX = 50
REASONS = (
    "clearly_about", "common_words", "same_name", "other_instalment", "in_passing", "person_only",
    "picture_disagrees", "spam", "not_enough", "unsuitable", "other",
)  # fmt: skip
FILTERS = ("language", "studio_id", "media_type")
FINISHED = frozenset({"decided", "closed"})


async def show_desk(visit: Visit) -> Response:
    """The queue, with nothing in hand."""
    return visit.page("review.html", task=None, note=_note(visit), **await _surroundings(visit))


async def show_task(visit: Visit) -> Response:
    """One task; its content only for who holds it, or once it is decided."""
    task = await _review(visit, "GetReviewTask", {"task_id": visit.variables["task_id"]})
    return visit.page("review.html", note=_note(visit), **await _in_hand(visit, task), **await _surroundings(visit))


async def show_counters(visit: Visit) -> Response:
    """The counters alone, for the page to fetch again and again."""
    return visit.page("review_counters.html", stats=await _optional(visit, "GetReviewStats", {}))


async def show_queue(visit: Visit) -> Response:
    """The queue alone."""
    return visit.page("review_queue.html", task=None, **await _surroundings(visit))


async def search_titles(visit: Visit) -> Response:
    """Titles a reviewer may mean, as choices."""
    query = visit.request.parameters().get("q", "").strip()
    hits: list[Any] = []
    if query:
        wish = {"q": query[:200], "page_size": 8}
        answer = await visit.site.api.call(visit.request.principal, "HubService.SearchTitles", wish)
        hits = answer["hits"]
    return visit.page("review_titles.html", hits=hits, asked=bool(query))


async def take_next(visit: Visit) -> Response:
    """Lease the most valuable free task."""
    return await _next(visit)


async def take(visit: Visit) -> Response:
    """Lease the named task."""
    fields = {"task_id": visit.variables["task_id"], "lease_s": LEASE_S, "request_id": ids.new_id()}
    task = await _review(visit, "LeaseReviewTask", fields)
    return redirect(_address(task["id"], visit))


async def renew(visit: Visit) -> Response:
    """Hold the task for longer; the answer is when the lease ends."""
    task = await _review(visit, "RenewLease", {**_held(visit), "lease_s": LEASE_S})
    return visit.page("review_lease.html", task=task)


async def release(visit: Visit) -> Response:
    """Hand the task back."""
    await _review(visit, "ReleaseLease", _held(visit))
    return redirect("/review")


async def decide(visit: Visit) -> Response:
    """Vote, then take the next task."""
    form = visit.form
    fields = {
        **_held(visit),
        "verdict": form.get("verdict", ""),
        "note": form.get("note", "").replace("\r\n", "\n"),
        "request_id": form.get("request_id", "") or ids.new_id(),
    }
    if form.get("reason_code"):
        fields["reason_code"] = form["reason_code"]
    if fields["verdict"] == "wrong_title":
        fields["right_title_id"] = form.get("right_title_id", "")
    await _review(visit, "DecideReviewTask", fields)
    return await _next(visit)


async def show_match(visit: Visit) -> Response:
    """One match with its evidence, frames beside reference images."""
    principal = visit.request.principal
    call = visit.site.api.call
    match = await call(principal, "MatcherService.GetMatch", {"match_id": visit.variables["match_id"]})
    video = await call(principal, "MatcherService.GetVideo", {"video_id": match["video_id"]})
    return visit.page("match.html", **await _read(visit, match, video))


async def show_appeals(visit: Visit) -> Response:
    """Appeals that wait to be heard."""
    appeals = (await _review(visit, "ListAppeals", {"state": "open", "page_size": NAMES_MAX}))["appeals"]
    names = await _names(visit, (each["title_id"] for each in appeals))
    return visit.page("review_appeals.html", appeals=appeals, names=names, note=_note(visit))


async def decide_appeal(visit: Visit) -> Response:
    """Answer an appeal."""
    fields = {
        "appeal_id": visit.variables["appeal_id"],
        "is_granted": visit.form.get("outcome") == "grant",
        "answer": visit.form.get("answer", "").replace("\r\n", "\n"),
        "request_id": visit.form.get("request_id", "") or ids.new_id(),
    }
    await _review(visit, "DecideAppeal", fields)
    return redirect("/review/appeals?note=answered")


async def _next(visit: Visit) -> Response:
    wanted = {name: visit.form[name] for name in FILTERS if visit.form.get(name)}
    fields: dict[str, Any] = {"lease_s": LEASE_S, "request_id": ids.new_id()}
    if wanted:
        fields["filter"] = wanted
    try:
        task = await _review(visit, "LeaseReviewTask", fields)
    except NotFound:
        return redirect("/review?" + urlencode({"note": "empty", **wanted}))
    return redirect(_address(task["id"], visit))


async def _in_hand(visit: Visit, task: dict[str, Any]) -> dict[str, Any]:
    """What of a task its reader may see."""
    lease = task.get("lease") or {}
    is_mine = task.get("state") == "leased" and lease.get("holder") == visit.request.principal.subject
    shown: dict[str, Any] = {"task": task, "is_mine": is_mine, "reasons": REASONS, "request_id": ids.new_id()}
    if not is_mine and task.get("state") not in FINISHED:
        return {**shown, "task": {**task, "match": None, "video": None, "candidates": []}}
    if task.get("match") and task.get("video"):
        shown.update(await _read(visit, task["match"], task["video"], task["candidates"]))
    mine = {"match_id": task["match_id"], "page_size": 20}
    if task.get("state") not in FINISHED:
        # Reading stays blind: until a task is decided a reader sees only what they said themselves.
        mine["decided_by"] = visit.request.principal.subject
    shown["policy"] = await _optional(visit, "GetPolicy", {}, service="PolicyService")
    shown["history"] = await _optional(visit, "ListDecisions", mine)
    return shown


async def _read(
    visit: Visit, match: dict[str, Any], video: dict[str, Any], others: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """A match and its video as the templates show them."""
    named = [match["title_id"], *(each["title_id"] for each in (*match["runner_ups"], *others))]
    return {
        "names": await _names(visit, named),
        "match": match,
        "video": video,
        "texts": texts_of(video, match["evidence"]),
        "evidence": by_strength(match["evidence"]),
        "pairs": visual_pairs(match["evidence"], await _shown(visit, match)),
    }


async def _shown(visit: Visit, match: dict[str, Any]) -> Shown:
    """The pictures a match rests on: frames of the video and reference images, as far as they can be had."""
    seen = {each["reference_id"]: None for each in match["evidence"] if each.get("signal_type") == "visual"}
    if not seen:
        return Shown()
    wish: dict[str, Any] = {"title_id": match["title_id"], "page_size": REFERENCES_MAX}
    references = await _optional(visit, "ListReferenceImages", wish, service="CatalogService")
    wish = {"ids": list(seen)[:PICTURES_MAX]}
    pictures = await _optional(visit, "BatchGetReferencePictures", wish, service="CatalogService")
    wish = {"video_id": match["video_id"]}
    frames = await _optional(visit, "ListFramePictures", wish, service="MatcherService")
    return Shown(
        references=(references or {}).get("images", []),
        reference_pictures={each["id"]: jpeg_address(each["picture"]) for each in (pictures or {}).get("pictures", [])},
        frame_pictures={each["t_ms"]: jpeg_address(each["picture"]) for each in (frames or {}).get("pictures", [])},
    )


async def _names(visit: Visit, title_ids: Iterable[str]) -> dict[str, str]:
    """What the titles are called; those that cannot be had are left out."""
    wish = {"ids": list(dict.fromkeys(title_ids))[:NAMES_MAX]}
    titles = await _optional(visit, "BatchGetTitles", wish, service="CatalogService") if wish["ids"] else None
    # With the year: what a reviewer has to tell apart often has one name.
    return {
        title["id"]: f"{title['title']} ({title['year']})" if title.get("year") else title["title"]
        for title in (titles or {}).get("titles", [])
    }


async def _surroundings(visit: Visit) -> dict[str, Any]:
    given = visit.request.parameters()
    chosen = {name: given[name] for name in FILTERS if given.get(name)}
    return {
        "queue": await _optional(visit, "ListReviewTasks", {"page_size": QUEUE_MAX, **chosen}),
        "stats": await _optional(visit, "GetReviewStats", {}),
        "chosen": chosen,
    }


def _held(visit: Visit) -> dict[str, Any]:
    token = visit.form.get("lease_token", "")
    if not token.isdecimal():
        raise InvalidArgument(violations=[Violation("lease_token", "must be the token of a lease")])
    return {"task_id": visit.variables["task_id"], "lease_token": int(token)}


def _address(task_id: str, visit: Visit) -> str:
    kept = {name: visit.form[name] for name in FILTERS if visit.form.get(name)}
    return f"/review/tasks/{task_id}{'?' + urlencode(kept) if kept else ''}"


def _note(visit: Visit) -> str:
    notes = {"empty": "Nothing waits to be read.", "answered": "The answer was sent."}
    return notes.get(visit.request.parameters().get("note", ""), "")


async def _review(visit: Visit, method: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = await visit.site.api.call(visit.request.principal, f"ReviewService.{method}", fields)
    return answer


async def _optional(
    visit: Visit, method: str, fields: Mapping[str, Any], *, service: str = "ReviewService"
) -> dict[str, Any] | None:
    """An answer the page can do without."""
    try:
        answer: dict[str, Any] = await visit.site.api.call(visit.request.principal, f"{service}.{method}", fields)
    except SpotlightError:
        return None
    return answer
