"""Posts of ours are read as they are marked, and those that are kept can all be read."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.cli.training.gold import NEITHER, UNSAID, WRONG, Gold
from tools.cli.training.written import FOLDER, MARK, written

TITLES = (
    {"id": "tv:a", "kind": "tv", "title": "The Quiet Harbour", "year": 2019},
    {"id": "movie:b", "kind": "movie", "title": "Midnight Sky", "year": 2020},
)
KEPT = sorted(FOLDER.glob("*.txt"))
TITLE_ID = re.compile(r"(movie|tv):\S+|\?")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalog_of(tmp_path_factory.mktemp("catalog"), *TITLES)


def catalog_of(folder: Path, *titles: dict[str, object]) -> Path:
    path = folder / "titles.jsonl.gz"
    with gzip.open(path, "wt") as lines:
        lines.writelines(json.dumps(title) + "\n" for title in titles)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tags.txt").write_text("home again #diy\n#[[midnightsky|movie:b]]edit of 2020 #fyp\n")
    (tmp_path / "captions.txt").write_text("first line\\nthen [[quiet harbour|tv:a]], or [[Harbour|?]]!\n")
    return tmp_path


def test_marks_become_mentions_and_leave_the_text(catalog: Path, folder: Path) -> None:
    caption, empty, tags = written(catalog, folder)
    assert caption["text"] == "first line\nthen quiet harbour, or Harbour!"
    assert [(m["surface"], m["catalog_id"], m["kind"]) for m in caption["mentions"]] == [
        ("quiet harbour", "tv:a", "tv"),
        ("Harbour", None, UNSAID),
    ]
    assert (empty["mentions"], empty["hashtags"]) == ([], ["diy"])
    assert tags["hashtags"] == ["midnightskyedit", "fyp"]
    for post in (caption, tags):
        assert all(post["text"][m["start"] : m["end"]] == m["surface"] for m in post["mentions"])


def test_a_year_counts_where_the_text_says_it(catalog: Path, folder: Path) -> None:
    caption, _, tags = written(catalog, folder)
    assert caption["mentions"][0]["year"] is None
    assert tags["mentions"][0]["year"] == 2020


def test_a_title_the_catalog_lacks_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(KeyError, match="movie:b"):
        written(catalog_of(tmp_path, TITLES[0]), folder)


def test_what_cannot_be_said_is_neither_right_nor_wrong(catalog: Path, folder: Path) -> None:
    caption, _, _ = written(catalog, folder)
    nothing: Any = NothingKnown()
    gold = Gold(caption, nothing, nothing)
    place = caption["text"].index("Harbour")
    assert gold.label("movie:other", place, place + 7)[0] == NEITHER
    assert gold.label("movie:other", 0, 5)[0] == WRONG


def test_posts_without_a_title_weigh_more_in_the_forests(catalog: Path, folder: Path) -> None:
    caption, empty, tags = written(catalog, folder)
    assert empty["final_say"] > caption["final_say"] == tags["final_say"]
    assert caption["say"] == empty["say"]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_every_post_that_is_kept_can_be_read(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(set(lines)) == len(lines) > 100
    for line in lines:
        assert all(TITLE_ID.fullmatch(mark[2]) for mark in MARK.finditer(line)), line
        assert "[[" not in MARK.sub(r"\1", line), line


class NothingKnown:
    """Stands for the scorer's knowledge of the catalog: names nobody shares."""

    OPTIONAL_KINDS = frozenset[str]()

    def accepted(self, mention: dict[str, object]) -> set[object]:
        return {mention["catalog_id"]}

    def about(self, post: dict[str, object]) -> set[str]:
        return set()
