"""A campaign as its studio and its creators live it, over HTTP against the whole house: docs/howto/run-a-campaign.md."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pymongo
import pytest

from deploy.local.plan import MONGO
from tests.house import House, eventually

TITLE = "movie:tt0816692"  # Interstellar, in the sample catalog
CREATOR = "creator_003"  # whom the creator's token speaks for
CAPTION = "rewatched #Interstellar in imax, Matthew McConaughey broke me again #movie"


@pytest.fixture
def studio(house: House) -> Iterator[httpx.Client]:
    with house.client("studio") as client:
        yield client


@pytest.fixture
def creator(house: House) -> Iterator[httpx.Client]:
    with house.client("creator") as client:
        yield client


def said(answer: httpx.Response) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()


def a_campaign(name: str, **changes: object) -> dict:
    now = datetime.now(UTC)
    return {
        "display_name": name,
        "title_ids": [TITLE],
        "region_codes": ["US", "FR"],
        # After the videos of the other tests of this house, which are an hour old and the same creator's.
        "start_time": (now - timedelta(minutes=30)).isoformat(),
        "end_time": (now + timedelta(days=20)).isoformat(),
        "rules": {"view_count_min": 2_000, "strike_score_max": 1.0},
        "tasks": [{"id": "three", "display_name": "Three videos", "kind": "videos", "target": 3}],
        "rewards": [
            {"id": "frame", "display_name": "Gold frame", "kind": "profile_frame", "stock_count": 3},
            {"id": "seat", "display_name": "Premiere seat", "kind": "ticket", "reservation_ttl_s": 600},
        ],
        **changes,
    }


def match(app: httpx.Client, name: str, views: int) -> str:
    """A fan video of the creator, matched; its id."""
    video = {
        "id": name,
        "creator": {"id": CREATOR, "username": "popcornpaul", "follower_count": 90_000, "region_code": "FR"},
        "create_time": int(time.time()) - 600,
        "region_code": "FR",
        "video_description": CAPTION,
        "hashtag_names": ["Interstellar", "movie"],
        "view_count": views,
        "language": "en",
    }
    said(app.post("/v1/videos:match", json={"video": video}))
    return name


def progress(creator: httpx.Client, campaign_id: str) -> dict:
    answer = creator.get(f"/v1/creators/{CREATOR}/progress", params={"campaign_id": campaign_id})
    return said(answer)["progress"][0]


def is_told(house: House, grant_id: str) -> bool:
    """Whether incentives has handed the grant's events to metrics: then they wait in its outbox no more."""
    with pymongo.MongoClient(f"mongodb://127.0.0.1:{house.port_base + MONGO}") as client:
        return client["spotlight_incentives"]["grants"].find_one({"_id": grant_id})["outbox"] == []


