"""Rates, funnels, lift, top lists, trending, percentiles, CSV: pure answers from small numbers."""

import csv
import io

import numpy as np
import pytest

from services.metrics import export, fold, funnel, heads, keys, lift, reading, report, trending
from services.metrics.domain import Arm, Dimension, EventType, Granularity, Period, PeriodTooLong, Source, TopOrder
from services.metrics.fold import Table
from services.metrics.grid import Grid
from services.metrics.intervals import Rate, difference, wilson
from services.metrics.overview import Buckets, Overview
from services.metrics.query import Query
from services.metrics.report import Choice, Total
from services.metrics.rows import Reduce, Rows, reduced
from tests.metrics_world import NOW_MS, checked, random_events, raw_events
from tests.unit.metrics.test_metrics_dedupe_and_fold import numbered

NOW = NOW_MS // 60_000
DAY = NOW // 1440 * 1440


def test_wilsons_interval_is_the_one_of_the_books():
    rate = wilson(10, 100)  # R: binom::binom.wilson(10, 100)
    assert (rate.value, round(rate.lower, 4), round(rate.upper, 4)) == (0.1, 0.0552, 0.1744)
    assert wilson(0, 0) == Rate()
    assert wilson(0, 10).lower == 0.0
    assert wilson(12, 10) == Rate(value=1.2, lower=1.2, upper=1.2)


def test_newcombes_interval_is_the_one_of_his_paper():
    # Newcombe 1998, table II, (a) 56/70 - 48/80, method 10: 0.0524 to 0.3339
    found = difference(wilson(56, 70), wilson(48, 80))
    assert (round(found.value, 4), round(found.lower, 4), round(found.upper, 4)) == (0.2, 0.0524, 0.3339)


def test_a_funnel_measures_each_step_against_the_last_shown_one():
    totals = [
        Total(type=EventType.ANCHOR_IMPRESSION, count=1000, viewers=800),
        Total(type=EventType.ANCHOR_CLICK, count=100, viewers=90),
        Total(type=EventType.HUB_VIEW, is_suppressed=True),
        Total(type=EventType.OFFER_CLICK, count=20, viewers=15),
    ]
    steps = funnel.steps(totals)
    assert [step.type for step in steps] == list(funnel.STEPS)
    assert steps[1].rate.value == steps[1].rate_from_start == 0.1
    assert steps[2].is_suppressed
    assert steps[3].rate.value == 0.2
    assert steps[4].count == 0
    assert steps[0].rate.value == 0


def arms(**viewers):
    raw = []
    for name, count in viewers.items():
        kind, arm = name.rsplit("_", 1)
        raw += [(EventType[kind.upper()], Arm[arm.upper()], n) for n in range(count)]
    memory = numbered(
        checked(
            raw_events(
                len(raw),
                types=[kind for kind, _, _ in raw],
                arms=[arm for _, arm, _ in raw],
                viewers=[f"{arm}.{n}" for _, arm, n in raw],
            )
        ).events
    )
    return memory.tables([Table.ARMS])[Table.ARMS]


def test_lift_compares_the_exposed_with_those_held_out():
    found = lift.lift(
        arms(campaign_view_exposed=500, conversion_exposed=150, campaign_view_holdout=500, conversion_holdout=50),
        EventType.CONVERSION,
        10,
    )
    assert found.lift.value == pytest.approx(0.2, abs=0.02)
    assert found.is_significant
    assert found.relative == pytest.approx(2, rel=0.15)
    assert [arm.arm for arm in found.arms] == [Arm.EXPOSED, Arm.HOLDOUT]


def test_lift_is_silent_about_few_viewers():
    few = lift.lift(arms(campaign_view_exposed=500, campaign_view_holdout=9), EventType.CONVERSION, 10)
    assert (few.arms, few.suppressed_count, few.is_significant, few.relative) == ((), 1, False, 0.0)


def head_world(plan):
    """Rows of videos: (video, creator, day back, viewers) each with one view a viewer."""
    raw = [(video, creator, back, n) for video, creator, back, count in plan for n in range(count)]
    events = checked(
        raw_events(
            len(raw),
            types=[EventType.VIDEO_VIEW] * len(raw),
            times_ms=[(DAY - back * 1440 + 60) * 60_000 for _, _, back, _ in raw],
            videos=[video for video, _, _, _ in raw],
            creators=[creator for _, creator, _, _ in raw],
            viewers=[f"{video}.{n}" for video, _, _, n in raw],
        ),
        late_ms_max=1 << 62,
    ).events
    memory = numbered(events)
    tables = memory.tables(list(Table)[:-1])
    return tables, memory.generations[0].names, Grid.of(tables[Table.CELLS_DAY], tables[Table.VIEWERS_DAY])


