"""What posts of ours have in common: the titles they are drawn from, and the form of a labelled post."""

import gzip
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tools.cli.training.gold import Row

SCORE_MIN = 3.5
NAME_CHARS_MIN = 5
_PIECES = re.compile(r"[^\W_]+")


def known_titles(catalog: Path) -> list[Row]:
    """Titles of some renown whose names are long enough to be told from words."""
    with gzip.open(catalog) as lines:
        rows = (orjson.loads(line) for line in lines)
        known = [r for r in rows if (r.get("score") or 0) >= SCORE_MIN]
    return [r for r in known if r["title"].isascii() and len(glued(r["title"])) >= NAME_CHARS_MIN]


def drawn(draw: random.Random, titles: list[Row], count: int) -> list[Row]:
    """Well-known titles more often, though not as often as people speak of them."""
    weight = np.sqrt(np.power(10.0, [t["score"] for t in titles]))
    return draw.choices(titles, weights=weight.tolist(), k=count)


def glued(name: str) -> str:
    """A name as it stands in a tag."""
    return "".join(_PIECES.findall(name.replace("'", "").replace("\u2019", "")))


def mention_of(title: Row, surface: str, start: int) -> dict[str, Any]:
    return {
        "surface": surface,
        "start": start,
        "end": start + len(surface),
        "title": title["title"],
        "year": title.get("year"),
        "kind": title["kind"],
        "catalog_id": title["id"],
    }


def made_post(source: str, number: int, lender: Row, text: str, mentions: list[dict[str, Any]], **more: Any) -> Row:
    """A post of the document of its lender; `more` says what is not as in most."""
    return {
        "id": f"{source}:{number}",
        "source": source,
        "doc_id": lender["doc_id"],
        "text": text,
        "hashtags": [],
        "mentions": mentions,
        "about": [],
        "exhaustive": True,
        "lender": lender["source"],
        **more,
    }
