"""ReviewService: translate, call, translate."""
# ruff: noqa: ARG002, N802 - the methods have the names and parameters of the proto

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from chassis.clock import Clock
from protos.matcher.v1 import review_pb2 as pb
from protos.matcher.v1 import review_pb2_grpc
from services.matcher.lifecycle import AppealState, TaskState
from services.matcher.reviewing import Verdict
from services.matcher.service.hearings import Hearings
from services.matcher.service.oversight import Oversight
from services.matcher.service.reviews import Reviews
from services.matcher.wire import review as wire
from services.matcher.wire.requests import request_key

Context = grpc.aio.ServicerContext[Any, Any]


class ReviewServicer(review_pb2_grpc.ReviewServiceServicer):
    """The queue of doubtful matches, appeals and the audit."""

    def __init__(self, reviews: Reviews, hearings: Hearings, oversight: Oversight, *, clock: Clock) -> None:
        self._reviews = reviews
        self._hearings = hearings
        self._oversight = oversight
        self._clock = clock

    async def ListReviewTasks(self, request: pb.ListReviewTasksRequest, context: Context) -> pb.ListReviewTasksResponse:
        state = TaskState(request.state) if request.state else None
        page = await self._reviews.list_review_tasks(
            state, wire.filter_of(request), request.page_size, request.page_token
        )
        return wire.tasks_response(page, self._clock.now(), request.reviewer_id)

    async def GetReviewTask(self, request: pb.GetReviewTaskRequest, context: Context) -> pb.ReviewTask:
        opened = await self._reviews.get_review_task(request.task_id, request.reviewer_id)
        return wire.open_task_message(opened, self._clock.now(), request.reviewer_id)

    async def LeaseReviewTask(self, request: pb.LeaseReviewTaskRequest, context: Context) -> pb.ReviewTask:
        opened = await self._reviews.lease_review_task(
            request.reviewer_id,
            task_id=request.task_id,
            wanted=wire.filter_of(request.filter),
            lease_s=request.lease_s,
            request_id=request.request_id,
        )
        return wire.open_task_message(opened, self._clock.now(), request.reviewer_id)

    async def RenewLease(self, request: pb.RenewLeaseRequest, context: Context) -> pb.ReviewTask:
        task = await self._reviews.renew_lease(
            request.task_id, request.reviewer_id, request.lease_token, request.lease_s
        )
        return wire.task_message(task, self._clock.now(), request.reviewer_id)

    async def ReleaseLease(self, request: pb.ReleaseLeaseRequest, context: Context) -> pb.ReviewTask:
        task = await self._reviews.release_lease(request.task_id, request.reviewer_id, request.lease_token)
        return wire.task_message(task, self._clock.now(), request.reviewer_id)

    async def DecideReviewTask(
        self, request: pb.DecideReviewTaskRequest, context: Context
    ) -> pb.DecideReviewTaskResponse:
        outcome = await self._reviews.decide_review_task(
            request.task_id,
            wire.vote_of(request),
            request_key("DecideReviewTask", request.request_id, request),
        )
        return wire.decide_response(outcome, self._clock.now(), request.reviewer_id)

    async def ListDecisions(self, request: pb.ListDecisionsRequest, context: Context) -> pb.ListDecisionsResponse:
        page = await self._reviews.list_decisions(
            request.match_id,
            request.decided_by,
            request.page_size,
            request.page_token,
            reader=request.reviewer_id,
        )
        return wire.decisions_response(page)

    async def CreateGoldenTask(self, request: pb.CreateGoldenTaskRequest, context: Context) -> pb.ReviewTask:
        task = await self._reviews.create_golden_task(
            request.match_id,
            Verdict(request.expected_verdict),
            request_key("CreateGoldenTask", request.request_id, request),
            actor=request.actor,
        )
        return wire.task_message(task, self._clock.now(), request.actor)

    async def FileAppeal(self, request: pb.FileAppealRequest, context: Context) -> pb.Appeal:
        appeal = await self._hearings.file_appeal(
            request.creator_id,
            request.video_id,
            request.title_id,
            text=request.text,
            request=request_key("FileAppeal", request.request_id, request),
        )
        return wire.appeal_message(appeal, request.creator_id)

    async def GetAppeal(self, request: pb.GetAppealRequest, context: Context) -> pb.Appeal:
        appeal = await self._hearings.get_appeal(request.appeal_id, request.creator_id)
        return wire.appeal_message(appeal, request.creator_id)

    async def ListAppeals(self, request: pb.ListAppealsRequest, context: Context) -> pb.ListAppealsResponse:
        state = AppealState(request.state) if request.state else None
        page = await self._hearings.list_appeals(state, request.creator_id, request.page_size, request.page_token)
        return wire.appeals_response(page, request.creator_id)

    async def DecideAppeal(self, request: pb.DecideAppealRequest, context: Context) -> pb.Appeal:
        appeal = await self._hearings.decide_appeal(
            request.appeal_id,
            request.reviewer_id,
            request_key("DecideAppeal", request.request_id, request),
            is_granted=request.is_granted,
            answer=request.answer,
        )
        return wire.appeal_message(appeal)

    async def GetReviewStats(self, request: pb.GetReviewStatsRequest, context: Context) -> pb.ReviewStats:
        stats = await self._oversight.get_review_stats()
        return wire.stats_message(stats, request.reviewer_id)

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        page = await self._oversight.list_audit_entries(request.subject, request.after_sequence, request.page_size)
        return wire.entries_response(page)

    async def ExportAudit(
        self, request: pb.ExportAuditRequest, context: Context
    ) -> AsyncIterator[pb.ExportAuditResponse]:
        async for entries in self._oversight.export_audit(request.after_sequence):
            yield wire.export_response(entries)
