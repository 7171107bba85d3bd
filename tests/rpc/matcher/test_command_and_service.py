"""The match command and a matcher process say the same of the same posts."""

from pathlib import Path

import grpc.aio
import orjson
import pytest
from typer.testing import CliRunner

from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc
from services.matcher import index
from services.matcher.domain import TitleCard, TitleState
from services.matcher.policy import Policy
from services.matcher.text.index import TextIndex
from tests.faults.matcher.test_reviewers_and_kills import MatcherProcess
from tests.faults.matcher.test_the_index_is_live import CHANNEL, answered
from tools.cli.__main__ import app_for
from tools.cli.catalogs import read_titles

TITLES = Path(__file__).parents[2] / "cases" / "titles.jsonl"
POSTS = [
    {"id": "1", "text": "Breaking Bad season 2 finale, what a show"},
    {"id": "2", "text": "lunch with the girls", "hashtags": ["strangerthings", "netflix"]},
    {"id": "3", "text": "nothing at all"},
    {"id": "4", "text": "#dunemovie and The Matrix movie night"},
    {"id": "5", "text": "it was up to us"},
]


async def test_the_command_and_the_service_give_equal_answers(database, mongo_url, tmp_path):
    process = MatcherProcess(database.name, mongo_url, tmp_path)
    titles = list(read_titles(TITLES))
    saved = index.Saved(
        text=TextIndex.build(titles),
        revision=1,
        cards={title.title_id: TitleCard(title.names[0].text, TitleState.ACTIVE) for title in titles},
        soundtracks={},
    )
    index.save(saved, tmp_path / str(process.port))
    told = by_command(tmp_path)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}", CHANNEL) as channel:
            stub = matcher_pb2_grpc.MatcherServiceStub(channel)
            videos = [
                pb.Video(id=post["id"], video_description=post["text"], hashtag_names=post.get("hashtags", ()))
                for post in POSTS
            ]
            answer = await answered(stub.BatchMatchVideos, pb.BatchMatchVideosRequest(videos=videos))
    finally:
        await process.kill()
    kept = Policy(version="").drop_threshold
    served = {each.video_id: {m.title_id: m.probability for m in each.matches} for each in answer.results}
    assert sum(map(len, served.values())) >= 3
    for post_id, found in told.items():
        assert served[post_id] == pytest.approx({t: p for t, p in found.items() if p >= kept}, abs=1e-5)


def by_command(folder: Path) -> dict[str, dict[str, float]]:
    """Titles and probabilities of each post, as the command writes them."""
    posts, out = folder / "posts.jsonl", folder / "out.jsonl"
    posts.write_bytes(b"".join(orjson.dumps(post) + b"\n" for post in POSTS))
    command = ["match", "--catalog", str(TITLES), "--posts", str(posts), "--out", str(out)]
    result = CliRunner().invoke(app_for(command), command)
    assert result.exit_code == 0, result.output
    rows = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    return {row["id"]: {match["title_id"]: match["probability"] for match in row["matches"]} for row in rows}
