"""The pages in a real Chromium: what people see, by keyboard, on a phone, in the dark, and what axe says."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from protos.incentives.v1 import campaign_pb2
from tests.gateway_desk import (
    DeskCatalog,
    DeskIncentives,
    DeskMatcher,
    DeskMetrics,
    DeskReview,
    a_rich_title,
    a_video,
    at,
)
from tests.gateway_world import STUDIO, World, gateway_world, review_registration

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SHOTS = os.environ.get("SPOTLIGHT_SCREENSHOTS", "")

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("no Chromium on this machine: apt-get install chromium", allow_module_level=True)


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        await running.close()


@pytest_asyncio.fixture
async def review() -> DeskReview:
    return DeskReview()


@pytest_asyncio.fixture
async def world(redis_url: str, tmp_path: Path, review: DeskReview) -> AsyncIterator[World]:
    """A world of this test's own: it acts on it."""
    async with a_world(redis_url, tmp_path, review) as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def shown(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A world that is only looked at."""
    async with a_world(redis_url, tmp_path_factory.mktemp("shown"), DeskReview()) as running:
        yield running


@asynccontextmanager
async def a_world(redis_url: str, folder: Path, review: DeskReview) -> AsyncIterator[World]:
    stand_ins = DeskCatalog(), DeskMatcher(), DeskIncentives(), DeskMetrics()
    extra = [review_registration(review)]
    async with gateway_world(redis_url, folder, stand_ins=stand_ins, extra=extra, drain_s=0.1) as running:
        running.catalog.put("dune", **a_rich_title())
        running.matcher.videos["v1"] = a_video("v1")
        running.incentives.campaigns["c1"] = campaign_pb2.Campaign(
            id="c1",
            studio_id=STUDIO,
            display_name="Dress up",
            description="Show us your worst dress.",
            state=campaign_pb2.CAMPAIGN_STATE_ACTIVE,
            rewards=[campaign_pb2.Reward(id="frame", display_name="Gold frame")],
            end_time=at(86_400 * 5),
        )
        yield running


class Visitor:
    """One person's browser, signed in or not; what the page complains about is kept."""

    def __init__(self, world: World, context: BrowserContext, page: Page) -> None:
        self.world, self.context, self.page = world, context, page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        # A refused page is an error to the console too; those are asserted by their status.
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    async def open(self, path: str) -> int:
        answer = await self.page.goto(str(self.world.http.base_url.join(path)))
        assert answer is not None
        return answer.status

    async def looks_right(self, name: str) -> None:
        """No complaint of browser or axe; a picture where somebody wants to look."""
        await self.page.wait_for_timeout(100)
        if SHOTS:
            await self.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
        found = await Axe().run(self.page)
        problems = [
            (problem["id"], [node["html"][:200] for node in problem["nodes"][:3]])
            for problem in found.response["violations"]
        ]
        assert problems == []
        assert self.complaints == []
        overflow = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, "nothing hangs over the edge"


async def a_visitor(browser: Browser, world: World, role: str = "") -> Visitor:
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    if role:
        cookie = {"name": "spotlight_session", "value": world.tokens[role], "url": str(world.http.base_url)}
        await context.add_cookies([cookie])
    return Visitor(world, context, await context.new_page())


LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "phone": (390, "light")}


@pytest.mark.parametrize(
    ("name", "path", "role"),
    [
        ("hub", "/hubs/dune?region=US", ""),
        ("hub-fallback", "/hubs/dune?region=DE", ""),
        ("login", "/login", ""),
        ("docs", "/docs", ""),
        ("missing", "/hubs/none", ""),
        ("studio", "/studio", "studio"),
        ("studio-title", "/studio/titles/dune?period=28d", "studio"),
        ("studio-choose", "/studio", "admin"),
        ("review", "/review", "reviewer"),
        ("appeals", "/review/appeals", "reviewer"),
        ("match", "/review/matches/m1", "reviewer"),
        ("creator", "/creator", "creator"),
        ("creator-video", "/creator/videos/v1", "creator"),
    ],
)
async def test_a_page_is_accessible_in_light_and_dark_and_on_a_phone(
    browser: Browser, shown: World, name: str, path: str, role: str
) -> None:
    visitor = await a_visitor(browser, shown, role)
    assert await visitor.open(path) == (404 if name == "missing" else 200)
    for look, (width, scheme) in LOOKS.items():
        await visitor.page.set_viewport_size({"width": width, "height": 900})
        await visitor.page.emulate_media(color_scheme=scheme)
        await visitor.looks_right(f"{name}-{look}")
    await visitor.context.close()


