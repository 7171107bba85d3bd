"""Policies, simulations, kill switches and calibrations, between the wire and the domain."""

from collections.abc import Iterable

from chassis.timestamps import timestamp
from protos.matcher.v1 import policy_pb2 as pb
from services.matcher.anchors import KillSwitch
from services.matcher.calibration import Calibration, Term
from services.matcher.domain import AccountType
from services.matcher.policy import Policy
from services.matcher.results import Simulation, SimulationCell, ThresholdProposal
from services.matcher.thresholds import Costs

TERMS_SHOWN_MAX = 200
WINDOW_DAYS = 7.0


def policy_of(message: pb.Policy) -> Policy:
    return Policy(
        version=message.version,
        approve_threshold=message.approve_threshold,
        review_threshold=message.review_threshold,
        drop_threshold=message.drop_threshold,
        leave_ratio=message.leave_ratio,
        follower_count_min=message.follower_count_min,
        view_count_min=message.view_count_min,
        strike_score_max=message.strike_score_max,
        strike_half_life_days=message.strike_half_life_days,
        account_types=tuple(AccountType(kind) for kind in message.account_types),
        allow_made_for_kids=message.allow_made_for_kids,
        allow_content_claimed=message.allow_content_claimed,
        allow_ai_generated=message.allow_ai_generated,
        creator_regions=tuple(message.creator_regions),
        viewer_regions=tuple(message.viewer_regions),
        blocked_viewer_regions=tuple(message.blocked_viewer_regions),
        titles_per_video_max=message.titles_per_video_max,
        hold_out_share=message.hold_out_share,
        second_read_share=message.second_read_share,
        golden_share=message.golden_share,
        appeal_window_days=message.appeal_window_days,
        review_sla_hours=message.review_sla_hours,
        appeal_sla_hours=message.appeal_sla_hours,
        description=message.description,
        author=message.author,
    )


def policy_message(policy: Policy, active_version: str) -> pb.Policy:
    return pb.Policy(
        version=policy.version,
        approve_threshold=policy.approve_threshold,
        review_threshold=policy.review_threshold,
        drop_threshold=policy.drop_threshold,
        leave_ratio=policy.leave_ratio,
        follower_count_min=policy.follower_count_min,
        view_count_min=policy.view_count_min,
        strike_score_max=policy.strike_score_max,
        strike_half_life_days=policy.strike_half_life_days,
        account_types=[int(kind) for kind in policy.account_types],  # type: ignore[misc]
        allow_made_for_kids=policy.allow_made_for_kids,
        allow_content_claimed=policy.allow_content_claimed,
        allow_ai_generated=policy.allow_ai_generated,
        creator_regions=policy.creator_regions,
        viewer_regions=policy.viewer_regions,
        blocked_viewer_regions=policy.blocked_viewer_regions,
        titles_per_video_max=policy.titles_per_video_max,
        hold_out_share=policy.hold_out_share,
        second_read_share=policy.second_read_share,
        golden_share=policy.golden_share,
        appeal_window_days=policy.appeal_window_days,
        review_sla_hours=policy.review_sla_hours,
        appeal_sla_hours=policy.appeal_sla_hours,
        description=policy.description,
        create_time=timestamp(policy.create_time),
        author=policy.author,
        is_active=bool(policy.version) and policy.version == active_version,
    )


def policies_response(page: tuple[tuple[Policy, ...], str], active_version: str) -> pb.ListPoliciesResponse:
    policies, token = page
    return pb.ListPoliciesResponse(
        policies=(policy_message(each, active_version) for each in policies), next_page_token=token
    )


def tried_policy(request: pb.SimulatePolicyRequest) -> Policy | None:
    return policy_of(request.policy) if request.HasField("policy") else None


def simulation_response(simulation: Simulation) -> pb.SimulatePolicyResponse:
    return pb.SimulatePolicyResponse(
        total=_cell(simulation.total),
        cells=map(_cell, simulation.cells),
        match_count=simulation.match_count,
        is_truncated=simulation.is_truncated,
        gained_match_ids=simulation.gained_match_ids,
        lost_match_ids=simulation.lost_match_ids,
        review_delta_count=simulation.review_delta_count,
    )


def _cell(cell: SimulationCell) -> pb.SimulationCell:
    return pb.SimulationCell(
        region_code=cell.region_code,
        follower_band=cell.follower_band,
        before_count=cell.before_count,
        after_count=cell.after_count,
        gained_count=cell.gained_count,
        lost_count=cell.lost_count,
    )


def costs_of(request: pb.ProposeThresholdsRequest) -> Costs:
    return Costs(
        reviews_per_day=request.reviews_per_day,
        false_anchor_cost=request.false_anchor_cost,
        missed_anchor_cost=request.missed_anchor_cost,
    )


def proposal_response(proposal: ThresholdProposal) -> pb.ProposeThresholdsResponse:
    return pb.ProposeThresholdsResponse(
        approve_threshold=proposal.approve_threshold,
        review_threshold=proposal.review_threshold,
        reviews_per_day=proposal.reviews_per_day,
        cost_per_day=proposal.cost_per_day,
        match_count=proposal.match_count,
    )


def kill_switch_message(switch: KillSwitch) -> pb.KillSwitch:
    return pb.KillSwitch(
        scope=int(switch.scope),  # type: ignore[arg-type]  # our numbers are the wire's
        target=switch.target,
        note=switch.note,
        actor=switch.actor,
        set_time=timestamp(switch.set_time),
    )


def set_switch_response(outcome: tuple[tuple[KillSwitch, ...], int]) -> pb.SetKillSwitchResponse:
    switches, epoch = outcome
    return pb.SetKillSwitchResponse(kill_switches=map(kill_switch_message, switches), epoch=epoch)


def switches_response(switches: Iterable[KillSwitch]) -> pb.ListKillSwitchesResponse:
    return pb.ListKillSwitchesResponse(kill_switches=map(kill_switch_message, switches))


def calibration_message(calibration: Calibration, active_version: str) -> pb.Calibration:
    return pb.Calibration(
        version=calibration.version,
        model_version=calibration.model_version,
        terms=map(_term, calibration.terms[:TERMS_SHOWN_MAX]),
        decision_count=calibration.decision_count,
        held_out_count=calibration.held_out_count,
        ece_before=calibration.ece_before,
        ece_after=calibration.ece_after,
        create_time=timestamp(calibration.create_time),
        is_active=calibration.version == active_version,
        proposed_approve_threshold=calibration.proposed_approve_threshold,
        proposed_review_threshold=calibration.proposed_review_threshold,
    )


def _term(term: Term) -> pb.CalibrationTerm:
    return pb.CalibrationTerm(
        kind=term.kind,
        key=term.key,
        shift=term.shift,
        approved_weight=term.approved_weight,
        rejected_weight=term.rejected_weight,
    )


def calibrations_response(
    page: tuple[tuple[Calibration, ...], str], active_version: str
) -> pb.ListCalibrationsResponse:
    calibrations, token = page
    return pb.ListCalibrationsResponse(
        calibrations=(calibration_message(each, active_version) for each in calibrations),
        next_page_token=token,
    )
