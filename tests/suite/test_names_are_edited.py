"""A catalog editor says how ambiguous a name is: the matcher follows, and says so in its reasons."""

import httpx

from tests.house import House, eventually

TITLE, NAME = "movie:tt0816692", "Interstellar"


def test_an_edited_name_changes_what_matching_says_and_taking_it_back_too(house: House, admin: httpx.Client):
    before = match(admin)
    assert registry_of(before) == []
    edited = edit(admin, {"name": NAME, "kind": "title", "ambiguity_class": "common_word"})
    assert edited["source"] == "edited"
    (said,) = eventually(lambda: registry_of(match(admin)))
    after = match(admin)
    assert said["contribution"] < -1
    assert after["probability"] < before["probability"]
    gone = admin.delete(f"/v1/titles/{TITLE}/aliases", params={"name": NAME, "kind": "title"})
    assert gone.status_code == 200, gone.text
    eventually(lambda: not registry_of(match(admin)))
    assert match(admin)["probability"] == before["probability"]


def test_only_editors_say_it(house: House, app: httpx.Client):
    answer = app.patch(f"/v1/titles/{TITLE}/aliases", json={"name": NAME, "kind": "title", "prior": 0.5})
    assert (answer.status_code, answer.json()["reason"]) == (403, "SCOPE_MISSING")


def edit(admin: httpx.Client, alias: dict) -> dict:
    answer = admin.patch(f"/v1/titles/{TITLE}/aliases", json=alias, params={"update_mask": "ambiguity_class"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def match(admin: httpx.Client) -> dict:
    """What is found for one caption; nothing is stored."""
    video = {"id": "names_1", "video_description": "rewatched #Interstellar in imax, what a movie"}
    answer = admin.post("/v1/videos:match", json={"video": video, "validate_only": True})
    assert answer.status_code == 200, answer.text
    (found,) = [each for each in answer.json()["matches"] if each["title_id"] == TITLE]
    return found


def registry_of(match: dict) -> list[dict]:
    return [each for each in match["evidence"] if each["value"].startswith("registry")]
