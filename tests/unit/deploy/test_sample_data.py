import json
from datetime import UTC, datetime

from chassis.validation import Rules
from deploy.local import samples, secrets
from deploy.local.plan import Plan

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
