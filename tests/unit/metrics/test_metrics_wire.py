"""The wire: enums have the domain's numbers, catalog's titles become facts, times have bounds."""

from datetime import UTC, date, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidArgument
from protos.catalog.v1 import catalog_pb2
from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import causes, domain, insights
from services.metrics.follow import Follower, Piece
from services.metrics.rpc.feed import CatalogFeed
from services.metrics.titles import Titles
from services.metrics.wire import catalog, times

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
