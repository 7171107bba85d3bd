"""The servicer: from the wire, call, to the wire."""
# ruff: noqa: N802 - the methods have the names of the proto

from typing import Any

import grpc.aio

from protos.incentives.v1 import campaign_pb2, incentives_pb2_grpc, participation_pb2
from protos.incentives.v1 import incentives_pb2 as pb
from services.incentives.service.campaigns import CampaignCases
from services.incentives.service.participation import ParticipationCases
from services.incentives.service.rewards import RewardCases
from services.incentives.wire import campaigns as wire
from services.incentives.wire import enums
from services.incentives.wire import participation as part
from services.incentives.wire.times import required_time

Call = grpc.aio.ServicerContext[Any, Any]
SERVICE_NAME = "spotlight.incentives.v1.IncentivesService"


class IncentivesServicer(incentives_pb2_grpc.IncentivesServiceServicer):
    """spotlight.incentives.v1.IncentivesService, in the proto's order."""

    def __init__(self, campaigns: CampaignCases, participation: ParticipationCases, rewards: RewardCases) -> None:
        self._campaigns = campaigns
        self._participation = participation
        self._rewards = rewards

    async def CreateCampaign(self, request: pb.CreateCampaignRequest, _: Call) -> campaign_pb2.Campaign:
        terms = wire.terms_from_wire(request.campaign)
        campaign = await self._campaigns.create_campaign(request.studio_id, terms, request.request_id, request.actor)
        return wire.campaign_to_wire(campaign)

    async def GetCampaign(self, request: pb.GetCampaignRequest, _: Call) -> campaign_pb2.Campaign:
        view = await self._campaigns.get_campaign(request.campaign_id)
        return wire.viewed_to_wire(view)

    async def ListCampaigns(self, request: pb.ListCampaignsRequest, _: Call) -> pb.ListCampaignsResponse:
        state = enums.CAMPAIGN_STATE.from_wire(request.state)
        page = await self._campaigns.list_campaigns(
            request.studio_id, state, request.title_id, request.page_size, request.page_token
        )
        return pb.ListCampaignsResponse(campaigns=map(wire.viewed_to_wire, page.items), next_page_token=page.next_token)

    async def UpdateCampaign(self, request: pb.UpdateCampaignRequest, _: Call) -> pb.UpdateCampaignResponse:
        terms = wire.terms_from_wire(request.campaign)
        view, impact = await self._campaigns.update_campaign(
            request.campaign_id,
            terms,
            tuple(request.update_mask.paths),
            etag=request.etag,
            validate_only=request.validate_only,
            request_id=request.request_id,
            actor=request.actor,
        )
        return wire.updated_to_wire(view, impact)

    async def DeleteCampaign(self, request: pb.DeleteCampaignRequest, _: Call) -> pb.DeleteCampaignResponse:
        await self._campaigns.delete_campaign(request.campaign_id, request.etag, request.request_id, request.actor)
        return pb.DeleteCampaignResponse()

    async def ChangeCampaignState(self, request: pb.ChangeCampaignStateRequest, _: Call) -> campaign_pb2.Campaign:
        act = enums.CAMPAIGN_ACT.required(request.act)
        view = await self._campaigns.change_campaign_state(
            request.campaign_id,
            act,
            reason=request.reason,
            etag=request.etag,
            request_id=request.request_id,
            actor=request.actor,
        )
        return wire.viewed_to_wire(view)

    async def ListCampaignRevisions(
        self, request: pb.ListCampaignRevisionsRequest, _: Call
    ) -> pb.ListCampaignRevisionsResponse:
        page = await self._campaigns.list_campaign_revisions(request.campaign_id, request.page_size, request.page_token)
        return pb.ListCampaignRevisionsResponse(
            revisions=map(wire.revision_to_wire, page.items), next_page_token=page.next_token
        )

    async def ListActiveCampaigns(
        self, request: pb.ListActiveCampaignsRequest, _: Call
    ) -> pb.ListActiveCampaignsResponse:
        found = await self._campaigns.list_active_campaigns(request.title_id, request.region, request.page_size)
        return pb.ListActiveCampaignsResponse(campaigns=map(wire.campaign_to_wire, found))

    async def SimulateCampaign(self, request: pb.SimulateCampaignRequest, _: Call) -> pb.SimulateCampaignResponse:
        start, end = required_time(request, "period_start_time"), required_time(request, "period_end_time")
        outcome = await self._campaigns.simulate_campaign(request.campaign_id, start, end)
        return wire.simulation_to_wire(outcome, request.creator_max)

    async def Enrol(self, request: pb.EnrolRequest, _: Call) -> participation_pb2.Enrolment:
        enrolment = await self._participation.enrol(
            request.campaign_id, request.creator_id, request.team_id, request.request_id
        )
        return part.enrolment_to_wire(enrolment)

    async def ChooseTeam(self, request: pb.ChooseTeamRequest, _: Call) -> participation_pb2.Enrolment:
        enrolment = await self._participation.choose_team(
            request.campaign_id, request.creator_id, request.team_id, request.request_id
        )
        return part.enrolment_to_wire(enrolment)

    async def AcceptRevision(self, request: pb.AcceptRevisionRequest, _: Call) -> participation_pb2.Enrolment:
        enrolment = await self._participation.accept_revision(
            request.campaign_id, request.creator_id, request.request_id
        )
        return part.enrolment_to_wire(enrolment)

    async def ListEnrolments(self, request: pb.ListEnrolmentsRequest, _: Call) -> pb.ListEnrolmentsResponse:
        page = await self._participation.list_enrolments(
            request.campaign_id, request.revision, request.page_size, request.page_token
        )
        return pb.ListEnrolmentsResponse(
            enrolments=map(part.enrolment_to_wire, page.items), next_page_token=page.next_token
        )

    async def SubmitVideo(self, request: pb.SubmitVideoRequest, _: Call) -> participation_pb2.Submission:
        view = await self._participation.submit_video(
            request.campaign_id, request.creator_id, request.video_id, request.request_id
        )
        return part.submission_to_wire(view)

    async def ReviewSubmission(self, request: pb.ReviewSubmissionRequest, _: Call) -> participation_pb2.Submission:
        view = await self._participation.review_submission(
            request.campaign_id,
            request.video_id,
            enums.REVIEW.required(request.decision),
            reason=request.reason,
            request_id=request.request_id,
            actor=request.actor,
        )
        return part.submission_to_wire(view)

    async def ListSubmissions(self, request: pb.ListSubmissionsRequest, _: Call) -> pb.ListSubmissionsResponse:
        state = enums.SUBMISSION_STATE.from_wire(request.state)
        page = await self._participation.list_submissions(
            request.campaign_id, request.creator_id, state, request.page_size, request.page_token
        )
        return pb.ListSubmissionsResponse(
            submissions=map(part.submission_to_wire, page.items), next_page_token=page.next_token
        )

    async def GetProgress(self, request: pb.GetProgressRequest, _: Call) -> pb.GetProgressResponse:
        page = await self._participation.get_progress(
            request.creator_id, request.campaign_id, request.page_size, request.page_token
        )
        return pb.GetProgressResponse(progress=map(part.progress_to_wire, page.items), next_page_token=page.next_token)

    async def ClaimReward(self, request: pb.ClaimRewardRequest, _: Call) -> participation_pb2.Grant:
        claim = part.claim_from_wire(request)
        view = await self._rewards.claim_reward(claim)
        return part.grant_to_wire(view)

    async def RedeemGrant(self, request: pb.RedeemGrantRequest, _: Call) -> participation_pb2.Grant:
        view = await self._rewards.redeem_grant(request.grant_id, request.creator_id, request.request_id)
        return part.grant_to_wire(view)

    async def GetGrant(self, request: pb.GetGrantRequest, _: Call) -> participation_pb2.Grant:
        view = await self._rewards.get_grant(request.grant_id, request.creator_id)
        return part.grant_to_wire(view)

    async def ListGrants(self, request: pb.ListGrantsRequest, _: Call) -> pb.ListGrantsResponse:
        page = await self._rewards.list_grants(
            campaign_id=request.campaign_id,
            reward_id=request.reward_id,
            creator_id=request.creator_id,
            state=enums.GRANT_STATE.from_wire(request.state),
            held_only=request.held_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return part.grants_to_wire(page)

    async def FulfilGrant(self, request: pb.FulfilGrantRequest, _: Call) -> participation_pb2.Grant:
        view = await self._rewards.fulfil_grant(
            request.grant_id,
            enums.SHIPPING_STATE.required(request.shipping_state),
            carrier=request.carrier,
            tracking_reference=request.tracking_reference,
            request_id=request.request_id,
            actor=request.actor,
        )
        return part.grant_to_wire(view)

    async def RevokeGrant(self, request: pb.RevokeGrantRequest, _: Call) -> participation_pb2.Grant:
        view = await self._rewards.revoke_grant(request.grant_id, request.reason, request.request_id, request.actor)
        return part.grant_to_wire(view)

    async def RollBackGrant(self, request: pb.RollBackGrantRequest, _: Call) -> participation_pb2.Grant:
        view = await self._rewards.roll_back_grant(
            request.grant_id, request.creator_id, request.reason, request.request_id
        )
        return part.grant_to_wire(view)

    async def ReleaseGrant(self, request: pb.ReleaseGrantRequest, _: Call) -> participation_pb2.Grant:
        view = await self._rewards.release_grant(
            request.grant_id,
            approve=request.decision == pb.RELEASE_DECISION_APPROVE,
            reason=request.reason,
            request_id=request.request_id,
            actor=request.actor,
        )
        return part.grant_to_wire(view)

    async def ListLedger(self, request: pb.ListLedgerRequest, _: Call) -> pb.ListLedgerResponse:
        page = await self._rewards.list_ledger(
            request.campaign_id,
            reward_id=request.reward_id,
            creator_id=request.creator_id,
            kind=enums.LEDGER_KIND.from_wire(request.kind),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return part.ledger_to_wire(page)

    async def ImportRewardCodes(self, request: pb.ImportRewardCodesRequest, _: Call) -> pb.ImportRewardCodesResponse:
        done = await self._rewards.import_reward_codes(
            request.campaign_id, request.reward_id, tuple(request.codes), request.request_id, request.actor
        )
        return pb.ImportRewardCodesResponse(
            imported_count=done.imported_count,
            duplicate_count=done.duplicate_count,
            total_count=done.total_count,
        )

    async def BatchUpdateCreators(
        self, request: pb.BatchUpdateCreatorsRequest, _: Call
    ) -> pb.BatchUpdateCreatorsResponse:
        creators = tuple(map(part.creator_from_wire, request.creators))
        count = await self._participation.batch_update_creators(creators, request.request_id)
        return pb.BatchUpdateCreatorsResponse(updated_count=count)
