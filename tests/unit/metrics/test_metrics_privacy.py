"""Privacy: an attacker who may ask anything learns no number that stands for fewer than k viewers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics import keys, privacy, report, rows, sketch
from services.metrics.domain import DAY_MINUTES, Dimension, EventType, Granularity, Period, Source
from services.metrics.grid import Grid, merged_registers, packed_registers
from services.metrics.report import Choice

K = 10
DAY = keys.EPOCH_MINUTE
REGIONS = ("US", "DE", "FR")
HOURS = (0, 1, 2)
KINDS = (EventType.VIDEO_VIEW,)


def a_grid(cells):
    """A grid of (hour of two days, region, source) → viewers; cell number n has 2^n events, so sums tell their parts.

    A cell of 0 viewers has events too: whoever asks cannot know which crossings of hour and region are empty.
    """
    chosen = [
        (place, cell, viewers) for place, (cell, viewers) in enumerate(sorted(cells.items())) if viewers is not None
    ]
    slots, values, owner = [], [], []
    for row, (place, _, viewers) in enumerate(chosen):
        # Everybody takes part in one cell: the worst case for hiding.
        slot, value = sketch.touched(np.arange(1, viewers + 1, dtype=np.uint64) + np.uint64(place * 1_000))
        slots.append(slot.astype(np.int64))
        values.append(value)
        owner.append(np.full(viewers, row))
    empty = np.zeros(0, np.int64)
    cell, slot, value = (np.concatenate(part) if part else empty for part in (owner, slots, values))
    end, register = merged_registers(cell, packed_registers(slot, value), len(chosen))
    return Grid(
        bucket=np.array([DAY + c[0] * DAY_MINUTES + c[1] * 60 for _, c, _ in chosen], np.int64),
        type=np.array([KINDS[0]] * len(chosen), np.int64),
        region=np.array([keys.region_code(c[2]) for _, c, _ in chosen], np.int64),
        source=np.array([c[3] for _, c, _ in chosen], np.int64),
        count=np.array([1 << place for place, _, _ in chosen], np.int64),
        end=end, register=register,
    )  # fmt: skip


CELLS = list(itertools.product((0, 1), HOURS, REGIONS, (1, 2)))


def by_day(hours):
    return hours.relabelled(
        bucket=hours.bucket // DAY_MINUTES * DAY_MINUTES, type_=hours.type, region=hours.region, source=hours.source
    )


def questions():
    """Periods, dimensions and filters in every combination an attacker could use."""
    periods = [Period(start=DAY + a, end=DAY + b) for a, b in [
        (0, 1440), (1440, 2880), (0, 2880), (60, 1440), (0, 60), (60, 120), (0, 120), (60, 2880), (0, 1500), (120, 1440),
    ]]  # fmt: skip
    filters = [(), *itertools.combinations(REGIONS, 1), *itertools.combinations(REGIONS, 2)]
    dimensions = [
        frozenset(d) for n in range(3) for d in itertools.combinations((Dimension.VIEWER_REGION, Dimension.SOURCE), n)
    ]
    for granularity in (Granularity.HOUR, Granularity.DAY, Granularity.TOTAL):
        for period, regions, source, by in itertools.product(
            periods, filters, (None, Source.FAN, Source.OFFICIAL), dimensions
        ):
            whole = report.checked(period, granularity)
            yield Choice(period=whole, granularity=granularity, dimensions=by, regions=regions, source=source)


def answers(hours):
    """Every number the report API gives about the grid."""
    published = privacy.publish_title(by_day(hours), hours, K)
    for choice in questions():
        rows = report.rows(published, None, choice)
        yield from rows.count[~rows.is_suppressed].tolist()
        yield from (total.count for total in report.totals(published, choice) if not total.is_suppressed)
    share = report.source_share(
        published, Choice(period=Period(start=DAY, end=DAY + 2880), granularity=Granularity.DAY)
    )
    yield from (share.fan, share.official)


def bits(number, width):
    return [number >> place & 1 for place in range(width)]


def small_groups(hours):
    """Sets of cells under k viewers that a report has a name for: hours, days, regions, sources, and their crossings."""
    viewers = hours.viewers()
    labels = {
        "hour": hours.bucket,
        "day": hours.bucket // DAY_MINUTES,
        "region": hours.region,
        "source": hours.source,
    }
    for size in range(1, 4):
        for names in itertools.combinations(labels, size):
            keyed = list(zip(*(labels[name].tolist() for name in names), strict=True))
            for key in set(keyed):
                mask = np.array([each == key for each in keyed])
                if round(float(viewers[mask].sum())) < K - 1:  # everybody is in one cell: viewers add up
                    yield int(hours.count[mask].sum())


@settings(max_examples=12)
@given(st.lists(st.sampled_from([0, 0, 1, 4, 9, 11, 25, 60]), min_size=len(CELLS), max_size=len(CELLS)))
def test_differencing_all_answers_reveals_no_small_group(viewers):
    hours = a_grid(dict(zip(CELLS, viewers, strict=True)))
    if not len(hours):
        return
    width = len(CELLS)
    known = np.array([bits(number, width) for number in sorted(set(answers(hours)) - {0})], float).reshape(-1, width)
    rank = np.linalg.matrix_rank(known) if len(known) else 0
    for group in set(small_groups(hours)):
        secret = np.array(bits(group, width), float)
        # If it lay in the span of the answers, some sum and difference of them would be the secret.
        assert np.linalg.matrix_rank(np.vstack([known, secret])) == rank + 1, bin(group)


def test_an_hourly_split_does_not_tell_which_crossings_are_empty():
    full = {cell: 30 for cell in CELLS if cell[2] != "FR"} | {(0, 0, "FR", 1): 3, (1, 1, "FR", 2): 4}
    published = privacy.publish_title(by_day(a_grid(full)), a_grid(full), K)
    choice = Choice(
        period=Period(start=DAY, end=DAY + 2880),
        granularity=Granularity.HOUR,
        dimensions=frozenset({Dimension.VIEWER_REGION}),
    )
    rows = report.rows(published, None, choice)
    assert keys.region_code("FR") not in rows.region.tolist()


def test_a_title_with_many_viewers_is_shown_whole():
    hours = a_grid(dict.fromkeys(CELLS, 40))
    published = privacy.publish_title(by_day(hours), hours, K)
    choice = Choice(
        period=Period(start=DAY, end=DAY + 2880),
        granularity=Granularity.HOUR,
        dimensions=frozenset({Dimension.VIEWER_REGION, Dimension.SOURCE}),
    )
    rows = report.rows(published, None, choice)
    assert len(rows) == len(CELLS)
    assert not rows.is_suppressed.any()
    assert int(rows.count.sum()) == int(hours.count.sum())


def test_a_small_region_is_counted_in_the_total_only_with_others():
    cells = dict.fromkeys(CELLS, 30) | {c: 1 for c in CELLS if c[2] == "FR" and c[3] == 1 and c[0] == 0}
    hours = a_grid(cells)
    published = privacy.publish_title(by_day(hours), None, K)
    day = Choice(
        period=Period(start=DAY, end=DAY + 1440),
        granularity=Granularity.DAY,
        dimensions=frozenset({Dimension.VIEWER_REGION, Dimension.SOURCE}),
    )
    rows = report.rows(published, None, day)
    assert rows.is_suppressed.sum() == 2  # the small one, and one more that would give it away
    pooled = rows.count[rows.region == 0]
    assert int(pooled.sum()) > 0
    first_day = hours.count[hours.bucket < DAY + 1440].sum()
    assert int(rows.count.sum()) == int(first_day) == report.totals(published, day)[0].count


def test_a_day_under_k_viewers_is_in_no_answer():
    cells = {(0, 0, "US", 1): 9, (1, 0, "US", 1): 30}
    hours = a_grid(cells)
    published = privacy.publish_title(by_day(hours), hours, K)
    both = Choice(period=Period(start=DAY, end=DAY + 2880), granularity=Granularity.TOTAL)
    assert report.totals(published, both)[0].count == int(hours.count[hours.bucket >= DAY + 1440].sum())
    rows = report.rows(published, None, Choice(period=both.period, granularity=Granularity.DAY))
    assert rows.is_suppressed.tolist() == [True, False]
    assert rows.count.tolist()[0] == rows.viewers.tolist()[0] == 0


def test_events_without_viewers_are_never_shown():
    hours = a_grid({(0, 0, "US", 1): 1})
    blank = Grid(**{n: getattr(hours, n) for n in ("bucket", "type", "region", "source")}, count=np.array([5_000]),
                 end=np.zeros(1, np.int64), register=np.zeros(0, np.uint32))  # fmt: skip
    published = privacy.publish_title(blank, blank, K)
    choice = Choice(period=Period(start=DAY, end=DAY + 1440), granularity=Granularity.HOUR)
    assert report.totals(published, choice)[0].is_suppressed
    assert report.rows(published, None, choice).is_suppressed.all()


def test_minutes_lie_in_shown_hours_and_keep_a_rest_of_k():
    hour = a_grid({(0, 0, "US", 1): 45})
    parts = []
    for minute, viewers in enumerate((20, 20, 5)):
        part = a_grid({(0, 0, "US", 1): viewers})
        parts.append(
            Grid(**{n: getattr(part, n) for n in Grid.__slots__ if n != "bucket"}, bucket=part.bucket + minute)
        )
    from services.metrics.grid import joined

    published = privacy.publish_title(by_day(hour), hour, K)
    minutes = privacy.publish_within(joined(parts), published.hours, 60, K)
    assert minutes.shown.sum() == 1
    assert minutes.pooled.sum() == 2


@pytest.mark.parametrize("granularity", Granularity)
def test_an_empty_title_has_an_empty_report(granularity):
    blank = Grid.of(rows.empty(), rows.empty())
    published = privacy.publish_title(blank, blank, K)
    minutes = privacy.publish_within(blank, published.hours, 60, K)
    choice = Choice(
        period=Period(start=DAY, end=DAY + 1440),
        granularity=granularity,
        dimensions=frozenset({Dimension.VIEWER_REGION}),
    )
    assert len(report.rows(published, minutes, choice)) == 0
    assert report.totals(published, choice) == ()
