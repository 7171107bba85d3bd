"""Deduplication, merging, folding: the fast paths against slow, obvious twins."""

from collections import Counter, defaultdict

import datasketches
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics import digest, fold, keys, sketch
from services.metrics.columns import concatenated
from services.metrics.dedupe import CAPACITY_MIN, SeenIds
from services.metrics.domain import UNKNOWN_REGION, Agent, EventType
from services.metrics.fold import NUMBERS, REDUCE, Table
from services.metrics.generation import Memory
from services.metrics.rows import Reduce, Rows, merged, reduced
from tests.metrics_world import KEY, NOW_MS, random_events


@given(
    st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12),
    st.lists(st.integers(0, 9), min_size=12, max_size=12),
)
def test_seen_ids_are_those_of_a_plain_dictionary(batches, steps):
    seen, known, hour = SeenIds(), {}, 1_000
    for batch, step in zip(batches, steps, strict=False):
        hour += step
        ids = np.array(batch, np.uint64)
        # Alike in what names their slots: in the 48 bits and the 32 that are kept they are not.
        fresh = seen.add(ids * np.uint64(7 << 16), ids << np.uint64(32), hour)
        for id_, is_fresh in zip(batch, fresh.tolist(), strict=True):
            expected = id_ not in known or hour - known[id_] > 24
            assert is_fresh == expected
            if expected:
                known[id_] = hour


def test_an_id_counts_again_only_after_a_day():
    seen, one = SeenIds(), np.array([5], np.uint64)
    assert seen.add(one, one, 100).all()
    assert not seen.unseen(one, one, 124).any()
    assert seen.add(one, one, 125).all()
    assert not seen.add(one, one, 126).any()


def test_the_table_grows_and_forgets_old_ids():
    seen = SeenIds()
    many = np.arange(1, CAPACITY_MIN + 1, dtype=np.uint64) * np.uint64(digest.SPREAD)
    assert seen.add(many, many, 10).all()
    assert not seen.add(many, many, 10).any()
    assert len(seen) == CAPACITY_MIN
    seen.add(np.array([2**60], np.uint64), np.array([2**60], np.uint64), 40)
    assert len(seen) == 1


small = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 9)), max_size=25)
wide = st.lists(st.tuples(st.sampled_from([0, 1, 2**63]), st.sampled_from([0, 2**62]), st.integers(1, 9)), max_size=25)


def rows_of(triples, how):
    columns = np.array(triples, dtype=object).reshape(-1, 3)
    return reduced(
        columns[:, 0].astype(np.uint64), columns[:, 1].astype(np.uint64), columns[:, 2].astype(np.int64), how
    )


@given(small | wide, st.sampled_from(Reduce))
def test_reduced_rows_are_those_of_a_dictionary(triples, how):
    expected = {}
    for a, b, v in triples:
        old = expected.get((a, b))
        expected[a, b] = v if old is None else old + v if how is Reduce.SUM else max(old, v)
    found = rows_of(triples, how)
    assert [(int(a), int(b), int(v)) for a, b, v in zip(found.a, found.b, found.v, strict=True)] == [
        (a, b, v) for (a, b), v in sorted(expected.items())
    ]


@given(small | wide, small | wide, small | wide, st.sampled_from(Reduce))
def test_merging_is_associative_and_commutative(x, y, z, how):
    a, b, c = (rows_of(part, how) for part in (x, y, z))
    whole = merged([a, b, c], how)
    assert merged([merged([a, b], how), c], how) == whole
    assert merged([a, merged([b, c], how)], how) == whole
    assert merged([c, b, a], how) == whole


@given(small)
def test_a_sketch_merged_with_itself_stays_the_same(x):
    rows = rows_of(x, Reduce.MAX)
    assert merged([rows, rows], Reduce.MAX) == rows


def test_rows_are_not_compared_with_other_things():
    assert rows_of([], Reduce.SUM) != 1


