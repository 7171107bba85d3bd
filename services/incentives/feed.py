"""What one change of the match feed means for what is known of a video and its creator. Pure.

Each match has its own sequence of changes: an older one than the newest known says nothing, whatever order they come
in; and the facts of a video are those of the newest change about it. The numbers of a creator are ordered by when
they were measured: a reviewer who decides on an old video tells nothing new about its creator.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from services.incentives.domain import Creator, Known
from services.incentives.fraud import sampled
from services.incentives.participation import Video, VideoMatch


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchChange:
    """One change of the feed: a match's new state, with the video and creator as they were told along."""

    sequence: int
    match: VideoMatch
    video: Video
    creator: Creator
    # When the numbers of the creator were measured; a change tells those its video was sent with.
    measure_time: datetime
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
        version=known.version,
        # Counts only grow, so an older change may still know more of them.
        view_count=max(known.view_count, change.video.view_count),
        like_count=max(known.like_count, change.video.like_count),
    )


def applied_creator(known: Creator | None, change: MatchChange) -> Creator:
    """The creator with what the change tells of them: a decision on an old video tells old numbers."""
    told, measured = change.creator, Known(time=change.measure_time, sequence=change.sequence)
    return _with_strikes(_with_followers(known or Creator(id=told.id), told, measured), told, measured)


def told_by_platform(known: Creator | None, told: Creator, now: datetime) -> Creator:
    """The creator with what the platform says now; what it leaves out stays."""
    measured = Known(time=now)
    after = _with_strikes(_with_followers(known or Creator(id=told.id), told, measured), told, measured)
    return replace(
        after,
        account_create_time=told.account_create_time or after.account_create_time,
        identity_cluster_id=told.identity_cluster_id or after.identity_cluster_id,
    )


def _with_followers(known: Creator, told: Creator, measured: Known) -> Creator:
    """Follower count and region, unless what is known of them is newer."""
    if known.follower_known is not None and measured < known.follower_known:
        return known
    if told.follower_count is None and not told.region_code:
        return known
    samples = known.follower_samples
    if told.follower_count is not None:
        samples = sampled(samples, told.follower_count, measured.time)
    return replace(
        known,
        follower_count=known.follower_count if told.follower_count is None else told.follower_count,
        region_code=told.region_code or known.region_code,
        follower_samples=samples,
        follower_known=measured,
    )


def _with_strikes(known: Creator, told: Creator, measured: Known) -> Creator:
    """The strike score, unless a newer one is known."""
    if told.strike_score is None or (known.strike_known is not None and measured < known.strike_known):
        return known
    return replace(known, strike_score=told.strike_score, strike_known=measured)
