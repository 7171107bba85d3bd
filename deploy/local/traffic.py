"""Viewers of the sample videos, made up: four weeks of them at once, and from then on as many as usual.

The generator is everybody's (services/metrics/traffic.py, tools/traffic.py); this is its cast: the matched sample
videos with their creators and hashtags, the titles they are about, the sample campaign. Five titles have a spike in
the last days, each of another cause, so that a dashboard has something to explain; one has just come out and trends.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from rich.progress import Progress, TaskID

from chassis import context
from chassis.client import Client, channel
from chassis.config import Settings
from chassis.errors import SpotlightError
from deploy.local import samples
from deploy.local.plan import Plan
from protos.incentives.v1 import campaign_pb2, incentives_pb2, incentives_pb2_grpc
from protos.matcher.v1 import matcher_pb2, matcher_pb2_grpc
from protos.metrics.v1 import metrics_pb2, metrics_pb2_grpc
from services.metrics import traffic
from services.metrics.domain import Source
from services.metrics.traffic import Cause, Spike
from tools.traffic import LIVE_TICK_S, history, present

SEED = 20260111
DAYS, HOURS_A_DAY, MINUTES_A_DAY = 28, 24, 1_440
EVENTS = 600_000
# As many a second as the history has on the mean.
LIVE_RATE = EVENTS / (DAYS * MINUTES_A_DAY * 60)
TITLES_MAX = 40
IMPORT_S = 180.0
CHANGES_PER_CALL = 200
HASHTAGS_MAX = 5
RETRY_S = 5.0
# Of the title with the rank: what happened, how many days ago, how many times the usual two hours.
HAPPENED: Sequence[tuple[int, Cause, float, float]] = (
    (0, Cause.VIDEO, 1.6, 9.0),
    (0, Cause.CAMPAIGN, 0.7, 7.0),
    (1, Cause.REGION, 2.3, 12.0),
    (2, Cause.BOTS, 3.1, 12.0),
    (3, Cause.CREATOR, 4.2, 14.0),
    (4, Cause.VIDEO, 5.4, 14.0),
)
SPIKE_MINUTES, SPIKE_EVENTS_MIN = 120, 160
RISING_DAYS, RISING_SHARE = 6, 0.12
# The title of a rank that came out so many hours ago: it trends, and goes on to while the house runs.
CAME_OUT_HOURS: Mapping[int, int] = {5: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A matched video: what its viewers' events name."""

    video_id: str
    title_id: str
    creator_id: str
    is_official: bool
    has_anchor: bool
    hashtag_names: tuple[str, ...]


class Sampled(traffic.Cast):
    """The sample videos as the generator's cast; its numbers go around among a title's videos."""

    def __init__(self, watched: Sequence[Watched], campaigns: Mapping[str, str]) -> None:
        counts = Counter(each.title_id for each in watched)
        with_anchor = {each.title_id for each in watched if each.has_anchor}
        # The campaign's title leads, then the sample studio's films with the most videos.
        ranked = sorted(
            with_anchor,
            key=lambda title_id: (
                title_id != samples.TITLE_ID,
                not title_id.startswith("movie:"),
                -counts[title_id],
                title_id,
            ),
        )
        super().__init__(ranked[:TITLES_MAX])
        self._videos = [
            # Those with an anchor first: see `anchored`.
            sorted(
                (each for each in watched if each.title_id == title_id),
                key=lambda each: (not each.has_anchor, each.video_id),
            )
            for title_id in self.title_ids
        ]
        self._campaigns = campaigns

    def _watched(self, title: int, video: int) -> Watched:
        videos = self._videos[title]
        # The generator's creators own every 40th video.
        return videos[video % traffic.CREATORS_A_TITLE % len(videos)]

    def anchored(self, title: int, video: int) -> int:
        return video if self._watched(title, video).has_anchor else 0

    def video(self, title: int, video: int) -> str:
        return self._watched(title, video).video_id

    def creator(self, title: int, video: int) -> str:
        return self._watched(title, video).creator_id

    def source(self, title: int, video: int) -> Source:
        return Source.OFFICIAL if self._watched(title, video).is_official else Source.FAN

    def campaign(self, title: int) -> str:
        return self._campaigns.get(self.title_ids[title], "")

    def hashtags(self, title: int, video: int, tag: int) -> tuple[str, ...]:
        of_video = self._watched(title, video).hashtag_names[:HASHTAGS_MAX]
        return tuple(dict.fromkeys((*of_video, *super().hashtags(title, video, tag))))


