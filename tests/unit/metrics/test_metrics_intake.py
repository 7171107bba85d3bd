"""Intake: each event is judged by itself, with a reason."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics import intake
from services.metrics.domain import Agent, Arm, EventType, Reason, Source
from tests.metrics_world import KEY, NOW_MS, checked, raw_events

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("ids", "", Reason.ID_INVALID),
        ("ids", "a b", Reason.ID_INVALID),
        ("ids", "é", Reason.ID_INVALID),
        ("ids", "a\0b", Reason.ID_INVALID),
        ("ids", "x" * 129, Reason.ID_INVALID),
        ("ids", "x" * 70_000, Reason.ID_INVALID),
        ("ids", '{"$gt": ""}', Reason.ID_INVALID),
        ("types", 0, Reason.TYPE_UNKNOWN),
        ("types", 14, Reason.TYPE_UNKNOWN),
        ("types", -1, Reason.TYPE_UNKNOWN),
        ("times_ms", NOW_MS - 49 * HOUR_MS, Reason.TOO_LATE),
        ("times_ms", -(10**14), Reason.TOO_LATE),
        ("times_ms", NOW_MS + HOUR_MS, Reason.IN_FUTURE),
        ("times_ms", 10**14, Reason.IN_FUTURE),
        ("titles", "", Reason.FIELD_MISSING),
        ("titles", "a\nb", Reason.FIELD_INVALID),
        ("titles", "x" * 200, Reason.FIELD_INVALID),
        ("videos", "", Reason.FIELD_MISSING),
        ("videos", "v/1", Reason.FIELD_INVALID),
        ("creators", "c 1", Reason.FIELD_INVALID),
        ("campaigns", "ü", Reason.FIELD_INVALID),
        ("offers", "$", Reason.FIELD_INVALID),
        ("regions", "us", Reason.FIELD_INVALID),
        ("regions", "USA", Reason.FIELD_INVALID),
        ("viewers", "x" * 129, Reason.FIELD_INVALID),
        ("hashtags", ",".join("t" * 31), Reason.FIELD_INVALID),
        ("hashtags", "a\x07", Reason.FIELD_INVALID),
        ("hashtags", "a,,b", Reason.FIELD_INVALID),
        ("user_agents", "x" * 513, Reason.FIELD_INVALID),
        ("devices", 9, Reason.FIELD_INVALID),
        ("sources", 3, Reason.FIELD_INVALID),
        ("agents", 5, Reason.FIELD_INVALID),
        ("arms", -1, Reason.FIELD_INVALID),
        ("arms", 10**12, Reason.FIELD_INVALID),
    ],
)
def test_a_bad_event_is_rejected_and_its_neighbours_are_not(column, value, reason):
    good = raw_events(3)
    plain = getattr(good, column)
    values = list(plain.values()) if hasattr(plain, "values") else list(plain)
    values[1] = value
    found = checked(raw_events(3, **{column: values}))
    assert [(each.index, each.reason) for each in found.rejected] == [(1, reason)]
    assert len(found.rejected[0].event_id) <= 128
    assert [str(id_) for id_ in ids_of(found.events)] == ["e0", "e2"]


def ids_of(events):
    with suppress(AttributeError):
        return [id_.decode() for id_ in events.ids.tolist()]
    return events.ids


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (EventType.VIDEO_VIEW, "videos"),
        (EventType.CAMPAIGN_VIEW, "campaigns"),
        (EventType.REWARD_GRANT, "campaigns"),
        (EventType.OFFER_CLICK, "offers"),
        (EventType.TICKET_CLICK, "offers"),
    ],
)
def test_a_type_needs_its_fields(kind, column):
    found = checked(raw_events(1, types=[kind], **{column: [""]}))
    assert found.rejected[0].reason is Reason.FIELD_MISSING
    assert not checked(raw_events(1, types=[EventType.HUB_VIEW], **{column: [""]})).rejected


def test_new_titles_are_refused_when_there_is_no_room():
    raw = raw_events(2, titles=["old", "new"])
    found = intake.check(raw, intake.Arrival(received_ms=NOW_MS), KEY, title_is_new=lambda name: name == "new")
    assert [each.reason for each in found.rejected] == [Reason.TITLE_LIMIT]


def test_times_are_corrected_by_the_difference_of_clocks_and_kept_apart():
    late_clock = 3 * HOUR_MS
    raw = raw_events(3, times_ms=[NOW_MS - late_clock - 500, NOW_MS - late_clock, 0])
    events = checked(raw, sent_ms=NOW_MS - late_clock).events
    assert events.derived_ms.tolist() == [NOW_MS - 500, NOW_MS, NOW_MS]
    assert events.time_ms.tolist() == [NOW_MS - late_clock - 500, NOW_MS - late_clock, NOW_MS]
    near = checked(raw_events(1, times_ms=[NOW_MS - 500]), sent_ms=NOW_MS - 900).events
    assert near.derived_ms.tolist() == [NOW_MS - 500]


def test_no_event_happened_after_it_was_received():
    assert checked(raw_events(1, times_ms=[NOW_MS + 60_000])).events.derived_ms.tolist() == [NOW_MS]


def test_a_backfill_takes_events_of_any_age():
    old = raw_events(1, times_ms=[NOW_MS - 200 * 24 * HOUR_MS])
    assert not checked(old, late_ms_max=1 << 62).rejected
    before_2024 = raw_events(1, times_ms=[1_000_000_000_000])
    assert checked(before_2024, late_ms_max=1 << 62).rejected[0].reason is Reason.TOO_LATE


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0)", Agent.HUMAN),
        ("Googlebot/2.1 (+http://www.google.com/bot.html)", Agent.BOT),
        ("python-requests/2.34", Agent.BOT),
        ("facebookexternalhit/1.1", Agent.PREVIEW),
        ("", Agent.HUMAN),
    ],
)
def test_bots_are_told_by_their_user_agent(user_agent, agent):
    assert checked(raw_events(1, user_agents=[user_agent])).events.agent.tolist() == [agent]
    said = checked(raw_events(1, user_agents=[user_agent], agents=[Agent.HEAD])).events
    assert said.agent.tolist() == [Agent.HEAD]


def test_what_is_not_said_has_a_default():
    events = checked(raw_events(1, sources=[0], arms=[0], regions=["ZZ"], viewers=[""])).events
    assert (events.source[0], events.arm[0], events.region[0], events.viewer[0]) == (Source.FAN, Arm.EXPOSED, 0, 0)


def test_an_empty_batch_is_all_right():
    found = checked(raw_events(0))
    assert len(found.events) == 0
    assert found.rejected == ()


@given(st.lists(st.text(max_size=140), min_size=1, max_size=20))
def test_ids_are_judged_as_the_pattern_says(ids):
    rejected = {each.index for each in checked(raw_events(len(ids), ids=ids)).rejected}
    assert rejected == {n for n, id_ in enumerate(ids) if not re.fullmatch(r"[A-Za-z0-9:_.-]{1,128}", id_)}
