import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from chassis.validation import Rules
from deploy.local import samples, secrets, traffic
from deploy.local.plan import Plan
from protos.metrics.v1 import event_pb2

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_every_sample_video_is_valid_and_names_a_known_creator():
    videos = samples.videos()
    rules = Rules()
    for video in videos:
        rules.check(video)
    assert len({video.id for video in videos}) == len(videos) == 300
    assert len(samples.creators()) == 30
    assert {video.creator.id for video in videos} <= set(samples.creators())
    assert set(samples.SHOWN.video_ids) <= {video.id for video in videos}


def test_followers_reach_from_hardly_any_to_millions():
    counts = [creator.follower_count for creator in samples.creators().values()]
    assert (min(counts) < 1_000, max(counts) > 1_000_000) == (True, True)


def a_watched(**given):
    return traffic.Watched(
        **({"video_id": "v", "title_id": "t", "creator_id": "c", "weight": 1.0, "hashtag_names": ("x",)} | given)
    )


def events(watched, hours_ago, seed=1):
    begins = NOW - timedelta(hours=hours_ago)
    return list(traffic.events_of_hour(watched, samples.TITLE_ID, begins, NOW, random.Random(seed)))


def test_traffic_is_the_same_each_time_and_each_event_has_its_own_id():
    watched = [a_watched(video_id=f"v{n}") for n in range(200)]
    found = events(watched, 5)
    assert [each.id for each in found] == [each.id for each in events(watched, 5)]
    assert len({each.id for each in found}) == len(found)
    kinds = Counter(each.type for each in found)
    assert kinds[event_pb2.EVENT_TYPE_VIDEO_VIEW] > kinds[event_pb2.EVENT_TYPE_ANCHOR_IMPRESSION] > 0


def test_one_title_takes_off_in_the_last_days():
    watched = [a_watched(title_id=samples.TITLE_ID, video_id=f"v{n}") for n in range(200)]
    same_hour = 24
    assert len(events(watched, same_hour)) > 6 * len(events(watched, same_hour * 10))


def test_a_funnel_narrows():
    found = Counter(each.type for each in events([a_watched(weight=4000.0 / 10)], 1))
    order = ("VIDEO_VIEW", "ANCHOR_IMPRESSION", "ANCHOR_CLICK", "OFFER_IMPRESSION")
    counts = [found[getattr(event_pb2, f"EVENT_TYPE_{name}")] for name in order]
    assert counts == sorted(counts, reverse=True)


def test_tokens_are_written_for_their_owner_only(tmp_path):
    house = Plan(folder=tmp_path, port_base=8080, mongo_url="", redis_url="", processes=())
    house.secrets_folder.mkdir()
    (house.secrets_folder / "token.key").write_text("k" * 40)
    tokens = secrets.write_tokens(house, now=NOW, studio_id="studio:s", creator_id="c1")
    path = tmp_path / "tokens.json"
    assert json.loads(path.read_text()) == tokens
    assert set(tokens) == {"app", "studio", "reviewer", "creator", "admin"}
    assert path.stat().st_mode & 0o077 == 0


def test_the_printed_lines_carry_a_token_and_quote_their_arguments():
    lines = samples.curls("http://127.0.0.1:8080", {"app": "abc"})
    assert len(lines) == 3
    assert all("Authorization: Bearer abc" in line for line in lines)
