"""MatcherService: translate, call, translate."""
# ruff: noqa: ARG002, N802 - the methods have the names and parameters of the proto

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from chassis.clock import Clock
from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc
from services.matcher.domain import MatchState
from services.matcher.service.anchors import Anchors
from services.matcher.service.looking import Looking
from services.matcher.service.matching import Matching
from services.matcher.service.rematches import Rematching
from services.matcher.service.stats import VideoStats
from services.matcher.wire import matches as wire
from services.matcher.wire.requests import request_key
from services.matcher.wire.videos import video_message, video_of, videos_of

Context = grpc.aio.ServicerContext[Any, Any]


class MatcherServicer(matcher_pb2_grpc.MatcherServiceServicer):
    """Which title a video is about, and whether it carries an anchor."""

    def __init__(
        self,
        matching: Matching,
        anchors: Anchors,
        stats: VideoStats,
        rematching: Rematching,
        looking: Looking,
        *,
        clock: Clock,
    ) -> None:
        self._matching = matching
        self._anchors = anchors
        self._stats = stats
        self._rematching = rematching
        self._looking = looking
        self._clock = clock

    async def MatchVideo(self, request: pb.MatchVideoRequest, context: Context) -> pb.MatchVideoResponse:
        video, key = video_of(request.video), request_key("MatchVideo", request.request_id, request)
        results = await self._matching.match_videos((video,), key, validate_only=request.validate_only, at="video")
        return wire.match_video_response(results)

    async def BatchMatchVideos(
        self, request: pb.BatchMatchVideosRequest, context: Context
    ) -> pb.BatchMatchVideosResponse:
        videos, key = videos_of(request.videos), request_key("BatchMatchVideos", request.request_id, request)
        results = await self._matching.match_videos(videos, key, validate_only=request.validate_only)
        return wire.batch_response(results)

    async def StreamMatchVideos(
        self, request_iterator: AsyncIterator[pb.StreamMatchVideosRequest], context: Context
    ) -> AsyncIterator[pb.StreamMatchVideosResponse]:
        async for request in request_iterator:
            key = request_key("StreamMatchVideos", request.request_id, request)
            results = await self._matching.match_videos(videos_of(request.videos), key)
            yield wire.stream_response(request.request_id, results)

    async def GetVideo(self, request: pb.GetVideoRequest, context: Context) -> pb.Video:
        video = await self._anchors.get_video(request.video_id)
        return video_message(video)

    async def ListFramePictures(
        self, request: pb.ListFramePicturesRequest, context: Context
    ) -> pb.ListFramePicturesResponse:
        pictures = await self._looking.list_frame_pictures(request.video_id)
        return wire.frame_pictures_response(pictures)

    async def GetMatch(self, request: pb.GetMatchRequest, context: Context) -> pb.Match:
        match = await self._anchors.get_match(request.match_id)
        return wire.match_message(match)

    async def ListVideoMatches(
        self, request: pb.ListVideoMatchesRequest, context: Context
    ) -> pb.ListVideoMatchesResponse:
        matches = await self._anchors.list_video_matches(request.video_id)
        return wire.video_matches_response(matches)

    async def ListTitleVideos(self, request: pb.ListTitleVideosRequest, context: Context) -> pb.ListTitleVideosResponse:
        page = await self._anchors.list_title_videos(
            request.title_id,
            state=MatchState(request.state) if request.state else None,
            viewer_region=request.viewer_region,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return wire.title_videos_response(page)

    async def BatchGetAnchors(self, request: pb.BatchGetAnchorsRequest, context: Context) -> pb.BatchGetAnchorsResponse:
        page = await self._anchors.batch_get_anchors(request.video_ids, request.viewer_region)
        return wire.anchors_response(page)

    async def ExplainAnchor(self, request: pb.ExplainAnchorRequest, context: Context) -> pb.ExplainAnchorResponse:
        answer = await self._anchors.explain_anchor(request.video_id, request.viewer_region, request.title_id)
        return wire.explain_response(answer)

    async def UpdateVideoStats(
        self, request: pb.UpdateVideoStatsRequest, context: Context
    ) -> pb.UpdateVideoStatsResponse:
        stats = wire.stats_of(request.stats, self._clock.now().timestamp())
        outcome = await self._stats.update_video_stats(
            stats, request_key("UpdateVideoStats", request.request_id, request)
        )
        return wire.stats_response(outcome)

    async def GetIndexInfo(self, request: pb.GetIndexInfoRequest, context: Context) -> pb.IndexInfo:
        facts = self._anchors.get_index_info()
        return wire.index_message(facts)

    async def RematchTitle(self, request: pb.RematchTitleRequest, context: Context) -> pb.RematchRun:
        rematch = await self._rematching.rematch_title(
            request.title_id,
            request_key("RematchTitle", request.request_id, request),
            actor=request.actor,
            videos_per_s=request.videos_per_s,
            is_whole_corpus=request.whole_corpus,
        )
        return wire.rematch_message(rematch)

    async def GetRematchRun(self, request: pb.GetRematchRunRequest, context: Context) -> pb.RematchRun:
        rematch = await self._rematching.get_rematch_run(request.run_id)
        return wire.rematch_message(rematch)

    async def ListMatchChanges(
        self, request: pb.ListMatchChangesRequest, context: Context
    ) -> pb.ListMatchChangesResponse:
        page = await self._anchors.list_match_changes(request.after_sequence, request.page_size, request.wait_s)
        return wire.changes_response(page)
