"""Captions as tags: titles, and songs that share a title's name, set among the tags of real posts that name none.

Few labelled posts are strings of tags, and each source of them has favourite titles.  A title drawn from the
catalog, glued as people glue it and put among other people's tags, teaches the form without the favourites.
A well-known song teaches what it is when a tag is no title, where the title of that name is less known.
Such posts belong to the document, and so to the fold, of the post they borrow from.
"""

import random
import re
from pathlib import Path
from typing import Any

import numpy as np

from tools.cli.catalogs import read_rows
from tools.cli.training.gold import SOCIAL_SOURCES, Row
from tools.cli.training.lexicon import well_known_songs

SOURCE = "rewritten"
SAY, FINAL_SAY = 0.25, 0.1  # of a source's, where words and cuts are learned and in the forests
SCORE_MIN = 3.5
NAME_CHARS_MIN = 5
POSTS = 3000
SUNG = 600  # posts with a song
SONG_SCORE_MAX = 5.0  # of the title that shares its name; chosen, not measured
TAGS_MAX = 14
CHARACTERS_MAX = 2
# Shares of posts with capitals, an added word, the kind, a genre, characters, and of animes that say so.
# Chosen, not measured.
CAPITALS, ADDED, KIND, GENRE, CHARACTERS, ANIME = 0.3, 0.15, 0.35, 0.15, 0.3, 0.7
_PIECES = re.compile(r"[^\W_]+")
_AFTER = ("edit", "edits", "movie", "fan", "cosplay", "tiktok", "clips", "scene", "meme", "fanart", "trailer", "series")
_GENRE_TAGS = {
    "Horror": ("horror", "horrormovie", "scary", "horrortok"),
    "Comedy": ("comedy", "funny"),
    "Animation": ("animation", "cartoon", "disney"),
    "Sci-Fi": ("scifi",),
    "Fantasy": ("fantasy", "magic"),
    "Romance": ("romance", "romcom", "love"),
    "Crime": ("crime", "thriller"),
    "Music": ("musical", "music"),
    "Reality": ("realitytv",),
}
_KIND_TAGS = {
    "movie": ("movie", "film", "movies", "movieclips", "filmtok", "movieedit"),
    "tv": ("series", "tvshow", "netflix", "tvseries", "tvedit", "show"),
}
_ANIME_TAGS = ("anime", "animeedit", "animes", "otaku", "weeb", "animeedits", "manga", "amv")


def rewritten(posts: list[Row], catalog: Path, seed: int = 11) -> list[Row]:
    """POSTS posts of tags, each with one title of the catalog in it, and SUNG with a song.  The same every time."""
    draw = random.Random(seed)  # noqa: S311 - chance, not secrecy
    empty = [p for p in posts if p["source"] in SOCIAL_SOURCES and not p["mentions"] and len(p["hashtags"]) > 1]
    titles = _known(catalog)
    chosen = _drawn(draw, titles, POSTS)
    result = [_rewritten(draw, draw.choice(empty), title, number) for number, title in enumerate(chosen)]
    songs = draw.choices(_songs(titles), k=SUNG)
    return result + [_sung(draw, draw.choice(empty), song, number) for number, song in enumerate(songs, POSTS)]


def _known(catalog: Path) -> list[Row]:
    """Titles of some renown whose names are long enough to be told from words."""
    known = [r for r in read_rows(catalog) if (r.get("score") or 0) >= SCORE_MIN]
    return [r for r in known if r["title"].isascii() and len(_glued(r["title"])) >= NAME_CHARS_MIN]


def _drawn(draw: random.Random, titles: list[Row], count: int) -> list[Row]:
    """Well-known titles more often, though not as often as people speak of them."""
    weight = np.sqrt(np.power(10.0, [t["score"] for t in titles]))
    return draw.choices(titles, weights=weight.tolist(), k=count)


def _glued(name: str) -> str:
    """A name as it stands in a tag."""
    return "".join(_PIECES.findall(name.replace("'", "").replace("\u2019", "")))


def _songs(titles: list[Row]) -> list[str]:
    """Well-known songs whose name a title has, and no well-known one."""
    best: dict[str, float] = {}
    for title in titles:
        name = _glued(title["title"]).casefold()
        best[name] = max(title["score"], best.get(name, 0.0))
    return [song for song in well_known_songs() if 0 < best.get(_glued(song).casefold(), 0.0) < SONG_SCORE_MAX]


def _rewritten(draw: random.Random, lender: Row, title: Row, number: int) -> Row:
    tag = _written(draw, title["title"])
    if draw.random() < ADDED:
        tag += draw.choice(_AFTER)
    tags, at = _set_among(draw, lender["hashtags"], tag, _telling(draw, title))
    start = sum(len(t) + 2 for t in tags[:at])
    mention = {
        "surface": f"#{tag}",
        "start": start,
        "end": start + len(tag) + 1,
        "title": title["title"],
        "year": title.get("year"),
        "kind": title["kind"],
        "catalog_id": title["id"],
    }
    return _post(number, lender, tags, mention)


def _sung(draw: random.Random, lender: Row, song: str, number: int) -> Row:
    tags, _ = _set_among(draw, lender["hashtags"], _written(draw, song), [])
    return _post(number, lender, tags)


def _post(number: int, lender: Row, tags: list[str], *mentions: dict[str, Any]) -> Row:
    """A post of the document of its lender; beside a title, the lent tags may name others."""
    return {
        "id": f"{SOURCE}:{number}",
        "source": SOURCE,
        "doc_id": lender["doc_id"],
        "text": " ".join(f"#{tag}" for tag in tags),
        "hashtags": tags,
        "mentions": list(mentions),
        "about": [],
        "exhaustive": not mentions,
        "lender": lender["source"],
        "say": SAY,
        "final_say": FINAL_SAY,
    }


def _written(draw: random.Random, name: str) -> str:
    return _glued(name) if draw.random() < CAPITALS else _glued(name).lower()


def _set_among(draw: random.Random, others: list[str], tag: str, telling: list[str]) -> tuple[list[str], int]:
    """Some of the others' tags, the telling ones and the tag, and where it stands."""
    around = draw.sample(others, k=min(len(others), draw.randint(1, TAGS_MAX - 4))) + telling
    draw.shuffle(around)
    at = draw.randint(0, len(around))
    return [*around[:at], tag, *around[at:]], at


def _telling(draw: random.Random, title: Row) -> list[str]:
    """Sometimes characters, the kind, a genre."""
    found: list[str] = []
    genres = title.get("genres") or ()
    keywords = title.get("keywords") or ()
    anime = "anime" in keywords or "Anime" in genres
    if anime and draw.random() < ANIME:
        found += draw.sample(_ANIME_TAGS, k=draw.randint(1, 3))
    elif draw.random() < KIND:
        found.append(draw.choice(_KIND_TAGS.get(title["kind"], ("movie",))))
    for genre in genres:
        if genre in _GENRE_TAGS and draw.random() < GENRE:
            found.append(draw.choice(_GENRE_TAGS[genre]))
    played = [c for p in title.get("cast") or () if isinstance(p, list) and len(p) > 1 and (c := p[1])]
    if played and draw.random() < CHARACTERS:
        found += [_glued(c.split(" / ")[0]).lower() for c in draw.sample(played, k=min(len(played), CHARACTERS_MAX))]
    return [f for f in found if f]
