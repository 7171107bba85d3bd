"""What keeps progress moving by itself: the match feed, the counts of metrics, and events on their way to metrics.

Each follower is held by one process at a time through its cursor, and each step may be repeated: the position moves
only after everything it stands for is stored.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog

from services.incentives.domain import Campaign
from services.incentives.feed import MatchChange, applied, applied_creator
from services.incentives.lifecycle import COUNTING
from services.incentives.participation import Enrolment, Grant, SubmissionState, Video
from services.incentives.peers import CountPeer, EventPeer, FeedPeer, ToldEvent, VideoCount
from services.incentives.service.renewal import Renewal, until_stored
from services.incentives.store.stores import Stores

log = structlog.get_logger("incentives.followers")

CHANGES_MAX = 200
FEED_WAIT_S = 2.0
ENROLMENTS_MAX = 200
COUNTS_MAX = 1_000
EVENTS_MAX = 500
LEASE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the followers look."""

    idle_s: float = 1.0
    counts_s: float = 15.0
    events_s: float = 0.5


class Follower:
    """Follows for as long as this process holds the cursors."""

    def __init__(
        self,
        stores: Stores,
        renewal: Renewal,
        *,
        holder: str,
        now: Callable[[], datetime],
        pace: Pace,
        report: Callable[[str, float], None],
    ) -> None:
        self._stores = stores
        self._renewal = renewal
        self._holder = holder
        self._now = now
        self._pace = pace
        self._report = report

    async def follow_matches(self, feed: FeedPeer) -> None:
        """Goes on for ever: a page of changes, applied, then the position."""
        while True:
            after = await self._held("matches")
            if after is None:
                await asyncio.sleep(self._pace.idle_s)
                continue
            changes, position = await feed.changes(after, CHANGES_MAX, FEED_WAIT_S)
            if changes:
                await self.apply(changes)
                self._report("match_lag_s", max(0.0, (self._now() - changes[-1].change_time).total_seconds()))
            if position > after:
                await self._stores.cursors.advance("matches", self._holder, position)
            if not changes:
                await asyncio.sleep(self._pace.idle_s)

    async def apply(self, changes: Sequence[MatchChange]) -> int:
        """Puts changes into the videos and creators known, and renews every enrolment they touch."""
        await until_stored(lambda: self._tell_videos(changes))
        await until_stored(lambda: self._tell_creators(changes))
        return await self._renewal.renew_creators({change.creator.id for change in changes})

    async def _tell_videos(self, changes: Sequence[MatchChange]) -> bool:
        known = await self._stores.videos.find_many(change.video.id for change in changes)
        after = dict(known)
        for change in changes:
            after[change.video.id] = applied(after.get(change.video.id), change)
        return await self._stores.videos.put(known, after.values())

    async def _tell_creators(self, changes: Sequence[MatchChange]) -> bool:
        known = await self._stores.creators.find_many(change.creator.id for change in changes)
        after = dict(known)
        for change in changes:
            after[change.creator.id] = applied_creator(after.get(change.creator.id), change)
        return await self._stores.creators.put(known, after.values())

    async def follow_counts(self, counts: CountPeer) -> None:
        """Goes on for ever: asks metrics for the counts of every video that takes part."""
        while True:
            if await self._held("counts") is not None:
                for campaign in await self._counting():
                    await self.count(campaign, counts)
            await asyncio.sleep(self._pace.counts_s)

    async def count(self, campaign: Campaign, counts: CountPeer) -> None:
        """Brings the counts of one campaign's videos up to date, enrolment by enrolment."""
        after_id = ""
        while page := await self._stores.enrolments.page(campaign.id, {}, after_id, ENROLMENTS_MAX):
            await self._held("counts")
            ids = [each.video_id for enrolment in page for each in enrolment.submissions if _counts(each.state)]
            grown: set[str] = set()
            for first in range(0, len(ids), COUNTS_MAX):
                counted = await counts.counts(ids[first : first + COUNTS_MAX])
                await until_stored(partial(self._grown, counted, grown))
            if grown:
                await self._renewal.renew_creators(grown)
            after_id = page[-1].id

    async def _grown(self, counts: dict[str, VideoCount], grown: set[str]) -> bool:
        """Stores counts that grew, and adds the creators of these videos. Counts never shrink."""
        known = await self._stores.videos.find_many(counts)
        after: dict[str, Video] = {
            video_id: replace(
                video,
                view_count=max(video.view_count, counts[video_id].view_count),
                like_count=max(video.like_count, counts[video_id].like_count),
            )
            for video_id, video in known.items()
        }
        changed = {video_id: video for video_id, video in after.items() if video != known[video_id]}
        grown |= {video.creator_id for video in changed.values()}
        return await self._stores.videos.put(known, changed.values())

    async def follow_events(self, sink: EventPeer) -> None:
        """Goes on for ever: hands events over and empties the outboxes they lay in."""
        while True:
            sent = await self.send(sink) if await self._held("events") is not None else 0
            if not sent:
                await asyncio.sleep(self._pace.events_s)

    async def send(self, sink: EventPeer) -> int:
        """Hands over some of the events that wait; says how many."""
        grants = await self._stores.grants.pending(EVENTS_MAX)
        enrolments = await self._stores.enrolments.pending(EVENTS_MAX)
        campaigns = await self._stores.campaigns.find_many(each.campaign_id for each in enrolments)
        events = [*_of_grants(grants), *_of_enrolments(enrolments, campaigns)]
        for first in range(0, len(events), COUNTS_MAX):
            refused = await sink.record(events[first : first + COUNTS_MAX])
            for event_id, reason in refused.items():
                log.error("metrics refused an event", event_id=event_id, reason=reason)
            self._report("events_refused", len(refused))
        self._report("events_told", len(events))
        await self._stores.grants.sent(grants)
        await self._stores.enrolments.sent(enrolments)
        return len(events)

    async def _held(self, name: str) -> int | None:
        return await self._stores.cursors.hold(name, self._holder, self._now().timestamp(), LEASE_S)

    async def _counting(self) -> list[Campaign]:
        """Campaigns in which a view can still earn something."""
        now, found = self._now(), await self._stores.campaigns.in_states(COUNTING)
        return [each for each in found if each.terms.claims_until is None or now < each.terms.claims_until]


def _counts(state: SubmissionState) -> bool:
    return state is not SubmissionState.REJECTED


def _of_grants(grants: Sequence[Grant]) -> list[ToldEvent]:
    return [
        ToldEvent(
            id=event.id,
            kind=event.kind,
            time=event.create_time,
            title_id=grant.title_id,
            creator_id=grant.creator_id,
            campaign_id=grant.campaign_id,
        )
        for grant in grants
        for event in grant.outbox
    ]


def _of_enrolments(enrolments: Sequence[Enrolment], campaigns: dict[str, Campaign]) -> list[ToldEvent]:
    return [
        ToldEvent(
            id=event.id,
            kind=event.kind,
            time=event.create_time,
            title_id=campaigns[enrolment.campaign_id].terms.title_ids[0],
            creator_id=enrolment.creator_id,
            campaign_id=enrolment.campaign_id,
        )
        for enrolment in enrolments
        for event in enrolment.outbox
    ]
