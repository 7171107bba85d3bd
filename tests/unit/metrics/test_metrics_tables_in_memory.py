"""What is kept in memory for speed says the same as the slow, obvious way: groups, numbers, kept values, rounds."""

import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics import digest, keys, processor, rounds, rows
from services.metrics.domain import EventType
from services.metrics.fold import Ranked, Table
from services.metrics.kept import Kept
from services.metrics.numbers import UNKNOWN, Numbers
from services.metrics.query import Query
from services.metrics.rows import Reduce, Rows, empty, reduced

# Alike in their high bits, in their low bits, and at the ends: what a table of slots may stumble over.
awkward = st.sampled_from(
    [0, 1, 2, 3, 1 << 63, (1 << 63) | 1, (1 << 64) - 1, *(1 << bit for bit in range(0, 64, 7))]
) | st.integers(0, (1 << 64) - 1)


@settings(max_examples=200)
@given(st.lists(awkward, max_size=60))
def test_groups_are_numbered_in_order_of_their_first_digest(values):
    first, group = digest.distinct(np.array(values, np.uint64))
    places = {value: values.index(value) for value in values}
    order = sorted(places.values())
    assert first.tolist() == order
    assert group.tolist() == [order.index(places[value]) for value in values]


@settings(max_examples=100)
@given(st.lists(awkward, max_size=60))
def test_ranks_sort_as_their_digests_do(values):
    found = Ranked.of(np.array(values, np.uint64))
    assert found.distinct.tolist() == sorted(set(values))
    assert found.distinct[found.rank].tolist() == values


def test_digests_that_share_all_but_their_lowest_bits_are_told_apart():
    values = np.arange(5_000, dtype=np.uint64).repeat(2) | np.uint64(7 << 40)
    first, group = digest.distinct(values)
    assert len(first) == 5_000
    assert group.tolist() == np.arange(5_000).repeat(2).tolist()


@settings(max_examples=100)
@given(st.lists(awkward.filter(bool), unique=True, max_size=80), st.lists(awkward.filter(bool), max_size=20))
def test_numbers_are_those_of_a_dictionary(known, asked):
    numbers, twin = Numbers(), {}
    for start in range(0, len(known), 30):
        piece = known[start : start + 30]
        numbers.add(np.array(piece, np.uint64), np.arange(start, start + len(piece)))
        twin |= {each: start + place for place, each in enumerate(piece)}
    assert len(numbers) == len(twin)
    every = [*known, *asked]
    assert numbers.of(np.array(every, np.uint64)).tolist() == [twin.get(each, UNKNOWN) for each in every]


def test_numbers_grow():
    numbers, random = Numbers(), np.random.default_rng(3)
    digests = np.unique(random.integers(1, 1 << 62, 60_000).astype(np.uint64))
    for start in range(0, len(digests), 7_000):
        numbers.add(digests[start : start + 7_000], np.arange(start, min(start + 7_000, len(digests))))
    assert numbers.of(digests).tolist() == list(range(len(digests)))


def test_the_least_recently_used_go_when_the_bytes_are_used_up():
    kept = Kept(100)
    kept.put("a", 1, 40)
    kept.put("b", 2, 40)
    assert kept.get("a") == 1
    kept.put("c", 3, 40)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    kept.put("a", 4, 90)
    assert [kept.get(key) for key in "abc"] == [4, None, None]
    assert len(kept) == 1
    kept.put("d", 5, 101)
    assert len(kept) == 0


cells = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(1, 9)), max_size=30)


def as_rows(values, how):
    if not values:
        return empty()
    a, b, v = (np.array(column) for column in zip(*values, strict=True))
    return reduced(a.astype(np.uint64), b.astype(np.uint64), v.astype(np.int64), how)


@settings(max_examples=200)
@given(st.lists(cells, max_size=5), st.sampled_from(Reduce))
def test_sorted_parts_merge_as_all_their_rows_at_once(parts, how):
    merged = rows.merged([as_rows(part, how) for part in parts], how)
    assert merged == as_rows([row for part in parts for row in part], how)


def test_a_query_keeps_only_the_types_asked_for():
    one = np.ones(13, np.uint8)
    cell = keys.pack(one * 5, one.astype(np.int64) * keys.EPOCH_MINUTE, one * 3, np.arange(1, 14), one, one)
    page = Rows(cell, np.zeros(13, np.uint64), np.arange(13))
    types = {EventType.VIDEO_VIEW, EventType.HUB_VIEW}
    for asked, shown in ((types, [3, 7]), (frozenset(), list(range(1, 14)))):
        query = Query.of_title(5, Table.CELLS_DAY, keys.EPOCH_MINUTE, keys.EPOCH_MINUTE + 1, asked)
        assert keys.unpack(query.answer([[page]], [page]).a).type.tolist() == shown


def test_titles_that_stand_out_come_first_then_those_that_waited_longest():
    found = rounds.Rounds()
    assert found.new(np.zeros(2, np.int64)) == []
    positions = np.array([4, 4, 0, 4, 4])
    assert found.due(positions, set()) == found.new(positions) == [0, 1, 3, 4]
    for title, position in ((0, 4), (1, 3), (3, 2)):
        found.look(title, position)
    assert found.due(positions, {1}) == [1, 4, 3]
    assert found.new(positions) == [4]
    assert found.due(np.array([4, 4, 0, 4, 4, 9]), set()) == [4, 5, 3, 1]


ZEN_4 = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("info", "slow"),
    [
        (ZEN_4, True),
        (ZEN_4.replace("25", "26"), False),
        (ZEN_4.replace("AuthenticAMD", "GenuineIntel"), False),
        (ZEN_4.replace(" avx512f", ""), False),
        ("", False),
    ],
)
def test_only_zen_4_sorts_slowly_with_avx_512(info, slow):
    assert processor.sorts_slowly(info) == slow


def test_a_process_begins_anew_once_where_numpy_would_sort_slowly(monkeypatch, tmp_path):
    begun = []
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(os, "execve", lambda *arguments: begun.append(arguments))
    monkeypatch.delenv(processor.VARIABLE, raising=False)
    processor.tune(info)
    info.write_text(ZEN_4)
    processor.tune(info)
    ((program, arguments, environment),) = begun
    assert (program, arguments) == (sys.executable, sys.orig_argv)
    monkeypatch.setenv(processor.VARIABLE, environment[processor.VARIABLE])
    processor.tune(info)
    assert len(begun) == 1
