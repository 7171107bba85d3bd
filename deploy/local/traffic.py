"""Two weeks of viewers of the sample videos, made up: days and nights, a funnel, one title that takes off.

The same seed gives the same viewers; what they do ends at the present hour, so that a dashboard lives at once.
"""

import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.progress import Progress, TaskID

from chassis.client import Client
from chassis.timestamps import timestamp
from protos.matcher.v1 import matcher_pb2
from protos.metrics.v1 import event_pb2, metrics_pb2

SEED = 20260111
DAYS = 14
HOURS = DAYS * 24
EVENTS_PER_CALL = 1_000
VIEWERS = 20_000
# Views of an average video in an average hour: some 50,000 events where 50 videos are approved.
VIEWS_PER_HOUR = 1.5
TAKES_OFF_DAYS_AGO = 3
TAKES_OFF_BY = 12.0
IMPORT_S = 120.0
CHANGES_PER_CALL = 200
OFFERS = ("offer-stream", "offer-rent", "offer-ticket")
REGIONS = ("US", "US", "US", "GB", "GB", "DE", "FR", "ES", "BR", "MX", "JP", "IN")
# Of those who did the one before, who does the next.
IOS = 0.5
LIKES, SHARES, SEES_ANCHOR, CLICKS_ANCHOR, SEES_OFFER, CLICKS_OFFER = 0.12, 0.02, 0.9, 0.09, 0.8, 0.15
PEAK_HOUR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An approved match: what its viewers' events name."""

    video_id: str
    title_id: str
    creator_id: str
    weight: float
    hashtag_names: tuple[str, ...]


async def replay(matcher: Client, metrics: Client, shown: Progress) -> None:
    """Sends the traffic of everything that was matched."""
    watched = [each async for each in _approved(matcher)]
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # The title that takes off: the one with the most videos.
    counts = Counter(each.title_id for each in watched)
    star = counts.most_common(1)[0][0] if counts else ""
    task = shown.add_task("replaying two weeks of traffic", total=HOURS)
    await metrics.call("ImportEvents", _pieces(watched, star, until, shown, task), timeout_s=IMPORT_S)


async def _approved(matcher: Client) -> AsyncIterator[Watched]:
    after = 0
    while True:
        request = matcher_pb2.ListMatchChangesRequest(after_sequence=after, page_size=CHANGES_PER_CALL)
        page = await matcher.call("ListMatchChanges", request)
        for change in page.changes:
            if change.match.state == matcher_pb2.MATCH_STATE_APPROVED:
                yield Watched(
                    video_id=change.video.id,
                    title_id=change.match.title_id,
                    creator_id=change.video.creator.id,
                    weight=math.log10(10 + change.video.view_count) / 4,
                    hashtag_names=tuple(change.video.hashtag_names),
                )
        if not page.changes:
            return
        after = page.changes[-1].sequence


async def _pieces(
    watched: list[Watched], star: str, until: datetime, shown: Progress, task: TaskID
) -> AsyncIterator[metrics_pb2.ImportEventsRequest]:
    chance = random.Random(SEED)  # noqa: S311 - made-up traffic, the same each time
    piece: list[event_pb2.Event] = []
    for hour in range(HOURS):
        begins = until - timedelta(hours=HOURS - hour)
        for event in events_of_hour(watched, star, begins, until, chance):
            piece.append(event)
            if len(piece) == EVENTS_PER_CALL:
                yield metrics_pb2.ImportEventsRequest(events=piece)
                piece = []
        shown.advance(task)
    if piece:
        yield metrics_pb2.ImportEventsRequest(events=piece)


def events_of_hour(
    watched: list[Watched], star: str, begins: datetime, until: datetime, chance: random.Random
) -> Iterator[event_pb2.Event]:
    """What all viewers do in one hour."""
    daily = 1 + 0.8 * math.cos(2 * math.pi * (begins.hour - PEAK_HOUR) / 24)
    for each in watched:
        views = VIEWS_PER_HOUR * each.weight * daily
        if each.title_id == star and until - begins <= timedelta(days=TAKES_OFF_DAYS_AGO):
            views *= TAKES_OFF_BY
        for number in range(_poisson(views, chance)):
            at = begins + timedelta(seconds=chance.random() * 3600)
            yield from _one_viewer(each, at, f"{each.video_id}:{int(begins.timestamp())}:{number}", chance)


def _one_viewer(each: Watched, at: datetime, name: str, chance: random.Random) -> Iterator[event_pb2.Event]:
    viewer = f"viewer-{chance.randrange(VIEWERS):05d}"
    region = chance.choice(REGIONS)

    def event(kind: "event_pb2.EventType.ValueType", after_s: float, offer_id: str = "") -> event_pb2.Event:
        return event_pb2.Event(
            id=f"{name}:{kind}",
            type=kind,
            time=timestamp(at + timedelta(seconds=after_s)),
            video_id=each.video_id,
            title_id=each.title_id,
            creator_id=each.creator_id,
            offer_id=offer_id,
            viewer_region=region,
            viewer_id_hash=viewer,
            device=event_pb2.DEVICE_KIND_IOS if chance.random() < IOS else event_pb2.DEVICE_KIND_ANDROID,
            source=event_pb2.EVENT_SOURCE_FAN,
            agent_kind=event_pb2.AGENT_KIND_HUMAN,
            hashtag_names=each.hashtag_names[:5],
        )

    yield event(event_pb2.EVENT_TYPE_VIDEO_VIEW, 0)
    if chance.random() < LIKES:
        yield event(event_pb2.EVENT_TYPE_VIDEO_LIKE, 8)
    if chance.random() < SHARES:
        yield event(event_pb2.EVENT_TYPE_VIDEO_SHARE, 12)
    if chance.random() >= SEES_ANCHOR:
        return
    yield event(event_pb2.EVENT_TYPE_ANCHOR_IMPRESSION, 1)
    if chance.random() >= CLICKS_ANCHOR:
        return
    yield event(event_pb2.EVENT_TYPE_ANCHOR_CLICK, 5)
    yield event(event_pb2.EVENT_TYPE_HUB_VIEW, 6)
    if chance.random() >= SEES_OFFER:
        return
    offer_id = chance.choice(OFFERS)
    yield event(event_pb2.EVENT_TYPE_OFFER_IMPRESSION, 9, offer_id)
    if chance.random() < CLICKS_OFFER:
        yield event(event_pb2.EVENT_TYPE_OFFER_CLICK, 15, offer_id)


def _poisson(mean: float, chance: random.Random) -> int:
    """Knuth's way, good for the small means here."""
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count
