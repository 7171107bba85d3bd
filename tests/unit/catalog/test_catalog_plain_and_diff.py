"""Plain values: nothing is lost on the way there and back, and a diff carries over what differs."""

from datetime import UTC, datetime

import hypothesis.strategies as st
from hypothesis import given

from services.catalog.diff import diff, patch
from services.catalog.domain import FieldChange
from services.catalog.plain import from_plain, time_of, time_text, to_plain
from services.catalog.title import Title

scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5)
names = st.text(alphabet="abcdef_", min_size=1, max_size=4)
plains = st.recursive(
    st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=5),
    lambda inner: st.dictionaries(names, inner | scalars, max_size=4),
    max_leaves=12,
)
times = st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 - made aware by timezones


@given(plains, plains)
def test_a_patch_makes_the_old_value_the_new_one(old: dict, new: dict) -> None:
    assert patch(old, diff(old, new)) == new


@given(plains)
def test_equal_values_have_no_differences(value: dict) -> None:
    assert diff(value, value) == ()


def test_a_patch_leaves_the_old_value_as_it_was() -> None:
    old = {"credits": {"cast": [1]}}
    patch(old, diff(old, {"credits": {"cast": [2]}}))
    assert old == {"credits": {"cast": [1]}}


def test_differences_are_named_by_path_and_lists_are_replaced_as_a_whole() -> None:
    old = {"external_ids": {"imdb_id": "tt1"}, "genres": ["a"], "year": 1}
    new = {"external_ids": {"imdb_id": "tt2"}, "genres": ["a", "b"]}
    assert diff(old, new) == (
        FieldChange(path="external_ids.imdb_id", old_json='"tt1"', new_json='"tt2"'),
        FieldChange(path="genres", old_json='["a"]', new_json='["a","b"]'),
        FieldChange(path="year", old_json="1", new_json=""),
    )


@given(times)
def test_times_survive_as_text(time: datetime) -> None:
    assert time_of(time_text(time)) == time


@given(times, times)
def test_time_texts_sort_as_times_do(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)


def test_defaults_are_left_out() -> None:
    assert to_plain(Title()) == {}
    assert from_plain(Title, {}) == Title()
