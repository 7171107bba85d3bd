"""Captions as tags: titles, and songs that share a title's name, set among the tags of real posts that name none.

Few labelled posts are strings of tags, and each source of them has favourite titles.  A title drawn from the
catalog, glued as people glue it and put among other people's tags, teaches the form without the favourites.
A well-known song teaches what it is when a tag is no title, where the title of that name is less known.
Such posts belong to the document, and so to the fold, of the post they borrow from.
"""

import random
from pathlib import Path

from tools.cli.training.gold import SOCIAL_SOURCES, Row
from tools.cli.training.lexicon import well_known_songs
from tools.cli.training.made import drawn, glued, known_titles, made_post, mention_of

SOURCE = "rewritten"
POSTS = 3000
SUNG = 600  # posts with a song
SONG_SCORE_MAX = 5.0  # of the title that shares its name; chosen, not measured
TAGS_MAX = 14
CHARACTERS_MAX = 2
# Shares of posts with capitals, an added word, the kind, a genre, characters, and of animes that say so.
# Chosen, not measured.
CAPITALS, ADDED, KIND, GENRE, CHARACTERS, ANIME = 0.3, 0.15, 0.35, 0.15, 0.3, 0.7
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
    titles = known_titles(catalog)
    chosen = drawn(draw, titles, POSTS)
    result = [_rewritten(draw, draw.choice(empty), title, number) for number, title in enumerate(chosen)]
    songs = draw.choices(_songs(titles), k=SUNG)
    return result + [_sung(draw, draw.choice(empty), song, number) for number, song in enumerate(songs, POSTS)]


def _songs(titles: list[Row]) -> list[str]:
    """Well-known songs whose name a title has, and no well-known one."""
    best: dict[str, float] = {}
    for title in titles:
        name = glued(title["title"]).casefold()
        best[name] = max(title["score"], best.get(name, 0.0))
    return [song for song in well_known_songs() if 0 < best.get(glued(song).casefold(), 0.0) < SONG_SCORE_MAX]


def _rewritten(draw: random.Random, lender: Row, title: Row, number: int) -> Row:
    tag = _written(draw, title["title"])
    if draw.random() < ADDED:
        tag += draw.choice(_AFTER)
    tags, at = _set_among(draw, lender["hashtags"], tag, _telling(draw, title))
    start = sum(len(t) + 2 for t in tags[:at])
    mention = mention_of(title, f"#{tag}", start)
    return made_post(SOURCE, number, lender, _as_text(tags), [mention], hashtags=tags, exhaustive=False)


def _sung(draw: random.Random, lender: Row, song: str, number: int) -> Row:
    tags, _ = _set_among(draw, lender["hashtags"], _written(draw, song), [])
    return made_post(SOURCE, number, lender, _as_text(tags), [], hashtags=tags)


def _written(draw: random.Random, name: str) -> str:
    return glued(name) if draw.random() < CAPITALS else glued(name).lower()


def _set_among(draw: random.Random, others: list[str], tag: str, telling: list[str]) -> tuple[list[str], int]:
    """Some of the others' tags, the telling ones and the tag, and where it stands."""
    around = draw.sample(others, k=min(len(others), draw.randint(1, TAGS_MAX - 4))) + telling
    draw.shuffle(around)
    at = draw.randint(0, len(around))
    return [*around[:at], tag, *around[at:]], at


def _as_text(tags: list[str]) -> str:
    return " ".join(f"#{t}" for t in tags)


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
        found += [glued(c.split(" / ")[0]).lower() for c in draw.sample(played, k=min(len(played), CHARACTERS_MAX))]
    return [f for f in found if f]
