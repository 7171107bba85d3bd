"""The wire: enums have the domain's numbers, catalog's titles become facts, times have bounds."""

from datetime import UTC, date, datetime

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from protos.catalog.v1 import catalog_pb2
from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import causes, digest, domain, insights
from services.metrics.follow import Follower, Piece
from services.metrics.rpc.feed import CatalogFeed
from services.metrics.titles import Titles
from services.metrics.wire import catalog, events, scan, times
from tests.metrics_world import KEY

NOW = datetime(2026, 11, 25, 12, 30, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wire", "prefix", "ours"),
    [
        (pb.EventType, "EVENT_TYPE_", domain.EventType),
        (pb.EventSource, "EVENT_SOURCE_", domain.Source),
        (pb.AgentKind, "AGENT_KIND_", domain.Agent),
        (pb.CampaignArm, "CAMPAIGN_ARM_", domain.Arm),
        (pb.RejectionReason, "REJECTION_REASON_", domain.Reason),
        (pb.Granularity, "GRANULARITY_", domain.Granularity),
        (pb.Dimension, "DIMENSION_", domain.Dimension),
        (pb.TopOrder, "TOP_ORDER_", domain.TopOrder),
        (pb.SpikeCause, "SPIKE_CAUSE_", causes.SpikeCause),
        (pb.ContributorKind, "CONTRIBUTOR_KIND_", causes.ContributorKind),
        (pb.InsightKind, "INSIGHT_KIND_", insights.InsightKind),
        (pb.InsightState, "INSIGHT_STATE_", insights.InsightState),
    ],
)
def test_enums_of_wire_and_domain_have_the_same_numbers(wire, prefix, ours):
    theirs = {name.removeprefix(prefix): number for name, number in wire.items() if number}
    assert theirs == {member.name: member.value for member in ours}


def a_title(**more):
    return catalog_pb2.Title(
        id="movie:1",
        title="Dune",
        media_type=catalog_pb2.MEDIA_TYPE_MOVIE,
        studio_id="s",
        release_date="2021-10-22",
        release_dates=[catalog_pb2.ReleaseDate(iso_3166_1="DE", release_date="2021-09-16")],
        hashtags=[catalog_pb2.Hashtag(name="#Dune")],
        watch_offers=[catalog_pb2.WatchOffer(iso_3166_1="US", availability_start_time=Timestamp(seconds=9))],
        **more,
    )


def test_a_title_of_catalog_keeps_what_reports_need():
    facts = catalog.title_of(a_title())
    assert (facts.media_type, facts.studio_id, facts.is_active) == ("movie", "s", True)
    assert facts.release_dates == (date(2021, 9, 16), date(2021, 10, 22))
    assert facts.offers == (("US", 9, 0),)
    assert facts.hashtags == {"dune"}
    assert not catalog.title_of(a_title(state=catalog_pb2.TITLE_STATE_WITHDRAWN)).is_active


class PaperClient:
    """A client that answers from memory."""

    async def stream(self, method, request, *, timeout_s):
        assert method == "ExportTitles"
        yield catalog_pb2.ExportTitlesResponse(titles=[a_title()], revision=7)

    async def call(self, method, request, *, timeout_s):
        assert (method, request.after_revision) == ("ListChanges", 7)
        change = catalog_pb2.Change(revision=9, title_id="movie:1", title=a_title())
        return catalog_pb2.ListChangesResponse(changes=[change, catalog_pb2.Change(revision=11)], latest_revision=11)


async def test_the_feed_gives_catalogs_export_and_changes():
    feed = CatalogFeed(PaperClient())
    pieces = [piece async for piece in feed.export()]
    assert [(piece.revision, piece.titles[0].name) for piece in pieces] == [(7, "Dune")]
    changes = await feed.changes(7, 1.0)
    assert (changes.revision, len(changes.titles)) == (11, 1)
    assert catalog.last_revision(catalog_pb2.ListChangesResponse(), 5) == 5


class PaperShelf:
    def __init__(self):
        self.writes = []

    async def read_titles(self):
        return 0, []

    async def write_titles(self, revision, documents):
        self.writes.append((revision, len(documents)))


async def test_what_catalog_told_is_stored_after_an_export_and_many_changes(monkeypatch):
    from services.metrics import follow

    monkeypatch.setattr(follow, "CHANGES_A_SAVE", 1)
    titles, shelf = Titles(), PaperShelf()
    follower = Follower(titles, CatalogFeed(PaperClient()), shelf)
    await follower.load()
    await follower.step()
    await follower.step()
    assert titles.revision == 11
    assert [revision for revision, _ in shelf.writes] == [7, 11]
    assert Piece(titles=(), revision=1).titles == ()


