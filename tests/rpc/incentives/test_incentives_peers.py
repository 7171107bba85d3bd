"""What matcher and metrics say and hear, over real channels with their own protos."""
# ruff: noqa: N802, ASYNC220 - the names of the protos; a process is started while nobody waits

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import grpc.aio
import pytest

from chassis import embedded
from chassis.client import Client
from chassis.config import ConfigError, load
from chassis.ids import new_id
from chassis.server import Registration
from chassis.testing import running_server
from protos.incentives.v1 import incentives_pb2, incentives_pb2_grpc
from protos.matcher.v1 import matcher_pb2, matcher_pb2_grpc
from protos.metrics.v1 import metrics_pb2, metrics_pb2_grpc
from services.incentives.config import IncentivesSettings
from services.incentives.participation import MatchState
from services.incentives.peers import ToldEvent, VideoCount
from services.incentives.wire.peers import EventSink, MatchFeed, VideoCounter, change_from_wire

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Matcher(matcher_pb2_grpc.MatcherServiceServicer):
    def __init__(self, changes):
        self.changes = changes
        self.asked = []

    async def ListMatchChanges(self, request, context):
        self.asked.append(request)
        found = [each for each in self.changes if each.sequence > request.after_sequence]
        return matcher_pb2.ListMatchChangesResponse(changes=found, latest_sequence=9)


class Metrics(metrics_pb2_grpc.MetricsServiceServicer):
    def __init__(self):
        self.events = []

    async def BatchGetVideoCounts(self, request, context):
        counts = [metrics_pb2.VideoCounts(video_id=each, view_count=7, like_count=2) for each in request.video_ids]
        return metrics_pb2.BatchGetVideoCountsResponse(counts=counts)

    async def RecordEvents(self, request, context):
        self.events += request.events
        rejected = [metrics_pb2.EventRejection(event_id=request.events[-1].id, description="too late")]
        return metrics_pb2.RecordEventsResponse(accepted_count=len(request.events) - 1, rejected=rejected)


def a_change(sequence, state=matcher_pb2.MATCH_STATE_APPROVED):
    video = matcher_pb2.Video(
        id="v1",
        creator=matcher_pb2.Creator(id="ann", follower_count=12, region_code="US", strike_score=0.5),
        create_time=int(NOW.timestamp()),
        region_code="DE",
        duration=9.5,
        hashtag_names=["dune"],
        view_count=40,
        like_count=4,
        made_for_kids=True,
    )
    change = matcher_pb2.MatchChange(
        sequence=sequence, match=matcher_pb2.Match(id="m1", video_id="v1", title_id="t1", state=state), video=video
    )
    change.change_time.FromDatetime(NOW)
    return change


async def test_the_match_feed_is_read_field_by_field():
    servicer = Matcher([a_change(4), a_change(7, matcher_pb2.MATCH_STATE_UNSPECIFIED)])
    add = matcher_pb2_grpc.add_MatcherServiceServicer_to_server
    async with running_server([Registration(add, servicer, "spotlight.matcher.v1.MatcherService")]) as channel:
        feed = MatchFeed(Client(matcher_pb2_grpc.MatcherServiceStub, channel))
        changes, position = await feed.changes(3, 100, 0.0)
        nothing = await feed.changes(7, 100, 0.0)
    assert (len(changes), position, nothing) == (1, 7, ([], 7))
    change = changes[0]
    assert (change.match.title_id, change.match.match_id, change.match.state) == ("t1", "m1", MatchState.APPROVED)
    assert (change.sequence, change.match.sequence, change.change_time) == (4, 4, NOW)
    video = change.video
    assert (video.id, video.creator_id, video.create_time, video.region_code) == ("v1", "ann", NOW, "DE")
    assert (video.duration_s, video.hashtag_names, video.made_for_kids) == (9.5, ("dune",), True)
    assert (video.view_count, video.like_count) == (40, 4)
    creator = change.creator
    assert (creator.follower_count, creator.region_code, creator.strike_score) == (12, "US", 0.5)
    assert change.measure_time == NOW, "numbers nobody dated are as old as their video"


async def test_numbers_are_as_old_as_the_pipeline_says_and_never_of_the_future():
    dated, ahead = a_change(4), a_change(5)
    dated.video.creator.strike_time.FromDatetime(NOW - timedelta(days=3))
    ahead.video.creator.strike_time.FromDatetime(NOW + timedelta(days=3))
    assert change_from_wire(dated).measure_time == NOW - timedelta(days=3)
    assert change_from_wire(ahead).measure_time == NOW


async def test_metrics_counts_and_hears():
    servicer = Metrics()
    add = metrics_pb2_grpc.add_MetricsServiceServicer_to_server
    event = ToldEvent(id="e1", kind="reward_grant", time=NOW, title_id="t1", creator_id="ann", campaign_id="c1")
    async with running_server([Registration(add, servicer, "spotlight.metrics.v1.MetricsService")]) as channel:
        client = Client(metrics_pb2_grpc.MetricsServiceStub, channel)
        counts = await VideoCounter(client).counts(["v1", "v2"])
        refused = await EventSink(client).record([event])
    assert counts == {each: VideoCount(view_count=7, like_count=2) for each in ("v1", "v2")}
    assert refused == {"e1": "too late"}
    told = servicer.events[0]
    assert (told.id, told.type, told.time.ToDatetime(tzinfo=UTC)) == ("e1", metrics_pb2.EVENT_TYPE_REWARD_GRANT, NOW)
    assert (told.title_id, told.creator_id, told.campaign_id) == ("t1", "ann", "c1")


async def test_a_process_serves_and_leaves_when_it_is_told(mongo_url, tmp_path):
    port = embedded.free_port()
    environ = {
        "PATH": "/usr/bin:/bin",
        "MONGO_URL": mongo_url,
        "SPOTLIGHT_INCENTIVES_DATABASE": f"process_{new_id().lower()}",
        "SPOTLIGHT_INCENTIVES_PORT": str(port),
        "SPOTLIGHT_INCENTIVES_TELEMETRY_PORT": "0",
        "SPOTLIGHT_INCENTIVES_LOCAL": "true",
        # Nobody listens there: followers fail and begin again, and the service serves.
        "SPOTLIGHT_INCENTIVES_MATCHER_ADDRESS": f"127.0.0.1:{embedded.free_port()}",
        "SPOTLIGHT_INCENTIVES_METRICS_ADDRESS": f"127.0.0.1:{embedded.free_port()}",
        "SPOTLIGHT_INCENTIVES_CODE_KEY_FILES": str(tmp_path / "codes.key"),
    }
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "services.incentives"], env=environ, stdout=log, stderr=log)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)
            stub = incentives_pb2_grpc.IncentivesServiceStub(channel)
            answer = await stub.ListCampaigns(incentives_pb2.ListCampaignsRequest(), timeout=10)
        assert not answer.campaigns
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 15) == 0
    finally:
        process.kill()
        log.close()


def test_settings_name_what_is_wrong():
    environ = {"SPOTLIGHT_INCENTIVES_SWEEP_S": "0", "SPOTLIGHT_INCENTIVES_SWEEP": "1"}
    with pytest.raises(ConfigError) as caught:
        load(IncentivesSettings, environ)
    assert "SPOTLIGHT_INCENTIVES_SWEEP: no such setting" in str(caught.value)
    assert "SPOTLIGHT_INCENTIVES_SWEEP_S: " in str(caught.value)
