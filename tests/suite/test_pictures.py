"""Pictures through every room: an operator's images, a fan's edited frame, a reviewer's page, and the switch."""

import base64
import json
import subprocess
import sys
import time

import cv2
import httpx
import numpy as np
import pytest

from tests.house import ROOT, House, eventually
from tests.pictures import a_scene, jpeg_of

TITLE = "movie:tt0816692"  # Interstellar, in the sample catalog
SWITCHED_S = 10.0  # what the catalog's contract promises


def encoded(picture) -> str:
    return base64.b64encode(jpeg_of(picture, quality=60)).decode()


def a_fan_edit(seed: int):
    """The scene mirrored, smaller, between black bars of a phone."""
    canvas = np.zeros((640, 360, 3), np.uint8)
    canvas[220:422] = cv2.resize(a_scene(seed)[:, ::-1], (360, 202))
    return canvas


def match(app: httpx.Client, video_id: str, picture, *, validate_only: bool = False) -> list[dict]:
    creator = {"id": "creator_003", "username": "popcornpaul", "follower_count": 90_000, "region_code": "FR"}
    video = {"id": video_id, "creator": creator, "view_count": 60_000, "video_description": "no words for this",
             "create_time": int(time.time()) - 3600, "images": [encoded(picture)]}  # fmt: skip
    answer = app.post("/v1/videos:match", json={"video": video, "validate_only": validate_only})
    assert answer.status_code == 200, answer.text
    return answer.json()["matches"]


@pytest.fixture(scope="module")
def shown(house: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The house after an operator has given a title its images."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "still.jpg").write_bytes(jpeg_of(a_scene(41)))
    (folder / "index.jsonl").write_text(json.dumps({"file": "still.jpg", "id": TITLE, "kind": "still"}))
    command = [
        "fingerprint-references",
        "--references",
        str(folder / "index.jsonl"),
        "--out",
        str(folder / "out.jsonl"),
    ]
    subprocess.run([sys.executable, "-m", "tools.cli", *command], cwd=ROOT, check=True)
    with house.client("admin") as admin:
        for line in (folder / "out.jsonl").read_text().splitlines():
            answer = admin.post(f"/v1/titles/{TITLE}/referenceImages", json=json.loads(line))
            assert answer.status_code == 200, answer.text
        eventually(lambda: admin.get("/v1/matcher/index").json()["reference_image_count"])
    return house


def test_an_edited_frame_finds_its_film_and_a_reviewer_sees_both_pictures(shown, app):
    (found,) = match(app, "pictures_1", a_fan_edit(41))
    assert (found["title_id"], found["state"]) == (TITLE, "approved")
    with shown.client("reviewer") as reviewer:
        reviewer.cookies.set("spotlight_session", shown.tokens["reviewer"])
        page = reviewer.get(f"/review/matches/{found['id']}")
    assert page.status_code == 200
    assert page.text.count('<img src="data:image/jpeg;base64,') == 2
    assert match(app, "pictures_2", a_fan_edit(42)) == []


def test_a_switched_off_bank_finds_nothing_within_what_is_promised(shown, app, admin):
    def switch(state: str) -> None:
        answer = admin.post(f"/v1/titles/{TITLE}/referenceBank:setState", json={"state": state})
        assert answer.status_code == 200, answer.text

    def titles() -> list[str]:
        return [each["title_id"] for each in match(app, "pictures_3", a_fan_edit(41), validate_only=True)]

    eventually(lambda: titles() == [TITLE])
    switch("disabled")
    eventually(lambda: titles() == [], within_s=SWITCHED_S)
    assert admin.get("/v1/matcher/index").json()["disabled_bank_titles"] == [TITLE]
    switch("enabled")
    eventually(lambda: titles() == [TITLE], within_s=SWITCHED_S)


@pytest.mark.parametrize("role", ["app", "creator", "studio"])
def test_frames_and_reference_pictures_are_for_reviewers(shown, role):
    with shown.client(role) as somebody:
        assert somebody.get("/v1/videos/pictures_1/framePictures").status_code == 403
        assert somebody.get("/v1/referencePictures:batchGet", params={"ids": "x"}).status_code == 403
