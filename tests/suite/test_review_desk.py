"""The reviewers' desk on the whole house: two people in two browsers, with the real queue behind it."""

import asyncio
import json
import os
import re
import shutil
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from chassis.auth import mint_local
from deploy.local.plan import TOKEN_KEY
from tests.house import ROOT, House, eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SHOTS = os.environ.get("SPOTLIGHT_SCREENSHOTS", "")
SAMPLES = ROOT / "data" / "videos" / "videos.jsonl"
TASK = re.compile(r"/review/tasks/([^/?]+)")
LOOKS = {"light": (1280, "light"), "dark": (1280, "dark"), "phone": (390, "light")}
READ_EACH = 8

if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("no Chromium on this machine: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def doubtful(house: House) -> int:
    """The sample videos once more under other ids: some of their matches are for people to settle."""
    rows = [json.loads(line)["video"] for line in SAMPLES.read_text("utf-8").splitlines()]
    with house.client("app") as app:
        for at in range(0, len(rows), 50):
            videos = [
                {
                    **{name: value for name, value in row.items() if name != "creator_id"},
                    "id": f"desk-{row['id']}",
                    "creator": {"id": row["creator_id"], "username": "fan", "follower_count": 50_000},
                }
                for row in rows[at : at + 50]
            ]
            eventually(lambda videos=videos: is_stored(app.post("/v1/videos:batchMatch", json={"videos": videos})))
    with house.client("reviewer") as reviewer:
        waiting = eventually(lambda: len(reviewer.get("/v1/reviewTasks?page_size=200").json()["tasks"]))
    assert waiting >= 2 * READ_EACH
    return waiting


def is_stored(answer: httpx.Response) -> bool:
    """Whether the batch was taken; a house that just began may be too busy for it."""
    assert answer.status_code in {200, 503, 504}, answer.text
    return answer.status_code == 200


@dataclass
class Reader:
    """One person at their own browser; what they had before them, from when to when."""

    name: str
    page: Page
    held: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    complaints: list[str] = field(default_factory=list)

    async def sit_down(self, house: House) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        cookie = {"name": "spotlight_session", "value": token_of(house, self.name), "url": house.url}
        await self.page.context.add_cookies([cookie])
        await self.page.goto(f"{house.url}/review")

    async def read(self, key: str) -> None:
        """Decides what is in hand by one key, and gets the next task, or the word that nothing waits."""
        old = self.page.url
        before = TASK.search(old)
        began = time.monotonic()
        if before is not None:
            await expect(self.page.locator("#verdict")).to_be_visible()
        await self.page.keyboard.press(key)
        await self.page.wait_for_url(lambda url: url != old)
        if before is not None:
            self.held[before[1]].append((began, time.monotonic()))


async def test_two_readers_at_two_browsers_never_hold_the_same_task(house: House, doubtful: int) -> None:
    async with async_playwright() as playwright:
        browsers = [await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET) for _ in range(2)]
        names = (f"ann-{time.time_ns()}", f"bob-{time.time_ns()}")
        readers = [Reader(name, await each.new_page()) for name, each in zip(names, browsers, strict=True)]
        for reader in readers:
            await reader.sit_down(house)
            await reader.read("n")
        assert readers[0].page.url != readers[1].page.url
        await looks_right(readers[0].page)
        for number in range(READ_EACH):
            await asyncio.gather(*(reader.read("ar"[number % 2]) for reader in readers))
        await cannot_read_what_another_holds(*readers)
        for browser in browsers:
            await browser.close()
    for reader in readers:
        assert sum(map(len, reader.held.values())) == READ_EACH
        assert all(len(stretches) == 1 for stretches in reader.held.values()), "nobody reads a task twice"
        assert reader.complaints == []
    for task_id in readers[0].held.keys() & readers[1].held.keys():
        (first,), (second,) = readers[0].held[task_id], readers[1].held[task_id]
        assert first[1] <= second[0] or second[1] <= first[0], "a second reader comes after the first"
    for reader in readers:
        assert voted(house, reader.name) == set(reader.held), "every key that was pressed is one vote"


async def looks_right(page: Page) -> None:
    """No complaint of axe, nothing over the edge, in light and dark and on a phone; a picture for who wants one."""
    for look, (width, scheme) in LOOKS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme=scheme)
        await page.wait_for_timeout(100)
        if SHOTS:
            await page.screenshot(path=Path(SHOTS) / f"desk-{look}.png", full_page=True)
        found = await Axe().run(page)
        assert [
            (each["id"], [node["html"] for node in each["nodes"][:2]]) for each in found.response["violations"]
        ] == []
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.emulate_media(color_scheme="light")


async def cannot_read_what_another_holds(one: Reader, two: Reader) -> None:
    caption = await one.page.inner_text(".post")
    mine = two.page.url
    await two.page.goto(one.page.url)
    text = await two.page.inner_text("main")
    assert "Another reviewer holds this task" in text
    assert caption not in text
    await two.page.goto(mine)
    await expect(two.page.locator("#verdict")).to_be_visible()


def voted(house: House, name: str) -> set[str]:
    """The tasks somebody voted on, as the store has them; asked by themselves, for others wait for the outcome."""
    headers = {"Authorization": f"Bearer {token_of(house, name)}"}
    answer = httpx.get(f"{house.url}/v1/decisions", params={"decided_by": name, "page_size": 200}, headers=headers)
    assert answer.status_code == 200, answer.text
    return {vote["task_id"] for vote in answer.json()["decisions"]}


def token_of(house: House, name: str) -> str:
    """A reviewer's token, signed as the house signs its own."""
    key = (house.folder / "secrets" / TOKEN_KEY).read_bytes().rstrip(b"\n")
    return mint_local(key, name, ["reviewer"], now=datetime.now(UTC))
