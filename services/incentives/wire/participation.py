"""Participation: creators, enrolments, submissions, progress, grants and ledger rows."""

from chassis.timestamps import timestamp
from protos.incentives.v1 import incentives_pb2, participation_pb2
from services.incentives.answers import GrantView, LedgerPage, Page, ProgressView, SubmissionView
from services.incentives.claims import Claim
from services.incentives.domain import Creator
from services.incentives.participation import (
    Enrolment,
    LedgerEntry,
    Reason,
    RewardProgress,
    Submission,
    TaskProgress,
)
from services.incentives.wire import enums
from services.incentives.wire.times import optional_time

pb = participation_pb2


def creator_from_wire(message: participation_pb2.Creator) -> Creator:
    return Creator(
        id=message.id,
        follower_count=message.follower_count if message.HasField("follower_count") else None,
        region_code=message.region_code,
        strike_score=message.strike_score if message.HasField("strike_score") else None,
        account_create_time=optional_time(message, "account_create_time"),
        identity_cluster_id=message.identity_cluster_id,
    )


def creator_to_wire(creator: Creator) -> participation_pb2.Creator:
    return pb.Creator(
        id=creator.id,
        follower_count=creator.follower_count,
        region_code=creator.region_code,
        strike_score=creator.strike_score,
        account_create_time=timestamp(creator.account_create_time),
        identity_cluster_id=creator.identity_cluster_id,
    )


def claim_from_wire(message: incentives_pb2.ClaimRewardRequest) -> Claim:
    return Claim(
        campaign_id=message.campaign_id,
        reward_id=message.reward_id,
        creator_id=message.creator_id,
        request_id=message.request_id,
        device_id_hash=message.device_id_hash,
    )


def enrolment_to_wire(enrolment: Enrolment) -> participation_pb2.Enrolment:
    return pb.Enrolment(
        id=enrolment.id,
        campaign_id=enrolment.campaign_id,
        creator_id=enrolment.creator_id,
        campaign_revision=enrolment.revision,
        team_id=enrolment.team_id,
        create_time=timestamp(enrolment.create_time),
    )


def reason_to_wire(reason: Reason) -> participation_pb2.Reason:
    return pb.Reason(
        code=reason.code,
        value=reason.value,
        threshold=reason.threshold,
        gap=reason.gap,
        description=reason.description,
    )


def submission_to_wire(view: SubmissionView) -> participation_pb2.Submission:
    submission = view.submission
    return pb.Submission(
        campaign_id=view.campaign_id,
        creator_id=view.creator_id,
        video_id=submission.video_id,
        title_id=submission.title_id,
        match_id=submission.match_id,
        state=enums.SUBMISSION_STATE.to_wire(submission.state),
        reasons=[reason_to_wire(reason) for reason in submission.reasons],
        view_count=submission.view_count,
        like_count=submission.like_count,
        is_automatic=submission.is_automatic,
        video_create_time=timestamp(submission.video_create_time),
        create_time=timestamp(submission.create_time),
        review_reason=submission.review_reason,
    )


def progress_to_wire(view: ProgressView) -> participation_pb2.Progress:
    return pb.Progress(
        campaign_id=view.campaign.id,
        campaign_display_name=view.campaign.terms.display_name,
        campaign_state=enums.CAMPAIGN_STATE.to_wire(view.campaign.state),
        creator_id=view.enrolment.creator_id,
        enrolment=enrolment_to_wire(view.enrolment),
        tasks=[_task(view, task) for task in view.tasks],
        rewards=[_reward(reward) for reward in view.rewards],
        submissions=[_submission(view, each) for each in view.enrolment.submissions],
        summary=view.summary,
        as_of_time=timestamp(view.as_of_time),
    )


def grant_to_wire(view: GrantView) -> participation_pb2.Grant:
    grant = view.grant
    held = pb.APPROVAL_STATE_HELD if grant.is_held else pb.APPROVAL_STATE_APPROVED
    return pb.Grant(
        id=grant.id,
        campaign_id=grant.campaign_id,
        reward_id=grant.reward_id,
        reward_kind=enums.REWARD_KIND.to_wire(grant.reward_kind),
        creator_id=grant.creator_id,
        state=enums.GRANT_STATE.to_wire(grant.state),
        approval_state=held,
        holds=[
            pb.Hold(code=hold.code.value, detail=hold.detail, create_time=timestamp(hold.create_time))
            for hold in grant.holds
        ],
        unit_number=grant.unit_number,
        waitlist_position=view.waitlist_position,
        reservation_expire_time=timestamp(grant.expire_time),
        shipping_state=enums.SHIPPING_STATE.to_wire(grant.shipping_state),
        carrier=grant.carrier,
        tracking_reference=grant.tracking_reference,
        code=view.code,
        reason=grant.reason,
        create_time=timestamp(grant.create_time),
        update_time=timestamp(grant.update_time),
        etag=str(grant.version),
    )


def grants_to_wire(page: Page[GrantView]) -> incentives_pb2.ListGrantsResponse:
    return incentives_pb2.ListGrantsResponse(
        grants=[grant_to_wire(view) for view in page.items], next_page_token=page.next_token
    )


def ledger_to_wire(page: LedgerPage) -> incentives_pb2.ListLedgerResponse:
    return incentives_pb2.ListLedgerResponse(
        entries=[ledger_entry_to_wire(entry) for entry in page.entries],
        balances=[
            pb.LedgerBalance(reward_id=each.reward_id, balance=each.balance, available_count=each.available_count)
            for each in page.balances
        ],
        next_page_token=page.next_token,
    )


def ledger_entry_to_wire(entry: LedgerEntry) -> participation_pb2.LedgerEntry:
    movement = entry.movement
    return pb.LedgerEntry(
        id=entry.id,
        kind=enums.LEDGER_KIND.to_wire(entry.kind),
        campaign_id=entry.campaign_id,
        reward_id=entry.reward_id,
        creator_id=entry.creator_id,
        grant_id=entry.grant_id,
        video_id=movement.video_id,
        act=movement.act,
        stock_delta=movement.stock_delta,
        reason=movement.reason,
        actor=movement.actor,
        create_time=timestamp(movement.create_time),
    )


def _submission(view: ProgressView, submission: Submission) -> participation_pb2.Submission:
    return submission_to_wire(
        SubmissionView(campaign_id=view.campaign.id, creator_id=view.enrolment.creator_id, submission=submission)
    )


def _task(view: ProgressView, task: TaskProgress) -> participation_pb2.TaskProgress:
    return pb.TaskProgress(
        task_id=task.task_id,
        display_name=task.display_name,
        kind=enums.TASK_KIND.to_wire(task.kind),
        current=task.current,
        target=task.target,
        steps=[
            pb.StepProgress(
                week=step.week,
                current=step.current,
                target=step.target,
                end_time=timestamp(step.end_time),
            )
            for step in task.steps
        ],
        is_done=task.is_done,
        missing=task.missing,
        candidates=[_submission(view, each) for each in task.candidates],
    )


def _reward(reward: RewardProgress) -> participation_pb2.RewardProgress:
    return pb.RewardProgress(
        reward_id=reward.reward_id,
        display_name=reward.display_name,
        kind=enums.REWARD_KIND.to_wire(reward.kind),
        standing=enums.REWARD_STANDING.to_wire(reward.standing),
        missing_task_ids=reward.missing_task_ids,
        available_count=reward.available_count,
        grant_ids=reward.grant_ids,
    )
