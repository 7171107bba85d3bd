"""Campaigns: what studios write, both ways, and what is counted of them."""

from chassis.timestamps import timestamp
from protos.incentives.v1 import campaign_pb2, incentives_pb2
from services.incentives.answers import CampaignView, Impact, RevisionView
from services.incentives.domain import (
    Campaign,
    EligibilityRules,
    Limits,
    RequiredMatch,
    Reward,
    Stock,
    Task,
    TaskStep,
    Team,
    Terms,
)
from services.incentives.simulate import Exclusion, SimulatedCreator, SimulatedReward, Simulation
from services.incentives.wire import enums
from services.incentives.wire.times import optional_time

CREATORS_DEFAULT = 50


def terms_from_wire(message: campaign_pb2.Campaign) -> Terms:
    """What of a campaign a studio may write; output-only fields are not read."""
    return Terms(
        display_name=message.display_name,
        description=message.description,
        title_ids=tuple(message.title_ids),
        region_codes=tuple(message.region_codes),
        visible_time=optional_time(message, "visible_time"),
        start_time=optional_time(message, "start_time"),
        end_time=optional_time(message, "end_time"),
        claim_end_time=optional_time(message, "claim_end_time"),
        rules=rules_from_wire(message.rules),
        tasks=tuple(task_from_wire(task) for task in message.tasks),
        rewards=tuple(reward_from_wire(reward) for reward in message.rewards),
        teams=tuple(
            Team(id=team.id, display_name=team.display_name, reward_ids=tuple(team.reward_ids))
            for team in message.teams
        ),
        limits=Limits(
            enrolments_max=message.limits.enrolments_max,
            rewards_per_creator_max=message.limits.rewards_per_creator_max,
            submissions_per_creator_max=message.limits.submissions_per_creator_max,
            grants_max=message.limits.grants_max,
        ),
        submission_review_required=message.submission_review_required,
    )


def rules_from_wire(message: campaign_pb2.EligibilityRules) -> EligibilityRules:
    return EligibilityRules(
        follower_count_min=message.follower_count_min,
        follower_count_max=message.follower_count_max,
        view_count_min=message.view_count_min,
        duration_min_s=message.duration_min_s,
        duration_max_s=message.duration_max_s,
        all_hashtag_names=tuple(message.all_hashtag_names),
        any_hashtag_names=tuple(message.any_hashtag_names),
        required_match=enums.REQUIRED_MATCH.from_wire(message.required_match) or RequiredMatch.APPROVED,
        strike_score_max=message.strike_score_max if message.HasField("strike_score_max") else None,
        account_age_min_days=message.account_age_min_days,
        region_codes=tuple(message.region_codes),
        made_for_kids_allowed=message.made_for_kids_allowed,
    )


def task_from_wire(message: campaign_pb2.Task) -> Task:
    return Task(
        id=message.id,
        display_name=message.display_name,
        kind=enums.TASK_KIND.required(message.kind),
        target=message.target,
        steps=tuple(TaskStep(week=step.week, target=step.target) for step in message.steps),
        title_ids=tuple(message.title_ids),
    )


def reward_from_wire(message: campaign_pb2.Reward) -> Reward:
    return Reward(
        id=message.id,
        display_name=message.display_name,
        kind=enums.REWARD_KIND.required(message.kind),
        stock_count=message.stock_count,
        is_unlimited=message.is_unlimited,
        per_creator_max=message.per_creator_max or 1,
        task_ids=tuple(message.task_ids),
        waitlist_max=message.waitlist_max,
        reservation_ttl_s=message.reservation_ttl_s,
        asset_uri=message.asset_uri,
    )


def campaign_to_wire(campaign: Campaign) -> campaign_pb2.Campaign:
    """The campaign without what would have to be counted."""
    return viewed_to_wire(CampaignView(campaign=campaign, stocks={}))


def viewed_to_wire(view: CampaignView) -> campaign_pb2.Campaign:
    message = terms_to_wire(view.campaign.terms)
    campaign = view.campaign
    message.id = campaign.id
    message.studio_id = campaign.studio_id
    message.state = enums.CAMPAIGN_STATE.to_wire(campaign.state)
    message.revision = campaign.revision
    message.etag = campaign.etag
    message.create_time.CopyFrom(timestamp(campaign.create_time))
    message.update_time.CopyFrom(timestamp(campaign.update_time))
    message.enrolment_count = view.enrolment_count
    for reward in message.rewards:
        if reward.id in view.stocks:
            reward.stock.CopyFrom(stock_to_wire(view.stocks[reward.id]))
    return message


def terms_to_wire(terms: Terms) -> campaign_pb2.Campaign:
    return campaign_pb2.Campaign(
        display_name=terms.display_name,
        description=terms.description,
        title_ids=terms.title_ids,
        region_codes=terms.region_codes,
        visible_time=timestamp(terms.visible_time),
        start_time=timestamp(terms.start_time),
        end_time=timestamp(terms.end_time),
        claim_end_time=timestamp(terms.claim_end_time),
        rules=rules_to_wire(terms.rules),
        tasks=[task_to_wire(task) for task in terms.tasks],
        rewards=[reward_to_wire(reward) for reward in terms.rewards],
        teams=[
            campaign_pb2.Team(id=team.id, display_name=team.display_name, reward_ids=team.reward_ids)
            for team in terms.teams
        ],
        limits=campaign_pb2.CampaignLimits(
            enrolments_max=terms.limits.enrolments_max,
            rewards_per_creator_max=terms.limits.rewards_per_creator_max,
            submissions_per_creator_max=terms.limits.submissions_per_creator_max,
            grants_max=terms.limits.grants_max,
        ),
        submission_review_required=terms.submission_review_required,
    )


