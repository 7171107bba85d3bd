"""What a candidate of a labelled post is: right, wrong or neither, as the scorer judges it."""

import gzip
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

RIGHT, WRONG, NEITHER = 1, 0, -1
OPEN_SOURCES = frozenset(("redial", "inspired"))  # their labels miss many titles
SOCIAL_SOURCES = (
    "shortvideo_captions",
    "tiktok_hashtag_sets",
    "hashtag_tweets",
    "yt_trending_titles",
    "wnut16",
    "wnut17",
    "tweeki_gold",
)

UNSAID = "?"  # the kind of a mention in a post of ours of which nobody can say what it means

Row = dict[str, Any]


def load_scorer(folder: Path) -> ModuleType:
    """The scorer is not ours: it is read from where the labelled posts are."""
    spec = importlib.util.spec_from_file_location("spotlight_scorer", folder / "eval" / "score.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_posts(paths: Iterable[Path]) -> list[Row]:
    """Labelled posts; sources whose labels are known to miss titles are open."""
    posts: list[Row] = []
    for path in paths:
        with gzip.open(path) as lines:
            posts += [orjson.loads(line) for line in lines if line.strip()]
    for post in posts:
        if post["source"] in OPEN_SOURCES:
            post["exhaustive"] = False
    return posts


class Gold:
    """The gold of one post, ready to judge candidates."""

    def __init__(self, post: Row, equivalents: Any, scorer: ModuleType) -> None:
        self.required: dict[str, set[str]] = {}
        self.places: dict[str, list[tuple[int, int]]] = {}
        self.unsaid = [(m["start"], m["end"]) for m in post["mentions"] if m.get("kind") == UNSAID]
        optional: list[set[str]] = []
        for mention in post["mentions"]:
            accepted = equivalents.accepted(mention)
            wanted = mention.get("catalog_id")
            if not wanted or mention.get("off_topic") or mention.get("kind") in scorer.OPTIONAL_KINDS:
                optional.append(accepted)
                continue
            self.required.setdefault(wanted, set()).update(accepted)
            if mention["start"] is not None:
                self.places.setdefault(wanted, []).append((mention["start"], mention["end"]))
        self.spare = set().union(equivalents.about(post), *optional)
        self.everything = set().union(*self.required.values())
        self.exhaustive = post.get("exhaustive", True)
        self.against = (
            set()
            if self.exhaustive
            else set().union(*(equivalents.contradicting(m) for m in post["mentions"] if m.get("catalog_id")))
        )

    def label(self, title_id: str, start: int, end: int) -> tuple[int, str]:
        """RIGHT where the title is accepted by a mention these characters touch, and which one it is."""
        for wanted, accepted in self.required.items():
            if title_id in accepted:
                places = self.places.get(wanted)
                if places is None or any(start < b and a < end for a, b in places):
                    return RIGHT, wanted
        if title_id in self.everything or title_id in self.spare:
            return NEITHER, ""
        if any(start < b and a < end for a, b in self.unsaid):
            return NEITHER, ""
        if not self.exhaustive and title_id not in self.against:
            return NEITHER, ""
        return WRONG, ""
