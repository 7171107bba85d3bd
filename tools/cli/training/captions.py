"""Captions about series and films: titles of the catalog set in sentences that people write, and other things.

The labelled posts hold few captions about series.  A sentence of ours takes a title from the catalog, or one of the
ordinary things people write the same sentence about; half of them stand beside a real caption that names no title.
Such posts belong to the document, and so to the fold, of the post they borrow from.
"""

import random
from pathlib import Path

from tools.cli.training.gold import SOCIAL_SOURCES, Row
from tools.cli.training.made import drawn, known_titles, made_post, mention_of

SOURCE = "captions"
POSTS = 3000
THINGS = 0.25  # of the posts are about something ordinary
ALONE = 0.5  # of the posts stand without a real caption
LOWER, UPPER = 0.35, 0.08  # written in small letters, in capitals; all shares are chosen, not measured
LENT_CHARS_MAX = 120

_ANY = (
    "watching {} tonight",
    "watching {} with my sister",
    "just finished watching {} and wow",
    "who else is watching {} right now",
    "finally watched {} last night",
    "i love {} so much",
    "{} was so good",
    "{} is so underrated",
    "{} is overrated, sorry",
    "can't stop thinking about {}",
    "obsessed with {}",
    "{} makes me cry every time",
    "my review of {}",
    "{} ranked from worst to best",
    "pov: you just discovered {}",
    "how it feels to see {} for the first time",
    "me after {}",
    "10 things you missed in {}",
    "everything wrong with {}",
    "this part of {} always gets me",
)
_OF_BOTH = (
    "the ending of {} broke me",
    "the cast of {} then and now",
    "{} trailer reaction",
    "{} edit",
    "{} bloopers",
    "{} behind the scenes",
    "{} deleted scene",
    "new trailer for {} just dropped",
    "rewatching {} for the third time",
    "my favourite character in {}",
    "best scene in {}",
    "{} is on netflix now",
    "{} comes out on friday and i can't wait",
    "the plot twist in {}",
    "theory about {}, spoilers",
    "dressed up as a character from {}",
    "{} fan art i drew",
)
_OF_SERIES = (
    "{} season {n} episode {m}",
    "{} season {n} was so good",
    "{} s{n} e{m} reaction",
    "season {n} of {} is out",
    "episode {m} of {} had me screaming",
    "the {} finale",
    "just started {}, no spoilers please",
    "binge watched {} all weekend",
    "new episode of {} tonight",
    "rewatching {} season {n}",
    "why did they cancel {}",
    "{} got renewed for season {n}",
    "caught up on {} before the premiere",
    "{} is back this friday",
)
_OF_FILMS = (
    "{} the movie",
    "saw {} in theaters today",
    "{} in imax was insane",
    "{} movie night with popcorn",
    "{} broke the box office",
    "the {} movie is better than the book",
    "{} full movie recap",
    "the songs in {} though",
    "the director of {} did it again",
    "{} oscar moment",
)
_THINGS = (
    "the game", "the sunset", "the news", "the fireworks", "my kids", "football", "the rain", "the storm", "my dog",
    "the stars", "the ocean", "people", "the crowd", "birds", "the snow", "the match", "the race", "the bridge",
    "my garden", "the fight", "the sky", "the concert", "paris", "london", "chicago", "new york", "california",
    "the beach", "the lake", "the parade", "my cat", "coffee", "baking", "the gym",
    "my boyfriend", "my husband", "my best friend", "the weekend", "my brother", "the park",
    "this place", "the city", "my team", "work", "college", "graduation", "the wedding", "my wedding", "the dress",
    "the process", "my routine", "the transformation", "this trend", "this song", "the album", "the challenge",
    "the new menu", "this recipe", "the car", "the train", "the moon", "the eclipse", "the family", "my mom", "my dad",
)  # fmt: skip


def captions(posts: list[Row], catalog: Path, seed: int = 12) -> list[Row]:
    """POSTS captions.  The same every time."""
    draw = random.Random(seed)  # noqa: S311 - chance, not secrecy
    lenders = [p for p in posts if p["source"] in SOCIAL_SOURCES and not p["mentions"] and p.get("exhaustive", True)]
    chosen = drawn(draw, known_titles(catalog), POSTS)
    return [_caption(draw, draw.choice(lenders), title, number) for number, title in enumerate(chosen)]


def _caption(draw: random.Random, lender: Row, title: Row, number: int) -> Row:
    if draw.random() < THINGS:
        return _set(draw, lender, number, draw.choice(_ANY), draw.choice(_THINGS), None)
    sentences = (*_ANY, *_OF_BOTH, *(_OF_SERIES if title["kind"] == "tv" else _OF_FILMS))
    return _set(draw, lender, number, draw.choice(sentences), title["title"], title)


def _set(draw: random.Random, lender: Row, number: int, sentence: str, name: str, title: Row | None) -> Row:
    """The name set in the sentence; it means the title, or none."""
    sentence = sentence.replace("{n}", str(draw.randint(1, 7))).replace("{m}", str(draw.randint(1, 12)))
    before, after = sentence.split("{}")
    written = _cased(draw, name)
    lead, trail = _beside(draw, lender)
    start = len(lead) + len(before)
    mentions = [mention_of(title, written, start)] if title else []
    return made_post(SOURCE, number, lender, f"{lead}{before}{written}{after}{trail}", mentions)


def _cased(draw: random.Random, name: str) -> str:
    chance = draw.random()
    return name.lower() if chance < LOWER else name.upper() if chance > 1 - UPPER else name


def _beside(draw: random.Random, lender: Row) -> tuple[str, str]:
    """What stands before and after the sentence: nothing, or a real caption on one side."""
    lent = lender["text"][:LENT_CHARS_MAX].strip()
    if not lent or draw.random() < ALONE:
        return "", ""
    return (f"{lent} ", "") if draw.random() < 1 / 2 else ("", f" {lent}")