async def test_a_match_shows_the_frame_beside_the_reference_image(browser: Browser, shown: World) -> None:
    visitor = await a_visitor(browser, shown, "reviewer")
    await visitor.open("/review/matches/m1")
    pictures = visitor.page.locator(".pair img")
    alts = ["Frame of the video at 0:03.2", "Still of 27 Dresses (2008)"]
    assert [await pictures.nth(place).get_attribute("alt") for place in range(await pictures.count())] == alts
    sizes = await pictures.evaluate_all("all => all.map(each => [each.naturalWidth, each.getBoundingClientRect().top])")
    assert [width for width, _ in sizes] == [160, 320]
    assert sizes[0][1] == sizes[1][1], "they stand side by side"
    assert "24 details agree" in await visitor.page.inner_text(".pair")
    await visitor.context.close()


async def test_nobody_but_reviewers_sees_frames(shown: World) -> None:
    address = "/v1/videos/v1/framePictures"
    for role, status in (("", 401), ("app", 403), ("creator", 403), ("studio", 403), ("reviewer", 200)):
        headers = {"Authorization": f"Bearer {shown.tokens[role]}"} if role else {}
        assert (await shown.http.get(address, headers=headers)).status_code == status, role
    answer = await shown.http.get(address, headers={"Authorization": f"Bearer {shown.tokens['reviewer']}"})
    assert answer.json()["pictures"][0]["t_ms"] == 3200


async def test_a_hub_page_shows_what_the_api_says_and_runs_nothing_of_others(browser: Browser, world: World) -> None:
    visitor = await a_visitor(browser, world)
    await visitor.open("/hubs/dune?region=US")
    text = await visitor.page.inner_text("main")
    for said in (
        "27 Dresses",
        "1\u202fh 51\u202fmin",
        "Plus",
        "3.99 USD",
        "Dress up",
        "Gold frame",
        "@ana.films",
        "48.2K",
    ):
        assert said in text
    assert "<b>Fight me.</b>" in text
    links = await visitor.page.eval_on_selector_all("a", "links => links.map(link => link.href)")
    assert not [link for link in links if link.startswith("javascript")]
    await visitor.page.select_option("#region", "DE")
    await visitor.page.wait_for_url(re.compile("region=DE"))
    assert "These offers are for US" in await visitor.page.inner_text("main")
    await visitor.context.close()


async def test_signing_in_and_out_with_a_token(browser: Browser, world: World) -> None:
    visitor = await a_visitor(browser, world)
    await visitor.open("/studio?period=28d")
    assert visitor.page.url.endswith("/login?next=/studio%3Fperiod%3D28d")
    await visitor.page.fill("#token", "nonsense")
    await visitor.page.click("main button")
    assert "not valid" in await visitor.page.inner_text("[role=alert]")
    await visitor.page.fill("#token", f"Bearer {world.tokens['studio']}")
    await visitor.page.click("main button")
    await visitor.page.wait_for_url(re.compile(r"/studio\?period=28d"))
    (cookie,) = await visitor.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    await visitor.page.click("text=Sign out")
    await visitor.page.wait_for_url(re.compile("/login"))
    assert await visitor.context.cookies() == []
    await visitor.context.close()


