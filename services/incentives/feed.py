"""What one change of the match feed means for what is known of a video and its creator. Pure.

Each match has its own sequence of changes: an older one than the newest known says nothing, whatever order they come
in; and the facts of a video are those of the newest change about it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from services.incentives.domain import Creator
from services.incentives.fraud import sampled
from services.incentives.participation import Video, VideoMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchChange:
    """One change of the feed: a match's new state, with the video and creator as they were told along."""

    sequence: int
    match: VideoMatch
    video: Video
    creator: Creator
    change_time: datetime


def applied(known: Video | None, change: MatchChange) -> Video:
    """The video with the change in it, or as it was when the change is older than what is known."""
    if known is None:
        return replace(change.video, matches=(change.match,), sequence=change.sequence)
    before = {match.match_id: match for match in known.matches}
    newest = before.get(change.match.match_id)
    if newest is None or newest.sequence < change.match.sequence:
        before[change.match.match_id] = change.match
    matches = tuple(sorted(before.values(), key=lambda match: match.match_id))
    facts = change.video if change.sequence > known.sequence else known
    return replace(
        facts,
        matches=matches,
        sequence=max(known.sequence, change.sequence),
        # Counts only grow, so an older change may still know more of them.
        view_count=max(known.view_count, change.video.view_count),
        like_count=max(known.like_count, change.video.like_count),
    )


def applied_creator(known: Creator | None, change: MatchChange) -> Creator:
    """The creator with what the change tells of them."""
    told = change.creator
    if known is None:
        samples = () if told.follower_count is None else sampled((), told.follower_count, change.change_time)
        return replace(told, follower_samples=samples, sequence=change.sequence)
    if change.sequence <= known.sequence:
        return known
    samples = known.follower_samples
    if told.follower_count is not None:
        samples = sampled(samples, told.follower_count, change.change_time)
    return replace(
        known,
        follower_count=known.follower_count if told.follower_count is None else told.follower_count,
        region_code=told.region_code or known.region_code,
        strike_score=known.strike_score if told.strike_score is None else told.strike_score,
        follower_samples=samples,
        sequence=change.sequence,
    )


def told_by_platform(known: Creator | None, told: Creator, now: datetime) -> Creator:
    """The creator with what the platform says; what it leaves out stays."""
    before = known or Creator(id=told.id)
    samples = before.follower_samples
    if told.follower_count is not None:
        samples = sampled(samples, told.follower_count, now)
    return replace(
        before,
        follower_count=before.follower_count if told.follower_count is None else told.follower_count,
        region_code=told.region_code or before.region_code,
        strike_score=before.strike_score if told.strike_score is None else told.strike_score,
        account_create_time=told.account_create_time or before.account_create_time,
        identity_cluster_id=told.identity_cluster_id or before.identity_cluster_id,
        follower_samples=samples,
    )
