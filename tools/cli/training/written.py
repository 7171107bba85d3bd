r"""Posts of ours as they are kept in `data/posts`: a post a line, with the names of titles marked in it.

`[[words|movie:tt1]]` are words that mean this title of the catalog, `[[words|?]]` words that may mean one or none;
`\n` is a line break.  Each file is a source by itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.cli.catalogs import read_rows
from tools.cli.training.gold import UNSAID, Row

FOLDER = Path("data/posts")
SAY = 1 / 6  # of a source's, for each of a dozen files, where words and cuts are learned
# And in the forests.  Three real posts in a hundred name a title and, for want of room, every other one of ours: those
# without weigh more.
FINAL_SAY = SAY * 0.4
EMPTY_FINAL_SAY = FINAL_SAY * 5
MARK = re.compile(r"\[\[(.+?)\|(.+?)\]\]")
_BREAK = re.compile(r" ?\\n ?")
_TAG = re.compile(r"#(\w+)")


def written(catalog: Path, folder: Path = FOLDER) -> list[Row]:
    """All posts of the folder.  A title that the catalog lacks: KeyError."""
    titles = {row["id"]: row for row in read_rows(catalog)}
    return [
        _post(path.stem, number, line, titles)
        for path in sorted(folder.glob("*.txt"))
        for number, line in enumerate(path.read_text("utf-8").splitlines())
    ]


def _post(source: str, number: int, line: str, titles: dict[str, Row]) -> Row:
    line = _BREAK.sub("\n", line)
    text = MARK.sub(r"\1", line)
    name = f"{source}:{number}"
    mentions = [_mention(surface, start, title_id, text, titles) for surface, start, title_id in _marks(line)]
    return {
        "id": name,
        "source": source,
        "doc_id": name,
        "text": text,
        "hashtags": _TAG.findall(text),
        "mentions": mentions,
        "about": [],
        "exhaustive": True,
        "lender": "ours",  # all files are held out together
        "say": SAY,
        "final_say": FINAL_SAY if mentions else EMPTY_FINAL_SAY,
    }


def _marks(line: str) -> Iterator[tuple[str, int, str]]:
    """The words of each mark, where they stand once all marks are taken away, and the title they mean."""
    taken = 0
    for mark in MARK.finditer(line):
        yield mark[1], mark.start() - taken, mark[2]
        taken += len(mark[0]) - len(mark[1])


def _mention(surface: str, start: int, title_id: str, text: str, titles: dict[str, Row]) -> dict[str, Any]:
    """As in the labelled posts: without a year where the text says none, so that any title of the name is right."""
    place = {"surface": surface, "start": start, "end": start + len(surface)}
    if title_id == UNSAID:
        return place | {"title": surface, "year": None, "kind": UNSAID, "catalog_id": None}
    title = titles[title_id]
    year = title.get("year")
    said = year if str(year) in text else None
    return place | {"title": title["title"], "year": said, "kind": title["kind"], "catalog_id": title_id}
