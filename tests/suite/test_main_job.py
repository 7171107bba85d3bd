"""One video's life through every room: matched, decided, anchored, shown, counted, rewarded; and what is refused."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from tests.house import House, eventually

TITLE = "movie:tt0816692"  # Interstellar, in the sample catalog


def a_video(video_id: str, *, text: str, followers: int = 90_000, views: int = 60_000, **more: object) -> dict:
    return {
        "id": video_id,
        "creator": {"id": "creator_003", "username": "popcornpaul", "follower_count": followers, "region_code": "FR"},
        "create_time": int(datetime.now(UTC).timestamp()) - 3600,
        "region_code": "FR",
        "video_description": text,
        "hashtag_names": [word[1:] for word in text.split() if word.startswith("#")],
        "view_count": views,
        "language": "en",
        **more,
    }


def match(app: httpx.Client, video: dict) -> dict:
    answer = app.post("/v1/videos:match", json={"video": video})
    assert answer.status_code == 200, answer.text
    return answer.json()


def anchors(app: httpx.Client, *video_ids: str, region: str = "US") -> dict[str, dict]:
    answer = app.post("/v1/anchors:batchGet", json={"video_ids": list(video_ids), "viewer_region": region})
    assert answer.status_code == 200, answer.text
    return {anchor["video_id"]: anchor for anchor in answer.json().get("anchors", [])}


def is_not_modified(app):
    """Whether a hub asked for again with its ETag is still the same."""
    asked = {"region": "US", "language": "en"}
    etag = app.get(f"/v1/hubs/{TITLE}", params=asked).headers["ETag"]
    again = app.get(f"/v1/hubs/{TITLE}", params=asked, headers={"If-None-Match": etag})
    return (again.status_code, again.content) == (304, b"")


def test_a_fan_video_gets_its_anchor_and_the_anchor_opens_a_hub(app):
    match(app, a_video("suite_1", text="rewatched #Interstellar in imax, Matthew McConaughey broke me again #movie"))
    found = eventually(lambda: anchors(app, "suite_1").get("suite_1"))
    assert found["title_id"] == TITLE
    hub = app.get(f"/v1/hubs/{TITLE}", params={"region": "US", "language": "en"})
    assert hub.status_code == 200
    assert "Interstellar" in hub.text
    assert eventually(lambda: is_not_modified(app)), "a hub that the new video has just reached changes once more"


def test_an_ordinary_caption_gets_no_anchor(app):
    match(app, a_video("suite_2", text="it was the best of times with the girls last night, up all night"))
    assert anchors(app, "suite_2") == {}


def test_why_not_names_the_gate_and_the_gap(app):
    match(app, a_video("suite_3", text="#Interstellar forever, the Nolan movie", followers=3, views=1))
    answer = app.get("/v1/videos/suite_3/anchor:explain", params={"viewer_region": "US"}).json()
    gates = [gate for each in _explanations(answer) for gate in each["gates"] if not gate.get("passed")]
    assert gates, answer
    assert all(gate["code"] for gate in gates)
    assert any(gate.get("remedy") for gate in gates)


def _explanations(answer: object) -> list[dict]:
    """Every object with gates, wherever the answer keeps it."""
    if isinstance(answer, dict):
        here = [answer] if "gates" in answer else []
        return here + [found for value in answer.values() for found in _explanations(value)]
    if isinstance(answer, list):
        return [found for value in answer for found in _explanations(value)]
    return []


def test_events_are_counted_once_and_reach_the_studio(house, app):
    now = datetime.now(UTC).isoformat()
    events = [
        {"id": f"suite-event-{n}", "type": "hub_view", "time": now, "title_id": TITLE, "viewer_region": "US",
         "viewer_id_hash": f"{n:064x}"}
        for n in range(40)
    ]  # fmt: skip
    first = app.post("/v1/events:record", json={"events": events}).json()
    second = app.post("/v1/events:record", json={"events": events}).json()
    assert first["accepted_count"] == 40
    assert second.get("accepted_count", 0) == 0
    assert second["duplicate_count"] == 40
    with house.client("studio") as studio:
        report = eventually(lambda: _report(studio))
    assert "as_of_time" in json.dumps(report)


def _report(studio: httpx.Client) -> dict | None:
    answer = studio.get(f"/v1/titles/{TITLE}/report")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_search_forgives_a_typo(app):
    answer = app.get("/v1/titles:search", params={"q": "interstelar"}).json()
    assert TITLE in json.dumps(answer)


def test_a_withdrawn_title_loses_its_hub_and_its_anchors(app, admin):
    created = admin.post("/v1/titles", json={
        "id": "movie:suite-quasimodoria", "media_type": "movie", "title": "Quasimodoria Unbound", "year": 2025,
    })  # fmt: skip
    assert created.status_code == 200, created.text

    def anchored() -> bool:
        match(app, a_video("suite_4", text="Quasimodoria Unbound is the best movie of 2025 #QuasimodoriaUnbound"))
        return "suite_4" in anchors(app, "suite_4")

    eventually(anchored)
    title = "/v1/titles/movie:suite-quasimodoria"
    assert app.get("/v1/hubs/movie:suite-quasimodoria", params={"region": "US", "language": "en"}).status_code == 200
    gone = admin.patch(title, params={"update_mask": "state"}, json={"state": "withdrawn"})
    assert gone.status_code == 200, gone.text
    eventually(lambda: "suite_4" not in anchors(app, "suite_4"), within_s=5)
    hub = eventually(lambda: _missing(app), within_s=5)
    assert hub["reason"]


def _missing(app: httpx.Client) -> dict | None:
    answer = app.get("/v1/hubs/movie:suite-quasimodoria", params={"region": "US", "language": "en"})
    return answer.json() if answer.status_code == 404 else None


def test_a_reviewer_takes_and_decides_a_doubtful_match(house):
    with house.client("reviewer") as reviewer:
        leased = reviewer.post("/v1/reviewTasks:lease", json={})
        assert leased.status_code == 200, leased.text
        task = leased.json()
        stale = reviewer.post(f"/v1/reviewTasks/{task['id']}:decide", json=_decision(int(task["lease"]["token"]) - 1))
        assert stale.status_code in (400, 409, 412), stale.text
        decided = reviewer.post(f"/v1/reviewTasks/{task['id']}:decide", json=_decision(int(task["lease"]["token"])))
        assert decided.status_code == 200, decided.text


def _decision(token: int) -> dict:
    return {"lease_token": token, "verdict": "approve", "request_id": f"suite-decision-{token}"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("POST", "/v1/videos:match", {"video": {"id": "x"}, "surprise": 1}, 400, "surprise"),
        ("POST", "/v1/videos:match", {"video": {"id": {"$gt": ""}}}, 400, "video.id"),
        ("POST", "/v1/anchors:batchGet", {"video_ids": ["v"] * 101, "viewer_region": "US"}, 400, "video_ids"),
        ("POST", "/v1/anchors:batchGet", {"video_ids": ["v"], "viewer_region": "usa"}, 400, "viewer_region"),
        ("POST", "/v1/events:record", {"events": [{"id": str(n)} for n in range(1001)]}, 400, "events"),
        ("GET", "/v1/titles?page_token=forged", None, 400, "page_token"),
        ("GET", "/v1/titles?page_size=100000", None, 400, "page_size"),
        ("GET", f"/v1/hubs/{TITLE}?region=zz9&language=en", None, 400, "region"),
        ("GET", "/v1/hubs/movie:no-such-title?region=US&language=en", None, 404, "reason"),
        ("GET", "/v1/nowhere", None, 404, "status"),
    ],
)
def test_rubbish_is_refused_with_the_field_named(admin, method, path, body, status, named):
    answer = admin.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert named in answer.text


@pytest.mark.parametrize("path", ["/v1/titles", f"/v1/hubs/{TITLE}?region=US&language=en", "/v1/reviewTasks"])
def test_nobody_without_a_token_gets_in(house: House, path):
    answer = httpx.get(house.url + path, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_app_may_not_do_a_reviewers_work(app):
    assert app.get("/v1/reviewTasks").status_code == 403


def test_every_process_says_how_it_is(house):
    assert httpx.get(f"{house.url}/readyz", timeout=10).status_code == 200
    for offset in (10, 12, 13, 14, 15):
        page = httpx.get(f"http://127.0.0.1:{house.port_base + offset}/metrics", timeout=10)
        assert "spotlight_rpc_handled_total" in page.text