def rules_to_wire(rules: EligibilityRules) -> campaign_pb2.EligibilityRules:
    return campaign_pb2.EligibilityRules(
        follower_count_min=rules.follower_count_min,
        follower_count_max=rules.follower_count_max,
        view_count_min=rules.view_count_min,
        duration_min_s=rules.duration_min_s,
        duration_max_s=rules.duration_max_s,
        all_hashtag_names=rules.all_hashtag_names,
        any_hashtag_names=rules.any_hashtag_names,
        required_match=enums.REQUIRED_MATCH.to_wire(rules.required_match),
        strike_score_max=rules.strike_score_max,
        account_age_min_days=rules.account_age_min_days,
        region_codes=rules.region_codes,
        made_for_kids_allowed=rules.made_for_kids_allowed,
    )


def task_to_wire(task: Task) -> campaign_pb2.Task:
    return campaign_pb2.Task(
        id=task.id,
        display_name=task.display_name,
        kind=enums.TASK_KIND.to_wire(task.kind),
        target=task.target,
        steps=[campaign_pb2.TaskStep(week=step.week, target=step.target) for step in task.steps],
        title_ids=task.title_ids,
    )


def reward_to_wire(reward: Reward) -> campaign_pb2.Reward:
    return campaign_pb2.Reward(
        id=reward.id,
        display_name=reward.display_name,
        kind=enums.REWARD_KIND.to_wire(reward.kind),
        stock_count=reward.stock_count,
        is_unlimited=reward.is_unlimited,
        per_creator_max=reward.per_creator_max,
        task_ids=reward.task_ids,
        waitlist_max=reward.waitlist_max,
        reservation_ttl_s=reward.reservation_ttl_s,
        asset_uri=reward.asset_uri,
    )


def stock_to_wire(stock: Stock) -> campaign_pb2.Stock:
    return campaign_pb2.Stock(
        total_count=stock.total_count,
        available_count=stock.available_count,
        reserved_count=stock.reserved_count,
        redeemed_count=stock.redeemed_count,
        fulfilled_count=stock.fulfilled_count,
        burned_count=stock.burned_count,
        waitlisted_count=stock.waitlisted_count,
    )


def revision_to_wire(view: RevisionView) -> campaign_pb2.CampaignRevision:
    message = terms_to_wire(view.terms)
    message.id = view.campaign.id
    message.studio_id = view.campaign.studio_id
    message.revision = view.mark.revision
    return campaign_pb2.CampaignRevision(
        revision=view.mark.revision,
        campaign=message,
        changed_paths=view.mark.changed_paths,
        actor=view.mark.actor,
        create_time=timestamp(view.mark.create_time),
        enrolment_count=view.enrolment_count,
    )


def impact_to_wire(impact: Impact | None) -> campaign_pb2.RevisionImpact | None:
    if impact is None:
        return None
    return campaign_pb2.RevisionImpact(
        changed_paths=impact.change.changed_paths,
        kept_paths=impact.change.kept_paths,
        kept_enrolments=[
            campaign_pb2.RevisionEnrolments(revision=revision, enrolment_count=count)
            for revision, count in impact.kept_enrolments
        ],
        creator_ids=impact.creator_ids,
        applied_paths=impact.change.applied_paths,
        applied_enrolment_count=impact.applied_enrolment_count,
    )


def updated_to_wire(view: CampaignView, impact: Impact | None) -> incentives_pb2.UpdateCampaignResponse:
    return incentives_pb2.UpdateCampaignResponse(campaign=viewed_to_wire(view), impact=impact_to_wire(impact))


def simulation_to_wire(outcome: Simulation, creator_max: int) -> incentives_pb2.SimulateCampaignResponse:
    return incentives_pb2.SimulateCampaignResponse(
        video_count=outcome.video_count,
        counted_video_count=outcome.counted_video_count,
        creator_count=outcome.creator_count,
        earning_creator_count=outcome.earning_creator_count,
        creators=[_simulated_creator(each) for each in outcome.creators[: creator_max or CREATORS_DEFAULT]],
        rewards=[_simulated_reward(each) for each in outcome.rewards],
        exclusions=[_exclusion(each) for each in outcome.exclusions],
        is_truncated=outcome.is_truncated,
    )


def _simulated_creator(each: SimulatedCreator) -> incentives_pb2.SimulatedCreator:
    return incentives_pb2.SimulatedCreator(
        creator_id=each.creator_id,
        counted_video_count=each.counted_video_count,
        done_task_ids=each.done_task_ids,
        reward_ids=each.reward_ids,
    )


def _simulated_reward(each: SimulatedReward) -> incentives_pb2.SimulatedReward:
    return incentives_pb2.SimulatedReward(
        reward_id=each.reward_id,
        earned_count=each.earned_count,
        granted_count=each.granted_count,
        left_count=each.left_count,
        sold_out_time=timestamp(each.sold_out_time),
    )


def _exclusion(each: Exclusion) -> incentives_pb2.SimulatedExclusion:
    return incentives_pb2.SimulatedExclusion(
        code=each.code,
        video_count=each.video_count,
        sole_video_count=each.sole_video_count,
        creator_count=each.creator_count,
    )
