"""Reading a catalog file: one title a JSON line, gzipped by its name, into what the index takes."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from services.matcher.text.titles import MediaType, Name, NameKind, Person, TitleNames

_MEDIA = {
    "movie": MediaType.MOVIE,
    "tv": MediaType.TV,
    "season": MediaType.SEASON,
    "episode": MediaType.EPISODE,
    "event": MediaType.EVENT,
}


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Every row of the file, in its order."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield orjson.loads(line)


def read_titles(path: Path) -> Iterator[TitleNames]:
    """Every title of the file, in its order."""
    return map(title_names, read_rows(path))


def title_names(row: dict[str, Any]) -> TitleNames:
    """One row, with this project's field names or those of the shared catalog files."""
    names = [Name(text=row["title"])]
    if original := row.get("original_title"):
        names.append(Name(text=original, kind=NameKind.ORIGINAL))
    names += [_other_name(aka) for aka in row.get("akas") or row.get("alternative_titles") or ()]
    pop = row.get("pop") or {}
    popularity = row.get("score")
    return TitleNames(
        title_id=row["id"],
        media_type=_MEDIA.get(row.get("kind") or row.get("media_type") or "movie", MediaType.MOVIE),
        names=tuple(names),
        year=row.get("year") or 0,
        release_date=row.get("release_date") or "",
        popularity=float(popularity if popularity is not None else pop.get("tmdb_popularity") or 0.0),
        cast=tuple(_person(p) for p in row.get("cast") or ()),
        crew=tuple(row.get("directors") or ()),
        hashtags=tuple(h if isinstance(h, str) else h["name"] for h in row.get("hashtags") or ()),
        franchise=row.get("franchise") or "",
        genres=tuple(row.get("genres") or ()),
        keywords=tuple(row.get("keywords") or ()),
        overview=row.get("overview") or "",
        language=row.get("language") or row.get("original_language") or "",
    )


def _other_name(aka: Any) -> Name:
    if isinstance(aka, str):
        return Name(text=aka, kind=NameKind.ALTERNATIVE)
    if isinstance(aka, dict):
        return Name(text=aka["title"], kind=NameKind.ALTERNATIVE, language=aka.get("iso_639_1") or "")
    return Name(text=aka[0], kind=NameKind.ALTERNATIVE, language=aka[1] if len(aka) > 1 else "")


def _person(person: Any) -> Person:
    if isinstance(person, dict):
        return Person(name=person["name"], character=person.get("character") or "")
    return Person(name=person[0], character=(person[1] if len(person) > 1 else "") or "")
