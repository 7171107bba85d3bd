"""Reads catalog files line by line: JSONL, gzip or plain, or one JSON object or list; format found by looking."""

import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from services.catalog.adapters import open_jsonl, tmdb
from services.catalog.adapters.reading import RowUnreadable
from services.catalog.title import Title

LINE_BYTES_MAX = 4 * 2**20
FORMATS: Mapping[str, Callable[[Mapping[str, Any]], Title]] = {
    "catalog": open_jsonl.title_of,
    "tmdb": tmdb.title_of,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: a title, or why it is none."""

    line: int
    title: Title | None = None
    problem: str = ""


def import_id_of(path: Path) -> str:
    """The same for the same file: an import that broke off is resumed, one that is done is not done again."""
    found = path.stat()
    mark = f"{path.resolve()}\x00{found.st_size}\x00{found.st_mtime_ns}"
    return f"file:{blake2b(mark.encode(), digest_size=12).hexdigest()}"


def rows_of(path: Path, *, after_line: int = 0, format_name: str = "auto") -> Iterator[Row]:
    """The rows behind a line; a whole JSON list counts its elements as lines."""
    with path.open("rb") as raw:
        stream = gzip.open(raw) if raw.peek(2)[:2] == b"\x1f\x8b" else raw  # noqa: SIM115 - raw closes it
        for line, content in _lines(io.BufferedReader(stream)):
            if line > after_line and content:
                yield _row(line, content, format_name)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    """Each line's bytes; or the parsed elements of a file that is one JSON document."""
    first = stream.readline(LINE_BYTES_MAX + 1)
    if first.lstrip()[:1] == b"[" or not _is_object(first):
        whole = first + stream.read()
        try:
            document = json.loads(whole)
        except ValueError:
            yield from enumerate(whole.splitlines(), 1)
            return
        yield from enumerate(document if isinstance(document, list) else [document], 1)
        return
    yield 1, first
    line = 1
    while content := stream.readline(LINE_BYTES_MAX + 1):
        line += 1
        yield line, content.strip()


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(orjson.loads(content), dict)
    except orjson.JSONDecodeError:
        return False


def _row(line: int, content: Any, format_name: str) -> Row:
    if isinstance(content, bytes):
        if len(content) > LINE_BYTES_MAX:
            return Row(line=line, problem=f"a line may not be longer than {LINE_BYTES_MAX} bytes")
        try:
            content = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            return Row(line=line, problem=f"not JSON: {error}")
    if not isinstance(content, dict):
        return Row(line=line, problem="not a JSON object")
    read = FORMATS["catalog" if "kind" in content else "tmdb"] if format_name == "auto" else FORMATS[format_name]
    try:
        return Row(line=line, title=read(content))
    except RowUnreadable as error:
        return Row(line=line, problem=str(error))
