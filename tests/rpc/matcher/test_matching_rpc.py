"""MatcherService over a real channel and a real store: matching and what is stored of it."""

import grpc
import pytest

from protos.matcher.v1 import matcher_pb2 as pb
from tests.matcher_world import a_video, fields_of, reason_of


async def test_a_video_is_matched_decided_and_stored(world):
    response = await world.matcher.MatchVideo(pb.MatchVideoRequest(video=a_video()))
    (match,) = response.matches
    assert (match.title_id, match.state, match.decided_by) == ("dune", pb.MATCH_STATE_APPROVED, "policy")
    assert match.probability == pytest.approx(0.95)
    assert (match.policy_version, match.model_version, match.catalog_revision) == ("p-000001", "toy-1", 4)
    stored = await world.matcher.GetMatch(pb.GetMatchRequest(match_id=match.id))
    assert stored.evidence == match.evidence
    assert [each.span.field for each in stored.evidence] == ["", "video_description"]


@pytest.mark.parametrize(
    ("text", "state"),
    [("Dune", "APPROVED"), ("Up", "IN_REVIEW"), ("Alien", "REJECTED")],
)
async def test_thresholds_put_a_match_into_its_state(world, text, state):
    response = await world.match(a_video(text=text))
    assert [match.state for match in response.results[0].matches] == [pb.MatchState.Value(f"MATCH_STATE_{state}")]


async def test_a_candidate_below_the_drop_threshold_is_not_kept(world):
    response = await world.match(a_video(text="It"))
    assert list(response.results[0].matches) == []


async def test_the_same_video_again_writes_nothing(world):
    first = await world.match(a_video())
    again = await world.match(a_video())
    assert (first.results[0].unchanged, again.results[0].unchanged) == (False, True)
    assert again.results[0].matches == first.results[0].matches
    assert await world.database.segments.count_documents({}) == 1
    assert len(await world.changes()) == 1


async def test_a_video_without_titles_is_kept_and_repeats_without_a_write(world):
    await world.match(a_video(text="nothing here"))
    again = await world.match(a_video(text="nothing here"))
    assert again.results[0].unchanged
    video = await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v1"))
    assert video.video_description == "nothing here"


async def test_a_changed_caption_replaces_the_matches(world):
    await world.match(a_video(text="Dune"))
    response = await world.match(a_video(text="Up now"))
    assert [match.title_id for match in response.results[0].matches] == ["up"]
    assert [change.match.state for change in await world.changes()] == [
        pb.MATCH_STATE_APPROVED,
        pb.MATCH_STATE_IN_REVIEW,
        pb.MATCH_STATE_WITHDRAWN,
    ]


async def test_validate_only_stores_nothing(world):
    response = await world.match(a_video(), validate_only=True)
    assert response.results[0].matches[0].title_id == "dune"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.matcher.GetVideo(pb.GetVideoRequest(video_id="v1"))
    assert reason_of(raised.value) == "VIDEO_NOT_FOUND"


async def test_a_request_id_repeats_and_refuses_another_body(world):
    first = await world.match(a_video(), request_id="r1")
    again = await world.match(a_video(), request_id="r1")
    assert again.results[0].matches == first.results[0].matches
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.match(a_video("v2"), request_id="r1")
    assert reason_of(raised.value) == "REQUEST_ID_REUSED"


async def test_a_batch_names_each_video_once(world):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.match(a_video(), a_video())
    assert fields_of(raised.value) == ["videos[1].id"]


@pytest.mark.parametrize(
    ("video", "name"),
    [
        (a_video(id="a b"), "videos[0].id"),
        (a_video(text="bell \x07"), "videos[0].video_description"),
        (a_video(text="x" * 70_000), "videos[0].video_description"),
        (a_video(view_count=-1), "videos[0].view_count"),
        (a_video(duration=float("nan")), "videos[0].duration"),
        (a_video(region_code="usa"), "videos[0].region_code"),
        (a_video(hashtag_names=["x"] * 501), "videos[0].hashtag_names"),
    ],
)
async def test_bad_input_is_refused_by_its_name_and_changes_nothing(world, video, name):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.match(video)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields_of(raised.value)[0] == name
    assert await world.database.segments.count_documents({}) == 0


async def test_a_stream_answers_each_batch_in_order(world):
    async def batches():
        for number in range(5):
            yield pb.StreamMatchVideosRequest(
                request_id=f"r{number}", videos=[a_video(f"v{number}-{k}") for k in range(3)]
            )

    answers = [answer async for answer in world.matcher.StreamMatchVideos(batches())]
    assert [answer.request_id for answer in answers] == [f"r{number}" for number in range(5)]
    assert all(len(answer.results) == 3 for answer in answers)


async def test_a_match_is_found_by_its_id_though_ids_have_colons(world):
    from tests.matcher_world import a_title

    await world.follow(a_title("movie:tt1", "Blade Runner"))
    await world.match(a_video("a:b:c", "Blade Runner!"))
    match = await world.matcher.GetMatch(pb.GetMatchRequest(match_id="a:b:c:movie:tt1"))
    assert (match.video_id, match.title_id) == ("a:b:c", "movie:tt1")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.matcher.GetMatch(pb.GetMatchRequest(match_id="a:b:nothing"))
    assert reason_of(raised.value) == "MATCH_NOT_FOUND"


async def test_a_titles_videos_come_most_viewed_first_in_pages(world):
    for number in range(5):
        await world.match(a_video(f"v{number}", view_count=2_000 + number))
    seen, token = [], ""
    while True:
        page = await world.matcher.ListTitleVideos(
            pb.ListTitleVideosRequest(title_id="dune", page_size=2, page_token=token, viewer_region="US")
        )
        seen += [row.video.id for row in page.videos]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["v4", "v3", "v2", "v1", "v0"]


async def test_a_forged_page_token_is_refused(world):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.matcher.ListTitleVideos(pb.ListTitleVideosRequest(title_id="dune", page_token="abcd"))
    assert fields_of(raised.value) == ["page_token"]


async def test_index_info_says_what_is_searched(world):
    await world.match(a_video(), a_video("v2", "nothing"))
    info = await world.matcher.GetIndexInfo(pb.GetIndexInfoRequest())
    assert (info.is_ready, info.title_count, info.catalog_revision, info.video_count) == (True, 4, 4, 2)
    assert (info.model_version, info.policy_version, info.calibration_version) == ("toy-1", "p-000001", "none")
