"""The sample viewers: the one generator with the sample videos as its cast."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import pytest

from deploy.local import samples
from deploy.local.plan import Plan
from deploy.local.traffic import CAME_OUT_HOURS, DAYS, Sampled, Watched, is_seeded, plan_of
from services.metrics import intake, traffic
from services.metrics.domain import EventType, Source
from services.metrics.generation import Memory
from services.metrics.intake import Arrival
from services.metrics.overview import Overview
from services.metrics.trending import velocities
from services.metrics.wire.events import of_columns
from tests.metrics_world import KEY
from tools.traffic import columns, present

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def a_watched(video, title, **given):
    return Watched(
        **{"video_id": video, "title_id": title, "creator_id": f"by {video}", "is_official": False,
           "has_anchor": True, "hashtag_names": ("film",)} | given
    )  # fmt: skip


@pytest.fixture
def cast():
    watched = [a_watched(f"v{n}", f"movie:{n % 6}") for n in range(30)]
    watched += [a_watched("own", samples.TITLE_ID, is_official=True), a_watched("fan", samples.TITLE_ID)]
    watched += [a_watched("doubtful", samples.TITLE_ID, has_anchor=False), a_watched("w", "movie:x", has_anchor=False)]
    return Sampled(watched, {samples.TITLE_ID: "campaign-1"})


def sent(cast, batches=40):
    """Strings and columns of the first batches."""
    for batch in islice(traffic.batches(plan_of(cast, NOW)), batches):
        yield batch, columns(batch, cast)


def column(found, name):
    return [found.strings[code] for code in np.frombuffer(getattr(found, name), "<u4")]


def test_events_name_the_matched_videos_their_creators_titles_and_the_campaign(cast):
    assert cast.title_ids[0] == samples.TITLE_ID
    for _, found in sent(cast):
        titles, videos = column(found, "title_codes"), column(found, "video_codes")
        creators, campaigns = column(found, "creator_codes"), column(found, "campaign_codes")
        for title, video, creator, campaign in zip(titles, videos, creators, campaigns, strict=True):
            assert title in cast.title_ids
            assert not video or creator == f"by {video}"
            assert not campaign or (title, campaign) == (samples.TITLE_ID, "campaign-1")
            assert video not in {"own", "fan", "doubtful"} or title == samples.TITLE_ID


def test_a_video_in_review_is_watched_and_its_anchor_is_not_seen(cast):
    assert "movie:x" not in cast.title_ids
    kinds = Counter()
    for batch, found in sent(cast, 100):
        videos = column(found, "video_codes")
        kinds.update(kind for kind, video in zip(batch.types.tolist(), videos, strict=True) if video == "doubtful")
    assert kinds[EventType.VIDEO_VIEW] > 100
    assert not kinds[EventType.ANCHOR_IMPRESSION]


def test_the_same_moment_gives_the_same_events_each_with_its_own_id(cast):
    first, again = ([found.SerializeToString() for _, found in sent(cast, 5)] for _ in range(2))
    assert first == again
    ids = [id_ for batch, _ in sent(cast) for id_ in batch.ids]
    # One in two hundred comes twice.
    assert 0.98 < len(set(ids)) / len(ids) <= 1


def test_a_title_that_just_came_out_is_trending_and_the_others_are_not(cast):
    end, hours = int(NOW.timestamp()) // 60, 16 * 24
    plan = plan_of(cast, NOW)
    last = replace(plan, start_minute=end - hours * 60, hours=hours, events=plan.events * hours / plan.hours)
    memory, overview = Memory(KEY), Overview()
    memory.listeners.append(overview.add)
    for position, batch in enumerate(traffic.batches(last), start=1):
        arrival = Arrival(received_ms=end * 60_000, late_ms_max=1 << 50)
        checked = intake.check(of_columns(columns(batch, cast)), arrival, KEY)
        memory.apply(position, arrival.received_ms, checked.events)
    memory.fold_all()
    found = velocities(overview, end - 1, len(memory.title_names))
    came_out = {cast.title_ids[rank] for rank in CAME_OUT_HOURS}
    assert {memory.title_names[each.title] for each in found} == came_out != set()


def test_only_the_campaigns_title_has_campaign_events_and_a_funnel_narrows(cast):
    kinds = Counter()
    for batch, _ in sent(cast, 200):
        kinds.update(batch.types.tolist())
        campaign = np.isin(batch.types, traffic.CAMPAIGN_TYPES)
        assert set(batch.titles[campaign].tolist()) <= {0}
    order = [
        EventType.ANCHOR_IMPRESSION, EventType.ANCHOR_CLICK, EventType.HUB_VIEW, EventType.OFFER_CLICK,
        EventType.TICKET_CLICK,
    ]  # fmt: skip
    counts = [kinds[kind] for kind in order]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 0


def test_spikes_lie_in_the_last_week_and_an_official_video_is_told(cast):
    plan = plan_of(cast, NOW)
    until = int(NOW.timestamp()) // 60
    assert plan.hours == DAYS * 24
    assert {spike.cause for spike in plan.spikes} == set(traffic.Cause) - {traffic.Cause.RELEASE}
    assert all(until - 7 * 1_440 < spike.start_minute < until for spike in plan.spikes)
    assert {cast.source(0, video) for video in range(4)} == {Source.FAN, Source.OFFICIAL}


def test_viewers_of_the_present_come_at_the_rate_asked_for(cast):
    found = [request for tick in range(60) for request in present(plan_of(cast, NOW), cast, rate=20, tick=tick)]
    assert 300 < sum(len(request.columns.ids) for request in found) < 3_600


def test_a_house_has_viewers_once_its_history_was_sent(tmp_path):
    house = Plan(folder=tmp_path, port_base=8080, mongo_url="", redis_url="", processes=())
    assert not is_seeded(house)
    (tmp_path / "seed.json").write_text("{")
    assert not is_seeded(house)
    (tmp_path / "seed.json").write_text(json.dumps({"done": ["catalog"]}))
    assert not is_seeded(house)
    (tmp_path / "seed.json").write_text(json.dumps({"done": ["catalog", "traffic"]}))
    assert is_seeded(house)
