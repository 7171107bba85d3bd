"""New numbers of videos: views, followers, strikes; and what they change."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from chassis.clock import Clock
from chassis.mongo import Document, run_idempotent
from services.matcher.domain import Cause, Stats, StoredVideo, with_stats
from services.matcher.errors import Contended
from services.matcher.results import RequestKey, StatsOutcome
from services.matcher.rulings import Ruling, ruled
from services.matcher.service.matching import ATTEMPTS_MAX, Matching
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale

# A transaction holds the feed's lock while it commits: 1,000 videos in one take too long for the others.
VIDEOS_PER_COMMIT = 250


class VideoStats:
    """Takes new numbers and decides anew what they can touch."""

    def __init__(self, shelf: Shelf, matching: Matching, regime: RegimeFollower, *, clock: Clock) -> None:
        self._database = shelf.database
        self._videos = shelf.videos
        self._segments = shelf.segments
        self._matching = matching
        self._regime = regime
        self._clock = clock

    async def update_video_stats(self, stats: Sequence[Stats], request: RequestKey) -> StatsOutcome:
        """The newest observation of each video counts; older ones than the stored are stale."""

        async def update() -> Document:
            return asdict(await self._update_all(stats))

        done = await run_idempotent(self._database, request.id, request.body_hash, update)
        return StatsOutcome(**done)

    async def _update_all(self, stats: Sequence[Stats]) -> StatsOutcome:
        newest = _newest(stats)
        matched = await self._videos.batch(newest)
        cold = [row for video_id, row in newest.items() if video_id not in matched]
        updated, unknown, stale = await self._put_cold(cold)
        stale += len(stats) - len(newest)
        changed = 0
        ids = list(matched)
        for at in range(0, len(ids), VIDEOS_PER_COMMIT):
            chunk = {video_id: matched[video_id] for video_id in ids[at : at + VIDEOS_PER_COMMIT]}
            done, late, moved = await self._update(chunk, newest)
            updated, stale, changed = updated + done, stale + late, changed + moved
        return StatsOutcome(
            updated_count=updated, unknown_count=unknown, stale_count=stale, changed_match_count=changed
        )

    async def _update(self, videos: Mapping[str, StoredVideo], newest: Mapping[str, Stats]) -> tuple[int, int, int]:
        for _ in range(ATTEMPTS_MAX):
            current = [
                (video, newest[video.id])
                for video in videos.values()
                if newest[video.id].observe_time_s >= video.standing.observe_time_s
            ]
            rulings = [self._ruling(video, row) for video, row in current]
            try:
                await self._matching.write_rulings(rulings, self._clock.now())
            except Stale:
                videos = await self._videos.batch(videos)
                continue
            moved = sum(len(ruling.changes) for ruling in rulings)
            done = sum(ruling.is_changed for ruling in rulings)
            return done, len(videos) - len(current), moved
        raise Contended

    def _ruling(self, video: StoredVideo, row: Stats) -> Ruling:
        standing = with_stats(video.standing, row)
        ruling = ruled(
            self._regime.now(),
            self._clock.now(),
            replace(video, standing=standing),
            None,
            basis=None,
            cause=Cause.STATS,
        )
        return replace(ruling, is_changed=ruling.is_changed or standing != video.standing)

    async def _put_cold(self, rows: Sequence[Stats]) -> tuple[int, int, int]:
        """Numbers of videos that name no title wait for the day they are matched."""
        if not rows:
            return 0, 0, 0
        known = await self._segments.digests([row.video_id for row in rows])
        kept = await self._videos.stats_of(known)
        fresh = [
            _merged(kept.get(row.video_id), row)
            for row in rows
            if row.video_id in known
            and (row.video_id not in kept or kept[row.video_id].observe_time_s <= row.observe_time_s)
        ]
        await self._videos.put_stats(fresh, self._clock.now())
        return len(fresh), len(rows) - len(known), len(known) - len(fresh)


def _newest(stats: Sequence[Stats]) -> dict[str, Stats]:
    newest: dict[str, Stats] = {}
    for row in stats:
        known = newest.get(row.video_id)
        if known is None or row.observe_time_s >= known.observe_time_s:
            newest[row.video_id] = row
    return newest


def _merged(known: Stats | None, row: Stats) -> Stats:
    """What a newer observation leaves out stays known."""
    if known is None:
        return row
    return Stats(
        video_id=row.video_id,
        observe_time_s=row.observe_time_s,
        view_count=row.view_count if row.view_count is not None else known.view_count,
        like_count=row.like_count if row.like_count is not None else known.like_count,
        comment_count=row.comment_count if row.comment_count is not None else known.comment_count,
        share_count=row.share_count if row.share_count is not None else known.share_count,
        follower_count=row.follower_count if row.follower_count is not None else known.follower_count,
        strike_score=row.strike_score if row.strike_score is not None else known.strike_score,
    )
