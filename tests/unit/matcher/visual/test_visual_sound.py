"""Sounds against the soundtracks of titles."""

import pytest

from services.matcher.visual.sound import (
    NAME_AND_AUTHOR,
    NAME_ONLY,
    SHORT_NAME,
    TITLES_PER_SONG_MAX,
    SoundIndex,
    Soundtrack,
)


def an_index(*names: tuple[str, str]) -> SoundIndex:
    return SoundIndex.build(Soundtrack(title_id=title_id, name=name) for title_id, name in names)


TITANIC = ("t1", "My Heart Will Go On - Céline Dion")


@pytest.mark.parametrize(
    ("title", "author", "worth"),
    [
        ("My Heart Will Go On", "Celine Dion", NAME_AND_AUTHOR),
        ("my heart will go on (sped up)", "CELINE DION", NAME_AND_AUTHOR),
        ("My Heart Will Go On - Celine Dion [Official Video]", "", NAME_AND_AUTHOR),
        ("My Heart Will Go On slowed reverb", "", NAME_ONLY),
        ("My Heart Will Go On", "", NAME_ONLY),
    ],
)
def test_a_song_speaks_for_its_film(title, author, worth):
    (found,) = an_index(TITANIC).hear(title, author)
    assert (found.title_id, found.contribution) == ("t1", worth)
    assert found.value == TITANIC[1]


@pytest.mark.parametrize(
    ("title", "author"),
    [
        ("original sound - celine", "celine"),
        ("sonido original", ""),
        ("My Heart Will Go On", "Someone Else"),
        ("Another Song", "Celine Dion"),
        ("", ""),
        ("(remix)", ""),
        ("x" * 100_000, "y" * 100_000),
    ],
)
def test_other_sounds_say_nothing(title, author):
    assert an_index(TITANIC).hear(title, author) == ()


def test_a_short_name_says_little():
    assert an_index(("t", "Home")).hear("Home", "Anyone")[0].contribution == SHORT_NAME


def test_a_song_of_too_many_films_says_nothing():
    few = [(f"t{n}", "Hallelujah") for n in range(TITLES_PER_SONG_MAX)]
    assert [one.title_id for one in an_index(*few).hear("Hallelujah")] == sorted(title for title, _ in few)
    assert an_index(*few, ("one more", "Hallelujah")).hear("Hallelujah") == ()


def test_the_best_of_a_titles_names_counts_once():
    found = an_index(TITANIC, ("t1", "My Heart Will Go On")).hear("My Heart Will Go On", "Celine Dion")
    assert [(one.title_id, one.contribution) for one in found] == [("t1", NAME_AND_AUTHOR)]


def test_a_nameless_soundtrack_is_no_song():
    assert an_index(("t", "(score)")).hear("") == ()
