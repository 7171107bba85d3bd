"""Folded names: one form for all spellings people use, in every script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain import AliasKind
from services.catalog.names import NAME_CHARACTERS_MAX, fold, name_folding_to, named, searched_names
from services.catalog.title import AlternativeTitle, Hashtag, Title, Translation


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Amélie", "amelie"),
        ("AMELIE", "amelie"),
        ("Les Misérables", "les miserables"),
        ("WALL·E", "wall e"),
        ("Ocean’s 8", "oceans 8"),
        ("Ｆａｔｅ／Ｚｅｒｏ", "fate zero"),
        ("L'Avventura", "l avventura"),
        ("Fast & Furious", "fast and furious"),
        ("İstanbul", "istanbul"),
        ("Straße", "strasse"),
        ("Smørrebrød", "smorrebrod"),
        ("Ёлки", "елки"),
        ("ガンダム", "ガンダム"),
        ("ｶﾞﾝﾀﾞﾑ", "ガンダム"),
        ("오징어 게임", "오징어 게임"),
        ("दंगल", "दंगल"),
        ("鬼滅の刃 無限列車編", "鬼滅の刃 無限列車編"),
        ("𝕯𝖚𝖓𝖊", "dune"),
        ("$", "$"),
        ("*** ???", "***???"),
        ("", ""),
        ("   ", ""),
        ("under_score", "under score"),
    ],
)
def test_spellings_fold_together(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text(max_size=400))
def test_folding_bears_any_text_and_is_bounded(text: str) -> None:
    folded = fold(text)
    assert len(folded) <= NAME_CHARACTERS_MAX
    assert "\n" not in folded
    assert folded == folded.strip()


def test_every_name_is_searched_once() -> None:
    title = Title(
        title="Dune",
        original_title="DUNE",
        alternative_titles=(AlternativeTitle(title="Дюна"),),
        translations=(Translation(iso_639_1="ja", title="デューン"), Translation(overview="no name")),
        hashtags=(Hashtag(name="DuneMovie"),),
    )
    assert searched_names(title) == ("dune", "дюна", "デューン", "dunemovie")
    assert [kind for kind, name in named(title) if name == "DuneMovie"] == [AliasKind.HASHTAG]


def test_the_name_as_written_is_found_again() -> None:
    title = Title(title="Dune", alternative_titles=(AlternativeTitle(title="Дюна"),))
    assert name_folding_to(title, "дюна") == "Дюна"
    assert name_folding_to(title, "gone meanwhile") == "Dune"
