"""`match`: which titles of a catalog file the posts of other files are about."""

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from tools.cli.catalogs import read_titles
from tools.cli.posts import PostUnreadable, predict, read_lines

LINES_PER_STEP = 4000
WORKERS_MAX = 64
PROGRESS_EVERY_S = 2.0

_engine: TextEngine | None = None  # one a worker process, set when it starts


def match(
    catalog: Annotated[Path, typer.Option(help="Titles, one JSON object a line; gzipped by its name.")],
    posts: Annotated[list[Path], typer.Option(help="Posts, one JSON object a line; gzipped by its name.")],
    out: Annotated[Path, typer.Option(help="Where the predictions go, one JSON object a line.")],
    workers: Annotated[int, typer.Option(min=1, max=WORKERS_MAX, help="Processes that share the posts.")] = 1,
    index: Annotated[Path | None, typer.Option(help="Keep the built index here, and use it when it is there.")] = None,
    further: Annotated[
        list[Path] | None, typer.Argument(metavar="POSTS", help="More posts: `--posts *.jsonl` may name many files.")
    ] = None,
) -> None:
    """Match every post against the catalog; say how fast, and how much memory it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = index or Path(folder) / "names.index"
        try:
            if not path.exists():
                _build(catalog, path)
            count, seconds = _match_all(path, [*posts, *(further or ())], out, workers)
        except (OSError, PostUnreadable, ValueError) as error:
            raise typer.BadParameter(str(error)) from error
    typer.echo(
        f"{count} posts in {seconds:.1f} s: {count / max(seconds, 1e-9):,.0f} posts/s"
        f" with {workers} worker(s), {memory_mb():.0f} MB"
    )


def memory_mb() -> float:
    """The most memory this process, or any one of its workers, has held."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


def _build(catalog: Path, path: Path) -> None:
    started = time.monotonic()
    built = TextIndex.build(read_titles(catalog))
    built.save(path)
    _say(f"index of {len(built)} titles built in {time.monotonic() - started:.1f} s")


def _match_all(path: Path, posts: list[Path], out: Path, workers: int) -> tuple[int, float]:
    count, started, told = 0, time.monotonic(), time.monotonic()
    lines_left = read_lines(posts)
    steps = iter(lambda: list(islice(lines_left, LINES_PER_STEP)), [])
    with out.open("wb") as predictions:
        for lines in _predictions(path, steps, workers):
            predictions.writelines(lines)
            count += len(lines)
            if time.monotonic() - told > PROGRESS_EVERY_S:
                told = time.monotonic()
                _say(f"{count} posts, {count / (told - started):,.0f} posts/s")
    return count, time.monotonic() - started


def _predictions(path: Path, steps: Iterable[list[bytes]], workers: int) -> Iterator[list[bytes]]:
    if workers == 1:
        _start(path)
        yield from map(_predict, steps)
        return
    with multiprocessing.get_context("spawn").Pool(workers, _start, (path,)) as pool:
        yield from pool.imap(_predict, steps)


def _start(path: Path) -> None:
    global _engine  # noqa: PLW0603 - a worker has one engine for its whole life
    _engine = TextEngine(TextIndex.load(path))


def _predict(lines: list[bytes]) -> list[bytes]:
    assert _engine is not None, "a worker starts with its engine"
    return predict(_engine, lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
