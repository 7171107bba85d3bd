"""Columns, digests, the log's codec, stored pages: what goes in comes out."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics import allocator, codec, digest, segment
from services.metrics.codec import LogDamaged
from services.metrics.columns import Coded, concatenated, joined
from services.metrics.domain import Period
from services.metrics.fold import Table
from services.metrics.names import NameBook
from services.metrics.rows import KEYS_END, Reduce, Rows, reduced
from services.metrics.segment import FAN_IN, PAGE_ROWS, Segment
from services.metrics.texts import Texts
from services.metrics.texts import joined as joined_texts
from tests.metrics_world import KEY, random_events

MASK = (1 << 64) - 1
strings = st.lists(st.text(max_size=40).filter(lambda text: not {"\0", "\n"} & set(text)), max_size=30)


def slow_digest(text, seed, odd):
    data = text.encode()
    found = len(data) ^ seed
    for start in range(0, len(data), 8):
        word = int.from_bytes(data[start : start + 8].ljust(8, b"\0"), "little")
        found = ((found ^ (word * digest.SPREAD & MASK)) * odd) & MASK
        found ^= found >> 29
    for multiplier in (digest.MIX_1, digest.MIX_2):
        found ^= found >> 33
        found = found * multiplier & MASK
    return found ^ found >> 33


@given(strings)
def test_digests_are_those_of_the_slow_twin_whatever_the_neighbours(values):
    hi, lo = digest.digest128(Texts.of(values), KEY)
    assert hi.tolist() == [slow_digest(value, KEY.seed_hi, KEY.odd_hi) for value in values]
    assert lo.tolist() == [slow_digest(value, KEY.seed_lo, KEY.odd_lo) for value in values]


@given(st.lists(st.text(max_size=12), max_size=20), st.lists(st.text(max_size=12), max_size=5), st.data())
def test_texts_are_their_strings_however_cut_and_joined(first, second, data):
    whole = joined_texts([Texts.of(first), Texts.of(second)])
    values = [value.replace("\n", "\0") for value in first + second]
    assert list(whole) == values == list(whole.compact())
    places = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=8)) if values else []
    chosen = whole.take(np.array(places, np.int64))
    assert chosen.values() == chosen.compact().values() == [values[place] for place in places]
    assert [chosen[n] for n in range(len(chosen))] == chosen.values()
    assert chosen.lines().decode() == "\n".join(chosen.values())


def test_strings_that_lie_like_lines_but_have_none_between_are_put_in_lines():
    side_by_side = joined_texts([Texts.of(["a", "x"]), Texts.of(["b"])]).take(np.array([0, 2]))
    assert side_by_side.lines() == b"a\nb"
    raw = Texts(np.frombuffer(b"aab", np.uint8), np.array([0, 2]), np.array([1, 1]))
    assert raw.lines() == b"a\nb"
    assert Texts(np.frombuffer(b"\n", np.uint8), np.array([0]), np.array([1])).lines() == b"\0"


@given(st.lists(st.lists(st.sampled_from(["", *"abcdefgh"]), max_size=6), max_size=40))
def test_a_name_book_knows_every_name_it_was_given(batches):
    book, every = NameBook(), sorted({name for batch in batches for name in batch if name})
    for batch in batches:
        names = Texts.of(batch)
        book.add(digest.digest64(names, KEY), names)
    heads = digest.digest64(Texts.of(every), KEY)
    assert [book.get(head) for head in heads.tolist()] == every
    assert book.get(0) == ""
    assert book.get(12345) is None
    digests, names = book.sorted()
    assert digests.tolist() == sorted(heads.tolist())
    assert sorted(names) == every


def test_only_the_empty_string_has_the_digest_zero():
    assert digest.digest64(Texts.of(["", "a", ""]), KEY).tolist()[::2] == [0, 0]
    assert digest.digest64(Texts.of(["a"]), KEY)[0] != 0
    assert len(digest.digest64(Texts.of([]), KEY)) == 0


def test_a_hundred_thousand_ids_do_not_collide():
    hi, lo = digest.digest128(Texts.of([f"id{n}" for n in range(100_000)]), KEY)
    assert len(np.unique(hi)) == len(np.unique(lo)) == 100_000
    # All bits are used: each is set in about half of the digests.
    assert all(0.49 < ((hi >> np.uint64(bit)) & np.uint64(1)).mean() < 0.51 for bit in range(64))


@given(st.lists(st.sampled_from("abcde"), max_size=20), st.lists(st.sampled_from("cdefg"), max_size=20))
def test_joined_columns_read_like_their_parts(first, second):
    whole = joined([Coded.of(first), Coded.of(second)])
    assert whole.values() == first + second


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=30))
def test_taking_rows_keeps_only_the_names_they_use(pairs):
    mask = np.array([keep for _, keep in pairs], bool)
    values = [value for value, _ in pairs]
    taken = Coded.of(values).take(mask)
    kept = [value for value, keep in pairs if keep]
    assert taken.values() == kept
    assert list(taken.names) == [name for name in dict.fromkeys(values) if name in kept]


def same_events(a, b):
    return codec.encode(a) == codec.encode(b) and codec.digests(a) == codec.digests(b)


def test_the_log_gives_back_what_was_written():
    events = concatenated([random_events(1), random_events(2)])
    again = codec.decode(codec.encode(events), codec.digests(events))
    assert same_events(events, again)
    assert list(again.ids) == list(events.ids)
    assert again.title.values() == events.title.values()
    assert np.array_equal(again.derived_ms, events.derived_ms)


def test_many_names_get_wider_codes():
    events = random_events(3, count=400, viewers=5)
    wide = Coded.of([f"v{n}" for n in range(400)])
    events = type(events)(**{name: getattr(events, name) for name in events.__slots__ if name != "video"}, video=wide)
    assert codec.decode(codec.encode(events), codec.digests(events)).video.values() == wide.values()


@pytest.mark.parametrize(
    "damage", [lambda f: f[:-9], lambda f: b"", lambda f: b"x" + f, lambda f: f[:40] + b"\0" + f[41:]]
)
def test_a_damaged_log_document_says_so(damage):
    events = random_events(4)
    with pytest.raises(LogDamaged):
        codec.decode(damage(codec.encode(events)), codec.digests(events))


keys64 = st.integers(0, MASK)


@given(st.lists(st.tuples(keys64, keys64, st.integers(0, 2**40)), min_size=1, max_size=60))
def test_a_page_gives_back_its_rows(rows):
    page = reduced(
        np.array([a for a, _, _ in rows], np.uint64),
        np.array([b for _, b, _ in rows], np.uint64),
        np.array([v for _, _, v in rows], np.int64),
        Reduce.MAX,
    )
    assert segment.decode(segment.encode(page)) == page


def a_segment(rows, first=1, last=1, level=0):
    firsts = np.array([key for key, _ in segment.pages_of(rows)], np.uint64)
    return Segment(first=first, last=last, level=level, time_ms=0, firsts={Table.CELLS_HOUR: firsts})


def test_the_pages_of_a_range_hold_every_row_of_it():
    a = np.repeat(np.arange(40, dtype=np.uint64), PAGE_ROWS // 8)
    rows = Rows(a, np.arange(len(a), dtype=np.uint64), np.ones(len(a), np.int64))
    one = a_segment(rows)
    pages = {
        one.page_id(Table.CELLS_HOUR, n): segment.decode(data) for n, (_, data) in enumerate(segment.pages_of(rows))
    }
    for low, high in [(0, 1), (7, 8), (5, 20), (39, KEYS_END), (0, KEYS_END), (50, 60)]:
        (whole,) = rows.cut([(low, high)])
        found = [part for id_ in one.pages(Table.CELLS_HOUR, [(low, high)]) for part in pages[id_].cut([(low, high)])]
        assert sum(map(len, found)) == len(whole)
    assert one.pages(Table.NAMES, [(0, KEYS_END)]) == []
    assert one.pages(Table.CELLS_HOUR, []) == []
    assert one.pages(Table.CELLS_HOUR, [(3, 4), (30, 31)]) == [one.page_id(Table.CELLS_HOUR, n) for n in (0, 3)]


def test_windows_cover_all_keys_once():
    a = np.arange(PAGE_ROWS * 5, dtype=np.uint64)
    rows = Rows(a, np.zeros_like(a), np.ones(len(a), np.int64))
    bounds = list(segment.windows([a_segment(rows), a_segment(rows)], Table.CELLS_HOUR, 2))
    assert bounds[0][0] == 0
    assert bounds[-1][1] == KEYS_END
    assert all(end == start for (_, end), (start, _) in zip(bounds, bounds[1:], strict=False))
    assert list(segment.windows([], Table.CELLS_HOUR, 2)) == [(0, KEYS_END)]


def test_eight_neighbours_of_the_lowest_level_merge_oldest_first():
    empty = Rows(*(np.zeros(0, np.uint64),) * 2, np.zeros(0, np.int64))
    run = [a_segment(empty, n, n) for n in range(1, FAN_IN + 3)]
    assert segment.mergeable(run[: FAN_IN - 1]) is None
    assert segment.mergeable(run) == run[:FAN_IN]


def test_the_allocator_is_told_where_it_can_be():
    # glibc has mallopt, other C libraries need not.
    assert allocator.tune() == hasattr(ctypes.CDLL(None), "mallopt")


def test_a_period_has_one_before_it_of_the_same_length():
    period = Period(start=100, end=160)
    assert period.before() == Period(start=40, end=100)
    assert period.widened(60) == Period(start=60, end=180)
