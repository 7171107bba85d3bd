"""The HTTP side over real sockets: hubs, anchors, every kind of method, and how it refuses."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import brotli
import grpc
import httpx
import orjson
import pytest
import pytest_asyncio
import zstandard
from google.protobuf.timestamp_pb2 import Timestamp
from openapi_spec_validator import validate

from gateway.transcode.scalars import UNKNOWN_NUMBER
from protos.catalog.v1 import catalog_pb2
from protos.hub.v1 import hub_pb2, hub_pb2_grpc
from protos.incentives.v1 import campaign_pb2
from protos.matcher.v1 import matcher_pb2
from tests.gateway_world import World, gateway_world


@pytest_asyncio.fixture(scope="module")
async def world(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with gateway_world(redis_url, tmp_path_factory.mktemp("gateway")) as running:
        running.catalog.put(
            "dune",
            title="Dune",
            media_type=catalog_pb2.MEDIA_TYPE_MOVIE,
            year=2021,
            overview="A desert planet. " * 60,
            translations=[catalog_pb2.Translation(iso_639_1="de", title="Der Wüstenplanet")],
            watch_offers=[an_offer("US"), an_offer("DE", ends=1)],
        )
        running.catalog.put("other", studio_id="studio-b")
        creator = matcher_pb2.Creator(id="creator-1", username="ana", strike_score=2)
        running.matcher.videos["v1"] = matcher_pb2.Video(id="v1", creator=creator, view_count=10, create_time=1)
        running.matcher.videos["v2"] = matcher_pb2.Video(id="v2", creator=matcher_pb2.Creator(id="someone"))
        running.matcher.anchors["v1"] = "dune"
        for name, studio, state in (("campaign-a", "studio-a", 3), ("campaign-b", "studio-b", 1)):
            running.incentives.campaigns[name] = campaign_pb2.Campaign(
                id=name, studio_id=studio, display_name=name, state=campaign_pb2.CampaignState.ValueType(state)
            )
        yield running


def an_offer(region: str, ends: int = 0) -> catalog_pb2.WatchOffer:
    offer = catalog_pb2.WatchOffer(
        id=f"offer-{region}",
        provider_id="p",
        provider_name="Provider",
        offer_type=catalog_pb2.OFFER_TYPE_RENT,
        iso_3166_1=region,
    )
    if ends:
        offer.availability_end_time.CopyFrom(Timestamp(seconds=ends))
    return offer


async def test_a_hub_has_every_panel(world: World) -> None:
    answer = await world.get("/v1/hubs/dune?region=US&language=de")
    hub = answer.json()
    assert answer.status_code == 200
    assert hub["title"]["title"] == "Der Wüstenplanet"
    assert hub["language"] == "de"
    assert [offer["id"] for offer in hub["offers"]] == ["offer-US"]
    assert [video["video_id"] for video in hub["fan_videos"]] == ["v1", "v2"]
    assert hub["counts"] == {"hub_view_count": 1234, "anchor_click_count": 0, "trending_rank": 3}
    assert [campaign["campaign_id"] for campaign in hub["campaigns"]] == ["campaign-a", "campaign-b"]
    assert hub["unreachable"] == []
    assert "strike_score" not in answer.text


async def test_offers_follow_the_moment_and_the_fallback_region_is_said(world: World) -> None:
    now = (await world.get("/v1/hubs/dune?region=DE")).json()
    assert (now["fallback_region"], [offer["id"] for offer in now["offers"]]) == ("US", ["offer-US"])
    then = (await world.get("/v1/hubs/dune?region=DE&at=1970-01-01T00:00:00Z")).json()
    assert (then["fallback_region"], [offer["id"] for offer in then["offers"]]) == ("", ["offer-DE"])
    assert then["at"] == "1970-01-01T00:00:00Z"


async def test_an_unchanged_hub_is_answered_with_304_and_head_without_a_body(world: World) -> None:
    first = await world.get("/v1/hubs/dune?region=US")
    again = await world.get("/v1/hubs/dune?region=US", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await world.get("/v1/hubs/dune?region=US", headers={"if-none-match": '"x"'})
    assert other.status_code == 200
    head = await world.http.head("/v1/hubs/dune?region=US", headers=world.bearer())
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize(
    ("accepted", "coding", "decode"),
    [
        ("gzip", "gzip", gzip.decompress),
        ("br", "br", brotli.decompress),
        ("zstd", "zstd", lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)),
        ("gzip;q=0.5, br;q=0", "gzip", gzip.decompress),
        ("identity", "", bytes),
    ],
)
async def test_a_hub_comes_in_a_coding_the_client_reads(world: World, accepted, coding, decode) -> None:
    await world.get("/v1/hubs/dune?region=US")
    headers = {**world.bearer(), "accept-encoding": accepted}
    async with world.http.stream("GET", "/v1/hubs/dune?region=US", headers=headers) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding", "") == coding
    assert orjson.loads(decode(raw))["title"]["id"] == "dune"


async def test_the_hot_way_answers_as_the_cold_one(world: World) -> None:
    cold = await world.get("/v1/hubs/dune?region=GB")
    counter = world.telemetry.registry.get_sample_value
    labels = {"route": "/v1/hubs/{title_id} hot", "status": "200"}
    before = counter("spotlight_http_requests_total", labels) or 0
    hot = await world.get("/v1/hubs/dune?region=GB")
    assert counter("spotlight_http_requests_total", labels) == before + 1
    assert (hot.json(), hot.headers["etag"]) == (cold.json(), cold.headers["etag"])
    assert (await world.http.get("/v1/hubs/dune?region=GB")).status_code == 401
    assert (await world.get("/v1/hubs/dune?region=GB", "nobody")).status_code == 403


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/hubs/dune?region=us", "region"),
        ("/v1/hubs/dune?region=QQ", "region"),
        ("/v1/hubs/dune?language=english", "language"),
        ("/v1/hubs/dune?language=qq", "language"),
        ("/v1/hubs/dune?at=yesterday", "at"),
        ("/v1/hubs/dune?regoin=US", "regoin"),
        ("/v1/hubs/" + "x" * 129, "title_id"),
        ("/v1/hubs/$where", "title_id"),
        ("/v1/titles:search?q=", "q"),
        ("/v1/titles:search?q=a&page_size=201", "page_size"),
    ],
)
async def test_a_wrong_parameter_is_named(world: World, path: str, field: str) -> None:
    answer = await world.get(path)
    problem = answer.json()
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["reason"], problem["violations"][0]["field"]) == ("INVALID_ARGUMENT", field)
    assert problem["request_id"] == answer.headers["x-request-id"]


async def test_a_hub_that_may_not_be_shown_says_why(world: World) -> None:
    world.catalog.put("gone", state=catalog_pb2.TITLE_STATE_WITHDRAWN)
    world.catalog.put("dead", state=catalog_pb2.TITLE_STATE_DELETED)
    world.catalog.put("early", embargo_lift_time=Timestamp(seconds=4_000_000_000))
    for title_id, reason in (
        ("gone", "TITLE_WITHDRAWN"),
        ("dead", "TITLE_NOT_FOUND"),
        ("early", "TITLE_EMBARGOED"),
        ("never", "TITLE_NOT_FOUND"),
    ):
        for _ in range(2):
            answer = await world.get(f"/v1/hubs/{title_id}")
            assert (answer.status_code, answer.json()["reason"]) == (404, reason)


async def test_a_withdrawn_title_is_gone_at_once_near_and_in_redis(world: World) -> None:
    world.catalog.put("fading")
    await asyncio.sleep(0.2)
    assert (await world.get("/v1/hubs/fading")).status_code == 200
    world.catalog.put("fading", state=catalog_pb2.TITLE_STATE_WITHDRAWN)
    for _ in range(50):
        answer = await world.get("/v1/hubs/fading")
        if answer.status_code == 404:
            break
        await asyncio.sleep(0.02)
    assert answer.json()["reason"] == "TITLE_WITHDRAWN"


async def test_one_hundred_anchors_are_one_call_and_hot_ones_none(world: World) -> None:
    ids = [f"x{number}" for number in range(99)] + ["v1"]
    before = len(world.matcher.calls)
    for _ in range(2):
        answer = await world.post("/v1/anchors:batchGet", json={"video_ids": ids, "viewer_region": "US"})
        assert [anchor["video_id"] for anchor in answer.json()["anchors"]] == ["v1"]
        assert answer.json()["anchors"][0]["state"] == "shown"
    assert len(world.matcher.calls) == before + 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"video_ids": ["a"] * 101, "viewer_region": "US"}, "video_ids"),
        ({"video_ids": [], "viewer_region": "US"}, "video_ids"),
        ({"video_ids": [{"$gt": ""}], "viewer_region": "US"}, "video_ids[0]"),
        ({"video_ids": ["a"], "viewer_region": "ZZ"}, "viewer_region"),
        ({"video_ids": ["a"], "viewer_region": "US", "extra": 1}, "extra"),
        ([], "body"),
    ],
)
async def test_a_wrong_body_is_named(world: World, body: object, field: str) -> None:
    answer = await world.post("/v1/anchors:batchGet", json=body)
    assert (answer.status_code, answer.json()["violations"][0]["field"]) == (400, field)


async def test_a_body_that_is_no_json_or_too_large_is_refused(world: World) -> None:
    broken = await world.post("/v1/anchors:batchGet", content=b'{"video_ids": [NaN]}')
    assert broken.json()["violations"][0]["field"] == "body"
    large = await world.post("/v1/anchors:batchGet", content=b" " * (2**20 + 1))
    assert (large.status_code, large.json()["reason"]) == (413, "BODY_TOO_LARGE")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    unannounced = await world.post("/v1/anchors:batchGet", content=pieces())
    assert unannounced.status_code == 413


async def test_a_video_with_frames_may_be_large(world: World) -> None:
    image = "A" * (4 * 2**20 // 3)
    body = {"video": {"id": "v9", "images": [image[: 4 * (2**18 // 3)]] * 8, "video_duration": 9.5}}
    answer = await world.post("/v1/videos:match", json=body)
    assert answer.status_code == 200
    assert world.matcher.requests[-1].video.duration == 9.5
    assert len(world.matcher.requests[-1].video.images) == 8


async def test_events_pass_with_their_batch_id_from_body_or_header(world: World) -> None:
    event = {"id": "e1", "type": "hub_view", "title_id": "dune", "time": "2026-11-25T20:00:00Z"}
    answer = await world.post("/v1/events:record", json={"events": [event]}, headers={"idempotency-key": "batch-1"})
    assert answer.json() == {"accepted_count": 1, "duplicate_count": 0, "rejected": [], "log_position": 0}
    assert world.metrics.requests[-1].request_id == "batch-1"
    both = {"events": [event], "request_id": "batch-2"}
    refused = await world.post("/v1/events:record", json=both, headers={"idempotency-key": "batch-1"})
    assert refused.json()["violations"][0]["field"] == "request_id"
    unknown = await world.post("/v1/events:record", json={"events": [event, event | {"type": "teleport"}]})
    assert unknown.status_code == 200, "metrics rejects it alone, with its reason"
    assert [each.type for each in world.metrics.requests[-1].events] == [3, UNKNOWN_NUMBER]
    many = await world.post("/v1/events:record", json={"events": [event] * 1001})
    assert many.json()["violations"][0]["field"] == "events"


async def test_search_shows_titles_in_the_viewers_language(world: World) -> None:
    answer = await world.get("/v1/titles:search?q=dune&language=de-AT")
    assert answer.json()["hits"][0]["title"]["title"] == "Der Wüstenplanet"
    assert answer.json()["hits"][0]["matched_by"] == "exact"


async def test_why_a_video_has_no_anchor(world: World) -> None:
    answer = await world.get("/v1/videos/v1/anchor:explain")
    gate = answer.json()["anchor"]["explanation"]["gates"][0]
    assert (gate["code"], gate["passed"], gate["remedy"]) == ("views", False, "1,240 more views")
    own = await world.get("/v1/videos/v1/anchor:explain", "creator")
    assert own.status_code == 200
    foreign = await world.get("/v1/videos/v2/anchor:explain", "creator")
    assert foreign.json()["reason"] == "VIDEO_OF_ANOTHER_CREATOR"


async def test_titles_that_are_hidden_are_hidden_from_those_who_may_not_see_them(world: World) -> None:
    world.catalog.put("secret", studio_id="studio-b", embargo_lift_time=Timestamp(seconds=4_000_000_000))
    assert (await world.get("/v1/titles/secret")).json()["reason"] == "TITLE_NOT_FOUND"
    assert (await world.get("/v1/titles/secret", "studio")).status_code == 404
    assert (await world.get("/v1/titles/secret", "admin")).status_code == 200
    batch = (await world.get("/v1/titles:batchGet?ids=dune&ids=secret")).json()
    assert ([title["id"] for title in batch["titles"]], batch["missing_ids"]) == (["dune"], ["secret"])
    listed = (await world.get("/v1/titles")).json()
    assert "secret" not in [title["id"] for title in listed["titles"]]


async def test_a_write_names_its_actor_and_needs_its_scope(world: World) -> None:
    path = "/v1/titles/dune?update_mask=title&request_id=r1"
    answer = await world.http.patch(path, json={"title": "Dune!"}, headers=world.bearer("admin"))
    assert answer.json()["title"] == "Dune!"
    assert world.catalog.requests[-1].actor == "admin-1"
    forged = await world.http.patch(path + "&actor=boss", json={}, headers=world.bearer("admin"))
    assert (forged.status_code, forged.json()["reason"]) == (403, "IDENTITY_MISMATCH")
    refused = await world.http.patch(path, json={}, headers=world.bearer("app"))
    assert (refused.status_code, refused.json()["reason"]) == (403, "SCOPE_MISSING")


async def test_studios_act_for_themselves_only(world: World) -> None:
    created = await world.post("/v1/campaigns", "studio", json={"campaign": {}, "request_id": "c1"})
    assert created.json()["studio_id"] == "studio-a"
    assert world.incentives.requests[-1].actor == "studio-1"
    body = {"campaign": {}, "request_id": "c1", "studio_id": "studio-b"}
    assert (await world.post("/v1/campaigns", "studio", json=body)).json()["reason"] == "STUDIO_FOREIGN"
    assert (await world.get("/v1/campaigns/campaign-a", "studio")).status_code == 200
    assert (await world.get("/v1/campaigns/campaign-b", "studio")).json()["reason"] == "STUDIO_FOREIGN"
    revoke = {"reason": "x", "request_id": "g1"}
    assert (await world.post("/v1/grants/g1:revoke", "studio", json=revoke)).json()["reason"] == "STUDIO_FOREIGN"
    assert (await world.post("/v1/grants/g1:revoke", "admin", json=revoke)).status_code == 200
    assert (await world.get("/v1/titles/other/videos", "studio")).json()["reason"] == "STUDIO_FOREIGN"
    assert (await world.get("/v1/titles/dune/videos", "studio")).status_code == 200
    report = await world.get("/v1/titles/dune/report", "studio")
    assert report.status_code == 200
    assert world.metrics.requests[-1].studio_id == "studio-a"


async def test_creators_act_for_themselves_only(world: World) -> None:
    joined = await world.post("/v1/campaigns/campaign-a:enrol", "creator", json={"request_id": "j1"})
    assert joined.json()["creator_id"] == "creator-1"
    other = {"request_id": "j1", "creator_id": "creator-2"}
    refused = await world.post("/v1/campaigns/campaign-a:enrol", "creator", json=other)
    assert (refused.json()["reason"], refused.json()["violations"][0]["field"]) == ("IDENTITY_MISMATCH", "creator_id")
    assert (await world.post("/v1/campaigns/campaign-a:enrol", json=other)).json()["creator_id"] == "creator-2"
    assert (await world.get("/v1/campaigns/campaign-a", "creator")).status_code == 200
    assert (await world.get("/v1/campaigns/campaign-b", "creator")).json()["reason"] == "CAMPAIGN_NOT_FOUND"


async def test_a_report_leaves_as_csv_and_a_refusal_of_it_as_a_problem(world: World) -> None:
    answer = await world.get("/v1/titles/dune/report:export", "studio")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="exportreport.csv"'
    assert answer.text == "time,count\n2026,1\n"
    from chassis.errors import OutOfRange

    world.metrics.refusal = OutOfRange(reason="PERIOD_TOO_LONG")
    refused = await world.get("/v1/titles/dune/report:export", "studio")
    world.metrics.refusal = None
    assert (refused.status_code, refused.json()["reason"]) == (400, "PERIOD_TOO_LONG")


async def test_live_numbers_are_server_sent_events_and_end_when_the_reader_leaves(world: World) -> None:
    seen = []
    async with world.http.stream("GET", "/v1/titles/dune:watch", headers=world.bearer("studio")) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: "))["trending_position"])
            if len(seen) == 3:
                break
    assert seen == [1, 2, 3]
    for _ in range(100):
        if not world.metrics.watchers:
            break
        await asyncio.sleep(0.02)
    assert world.metrics.watchers == 0


async def test_a_stream_that_fails_says_so_as_its_last_event(world: World) -> None:
    answer = await world.get("/v1/titles/broken:watch", "studio")
    assert answer.text.endswith('event: problem\ndata: {"reason":"BROKEN","detail":"The request is not valid."}\n\n')


async def test_paths_and_methods_that_are_not_served(world: World) -> None:
    assert (await world.get("/v1/nothing")).json()["reason"] == "PATH_NOT_FOUND"
    assert (await world.get("/nothing")).status_code == 404
    wrong = await world.http.put("/v1/titles/dune", headers=world.bearer())
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, PATCH")
    options = await world.http.options("/v1/titles/dune", headers={"origin": "https://elsewhere.example"})
    assert options.status_code == 204
    assert not [name for name in options.headers if name.startswith("access-control")]


async def test_tokens_are_checked(world: World) -> None:
    for header in ("Bearer nonsense", "Basic abc", "Bearer " + "x" * 5000):
        answer = await world.http.get("/v1/hubs/dune", headers={"authorization": header})
        assert (answer.status_code, answer.json()["reason"]) == (401, "TOKEN_INVALID")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_every_answer_tells_its_budget_and_its_id(world: World) -> None:
    answer = await world.get("/v1/titles/dune", headers={"x-request-id": "my-id"})
    assert answer.headers["x-request-id"] == "my-id"
    assert answer.headers["ratelimit-limit"] == "600000"
    assert int(answer.headers["ratelimit-remaining"]) < 600_000
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_read_has_a_tag_and_is_compressed(world: World) -> None:
    first = await world.get("/v1/titles/dune", headers={"accept-encoding": "br"})
    assert first.headers["content-encoding"] == "br"
    again = await world.get("/v1/titles/dune", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


async def test_health_documentation_and_the_front_door(world: World) -> None:
    assert (await world.http.get("/healthz")).json() == {"status": "ok"}
    assert (await world.http.get("/readyz")).json()["status"] == "ready"
    document = (await world.http.get("/openapi.json")).json()
    shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path in document["paths"]]
    assert len(set(shapes)) == len(shapes), "two templates of one shape are one path to OpenAPI"
    assert not [path for path in document["paths"] if "." in path.partition("{")[2]]
    assert set(document["paths"]["/v1/titles/{id}"]) == {"get", "patch", "delete"}
    validate(document)
    assert "/v1/hubs/{title_id}" in document["paths"]
    docs = await world.http.get("/docs")
    assert "/v1/anchors:batchGet" in docs.text
    assert "Errors:" in docs.text, "the protos' comments are shown"
    assert (await world.http.get("/")).headers["location"] == "/docs"


async def test_the_same_over_grpc_with_a_bearer(world: World) -> None:
    stub = hub_pb2_grpc.HubServiceStub(world.channel)
    bearer = (("authorization", f"Bearer {world.tokens['app']}"),)
    hub = await stub.GetHub(hub_pb2.GetHubRequest(title_id="dune", region="US"), metadata=bearer)
    assert hub.title.title == "Dune"
    wish = hub_pb2.BatchGetAnchorsRequest(video_ids=["v1"], viewer_region="US")
    assert (await stub.BatchGetAnchors(wish, metadata=bearer)).anchors[0].title_id == "dune"
    asked = hub_pb2.ExplainAnchorRequest(video_id="v1")
    assert (await stub.ExplainAnchor(asked, metadata=bearer)).anchor.explanation.gates
    assert (await stub.SearchTitles(hub_pb2.SearchTitlesRequest(q="dune"), metadata=bearer)).hits
    await stub.RecordEvents(hub_pb2.RecordEventsRequest(), metadata=bearer)
    for metadata, code in (
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", f"Bearer {world.tokens['nobody']}"),), grpc.StatusCode.PERMISSION_DENIED),
        # Who is only claimed is nobody here: those keys are for services behind this door.
        ((("x-spotlight-subject", "root"), ("x-spotlight-scopes", "hub.read")), grpc.StatusCode.UNAUTHENTICATED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetHub(hub_pb2.GetHubRequest(title_id="dune"), metadata=metadata)
        assert caught.value.code() == code
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetHub(hub_pb2.GetHubRequest(title_id="dune", region="XX"), metadata=bearer)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_too_many_requests_are_told_when_to_come_back(redis_url: str, tmp_path: Path) -> None:
    async with gateway_world(redis_url, tmp_path, rate_person_per_min=5) as world:
        answers = [await world.get("/v1/reviewTasks", "studio") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [403] * 5 + [429] * 2
        assert answers[-1].json()["reason"] == "RATE_LIMITED"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        page = await world.http.get("/docs", headers={"accept": "text/html"})
        assert page.status_code == 200


async def test_a_caller_who_leaves_stops_the_work(world: World) -> None:
    world.catalog.delay_s = 5
    try:
        with pytest.raises(httpx.ReadTimeout):
            await world.get("/v1/titles/dune", timeout=0.2)
        await asyncio.sleep(0.1)
        assert not world.gateway.door._open
    finally:
        world.catalog.delay_s = 0
