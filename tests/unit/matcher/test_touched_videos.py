"""Which videos a name can touch: nothing that names it is missed, and the index finds what the slow way finds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.domain import Video
from services.matcher.touched import RUN_LENGTH, NameShapes, TouchIndex, footprint_of, shape_of, words_of

WORDS = st.sampled_from(
    ["dune", "part", "two", "spider", "man", "no", "way", "home", "up", "it", "沙丘", "amelie", "wicked", "forever"]
)
VIDEOS = st.builds(
    Video,
    id=st.just("v"),
    video_description=st.lists(WORDS, max_size=6).map(" ".join),
    hashtag_names=st.lists(st.lists(WORDS, min_size=1, max_size=3).map("".join), max_size=2).map(tuple),
    voice_to_text=st.lists(WORDS, max_size=3).map(" ".join),
    ocr_text=st.lists(st.lists(WORDS, max_size=2).map(" ".join), max_size=2).map(tuple),
)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Dune: Part Two", {"video_description": "dune part two is out"}),
        ("Dune: Part Two", {"hashtag_names": ("DunePartTwoReaction",)}),
        ("Dune: Part Two", {"video_description": "wow #duneparttwo"}),
        ("Spider-Man", {"video_description": "spiderman again"}),
        ("Spiderman", {"video_description": "spider man again"}),
        ("Amélie", {"video_description": "AMELIE"}),
        ("沙丘", {"video_description": "我喜欢沙丘电影"}),
        ("Wicked", {"voice_to_text": "so wicked"}),
        ("Wicked", {"ocr_text": ("", "Wicked!")}),
        ("Wicked", {"sound_title": "Wicked theme"}),
    ],
)
def test_a_name_touches_the_ways_it_is_written(name, fields):
    shape = shape_of(name)
    assert shape is not None
    assert shape.touches(footprint_of(Video(id="v", **fields)))


@pytest.mark.parametrize("name", ["Dune Messiah", "Up", "Wickedest"])
def test_a_name_that_is_not_there_touches_nothing(name):
    video = Video(id="v", video_description="dune part two supper", hashtag_names=("wicked",))
    assert not shape_of(name).touches(footprint_of(video))


def test_a_name_without_words_is_not_looked_for():
    assert shape_of("!!! ...") is None


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_plain_text_are_its_letters_and_digits_in_a_row(text):
    assert words_of(text) == re.findall("[a-z0-9]+", text.casefold())


@given(st.lists(VIDEOS, min_size=1, max_size=12), NAMES)
def test_the_index_misses_no_batch_that_the_slow_way_finds(videos, name):
    shape = shape_of(name)
    index = TouchIndex()
    expected = []
    for number, video in enumerate(videos):
        footprint = footprint_of(video)
        index.add(str(number), footprint.packed(), footprint.tags, 1)
        if shape.touches(footprint):
            expected.append(str(number))
    assert index.find([shape]) == expected
    assert index.video_count == len(videos)


@given(VIDEOS, st.lists(NAMES, max_size=8))
def test_many_names_at_once_find_what_each_finds_alone(video, names):
    shapes = [shape_of(name) for name in names]
    footprint = footprint_of(video)
    assert NameShapes(shapes).touch(footprint) == any(shape.touches(footprint) for shape in shapes)


@given(st.lists(VIDEOS, max_size=2 * RUN_LENGTH), st.lists(NAMES, min_size=1, max_size=4))
def test_names_looked_for_together_are_found_where_each_is_found_alone(videos, names):
    index = TouchIndex()
    for number, video in enumerate(videos):
        footprint = footprint_of(video)
        index.add(f"{number:04d}", footprint.packed(), footprint.tags, 1)
    shapes = [shape_of(name) for name in names]
    assert index.find(shapes) == sorted({each for shape in shapes for each in index.find([shape])})


def test_a_batch_that_is_known_is_not_taken_in_twice():
    index = TouchIndex()
    footprint = footprint_of(Video(id="v", video_description="tenet"))
    for _ in range(2):
        index.add("a", footprint.packed(), footprint.tags, 1)
    assert (index.find([shape_of("Tenet")]), index.video_count, index.knows("a")) == (["a"], 1, True)


def test_batches_that_were_merged_are_found_like_new_ones():
    index = TouchIndex()
    for number in range(3 * RUN_LENGTH + 5):
        text = "tenet here" if number % 50 == 0 else f"nothing {number}"
        footprint = footprint_of(Video(id="v", video_description=text))
        index.add(f"{number:04d}", footprint.packed(), footprint.tags, 1)
    assert index.find([shape_of("Tenet")]) == ["0000", "0050", "0100", "0150"]


@given(st.lists(VIDEOS, max_size=5), NAMES)
def test_a_batch_holds_what_its_videos_hold(videos, name):
    prints = [footprint_of(video) for video in videos]
    if any(shape_of(name).touches(each) for each in prints):
        assert shape_of(name).touches(footprint_of(*videos))


@given(st.text(max_size=300))
def test_any_text_gives_words_without_case_or_accents(text):
    assert words_of(text.upper()) == words_of(text.upper().lower()) or not text.isascii()
    assert all(word for word in words_of(text))
