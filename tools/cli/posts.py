"""Reading posts from files and writing predictions: JSON lines in, JSON lines of the scorer's form out."""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from services.matcher.text.engine import TextEngine
from services.matcher.text.posts import Post

LINE_BYTES_MAX = 4_000_000


class PostUnreadable(ValueError):
    """A line is not a post: it must be a JSON object with an id."""


def read_lines(paths: Iterable[Path]) -> Iterator[bytes]:
    """Every line that holds something, of every file; gzipped by its name."""
    for path in paths:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            yield from (line for line in lines if line.strip())


def read_post(line: bytes) -> tuple[str, Post]:
    """The id and the words of one line, under the platform's field names or the shared data's."""
    if len(line) > LINE_BYTES_MAX:
        raise PostUnreadable(f"a line of {len(line)} bytes; {LINE_BYTES_MAX} is the most")
    try:
        row = orjson.loads(line)
        return str(row["id"]), _post(row)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise PostUnreadable(f"{line[:80]!r}: {error}") from error


def _post(row: dict[str, Any]) -> Post:
    return Post(
        caption=row.get("text") or row.get("video_description") or "",
        hashtags=tuple(row.get("hashtags") or row.get("hashtag_names") or ()),
        mentions=tuple(row.get("video_mention_list") or ()),
        speech=row.get("voice_to_text") or "",
        ocr=tuple(row.get("ocr_text") or ()),
        language=row.get("language") or row.get("lang") or "",
        create_time=int(row.get("create_time") or 0),
    )


def predict(engine: TextEngine, lines: list[bytes]) -> list[bytes]:
    """The prediction of each line: pure, so that any number of processes may share the work."""
    ids, posts = zip(*map(read_post, lines), strict=True) if lines else ((), ())
    return [
        orjson.dumps(
            {
                "id": post_id,
                "matches": [{"title_id": t, "probability": round(p, 6)} for t, p in found.items()],
            }
        )
        + b"\n"
        for post_id, found in zip(ids, engine.probabilities(posts), strict=True)
    ]
