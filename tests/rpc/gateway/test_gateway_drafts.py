"""What a studio's one click sends, and where people land: pages as plain HTTP, without a browser."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.gateway_desk import DeskIncentives, DeskMatcher, DeskMetrics, DeskReview, a_rich_title, a_video
from tests.gateway_world import CatalogStandIn, World, gateway_world, review_registration


@pytest_asyncio.fixture(scope="module")
async def world(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    stand_ins = CatalogStandIn(), DeskMatcher(), DeskIncentives(), DeskMetrics()
    folder: Path = tmp_path_factory.mktemp("drafts")
    extra = [review_registration(DeskReview())]
    async with gateway_world(redis_url, folder, stand_ins=stand_ins, extra=extra, drain_s=0.1) as running:
        running.catalog.put("dune", **a_rich_title())
        running.matcher.videos["v1"] = a_video("v1")
        yield running


async def submit(world: World, role: str, page: str, path: str, form: dict[str, str]) -> httpx.Response:
    """A form as a browser sends it: with the token of the page it stands on."""
    headers = {"accept": "text/html", "cookie": f"spotlight_session={world.tokens[role]}"}
    shown = await world.http.get(page, headers=headers)
    token = re.search(r'name="csrf_token" value="(\w+)"', shown.text)[1]
    return await world.http.post(path, data={**form, "csrf_token": token}, headers=headers)


def an_insight(decision: str, method: str = "", path: str = "", body: str = "") -> dict[str, str]:
    draft = {"http_method": method, "http_path": path, "body_json": body} if path else {}
    return {"decision": decision, "studio_id": "studio-a", "back": "/studio?period=7d", **draft}


async def test_a_drafted_offer_is_added_to_those_that_are_there(world: World) -> None:
    offer = (
        '{"watch_offers": [{"provider_id": "new", "provider_name": "New", "offer_type": "rent", "iso_3166_1": "BR"}]}'
    )
    form = an_insight("accept", "PATCH", "/v1/titles/dune?update_mask=watch_offers", offer)
    answer = await submit(world, "studio", "/studio", "/studio/insights/i1", form)
    assert answer.headers["location"] == "/studio?period=7d&decided=sent"
    sent = world.catalog.requests[-1].title
    assert [each.provider_name for each in sent.watch_offers] == ["Plus", "Tube", "Store", "Cinema", "New"]


async def test_a_draft_for_an_editor_is_accepted_and_not_sent(world: World) -> None:
    alias = '{"name": "dune", "kind": "hashtag", "ambiguity_class": "common_word"}'
    form = an_insight("accept", "PATCH", "/v1/titles/dune/aliases", alias)
    answer = await submit(world, "studio", "/studio", "/studio/insights/i1", form)
    assert answer.headers["location"].endswith("decided=noted")
    shown = await world.http.get("/studio?decided=noted", headers={"cookie": answer.request.headers["cookie"]})
    assert "for an editor of the catalog" in shown.text


@pytest.mark.parametrize(
    ("form", "decided"),
    [
        (an_insight("dismiss", "POST", "/v1/campaigns", "{}"), "dismissed"),
        (an_insight("accept", "GET", "/v1/titles/dune/spikes", "{}"), "accepted"),
        (an_insight("accept"), "accepted"),
    ],
)
async def test_what_has_nothing_to_send_sends_nothing(world: World, form: dict[str, str], decided: str) -> None:
    before = len(world.incentives.requests), len(world.catalog.requests)
    answer = await submit(world, "studio", "/studio", "/studio/insights/i1", form)
    assert answer.headers["location"].endswith(f"decided={decided}")
    assert (len(world.incentives.requests), len(world.catalog.requests)) == before


@pytest.mark.parametrize(
    ("body", "status"), [("{broken", 400), ('{"watch_offers": 1}', 400), ('{"state": {"$gt": ""}}', 400)]
)
async def test_a_draft_that_was_spoiled_is_refused_and_nothing_decided(world: World, body: str, status: int) -> None:
    before = len(world.metrics.decisions)
    form = an_insight("accept", "PATCH", "/v1/titles/dune?update_mask=watch_offers", body)
    assert (await submit(world, "studio", "/studio", "/studio/insights/i1", form)).status_code == status
    assert len(world.metrics.decisions) == before


async def test_a_page_leads_nowhere_else(world: World) -> None:
    form = {**an_insight("dismiss"), "back": "https://evil.example/"}
    answer = await submit(world, "studio", "/studio", "/studio/insights/i1", form)
    assert answer.headers["location"].startswith("/studio?")
    for target in ("https://evil.example", "//evil.example", "/\\evil.example"):
        form = {"token": world.tokens["app"], "next": target}
        assert (await submit(world, "nobody", "/login", "/login", form)).headers["location"] == "/docs"


@pytest.mark.parametrize(
    ("role", "home"), [("studio", "/studio"), ("reviewer", "/review"), ("creator", "/creator"), ("app", "/docs")]
)
async def test_signing_in_leads_home(world: World, role: str, home: str) -> None:
    answer = await submit(world, "nobody", "/login", "/login", {"token": world.tokens[role]})
    assert answer.headers["location"] == home


async def test_filters_are_checked_and_the_csv_comes_along(world: World) -> None:
    studio = {"accept": "text/html", "cookie": f"spotlight_session={world.tokens['studio']}"}
    for query in ("period=9d", "region=QQ"):
        assert (await world.http.get(f"/studio/titles/dune?{query}", headers=studio)).status_code == 400
    csv = await world.http.get("/studio/titles/dune/report.csv?period=28d&region=US", headers=studio)
    assert csv.text.startswith("time,count\n")
    foreign = await world.http.get("/studio/titles/dune?studio=studio-b", headers=studio)
    assert foreign.status_code == 403


async def test_the_desk_refuses_what_is_no_lease_and_hands_out_parts_of_itself(world: World) -> None:
    reviewer = {"accept": "text/html", "cookie": f"spotlight_session={world.tokens['reviewer']}"}
    wrong = {"verdict": "approve", "lease_token": "abc"}
    refused = await submit(world, "reviewer", "/review", "/review/tasks/task-0/decide", wrong)
    assert (refused.status_code, "lease_token" in refused.text) == (400, True)
    taken = await submit(world, "reviewer", "/review", "/review/next", {"language": "en"})
    assert taken.headers["location"] == "/review/tasks/task-0?language=en"
    page = (await world.http.get("/review/tasks/task-0", headers=reviewer)).text
    lease = re.search(r'name="lease_token" value="(\d+)"', page)[1]
    renewed = await submit(world, "reviewer", "/review", "/review/tasks/task-0/renew", {"lease_token": lease})
    assert "data-lease-until" in renewed.text
    vote = {"verdict": "reject", "lease_token": lease, "reason_code": "same_name", "note": "a\r\nb"}
    assert (await submit(world, "reviewer", "/review", "/review/tasks/task-0/decide", vote)).status_code == 303
    decided = (await world.http.get("/review/tasks/task-0", headers=reviewer)).text
    assert "by reviewer-9" in decided, "once it is decided everybody's votes are shown"
    assert "data-queue" in (await world.http.get("/review/queue", headers=reviewer)).text
    for query, said in (("q=dresses", "27 Dresses"), ("q=zzz", "No title is called so"), ("q=", "")):
        assert said in (await world.http.get(f"/review/titles?{query}", headers=reviewer)).text
    missing = await world.http.get("/review/tasks/none", headers=reviewer)
    assert missing.status_code == 404


async def test_a_creator_files_an_appeal(world: World) -> None:
    form = {"text": "It is.", "title_id": "dune"}
    answer = await submit(world, "creator", "/creator/videos/v1?region=US", "/creator/videos/v1/appeal", form)
    assert answer.headers["location"] == "/creator/videos/v1?note=appealed"
