"""Reading: videos, matches, anchors and why they are or are not shown, the feed of changes."""

from collections.abc import Callable, Sequence

from chassis import paging
from chassis.clock import Clock
from services.matcher.anchors import Judged, Regime, facts_without_match, judged
from services.matcher.domain import (
    Match,
    MatchState,
    StoredVideo,
    Video,
    standing_of,
    with_stats,
)
from services.matcher.errors import IndexLoading, MatchNotFound, VideoNotFound
from services.matcher.gates import explain
from services.matcher.index import LiveIndex
from services.matcher.results import AnchorAnswer, AnchorsPage, ChangesPage, IndexFacts, TitleVideosPage
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.touched import TouchIndex

DecodeVideo = Callable[[bytes, bytes], Video]
DISABLED_NAMED_MAX = 100
WAIT_STEP_S = 0.5  # changes of other processes are seen at least so often


class Anchors:
    """Answers from what is stored and what is in force."""

    def __init__(
        self,
        shelf: Shelf,
        index: LiveIndex,
        regime: RegimeFollower,
        *,
        decode_video: DecodeVideo,
        token_key: bytes,
        clock: Clock,
        touch_index: TouchIndex,
    ) -> None:
        self._videos = shelf.videos
        self._segments = shelf.segments
        self._committer = shelf.committer
        self._index = index
        self._regime = regime
        self._decode_video = decode_video
        self._token_key = token_key
        self._clock = clock
        self._touch_index = touch_index

    async def get_video(self, video_id: str) -> StoredVideo:
        """The video with its latest numbers, matched or not."""
        found = await self._videos.get(video_id)
        return found or await self._unmatched(video_id)

    async def get_match(self, match_id: str) -> Match:
        """Ids join video and title by a colon, and both may have colons: each cut is tried at once."""
        cuts = [at for at, char in enumerate(match_id) if char == ":"]
        found = await self._videos.batch([match_id[:cut] for cut in cuts])
        for cut in cuts:
            video = found.get(match_id[:cut])
            match = video.match_of(match_id[cut + 1 :]) if video else None
            if match is not None:
                return match
        raise MatchNotFound

    async def list_video_matches(self, video_id: str) -> tuple[Match, ...]:
        return (await self.get_video(video_id)).matches

    async def list_title_videos(
        self,
        title_id: str,
        *,
        state: MatchState | None = None,
        viewer_region: str = "",
        page_size: int = 0,
        page_token: str = "",
    ) -> TitleVideosPage:
        wanted = state or MatchState.APPROVED
        query = paging.query_hash("title_videos", title_id, int(wanted), viewer_region)
        after = paging.decode(self._token_key, query, page_token)
        count = paging.size(page_size)
        found = await self._videos.of_title(title_id, [wanted], after, count)
        regime = self._regime.now()
        rows = [
            (video, match)
            for video in found
            if (match := video.match_of(title_id)) is not None
            and (not viewer_region or _is_shown(regime, video, title_id, viewer_region))
        ]
        last = found[-1] if len(found) == count else None
        token = paging.encode(self._token_key, query, (last.standing.view_count, last.id)) if last else ""
        return TitleVideosPage(videos=tuple(rows), next_page_token=token)

    async def batch_get_anchors(self, video_ids: Sequence[str], viewer_region: str) -> AnchorsPage:
        """One read of the store; policy, switches and titles are in memory."""
        if not self._index.is_ready:
            raise IndexLoading(retry_after_s=1.0)
        found = await self._videos.batch(dict.fromkeys(video_ids), lean=True)
        regime = self._regime.now()
        shown = [
            each
            for video_id in dict.fromkeys(video_ids)
            if video_id in found
            for each in judged(regime, found[video_id], viewer_region)
            if each.is_shown
        ]
        return AnchorsPage(anchors=tuple(shown), policy_version=regime.policy.version)

    async def explain_anchor(self, video_id: str, viewer_region: str, title_id: str) -> AnchorAnswer:
        """Every gate of one match of the video, from the same facts that decide."""
        if not self._index.is_ready:
            raise IndexLoading(retry_after_s=1.0)
        video = await self.get_video(video_id)
        regime = self._regime.now()
        found = judged(regime, video, viewer_region)
        chosen = _chosen(found, title_id)
        if title_id and chosen is None:
            raise MatchNotFound
        facts = chosen.facts if chosen else facts_without_match(regime, video, viewer_region)
        return AnchorAnswer(
            video_id=video_id,
            viewer_region=viewer_region,
            judged=chosen,
            gates=explain(regime.policy, facts),
            policy_version=regime.policy.version,
        )

    async def list_match_changes(self, after_sequence: int, page_size: int, wait_s: float) -> ChangesPage:
        """The next changes; without any, waits for one of this process or looks again each half second."""
        count = paging.size(page_size)
        ends = self._clock.monotonic() + wait_s
        while True:
            changes = await self._videos.changes(after_sequence, count)
            left_s = ends - self._clock.monotonic()
            if changes or left_s <= 0:
                break
            await self._committer.wait_for_change(min(WAIT_STEP_S, left_s))
        latest = await self._committer.latest_sequence()
        return ChangesPage(changes=tuple(changes), latest_sequence=latest)

    def get_index_info(self) -> IndexFacts:
        visual = self._index.visual.info()
        return IndexFacts(
            catalog_revision=self._index.revision,
            latest_catalog_revision=self._index.latest_revision,
            title_count=len(self._index.cards),
            alias_count=self._index.alias_count,
            reference_image_count=visual.reference_count,
            model_version=self._index.names.engine.model_version if self._index.is_ready else "",
            calibration_version=self._regime.calibration.version,
            policy_version=self._regime.policy.version,
            build_time=self._index.build_time,
            lag_s=self._index.lag_s,
            is_ready=self._index.is_ready,
            video_count=self._touch_index.video_count,
            pdq_row_count=visual.pdq_rows,
            frame_models=tuple((each.model, each.dim, each.rows) for each in visual.models),
            disabled_bank_titles=visual.disabled_titles[:DISABLED_NAMED_MAX],
            refused_reference_count=len(visual.refused),
        )

    async def _unmatched(self, video_id: str) -> StoredVideo:
        """A video that names no title, from the archive, with the numbers that came since."""
        kept = (await self._segments.bodies([video_id])).get(video_id)
        if kept is None:
            raise VideoNotFound(metadata={"video_id": video_id})
        digest, body = kept
        standing = standing_of(self._decode_video(body, digest), 0.0)
        stats = (await self._videos.stats_of([video_id])).get(video_id)
        return StoredVideo(
            id=video_id,
            standing=with_stats(standing, stats) if stats else standing,
            digest=digest,
            body=body,
        )


def _is_shown(regime: Regime, video: StoredVideo, title_id: str, viewer_region: str) -> bool:
    return any(each.is_shown and each.match.title_id == title_id for each in judged(regime, video, viewer_region))


def _chosen(found: Sequence[Judged], title_id: str) -> Judged | None:
    """The named title's match; without a name the one shown, else the most probable."""
    if title_id:
        return next((each for each in found if each.match.title_id == title_id), None)
    return next((each for each in found if each.is_shown), found[0] if found else None)
