"""PolicyService: translate, call, translate."""
# ruff: noqa: ARG002, N802 - the methods have the names and parameters of the proto

from typing import Any

import grpc.aio

from protos.matcher.v1 import policy_pb2 as pb
from protos.matcher.v1 import policy_pb2_grpc
from services.matcher.anchors import SwitchScope
from services.matcher.service.learning import Learning
from services.matcher.service.policies import Policies
from services.matcher.service.regime import RegimeFollower
from services.matcher.wire import policy as wire
from services.matcher.wire.requests import request_key

Context = grpc.aio.ServicerContext[Any, Any]


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """Versions of policy and calibration, and the kill switches."""

    def __init__(self, policies: Policies, learning: Learning, regime: RegimeFollower) -> None:
        self._policies = policies
        self._learning = learning
        self._regime = regime

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Context) -> pb.Policy:
        policy = await self._policies.get_policy(request.version)
        return wire.policy_message(policy, self._regime.policy.version)

    async def ListPolicies(self, request: pb.ListPoliciesRequest, context: Context) -> pb.ListPoliciesResponse:
        page = await self._policies.list_policies(request.page_size, request.page_token)
        return wire.policies_response(page, self._regime.policy.version)

    async def CreatePolicyVersion(self, request: pb.CreatePolicyVersionRequest, context: Context) -> pb.Policy:
        policy = await self._policies.create_policy_version(
            wire.policy_of(request.policy),
            request_key("CreatePolicyVersion", request.request_id, request),
            activate=request.activate,
            actor=request.actor,
            validate_only=request.validate_only,
        )
        return wire.policy_message(policy, self._regime.policy.version)

    async def ActivatePolicyVersion(self, request: pb.ActivatePolicyVersionRequest, context: Context) -> pb.Policy:
        policy = await self._policies.activate_policy_version(
            request.version,
            request_key("ActivatePolicyVersion", request.request_id, request),
            actor=request.actor,
        )
        return wire.policy_message(policy, self._regime.policy.version)

    async def SimulatePolicy(self, request: pb.SimulatePolicyRequest, context: Context) -> pb.SimulatePolicyResponse:
        simulation = await self._policies.simulate_policy(
            request.version,
            wire.tried_policy(request),
            title_id=request.title_id,
            match_count_max=request.match_count_max,
        )
        return wire.simulation_response(simulation)

    async def ProposeThresholds(
        self, request: pb.ProposeThresholdsRequest, context: Context
    ) -> pb.ProposeThresholdsResponse:
        proposal = await self._policies.propose_thresholds(
            wire.costs_of(request), request.window_days or wire.WINDOW_DAYS
        )
        return wire.proposal_response(proposal)

    async def SetKillSwitch(self, request: pb.SetKillSwitchRequest, context: Context) -> pb.SetKillSwitchResponse:
        outcome = await self._policies.set_kill_switch(
            SwitchScope(request.scope),
            request.target,
            request_key("SetKillSwitch", request.request_id, request),
            is_on=request.is_on,
            note=request.note,
            actor=request.actor,
        )
        return wire.set_switch_response(outcome)

    async def ListKillSwitches(
        self, request: pb.ListKillSwitchesRequest, context: Context
    ) -> pb.ListKillSwitchesResponse:
        switches = self._policies.list_kill_switches()
        return wire.switches_response(switches)

    async def CreateCalibration(self, request: pb.CreateCalibrationRequest, context: Context) -> pb.Calibration:
        calibration = await self._learning.create_calibration(
            request_key("CreateCalibration", request.request_id, request),
            activate=request.activate,
            actor=request.actor,
            validate_only=request.validate_only,
        )
        return wire.calibration_message(calibration, self._regime.calibration.version)

    async def ListCalibrations(
        self, request: pb.ListCalibrationsRequest, context: Context
    ) -> pb.ListCalibrationsResponse:
        page = await self._learning.list_calibrations(request.page_size, request.page_token)
        return wire.calibrations_response(page, self._regime.calibration.version)

    async def ActivateCalibration(self, request: pb.ActivateCalibrationRequest, context: Context) -> pb.Calibration:
        calibration = await self._learning.activate_calibration(
            request.version,
            request_key("ActivateCalibration", request.request_id, request),
            actor=request.actor,
        )
        return wire.calibration_message(calibration, self._regime.calibration.version)
