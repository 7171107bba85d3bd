"""The filter of ListTitles: what it accepts, what it refuses, and that the database is asked the same."""

import pytest

from services.catalog.errors import FilterInvalid
from services.catalog.filter import NOT_DELETED, Field, Operator, Term, parse
from services.catalog.store.titles import query_of
from services.catalog.title import MediaType, Title, TitleState


def test_nothing_means_all_that_is_not_deleted() -> None:
    assert parse("").terms == (NOT_DELETED,)
    assert parse("  ").terms == (NOT_DELETED,)


def test_terms_are_read_with_and_without_quotes_and_spaces() -> None:
    assert parse('studio_id="a studio" AND year>=1990 AND media_type = MEDIA_TYPE_TV').terms == (
        Term(Field.STUDIO_ID, Operator.EQUAL, "a studio"),
        Term(Field.YEAR, Operator.GREATER_OR_EQUAL, 1990),
        Term(Field.MEDIA_TYPE, Operator.EQUAL, "tv"),
        NOT_DELETED,
    )


def test_a_word_about_state_replaces_the_default() -> None:
    assert parse("state = deleted").terms == (Term(Field.STATE, Operator.EQUAL, "deleted"),)
    assert parse("state = TITLE_STATE_ACTIVE").terms == (Term(Field.STATE, Operator.EQUAL, "active"),)


@pytest.mark.parametrize(
    "text",
    [
        "year", "year =", "= 3", "year = x", "year = 99999", "year = ٣", "state < active", "media_type = film",
        "title = x", "year = 1 OR year = 2", "year = 1 AND", "AND", "year = 1 year = 2", "'", '"x" = y',
        'studio_id = {"$gt": ""}', "studio_id = $gt", " AND ".join(["year > 1"] * 21), 'studio_id = "x',
        'media_type = ""',
    ],
)  # fmt: skip
def test_what_is_not_a_filter_is_refused_and_names_the_field(text: str) -> None:
    with pytest.raises(FilterInvalid) as caught:
        parse(text)
    assert caught.value.violations[0].field == "filter"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("year < 2000", {"old", "unknown"}),
        ("year <= 1999", {"old", "unknown"}),
        ("year > 1999", {"new"}),
        ("year >= 1999", {"new", "old"}),
        ("year != 1999", {"new", "unknown"}),
        ("year = 0", {"unknown"}),
        ("studio_id = s", {"new"}),
        ("studio_id != s", {"old", "unknown"}),
        ('studio_id = ""', {"old", "unknown"}),
        ("media_type = tv AND year = 1999", {"old"}),
        ("state = withdrawn", {"new"}),
    ],
)
def test_a_filter_means_what_it_says(text: str, found: set[str]) -> None:
    titles = [
        Title(id="old", media_type=MediaType.TV, year=1999),
        Title(id="new", media_type=MediaType.MOVIE, year=2020, studio_id="s", state=TitleState.WITHDRAWN),
        Title(id="unknown", media_type=MediaType.MOVIE),
    ]
    assert {title.id for title in titles if parse(text).matches(title)} == found


def test_a_flat_query_is_asked_where_no_field_comes_twice() -> None:
    assert query_of(parse("studio_id = s")) == {"body.studio_id": "s", "body.state": {"$ne": "deleted"}}
    assert "$and" in query_of(parse("year > 1 AND year > 3"))
