"""Finding names in text: the columns against a plain loop over words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.text.forms import form_features, word_forms
from services.matcher.text.index import TextIndex
from services.matcher.text.spans import NAME_WORDS_MAX, find_spans
from services.matcher.text.words import Words, split_words

PIECES = st.sampled_from(
    [
        "the",
        "matrix",
        "dune",
        "part",
        "two",
        "stranger",
        "things",
        "spider",
        "man",
        "no",
        "way",
        "home",
        "it",
        "chapter",
        "star",
        "wars",
        "of",
        "us",
        "last",
        "game",
        "thrones",
        "everything",
        "everywhere",
        "all",
        "at",
        "once",
        "love",
    ],
)


def found(names: TextIndex, text: str) -> set[tuple[str, int, int]]:
    words = split_words([text])
    spans = find_spans(words, names.base.aliases(), names.base.stem_filter)
    return {
        (names.alias_text(int(a)), int(words.char_place[s]), int(words.char_place[e - 1]) + 1)
        for a, s, e in zip(spans.alias, spans.start, spans.end, strict=True)
    }


def slowly(names: TextIndex, words: Words) -> set[tuple[int, int]]:
    table = {int(k): n for n, k in enumerate(names.base.alias_key)}
    return {
        (first, last)
        for first in range(len(words))
        for last in range(first, min(first + NAME_WORDS_MAX, len(words)))
        if int(words.span_keys(np.array([first]), np.array([last]))[0]) in table
    }


@given(st.lists(PIECES, max_size=12))
def test_whole_names_are_found_as_a_loop_finds_them(names: TextIndex, pieces: list[str]) -> None:
    words = split_words([" ".join(pieces)])
    spans = find_spans(words, names.base.aliases(), names.base.stem_filter)
    assert set(zip(spans.first.tolist(), spans.last.tolist(), strict=True)) == slowly(names, words)


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("I saw inception Today", 1),  # others have capitals, the name has none
        ("i saw Inception today", 2),
        ("i saw inception today", 0),
        ("I Saw Inception Today", 0),
        ("Inception", 0),
    ],
)
def test_capitals_tell_a_name_where_other_words_have_none(names: TextIndex, text: str, case: int) -> None:
    words = split_words([text])
    spans = find_spans(words, names.base.aliases(), names.base.stem_filter)
    features = form_features(words, word_forms(words, 1), spans)
    named = [names.alias_text(alias).casefold() == "inception" for alias in spans.alias.tolist()]
    assert features["case"][named].tolist() == [case]


def test_a_glued_tag_and_spaced_words_are_one_name(names: TextIndex) -> None:
    assert ("Stranger Things", 1, 15) in found(names, "#strangerthings")
    assert ("Stranger Things", 0, 15) in found(names, "stranger things")


def test_words_around_a_name_in_a_tag_are_seen_through(names: TextIndex) -> None:
    assert ("Jumanji", 1, 8) in found(names, "#jumanjichallenge")
    assert any(alias == "Dune" for alias, _, _ in found(names, "#ilovedunemovie2"))


def test_names_run_over_two_tags(names: TextIndex) -> None:
    assert ("Star Wars", 1, 11) in found(names, "#star #wars")


def test_a_span_never_leaves_its_tag_or_text(names: TextIndex) -> None:
    assert not any(alias == "The Matrix" for alias, _, _ in found(names, "the #matrix"))
