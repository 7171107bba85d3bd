"""The messages of matcher and metrics: the match feed, video counts, and events handed over."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from chassis.client import Client
from chassis.timestamps import moment_of, timestamp
from protos.matcher.v1 import matcher_pb2
from protos.metrics.v1 import metrics_pb2
from services.incentives.domain import Creator, stored_moment
from services.incentives.feed import MatchChange
from services.incentives.participation import MatchState, Video, VideoMatch
from services.incentives.peers import ToldEvent, VideoCount

MARGIN_S = 3.0
COUNTS_S = 3.0
EVENTS_S = 5.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATES = {
    matcher_pb2.MATCH_STATE_APPROVED: MatchState.APPROVED,
    matcher_pb2.MATCH_STATE_IN_REVIEW: MatchState.IN_REVIEW,
    matcher_pb2.MATCH_STATE_REJECTED: MatchState.REJECTED,
    matcher_pb2.MATCH_STATE_WITHDRAWN: MatchState.WITHDRAWN,
}
KINDS = {
    "campaign_join": metrics_pb2.EVENT_TYPE_CAMPAIGN_JOIN,
    "reward_grant": metrics_pb2.EVENT_TYPE_REWARD_GRANT,
}


class MatchFeed:
    """The matcher's feed, read with a long poll."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def changes(self, after_sequence: int, limit: int, wait_s: float) -> tuple[list[MatchChange], int]:
        """Changes after a position, and the position after them."""
        request = matcher_pb2.ListMatchChangesRequest(after_sequence=after_sequence, page_size=limit, wait_s=wait_s)
        response = await self._client.call("ListMatchChanges", request, timeout_s=wait_s + MARGIN_S)
        found = [change_from_wire(each) for each in response.changes if each.match.state in STATES]
        return found, max((each.sequence for each in response.changes), default=after_sequence)


class VideoCounter:
    """Metrics' totals of single videos."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def counts(self, video_ids: Sequence[str]) -> dict[str, VideoCount]:
        """Counts of up to 1,000 videos."""
        request = metrics_pb2.BatchGetVideoCountsRequest(video_ids=video_ids)
        response = await self._client.call("BatchGetVideoCounts", request, timeout_s=COUNTS_S)
        return {
            each.video_id: VideoCount(view_count=each.view_count, like_count=each.like_count)
            for each in response.counts
        }


class EventSink:
    """Metrics' door for events; sending the same again is safe, it counts an id once."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def record(self, events: Sequence[ToldEvent]) -> dict[str, str]:
        """Hands over up to 1,000 events; gives the reason of each that will never be taken."""
        request = metrics_pb2.RecordEventsRequest(events=[event_to_wire(event) for event in events])
        response = await self._client.call("RecordEvents", request, timeout_s=EVENTS_S)
        return {each.event_id: each.description for each in response.rejected}


def change_from_wire(change: matcher_pb2.MatchChange) -> MatchChange:
    video = change.video
    return MatchChange(
        sequence=change.sequence,
        match=VideoMatch(
            title_id=change.match.title_id,
            match_id=change.match.id,
            state=STATES[change.match.state],
            sequence=change.sequence,
        ),
        video=Video(
            id=video.id,
            creator_id=video.creator.id,
            create_time=EPOCH + timedelta(seconds=video.create_time),
            region_code=video.region_code,
            duration_s=video.duration,
            hashtag_names=tuple(video.hashtag_names),
            made_for_kids=video.made_for_kids,
            view_count=video.view_count,
            like_count=video.like_count,
        ),
        creator=Creator(
            id=video.creator.id,
            follower_count=video.creator.follower_count,
            region_code=video.creator.region_code,
            strike_score=video.creator.strike_score,
        ),
        measure_time=_measure_time(change),
        change_time=stored_moment(moment_of(change.change_time)),
    )


def _measure_time(change: matcher_pb2.MatchChange) -> datetime:
    """When the creator's numbers were measured: as the pipeline said, else when the video was made."""
    creator = change.video.creator
    made = EPOCH + timedelta(seconds=change.video.create_time)
    told = moment_of(creator.strike_time) if creator.HasField("strike_time") else made
    return stored_moment(min(told, moment_of(change.change_time)))


def event_to_wire(event: ToldEvent) -> metrics_pb2.Event:
    return metrics_pb2.Event(
        id=event.id,
        type=KINDS[event.kind],
        time=timestamp(event.time),
        title_id=event.title_id,
        creator_id=event.creator_id,
        campaign_id=event.campaign_id,
    )
