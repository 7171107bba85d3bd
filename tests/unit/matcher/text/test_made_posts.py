"""Posts made for training say truly where their title stands, and are the same every time."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tools.cli.training import rewriting

TITLES = (
    {"id": "tv:a", "kind": "tv", "title": "The Quiet Harbour", "year": 2019, "score": 5.0, "cast": [["A", "Ada Lamb"]]},
    {"id": "movie:b", "kind": "movie", "title": "Midnight Sky", "year": 2020, "score": 4.0, "genres": ["Comedy"]},
    {"id": "movie:c", "kind": "movie", "title": "Frozen", "year": 2013, "score": 5.9},
    {"id": "movie:d", "kind": "movie", "title": "Hardly Anyone", "year": 2001, "score": 1.0},
)
LENT: tuple[dict[str, Any], ...] = (
    {"text": "my new kitchen #home #diy", "hashtags": ["home", "diy"], "mentions": []},
    {"text": "so proud of her", "hashtags": [], "mentions": []},
    {"text": "Frozen again #frozen #fyp", "hashtags": ["frozen", "fyp"], "mentions": [{"title": "Frozen"}]},
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "titles.jsonl.gz"
    with gzip.open(path, "wt") as lines:
        lines.writelines(json.dumps(title) + "\n" for title in TITLES)
    return path


def lent() -> list[dict[str, Any]]:
    source = "tiktok_hashtag_sets"
    return [{**post, "source": source, "doc_id": str(number)} for number, post in enumerate(LENT)]


def test_a_mention_stands_where_it_is_said_to(catalog: Path) -> None:
    posts = rewriting.rewritten(lent(), catalog)
    mentions = [(post["text"], mention) for post in posts for mention in post["mentions"]]
    assert len(mentions) > len(posts) // 2
    for text, mention in mentions:
        assert text[mention["start"] : mention["end"]] == mention["surface"]
        assert mention["catalog_id"] != "movie:d", "too little known to be drawn"


def test_the_same_posts_come_every_time(catalog: Path) -> None:
    assert rewriting.rewritten(lent(), catalog) == rewriting.rewritten(lent(), catalog)


def test_only_posts_without_a_title_are_borrowed_from(catalog: Path) -> None:
    assert "2" not in {post["doc_id"] for post in rewriting.rewritten(lent(), catalog)}


def test_a_song_is_set_among_tags_where_its_title_is_little_known(catalog: Path) -> None:
    posts = rewriting.rewritten(lent(), catalog)
    sung = [post for post in posts if not post["mentions"]]
    assert len(sung) == rewriting.SUNG
    assert all("midnightsky" in post["text"].casefold() for post in sung), "Frozen is a song, too, but better known"