@pytest.mark.parametrize("count", [0, 1, 9, 10, 200, 5_000, 60_000])
def test_registers_are_those_of_apache_datasketches(count):
    viewers = np.random.default_rng(count).integers(1, 2**63, count).astype(np.uint64)
    theirs = datasketches.hll_sketch(12, datasketches.HLL_8)
    for viewer in viewers.tolist():
        theirs.update(viewer)
    image = sketch.image(*sketch.touched(viewers))
    again = datasketches.hll_sketch.deserialize(image)
    estimate = sketch.estimate(*sketch.touched(viewers))
    assert estimate == pytest.approx(again.get_estimate(), rel=0.01, abs=0.05)
    assert abs(estimate - count) <= max(0.5, sketch.ERROR_BOUND * count)
    if count >= 1_000:  # below, theirs keeps a list instead of registers
        assert theirs.serialize_updatable()[40:] == image[40:]


def test_the_error_bound_holds_for_19_of_20_sketches():
    random = np.random.default_rng(1)
    within = 0
    for _ in range(200):
        viewers = random.integers(1, 2**63, 3_000).astype(np.uint64)
        low, high = sketch.interval(sketch.estimate(*sketch.touched(viewers)))
        within += low <= 3_000 <= high
    assert within >= 185


def slow_tables(events, titles):
    """What fold.tables must give, one event at a time."""
    cells, viewers = Counter(), defaultdict(set)
    videos, creators, tags = Counter(), Counter(), Counter()
    for place in range(len(events)):
        minute = int(events.derived_ms[place]) // 60_000
        cell = (
            titles[events.title.values()[place]], int(events.region[place]), int(events.type[place]),
            int(events.source[place]), int(events.agent[place]),
        )  # fmt: skip
        for width in (1, 60, 1440):
            start = minute // width * width
            cells[width, start, cell] += 1
            if cell[-1] == Agent.HUMAN and events.viewer[place]:
                viewers[width, start, cell].add(int(events.viewer[place]))
        if cell[-1] == Agent.HUMAN:
            hour = minute // 60 * 60
            videos[cell[0], hour, cell[2], events.video.values()[place]] += 1
            creators[cell[0], hour, cell[2], events.creator.values()[place]] += 1
            for tag in filter(None, events.hashtags.values()[place].split(",")):
                tags[cell[0], hour, cell[2], tag] += 1
    return cells, viewers, videos, creators, tags


def numbered(events):
    memory = Memory(KEY)
    memory.apply(1, NOW_MS, events)
    return memory


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_the_fold_counts_what_the_slow_twin_counts(seed):
    events = random_events(seed, count=120)
    memory = numbered(events)
    found = memory.tables(NUMBERS)
    names = memory.generations[0].names
    cells, viewers, videos, creators, tags = slow_tables(events, memory.title_numbers)
    for width, table in ((1, Table.CELLS_MINUTE), (60, Table.CELLS_HOUR), (1440, Table.CELLS_DAY)):
        expected = {(start, *cell): n for (w, start, cell), n in cells.items() if w == width}
        assert as_cells(found[table]) == expected
    for width, table in ((1, Table.VIEWERS_MINUTE), (60, Table.VIEWERS_HOUR), (1440, Table.VIEWERS_DAY)):
        estimate = distinct(found[table])
        expected = {(start, *cell): len(who) for (w, start, cell), who in viewers.items() if w == width}
        assert estimate.keys() == expected.keys()
        assert all(abs(estimate[cell] - count) <= 1 for cell, count in expected.items())
    for counter, table in ((videos, Table.VIDEOS_HOUR), (creators, Table.CREATORS_HOUR), (tags, Table.HASHTAGS_HOUR)):
        rows = found[table]
        parts = keys.unpack(rows.a)
        got = {
            (int(title), int(minute), int(kind), names.get(int(head))): int(v)
            for title, minute, kind, head, v in zip(
                keys.titles(rows.a), parts.minute, parts.type, rows.b, rows.v, strict=True
            )
        }
        assert got == dict(counter)