def top_of(plan, order=TopOrder.VIEWS, size=10, table=Table.VIDEOS_DAY, viewers=Table.VIDEO_VIEWERS):
    tables, names, totals = head_world(plan)
    found = heads.top(tables[table], tables[viewers], totals, Period(start=DAY, end=DAY + 1440), order, size, 10)
    return [(names.get(head.id), head) for head in found.heads], found


def test_top_videos_come_by_views_with_exact_counts():
    named, found = top_of(
        [("a", "x", 0, 40), ("b", "y", 0, 90), ("c", "x", 0, 3), ("d", "x", 0, 12), ("a", "x", 1, 20)]
    )
    assert [(name, head.count(EventType.VIDEO_VIEW)) for name, head in named] == [("b", 90), ("a", 40)]
    assert named[1][1].previous_views == 20
    assert named[0][1].view_share == pytest.approx(90 / 145)
    assert found.suppressed_count == 2  # c has 3 viewers; d hides that the rest is c


def test_rising_creators_grow_and_are_more_than_a_handful():
    plan = [("a", "old", 0, 100), ("a", "old", 1, 100), ("b", "new", 0, 60), ("b", "new", 1, 10), ("c", "tiny", 0, 12)]
    named, _ = top_of(plan, TopOrder.RISING, table=Table.CREATORS_DAY, viewers=Table.CREATOR_VIEWERS)
    assert [name for name, _ in named] == ["new", "tiny", "old"]
    assert [head.is_rising for _, head in named] == [True, False, False]


def test_events_without_a_creator_are_no_creator():
    named, found = top_of(
        [("a", "x", 0, 50), ("b", "", 0, 50)], table=Table.CREATORS_DAY, viewers=Table.CREATOR_VIEWERS
    )
    assert [name for name, _ in named] == ["x"]
    assert found.suppressed_count == 0


def test_a_title_nobody_saw_has_no_top():
    empty = Rows(*(np.zeros(0, np.uint64),) * 2, np.zeros(0, np.int64))
    found = heads.top(empty, empty, Grid.of(empty, empty), Period(start=0, end=1440), TopOrder.CLICKS, 5, 10)
    assert found.heads == ()


def hours_of(series):
    """An overview from title → {hours back: events}."""
    overview = Overview()
    a, v = [], []
    for title, counts in series.items():
        for back, count in counts.items():
            minute = NOW // 60 * 60 - back * 60
            a.append(int(keys.pack(*(np.array([x]) for x in (title, minute, 1, 1, 1, 1)))[0]))
            v.append(count)
    overview.add_hours(reduced(np.array(a, np.uint64), np.zeros(len(a), np.uint64), np.array(v, np.int64), Reduce.SUM))
    return overview


def test_trending_is_by_velocity_not_by_size():
    steady_giant = dict.fromkeys(range(24 * 15), 10_000)
    small_riser = dict.fromkeys(range(24 * 15), 5) | {0: 60, 1: 60, 2: 60}
    handful = {0: 9}
    at = NOW // 60 * 60 + 59  # the running hour is over
    found = trending.velocities(hours_of({0: steady_giant, 1: small_riser, 2: handful}), at, 3)
    assert [each.title for each in found] == [1]
    assert found[0].recent_per_hour > 10 * found[0].baseline_per_hour
    assert trending.velocities(hours_of({1: small_riser}), at, 3, region=2) == []


def test_a_percentile_is_among_titles_of_the_same_kind():
    overview = Overview()
    titles = [f"movie:{n}" for n in range(8)]
    raw = [title for n, title in enumerate(titles) for _ in range(10 * (n + 1))]
    memory = numbered(checked(raw_events(len(raw), titles=raw)).events)
    tables = memory.tables([Table.CELLS_HOUR, Table.CELLS_DAY])
    overview.add(tables)
    overview.prune(NOW)
    list(overview.rank(NOW, np.array([0] * 6 + [1] * 2)))
    assert overview.title_totals(DAY - 1440, DAY + 1440, 8).tolist() == [10 * (n + 1) for n in range(8)]
    best = overview.standing(5, EventType.ANCHOR_CLICK, 7)
    assert (best.percentile, best.kind_mean, best.kind_title_count) == (pytest.approx(500 / 6), 35.0, 6)
    assert overview.standing(7, EventType.ANCHOR_CLICK, 7).kind_mean == 0  # two titles would tell each other's numbers
    assert overview.standing(99, EventType.ANCHOR_CLICK, 7).percentile == 0
    overview.prune(NOW + 100 * 1440)
    assert len(overview.days) == len(overview.hours) == 0