def test_a_campaign_from_its_draft_to_its_rewards(house, app, studio, creator):
    draft = said(studio.post("/v1/campaigns", json={"campaign": a_campaign("Howto"), "request_id": "howto-make"}))
    campaign = f"/v1/campaigns/{draft['id']}"
    assert draft["state"] == "draft"
    assert creator.get(campaign).status_code == 404, "a draft is nobody's but its studio's"
    codes = {"codes": ["SEAT-0001", "SEAT-0002", "SEAT-0001"], "request_id": "howto-codes"}
    brought = said(studio.post(f"{campaign}/rewards/seat:importCodes", json=codes))
    assert (brought["imported_count"], brought["duplicate_count"]) == (2, 1)
    said(studio.post(f"{campaign}:changeState", json={"act": "schedule", "request_id": "howto-schedule"}))
    assert said(studio.get(campaign))["state"] == "active"

    shown = said(creator.get("/v1/campaigns:active", params={"title_id": TITLE, "region": "US"}))
    assert draft["id"] in {each["id"] for each in shown["campaigns"]}
    elsewhere = said(creator.get("/v1/campaigns:active", params={"title_id": TITLE, "region": "JP"}))
    assert draft["id"] not in {each["id"] for each in elsewhere["campaigns"]}
    eventually(lambda: draft["id"] in app.get(f"/v1/hubs/{TITLE}", params={"region": "US"}).text)

    joined = said(creator.post(f"{campaign}:enrol", json={"request_id": "howto-join"}))
    assert said(creator.post(f"{campaign}:enrol", json={"request_id": "howto-join"})) == joined
    match(app, "howto_1", 5_000)
    near = match(app, "howto_2", 760)

    def missing() -> str:
        return progress(creator, draft["id"])["tasks"][0]["missing"]

    eventually(lambda: missing() == f"2 more approved videos, or 1,240 views on this one ({near})")
    locked = creator.post(f"{campaign}/rewards/frame:claim", json={"request_id": "howto-early"})
    assert (locked.status_code, locked.json()["reason"]) == (400, "REWARD_LOCKED")
    observed = {"video_id": near, "observe_time": datetime.now(UTC).isoformat(), "view_count": 2_000}
    said(app.post("/v1/videos:updateStats", json={"stats": [observed]}))
    match(app, "howto_3", 9_000)
    eventually(lambda: progress(creator, draft["id"])["summary"] == "The task is done.")

    grant = said(creator.post(f"{campaign}/rewards/frame:claim", json={"request_id": "howto-claim"}))
    assert (grant["state"], grant["approval_state"]) == ("fulfilled", "approved")
    assert said(creator.post(f"{campaign}/rewards/frame:claim", json={"request_id": "howto-claim"})) == grant
    twice = creator.post(f"{campaign}/rewards/frame:claim", json={"request_id": "howto-again"})
    assert (twice.status_code, twice.json()["reason"]) == (409, "ALREADY_CLAIMED")
    eventually(lambda: is_told(house, grant["id"]))
    event = {"id": f"{grant['id']}.granted", "type": "reward_grant", "time": grant["create_time"], "title_id": TITLE,
             "campaign_id": draft["id"], "creator_id": CREATOR}  # fmt: skip
    known = said(app.post("/v1/events:record", json={"events": [event]}))
    assert known["duplicate_count"] == 1, "metrics has the event of the grant already"

    seat = said(creator.post(f"{campaign}/rewards/seat:claim", json={"request_id": "howto-seat"}))
    assert (seat["state"], seat["code"]) == ("reserved", "")
    taken = said(creator.post(f"/v1/grants/{seat['id']}:redeem", json={"request_id": "howto-redeem"}))
    assert (taken["state"], taken["code"]) == ("fulfilled", "SEAT-0001")
    assert said(studio.get(f"/v1/grants/{seat['id']}"))["code"] == "", "a code is its creator's alone"

    strike = {"creators": [{"id": CREATOR, "strike_score": 3}], "request_id": "howto-strike"}
    said(app.post("/v1/creators:batchUpdate", json=strike))
    assert said(creator.get(f"/v1/grants/{grant['id']}"))["approval_state"] == "held"
    pardon = {"creators": [{"id": CREATOR, "strike_score": 0}], "request_id": "howto-pardon"}
    said(app.post("/v1/creators:batchUpdate", json=pardon))
    assert said(creator.get(f"/v1/grants/{grant['id']}"))["approval_state"] == "approved"

    ledger = said(studio.get(f"{campaign}/ledger"))
    balances = {each["reward_id"]: (each["balance"], each["available_count"]) for each in ledger["balances"]}
    assert balances == {"frame": (2, 2), "seat": (1, 1)}
    now = datetime.now(UTC)
    period = {"period_start_time": (now - timedelta(days=1)).isoformat(), "period_end_time": now.isoformat()}
    tried = said(studio.post(f"{campaign}:simulate", json=period))
    assert CREATOR in {each["creator_id"] for each in tried["creators"] if each["reward_ids"]}
    back = said(studio.post(f"/v1/grants/{grant['id']}:revoke", json={"reason": "a test", "request_id": "howto-back"}))
    assert (back["state"], back["reason"]) == ("revoked", "a test")


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/campaigns", {"campaign": {"price": 3}, "request_id": "x"}, "campaign.price"),
        ("/v1/campaigns", {"campaign": {"rewards": [{"id": "a", "display_name": "A", "kind": "cash"}]},
                           "request_id": "x"}, "campaign.rewards[0].kind"),
        ("/v1/campaigns/none:changeState", {"act": "explode", "request_id": "x"}, "act"),
        ("/v1/campaigns/none:changeState", {"act": "pause"}, "request_id"),
        ("/v1/campaigns/none:simulate", {"period_start_time": "yesterday"}, "period_start_time"),
        ("/v1/campaigns/none:enrol", {"request_id": "x", "creator_id": {"$gt": ""}}, "creator_id"),
        ("/v1/campaigns/none/rewards/frame:claim", {"creator_id": "c"}, "request_id"),
    ],
)  # fmt: skip
def test_rubbish_is_refused_and_its_field_named(admin, path, body, named):
    answer = admin.post(path, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_ARGUMENT")
    assert named in {each["field"] for each in answer.json()["violations"]}


def test_a_studio_brings_no_campaign_into_the_hub_of_another(app, admin, studio):
    said(admin.post("/v1/titles", json={"id": "movie:suite-foreign", "media_type": "movie", "title": "Foreign Moons",
                                        "studio_id": "studio:another"}))  # fmt: skip
    foreign = a_campaign("Foreign", title_ids=["movie:suite-foreign"])
    answer = studio.post("/v1/campaigns", json={"campaign": foreign, "request_id": "foreign"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "STUDIO_FOREIGN")
