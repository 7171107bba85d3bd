"""Folding and splitting: the columns say what the obvious way says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.text.fold import CharClass, fold_table, fold_text
from services.matcher.text.words import Words, split_words


def spelled(words: Words) -> list[str]:
    return ["".join(map(chr, words.chars[a:b])) for a, b in zip(words.start, words.end, strict=True)]


@given(st.text(alphabet=st.characters(max_codepoint=0x24F, categories=("Lu", "Ll", "Nd")), max_size=40))
def test_a_word_folds_as_its_slow_twin_says(text: str) -> None:
    assert "".join(spelled(split_words([text]))) == "".join(filter(str.isalnum, fold_text(text)))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Amélie", ["amelie"]),
        ("Straße", ["strasse"]),
        ("𝓓𝓾𝓷𝓮", ["dune"]),
        ("ＤＵＮＥ", ["dune"]),
        ("Dunе", ["dune"]),  # the last letter is Cyrillic
        ("Grey’s Anatomy", ["greys", "anatomy"]),
        ("Tom & Jerry", ["tom", "and", "jerry"]),
        ("Tom &amp; Jerry", ["tom", "and", "jerry"]),  # some feeds leave escapes in
        ("Grey&#39;s &quot;Anatomy&quot;", ["greys", "anatomy"]),
        ("B&amp", ["b", "and", "amp"]),  # no escape
        ("Spider-Man", ["spider", "man"]),
        ("ナルト", ["ナ", "ル", "ト"]),
        ("오징어 게임", ["오징어", "게임"]),
        ("#StrangerThings4", ["stranger", "things", "4"]),
        ("#dune_part_two", ["dune", "part", "two"]),
        ("iPhone", ["iphone"]),
        ("", []),
        ("🔥🔥", []),
    ],
)
def test_words_of(written: str, read: list[str]) -> None:
    assert spelled(split_words([written])) == read


@given(st.lists(st.text(max_size=30), max_size=6))
def test_every_word_knows_its_text_and_its_place(texts: list[str]) -> None:
    words = split_words(texts)
    joined = "\n".join(texts)
    for number in range(len(words)):
        text = int(words.text[number])
        place = int(words.char_place[words.start[number]])
        first = place - int(words.text_place[text])
        assert 0 <= first < len(texts[text])
        assert joined[place] == texts[text][first]


def test_tags_are_segments_of_their_own() -> None:
    words = split_words(["see #Dune now @netflix ok"])
    assert words.in_tag.tolist() == [False, True, False, False, False]
    assert words.in_mention.tolist() == [False, False, False, True, False]
    assert len(np.unique(words.segment)) == 5


def test_emoji_and_stops_part_sentences() -> None:
    table = fold_table()
    assert table.char_class[ord("🔥")] == table.char_class[ord(".")] == CharClass.BREAK