def test_a_period_defaults_to_the_last_seven_days():
    period = times.period(None, None, NOW)
    now_minute = int(NOW.timestamp() // 60)
    assert period.end == now_minute + 1
    assert period.start == (now_minute + 1 - 7 * 1440) // 1440 * 1440
    assert times.minute_time(period.start).hour == 0


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (Timestamp(seconds=-5), None),
        (Timestamp(seconds=2**40), None),
        (None, Timestamp(nanos=-1)),
        (Timestamp(seconds=500), Timestamp(seconds=400)),
        (Timestamp(seconds=int(NOW.timestamp()) + 600), None),
    ],
)
def test_absurd_periods_are_refused(start, end):
    with pytest.raises(InvalidArgument):
        times.period(start, end, NOW)


word = st.text("abcdé:-_1", max_size=12) | st.just("x" * 130) | st.just("tt0000000001")
moments = st.none() | st.builds(
    Timestamp, seconds=st.integers(0, 2**34) | st.just(0), nanos=st.sampled_from([0, 1, 999_999_999, 120_000_000])
)
usual_events = st.builds(
    pb.Event, id=word, type=st.integers(0, 13), time=moments, received_time=moments, video_id=word, title_id=word,
    creator_id=word, campaign_id=word, offer_id=word, viewer_region=st.sampled_from(["", "US", "DE"]),
    viewer_id_hash=word, device=st.integers(0, 4), source=st.integers(0, 2), agent_kind=st.integers(0, 4),
    user_agent=word, campaign_arm=st.integers(0, 2), hashtag_names=st.lists(word, max_size=4),
)  # fmt: skip
# What the scan leaves to its twin, or must at least not misread.
strange_events = st.sampled_from(
    [
        pb.Event(),
        pb.Event(id="x" * 20_000),
        pb.Event(user_agent="x" * 2_000),
        pb.Event(id="\n\n\x0a\x05ab", title_id="\n"),
        pb.Event(type=-1),
        pb.Event(type=300),
        pb.Event(time=Timestamp(seconds=-5)),
        pb.Event(time=Timestamp(seconds=2**60)),
        pb.Event(time=Timestamp(nanos=-1)),
        pb.Event.FromString(b"\xf8\x07\x01"),
        pb.Event(hashtag_names=["t" * 100] * 40),
    ]
)


def as_read(raw):
    """Every column's values, as Python has them."""
    return {
        name: column.values() if hasattr(column, "values") else column.tolist()
        for name in raw.__slots__
        for column in [getattr(raw, name)]
    }


@settings(max_examples=150)
@given(st.lists(usual_events, min_size=1, max_size=12))
def test_events_scanned_from_their_bytes_are_those_read_one_by_one(batch):
    scanned = scan.columns([event.SerializeToString() for event in batch], KEY)
    assert scanned is not None, "usual events are scanned"
    assert as_read(scanned) == as_read(events.of_messages(batch))
    for column in (scanned.videos, scanned.titles, scanned.creators, scanned.campaigns):
        assert column.known.tolist() == digest.digest64(column.names, KEY).tolist()


def test_bytes_that_are_no_message_are_refused_and_never_misread():
    usual = pb.Event(id="e1", type=3, title_id="movie:1", viewer_id_hash="v1").SerializeToString()
    for place in range(len(usual)):
        for changed in (usual[:place], usual[:place] + b"\xff" + usual[place + 1 :]):
            scanned = scan.columns([usual, changed], KEY)
            try:
                slow = events.of_messages([pb.Event.FromString(usual), pb.Event.FromString(changed)])
            except DecodeError:
                assert scanned is None
                with pytest.raises(InvalidArgument):
                    events.of_serialised([usual, changed], KEY)
            else:
                assert scanned is None or as_read(scanned) == as_read(slow)


def test_the_envelope_is_on_the_wire_what_clients_send():
    shapes = [
        [(field.name, field.number, field.is_repeated) for field in message.DESCRIPTOR.fields]
        for message in (pb.RecordEventsEnvelope, pb.RecordEventsRequest)
    ]
    assert shapes[0] == shapes[1]
    sent = pb.RecordEventsRequest(events=[pb.Event(id="a"), pb.Event()], request_id="r")
    assert pb.RecordEventsEnvelope.FromString(sent.SerializeToString()).events[0] == sent.events[0].SerializeToString()


@settings(max_examples=150)
@given(st.lists(usual_events | strange_events, min_size=1, max_size=8))
def test_strange_events_are_left_to_the_slow_twin_or_read_alike(batch):
    request = pb.RecordEventsRequest(events=batch)
    slow = as_read(events.of_messages(batch))
    scanned = scan.columns([event.SerializeToString() for event in batch], KEY)
    assert scanned is None or as_read(scanned) == slow
    (found,) = events.alone(events.sent(request), KEY)
    assert as_read(found) == slow