def plan_of(cast: Sampled, end: datetime) -> traffic.Plan:
    """Four weeks up to a moment. The same cast and hour give the same events."""
    until = int(end.timestamp()) // 60
    start = until - DAYS * MINUTES_A_DAY
    usual = traffic.title_weights(len(cast.title_ids)) * EVENTS / (DAYS * HOURS_A_DAY)
    spikes = [
        Spike(
            title=title,
            start_minute=until - int(days_ago * MINUTES_A_DAY),
            minutes=SPIKE_MINUTES,
            events=int(max(float(usual[title]) * 2 * times, SPIKE_EVENTS_MIN)),
            cause=cause,
        )
        for title, cause, days_ago, times in HAPPENED
        if title < len(cast.title_ids)
    ]
    # A creator who rises too slowly to be a spike.
    rising = Spike(
        title=0,
        start_minute=until - RISING_DAYS * MINUTES_A_DAY,
        minutes=RISING_DAYS * MINUTES_A_DAY,
        events=int(float(usual[0]) * RISING_DAYS * HOURS_A_DAY * RISING_SHARE),
        cause=Cause.CREATOR,
    )
    return traffic.Plan(
        title_ids=cast.title_ids,
        start_minute=start,
        hours=DAYS * HOURS_A_DAY,
        events=EVENTS,
        seed=SEED,
        spikes=(*spikes, rising),
        releases={title: until - hours * 60 for title, hours in CAME_OUT_HOURS.items() if title < len(cast.title_ids)},
        campaign_titles=frozenset(title for title in range(len(cast.title_ids)) if cast.campaign(title)),
    )


async def replay(matcher: Client, incentives: Client, metrics: Client, shown: Progress) -> None:
    """Sends the history of everything that was matched."""
    cast = await sampled(matcher, incentives)
    if not cast.title_ids:
        return
    plan = plan_of(cast, datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    task = shown.add_task("replaying four weeks of traffic", total=EVENTS)
    await metrics.call("ImportEvents", _pieces(plan, cast, shown, task), timeout_s=IMPORT_S)


async def _pieces(
    plan: traffic.Plan, cast: Sampled, shown: Progress, task: TaskID
) -> AsyncIterator[metrics_pb2.ImportEventsRequest]:
    async for piece in history(plan, cast):
        yield piece
        shown.advance(task, len(piece.columns.ids))
    shown.update(task, completed=EVENTS)


async def sampled(matcher: Client, incentives: Client) -> Sampled:
    """Who plays: the approved matches, and the campaigns that run about their titles."""
    watched = [each async for each in _matched(matcher)]
    found = await incentives.call("ListCampaigns", incentives_pb2.ListCampaignsRequest())
    campaigns = {
        title_id: campaign.id
        for campaign in found.campaigns
        if campaign.state in {campaign_pb2.CAMPAIGN_STATE_SCHEDULED, campaign_pb2.CAMPAIGN_STATE_ACTIVE}
        for title_id in campaign.title_ids
    }
    return Sampled(watched, campaigns)


async def _matched(matcher: Client) -> AsyncIterator[Watched]:
    after = 0
    while True:
        request = matcher_pb2.ListMatchChangesRequest(after_sequence=after, page_size=CHANGES_PER_CALL)
        page = await matcher.call("ListMatchChanges", request)
        for change in page.changes:
            if change.match.state in {matcher_pb2.MATCH_STATE_APPROVED, matcher_pb2.MATCH_STATE_IN_REVIEW}:
                yield Watched(
                    video_id=change.video.id,
                    title_id=change.match.title_id,
                    creator_id=change.video.creator.id,
                    has_anchor=change.match.state == matcher_pb2.MATCH_STATE_APPROVED,
                    is_official=change.video.creator.account_type == matcher_pb2.ACCOUNT_TYPE_BUSINESS,
                    hashtag_names=tuple(change.video.hashtag_names),
                )
        if not page.changes:
            return
        after = page.changes[-1].sequence


async def keep_watching(house: Plan) -> None:
    """The viewers of the present, for ever; begins when the history is there, and bears that something is away."""
    names = ("matcher", "incentives", "metrics")
    channels = {name: channel(house.address(name), Settings(local=True)) for name in names}
    matcher = Client(matcher_pb2_grpc.MatcherServiceStub, channels["matcher"], timeout_s=RETRY_S)
    incentives = Client(incentives_pb2_grpc.IncentivesServiceStub, channels["incentives"], timeout_s=RETRY_S)
    metrics = Client(metrics_pb2_grpc.MetricsServiceStub, channels["metrics"], timeout_s=RETRY_S)
    try:
        while True:
            # What is restarted gets its viewers back when it answers again.
            with contextlib.suppress(SpotlightError), context.scope(request_id="sample-viewers"):
                if is_seeded(house):
                    await _watch(await sampled(matcher, incentives), metrics)
            await asyncio.sleep(RETRY_S)
    finally:
        await asyncio.gather(*(each.close() for each in channels.values()))


async def _watch(cast: Sampled, metrics: Client) -> None:
    if not cast.title_ids:
        return
    plan = plan_of(cast, datetime.now(UTC))
    for tick in count():
        for request in present(plan, cast, rate=LIVE_RATE, tick=tick):
            await metrics.call("RecordEvents", request)
        await asyncio.sleep(LIVE_TICK_S)


def is_seeded(house: Plan) -> bool:
    """Whether the house has the sample data, history included."""
    try:
        return "traffic" in json.loads((house.folder / "seed.json").read_text())["done"]
    except (OSError, ValueError):
        # Not written yet, or just being written.
        return False