async def test_a_studio_sees_its_trend_moves_the_filters_and_sends_a_draft(browser: Browser, world: World) -> None:
    visitor = await a_visitor(browser, world, "studio")
    await visitor.open("/studio/titles/dune")
    assert await visitor.page.locator("[data-chart] canvas").count() == 1
    await visitor.page.wait_for_selector('[data-live-state][data-state="on"]')
    assert "trending" in await visitor.page.inner_text("[data-live-trending]")
    text = await visitor.page.inner_text("main")
    for said in ("24.3K", "The nearest release is 0.4 days away.", "+24", "creator-1", "too few viewers"):
        assert said in text
    assert text.count("nothing before") == 1, "what was not there before is not unchanged"
    assert "bots." not in text, "only what speaks for the cause is told"
    await visitor.page.hover("[data-chart]")
    assert "Video views" in await visitor.page.inner_text("[data-chart-reading]")
    await visitor.page.select_option("#region", "GB")
    await visitor.page.wait_for_url(re.compile("region=GB"))
    await visitor.page.click("summary:has-text('Look at the draft')")
    await visitor.page.fill("[name=body_json]", '{"campaign": {"display_name": "Mine"}, "request_id": "r1"}')
    await visitor.page.click("button:has-text('Open a campaign')")
    await visitor.page.wait_for_url(re.compile("decided=sent"))
    assert world.incentives.requests[-1].campaign.display_name == "Mine"
    assert world.incentives.requests[-1].studio_id == STUDIO
    assert world.metrics.decisions[-1].actor == "studio-1"
    await visitor.context.close()


async def test_a_section_that_cannot_be_had_leaves_the_others(browser: Browser, world: World) -> None:
    await world.backends["incentives"].stop()
    visitor = await a_visitor(browser, world, "studio")
    assert await visitor.open("/studio") == 200
    text = await visitor.page.inner_text("main")
    assert "Campaigns cannot be shown at the moment." in text
    assert "24.3K" in text
    await world.backends["metrics"].stop()
    assert await visitor.open("/studio/titles/dune") == 503
    await visitor.context.close()


async def test_a_reviewer_decides_by_keyboard_alone(browser: Browser, world: World, review: DeskReview) -> None:
    visitor = await a_visitor(browser, world, "reviewer")
    page = visitor.page
    await visitor.open("/review")
    await page.keyboard.press("?")
    await page.wait_for_selector("dialog[open]")
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    assert await page.evaluate("document.activeElement.getAttribute('href')") == "/review/tasks/task-0"
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    assert await page.evaluate("document.activeElement.getAttribute('href')") == "/review/tasks/task-0"
    await page.keyboard.press("n")
    await page.wait_for_url(re.compile("task-0"))
    marks = await page.eval_on_selector_all("mark", "marks => marks.map(mark => mark.textContent)")
    assert marks == ["27 Dresses", "Jane", "27dresses"]
    await page.wait_for_selector("text=/yours for 1[12]. s/")
    await visitor.looks_right("review-task")
    await page.keyboard.press("a")
    await page.wait_for_url(re.compile("task-1"))
    await page.keyboard.press("w")
    await page.wait_for_selector("#q:focus")
    await page.keyboard.type("dresses")
    await page.wait_for_selector("[name=right_title_id]:checked")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("task-2"))
    await page.keyboard.press("u")
    await page.wait_for_url(re.compile("task-3"))
    await page.keyboard.press("r")
    await page.wait_for_url(re.compile("task-4"))
    await page.keyboard.press("s")
    await page.wait_for_url(re.compile("note=empty"))
    verdicts = [(vote.task_id, vote.verdict, vote.right_title_id) for vote in review.votes]
    assert verdicts == [
        ("task-0", 1, ""),
        ("task-1", 3, "dune"),
        ("task-2", 4, ""),
        ("task-3", 2, ""),
        ("task-4", 5, ""),
    ]
    assert {vote.reviewer_id for vote in review.votes} == {"reviewer-1"}
    assert visitor.complaints == []
    await visitor.context.close()


async def test_two_reviewers_never_read_the_same_task(browser: Browser, world: World, review: DeskReview) -> None:
    one = await a_visitor(browser, world, "reviewer")
    two = await a_visitor(browser, world, "admin")
    for visitor in (one, two):
        await visitor.open("/review")
    await asyncio.gather(*(visitor.page.keyboard.press("n") for visitor in (one, two)))
    for visitor in (one, two):
        await visitor.page.wait_for_url(re.compile("/review/tasks/"))
    assert one.page.url != two.page.url
    await two.open(one.page.url.removeprefix(str(two.world.http.base_url)))
    text = await two.page.inner_text("main")
    assert "Another reviewer holds this task" in text
    assert "Rewatching" not in text
    await one.page.click("text=Hand back")
    await one.page.wait_for_url(re.compile("/review$"))
    await two.page.reload()
    await two.page.keyboard.press("t")
    await two.page.wait_for_selector("text=Your verdict")
    for visitor in (one, two):
        await visitor.context.close()


