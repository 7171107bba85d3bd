"""Broad topics of titles and of posts as bits, to see whether they agree (#anime and an anime)."""

import functools

import numpy as np
import numpy.typing as npt

from services.matcher.text.hashing import Ints, KeyTable
from services.matcher.text.titles import TitleNames
from services.matcher.text.words import Words, split_words

# topic: genres and keywords of titles | words of posts
_TOPICS: tuple[tuple[str, str, str], ...] = (
    (
        "anime",
        "anime|manga|shounen|shonen|seinen",
        "anime animes animeedit animeboy animegirl manga otaku weeb mangas аниме アニメ amv haikyuu naruto",
    ),
    (
        "animation",
        "animation|family|kids|disney|pixar|children|animated",
        "animation cartoon cartoons disney pixar dreamworks animated kids disneyplus disneychannel nickelodeon",
    ),
    (
        "horror",
        "horror|slasher|zombie|monster horror|supernatural horror|ghost",
        "horror scary creepy halloween horrormovie horrortok spooky slasher zombie zombies haunted ghost",
    ),
    ("comedy", "comedy|sitcom|stand-up", "comedy funny hilarious sitcom humor lol laugh comedian"),
    ("romance", "romance|romantic comedy|love", "romance romantic love romcom couple kiss ship"),
    (
        "action",
        "action|action & adventure|superhero|martial arts",
        "action superhero superheroes fight marvel mcu dc dcu avengers batman marveledit",
    ),
    (
        "superhero",
        "superhero|marvel|marvel cinematic universe|dc comics|based on comic|based on comic book",
        "marvel mcu dc superhero marvelstudios comics comic dceu dccomics hero",
    ),
    (
        "scifi",
        "sci-fi|science fiction|sci-fi & fantasy|space|alien|robot",
        "scifi space alien aliens robot starwars startrek sci fi",
    ),
    (
        "fantasy",
        "fantasy|magic|dragon|sci-fi & fantasy|vampire|witch",
        "fantasy magic dragon dragons vampire vampires witch wizard hogwarts",
    ),
    (
        "crime",
        "crime|mystery|murder|detective|serial killer|thriller|police",
        "crime murder detective killer mystery thriller truecrime fbi police",
    ),
    (
        "reality",
        "reality|game show|talk|talk show|reality-tv|reality tv|competition",
        "reality contestant auditions audition judges realitytv talent voting eliminated bachelor",
    ),
    (
        "documentary",
        "documentary|biography|history|docuseries",
        "documentary docuseries doc history truestory biography",
    ),
    ("music", "music|musical|singing|dance|concert", "musical music singing song soundtrack broadway concert sing"),
    ("war", "war|military|world war ii|war & politics|army", "war army soldier military wwii ww2"),
    ("western", "western|cowboy", "western cowboy cowboys"),
    (
        "sport",
        "sport|sports|boxing|football|wrestling",
        "sport sports football boxing basketball soccer wwe wrestling nba nfl",
    ),
    ("korean", "korean drama|k-drama", "kdrama kdramas korean korea koreandrama oppa"),
    ("bollywood", "bollywood|hindi", "bollywood hindi tollywood telugu tamil"),
)


@functools.cache
def _genre_bits() -> dict[str, int]:
    bits: dict[str, int] = {}
    for number, (_, genres, _) in enumerate(_TOPICS):
        for genre in genres.split("|"):
            bits[genre] = bits.get(genre, 0) | 1 << number
    return bits


_LANGUAGE_BITS = {"ko": 1 << 16, "hi": 1 << 17, "ta": 1 << 17, "te": 1 << 17}
_ANIME, _ANIMATION = 1, 2


def title_topics(title: TitleNames) -> int:
    """The topics of a title, as bits."""
    bits = _genre_bits()
    result = _LANGUAGE_BITS.get(title.language, 0)
    for genre in title.genres:
        result |= bits.get(genre.casefold(), 0)
    for keyword in title.keywords:
        result |= bits.get(keyword.casefold(), 0)
    if title.language == "ja" and result & _ANIMATION:
        result |= _ANIME
    return result


@functools.cache
def _word_bits() -> tuple[KeyTable, npt.NDArray[np.uint32]]:
    listed = [(word, 1 << number) for number, (_, _, words) in enumerate(_TOPICS) for word in words.split()]
    words = split_words([word for word, _ in listed])
    keep = np.bincount(words.text, minlength=len(listed))[words.text] == 1
    keys, number = np.unique(words.key[keep], return_inverse=True)
    bits = np.zeros(len(keys), dtype=np.uint32)
    np.bitwise_or.at(bits, number, np.array([b for _, b in listed], dtype=np.uint32)[words.text[keep]])
    return KeyTable.build(keys), bits


def post_topics(words: Words, post_of_text: Ints, posts: int) -> npt.NDArray[np.uint32]:
    """The topics the words of each post speak of, as bits."""
    table, bits = _word_bits()
    found = table.find(words.key)
    at = np.flatnonzero(found >= 0)
    result = np.zeros(posts, dtype=np.uint32)
    np.bitwise_or.at(result, post_of_text[words.text[at]], bits[found[at]])
    return result