def test_pieces_of_a_bucket_add_up():
    buckets = Buckets(60)
    for _ in range(20):
        buckets.add(np.array([5, 6, 5]), np.array([1, 1, 2]), np.array([1, 1, 1]))
    key, count = buckets.sums(5)
    assert (key.tolist(), count.tolist()) == ([1, 2], [20, 20])
    assert len(buckets.sums(7)[0]) == 0


@pytest.mark.parametrize(("start", "end"), [(DAY - 1440, DAY + 1440), (DAY - 1380, DAY + 60), (DAY + 60, DAY + 120)])
def test_days_that_are_there_by_hour_are_those_of_the_tables_by_day(start, end):
    memory = numbered(random_events(5, count=3_000, titles=1, hours=47))
    tables = memory.tables(list(Table)[:-1])
    period = Period(start=start, end=end)

    def published(granularity):
        choice = Choice(period=period, granularity=granularity)
        spans = reading.spans(choice)
        found = [Query.of_title(0, *span, frozenset()).answer([], [tables[span[0]]]) for span in spans]
        return reading.published(found, choice, 1)[0], reading.nonhuman_count(found, period)

    (hourly, bots), (daily, bots_by_day) = published(Granularity.HOUR), published(Granularity.DAY)
    assert bots == bots_by_day > 0
    for name in ("days", "splits"):
        by_hour, by_day = (sorted_cells(getattr(each, name)) for each in (hourly, daily))
        assert by_hour == by_day
        assert by_hour


def sorted_cells(atoms):
    """Cells with their registers, whatever their order."""
    cells = zip(*(getattr(atoms.grid, name).tolist() for name in ("bucket", "type", "region", "source", "count")),
                atoms.shown.tolist(), strict=True)  # fmt: skip
    registers = np.split(atoms.grid.register, atoms.grid.end[:-1])
    return sorted((*cell, tuple(own.tolist())) for cell, own in zip(cells, registers, strict=True))


def test_a_report_has_bounds():
    with pytest.raises(PeriodTooLong):
        report.checked(Period(start=0, end=801 * 1440), Granularity.TOTAL)
    with pytest.raises(PeriodTooLong):
        report.checked(Period(start=0, end=5_100), Granularity.MINUTE)
    assert report.granularity_for(Period(start=0, end=600)) is Granularity.MINUTE
    assert report.granularity_for(Period(start=0, end=7 * 1440)) is Granularity.HOUR
    assert report.granularity_for(Period(start=0, end=90 * 1440)) is Granularity.DAY


def test_a_csv_is_read_back_by_a_csv_reader():
    columns = {
        "start": [DAY, DAY], "type": [7, 0], "region": [keys.region_code("US"), 0], "source": [1, 0], "count": [12, 0],
        "viewers": [11, 0],
    }  # fmt: skip
    table = report.Table(**{n: np.array(v) for n, v in columns.items()}, is_suppressed=np.array([False, True]))
    text = "".join(export.pieces(table, "1 row hidden", has_regions=True))
    rows = list(csv.reader(io.StringIO(text)))
    assert tuple(rows[0]) == export.HEADER
    assert rows[1][1:] == ["video_view", "US", "fan", "12", "11", "false"]
    assert rows[2][1:] == ["", "ZZ", "", "", "", "true"]
    assert rows[3] == ["# 1 row hidden"]
    assert list(csv.reader(io.StringIO("".join(export.pieces(table, "", has_regions=False)))))[1][2] == ""


def test_a_choice_knows_how_deep_it_looks():
    period = Period(start=0, end=1440)
    assert not Choice(period=period, granularity=Granularity.DAY).is_split
    assert Choice(period=period, granularity=Granularity.DAY, dimensions=frozenset({Dimension.SOURCE})).is_split
    filtered = Choice(period=period, granularity=Granularity.DAY, source=Source.FAN)
    assert filtered.is_split
    assert filtered.is_filtered


def test_head_slots_keep_the_head_and_the_register():
    packed = fold.head_slot(np.array([0xABCDEF << 6], np.uint64), np.array([65], np.uint64))
    assert int(packed[0]) == 0xABCDEF << 6 | 1
    rows = reduced(np.zeros(2, np.uint64), np.array([1, 2], np.uint64), np.array([1, 1]), Reduce.MAX)
    assert round(heads.viewers_of(rows)) == 2