async def test_a_late_verdict_is_refused_and_said(browser: Browser, world: World, review: DeskReview) -> None:
    visitor = await a_visitor(browser, world, "reviewer")
    await visitor.open("/review")
    await visitor.page.keyboard.press("n")
    await visitor.page.wait_for_url(re.compile("task-0"))
    review.tasks["task-0"].lease.token += 100
    await visitor.page.keyboard.press("a")
    await visitor.page.wait_for_selector("text=LEASE_LOST")
    assert review.votes == []
    await visitor.context.close()


async def test_counters_move_by_themselves(browser: Browser, world: World, review: DeskReview) -> None:
    visitor = await a_visitor(browser, world, "reviewer")
    await visitor.open("/review")
    waiting = visitor.page.locator(".tile:has-text('Waiting') .value")
    assert await waiting.inner_text() == "5"
    del review.tasks["task-4"]
    await expect(waiting).to_have_text("4", timeout=9000)
    assert visitor.complaints == []
    await visitor.context.close()


async def test_an_appeal_is_filed_heard_and_answered(browser: Browser, world: World, review: DeskReview) -> None:
    visitor = await a_visitor(browser, world, "reviewer")
    await visitor.open("/review/appeals")
    await visitor.page.fill("textarea", "You are right.")
    await visitor.page.click("button:has-text('Grant')")
    await visitor.page.wait_for_url(re.compile("note=answered"))
    assert [(answer.is_granted, answer.answer) for answer in review.answers] == [(True, "You are right.")]
    await visitor.context.close()


async def test_a_creator_reads_why_and_claims_what_was_earned(browser: Browser, world: World) -> None:
    visitor = await a_visitor(browser, world, "creator")
    await visitor.open("/creator")
    await visitor.page.fill("#video", "v1")
    await visitor.page.click("text=Show")
    await visitor.page.wait_for_url(re.compile("/creator/videos/v1"))
    text = await visitor.page.inner_text("main")
    assert "1,240 more views" in text
    assert "1 more approved video" in text
    await visitor.page.click("text=Claim Gold frame")
    await visitor.page.wait_for_url(re.compile("note=claimed"))
    assert world.incentives.requests[-1].creator_id == "creator-1"
    await visitor.context.close()


async def test_forms_of_other_sites_are_refused(world: World) -> None:
    html = {"accept": "text/html", "cookie": f"spotlight_session={world.tokens['reviewer']}"}
    form = {"verdict": "approve", "lease_token": "1"}
    for headers in ({}, {"x-csrf-token": "0" * 64}, {"sec-fetch-site": "cross-site"}):
        answer = await world.http.post("/review/tasks/task-0/decide", data=form, headers={**html, **headers})
        assert (answer.status_code, "FORM_REFUSED" in answer.text) == (403, True)


async def test_pages_say_what_browsers_may_do_with_them(world: World) -> None:
    page = await world.http.get("/hubs/dune", headers={"accept": "text/html"})
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    as_json = await world.http.get("/hubs/dune", headers={"accept": "application/json"})
    assert as_json.json()["title"]["id"] == "dune"
    refused = await world.http.get("/studio", headers={"accept": "text/html", "hx-request": "true"})
    assert refused.status_code == 401
    wrong = await world.http.get("/hubs/dune?region=XX", headers={"accept": "text/html"})
    assert (wrong.status_code, "ISO 3166-1" in wrong.text) == (400, True)
    assert (await world.http.post("/hubs/dune")).status_code == 405
    assert (await world.http.post("/login", content=b"{}")).status_code == 400
    signed = {"cookie": f"spotlight_session={world.tokens['app']}", "accept": "text/html"}
    assert (await world.http.get("/studio", headers=signed)).status_code == 403


async def test_static_files_are_kept_for_good_under_an_address_of_their_content(world: World) -> None:
    page = await world.http.get("/login", headers={"accept": "text/html"})
    address = re.search(r'href="(/static/spotlight\.css\?v=\w+)"', page.text)[1]
    first = await world.http.get(address, headers={"accept-encoding": "br"})
    assert "immutable" in first.headers["cache-control"]
    again = await world.http.get(address, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await world.http.get("/static/site.py")).status_code == 404
    assert (await world.http.get("/static/../site.py")).status_code == 404
