"""The match command: the engine's own answers, for files."""

import gzip
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from services.matcher.text.engine import TextEngine
from services.matcher.text.posts import Post
from tools.cli.__main__ import app_for
from tools.cli.posts import PostUnreadable, read_post

TITLES = Path(__file__).parents[3] / "cases" / "titles.jsonl"
ROWS = [
    {"id": "1", "text": "Breaking Bad season 2"},
    {"id": "2", "video_description": "lunch", "hashtag_names": ["strangerthings"]},
    {"id": "3", "text": "nothing at all"},
]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_answers_as_the_engine_does(engine: TextEngine, tmp_path: Path, workers: int) -> None:
    with gzip.open(tmp_path / "posts.jsonl.gz", "wb") as file:
        file.writelines(orjson.dumps(row) + b"\n" for row in ROWS[:2])
    (tmp_path / "more.jsonl").write_bytes(orjson.dumps(ROWS[2]))
    engine.index.save(tmp_path / "names.index")
    command = [
        "match",
        "--catalog",
        str(TITLES),
        "--posts",
        str(tmp_path / "posts.jsonl.gz"),
        str(tmp_path / "more.jsonl"),
        "--out",
        str(tmp_path / "out.jsonl"),
        "--workers",
        str(workers),
        "--index",
        str(tmp_path / "names.index"),
    ]
    result = CliRunner().invoke(app_for(command), command)
    assert result.exit_code == 0, result.output
    assert "posts/s" in result.output
    told = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    posts = [
        Post(caption="Breaking Bad season 2"),
        Post(caption="lunch", hashtags=("strangerthings",)),
        Post(caption="nothing at all"),
    ]
    expected = engine.match_batch(posts)
    assert [t["id"] for t in told] == ["1", "2", "3"]
    for row, matches in zip(told, expected, strict=True):
        assert [m["title_id"] for m in row["matches"]] == [m.title_id for m in matches]
        assert [m["probability"] for m in row["matches"]] == pytest.approx([m.probability for m in matches], abs=1e-5)


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"text": "no id"}', b'{"id": 1, "text": 5}x'])
def test_a_line_that_is_no_post_is_refused(line: bytes) -> None:
    with pytest.raises(PostUnreadable):
        read_post(line)


def test_a_missing_catalog_is_said_in_a_sentence(tmp_path: Path) -> None:
    command = [
        "match",
        "--catalog",
        str(tmp_path / "none.jsonl"),
        "--posts",
        str(TITLES),
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app_for(command), command)
    assert result.exit_code == 2
    # The error stands in a box that breaks a long path anywhere.
    assert "none.jsonl" in "".join(result.output.replace("│", "").split())


def test_training_says_what_is_missing(tmp_path: Path) -> None:
    command = ["train", "--data", str(tmp_path)]
    result = CliRunner().invoke(app_for(command), command)
    assert result.exit_code == 2
    assert "missing" in result.output or "not installed" in result.output