def as_cells(rows: Rows):
    parts = keys.unpack(rows.a)
    columns = (parts.minute, keys.titles(rows.a), parts.region, parts.type, parts.source, parts.agent, rows.v)
    return {tuple(map(int, row[:-1])): int(row[-1]) for row in zip(*columns, strict=True)}


def distinct(rows: Rows):
    groups = defaultdict(list)
    for cell, slot, value in zip(as_keys(rows), rows.b, rows.v, strict=True):
        groups[cell].append((slot, value))
    return {
        cell: round(sketch.estimate(np.array([s for s, _ in held], np.uint64), np.array([v for _, v in held])))
        for cell, held in groups.items()
    }


def as_keys(rows: Rows):
    parts = keys.unpack(rows.a)
    columns = (parts.minute, keys.titles(rows.a), parts.region, parts.type, parts.source, parts.agent)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)]


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_rollups_do_not_depend_on_how_the_log_was_cut(seed, pieces):
    parts = [random_events(seed * 7 + n, count=60) for n in range(pieces)]
    whole = numbered(concatenated(parts))
    by_piece = Memory(KEY)
    for position, part in enumerate(parts, start=1):
        by_piece.apply(position, NOW_MS, part)
    assert by_piece.title_names == whole.title_names
    assert whole.tables(NUMBERS) == by_piece.tables(NUMBERS)
    made_of_runs = [fold.tables(piece) for piece in by_piece.generations[0].pieces]
    together = {t: merged([run[t] for run in made_of_runs], REDUCE[t]) for t in NUMBERS}
    assert together == whole.tables(NUMBERS)


def test_a_generation_gives_the_same_rows_with_runs_and_without():
    with_runs, whole = Memory(KEY), []
    for position in range(1, 80):
        part = random_events(position, count=20)
        whole.append(part)
        with_runs.apply(position, NOW_MS, part)
    assert with_runs.generations[0].runs
    assert with_runs.generations[0].tables() == numbered(concatenated(whole)).tables(NUMBERS)


def test_duplicates_fold_once_and_bots_are_counted_apart():
    memory, events = Memory(KEY), random_events(5)
    memory.apply(1, NOW_MS, events)
    memory.apply(2, NOW_MS, events)
    assert memory.accepted_count == len(events)
    assert memory.bot_count == int((events.agent != 1).sum()) > 0
    cells = memory.tables([Table.CELLS_DAY])[Table.CELLS_DAY]
    assert int(cells.v.sum()) == len(events)


def test_nothing_folds_to_empty_tables():
    assert all(len(rows) == 0 for rows in fold.tables(fold.joined([])).values())


@given(st.integers(0, 2**24 - 1), st.integers(0, 2**23 - 1), st.integers(0, 676), st.sampled_from(EventType))
def test_a_key_unpacks_to_what_was_packed(title, minute, region, kind):
    at = minute + keys.EPOCH_MINUTE
    key = keys.pack(*(np.array([x]) for x in (title, at, region, int(kind), 2, 3)))
    parts = keys.unpack(key)
    assert (keys.titles(key)[0], parts.minute[0], parts.region[0], parts.type[0]) == (title, at, region, kind)
    assert (parts.source[0], parts.agent[0]) == (2, 3)
    assert keys.unpack(keys.coarser(key, 60)).minute[0] == at // 60 * 60
    ((low, high),) = keys.spans(title, at, at + 1, {kind})
    assert low <= int(key[0]) < high
    assert (low, high) in keys.spans(title, at, at + 1)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2))
def test_a_region_has_a_number_of_its_own(region):
    code = keys.region_code(region)
    assert 0 <= code <= 676
    assert keys.region_name(code) == (UNKNOWN_REGION if region == UNKNOWN_REGION else region)
