"""Who may call what: the one table of scopes, and what each caller is confined to.

Identity fields of requests (`actor`, `reviewer_id`, `creator_id`, `studio_id`) are filled from the token;
another identity than the token's is refused. Studios are confined to their titles and campaigns,
creators to what is theirs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chassis.auth import ScopeMissing, StudioForeign, Verifier
from chassis.context import Principal
from chassis.errors import InvalidArgument, NotFound, PermissionDenied, Unauthenticated, Violation

STUDIO = "studio"
"""Any `studio:<id>` scope."""

_ADMIN = frozenset({"policy.admin"})
_PUBLIC = (
    frozenset({"hub.read", "events.write", "reviewer", "creator", "catalog.write", "campaigns.write", STUDIO}) | _ADMIN
)
_APP = frozenset({"events.write"}) | _ADMIN
_READER = frozenset({"hub.read", "reviewer", "catalog.write"}) | _ADMIN
_EDITOR = frozenset({"catalog.write"}) | _ADMIN
_REVIEWER = frozenset({"reviewer"}) | _ADMIN
_CREATOR = frozenset({"creator", "events.write"}) | _ADMIN
_CAMPAIGNS = frozenset({"campaigns.write", STUDIO}) | _ADMIN
_CAMPAIGN_READER = frozenset({"campaigns.write", STUDIO}) | _ADMIN
_STUDIO = frozenset({STUDIO}) | _ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may call a method. `own_*` name the request fields whose owner must be the caller, when confined."""

    scopes: frozenset[str]
    own_title: str = ""
    own_titles: str = ""
    """A list of titles: none of them may be another studio's."""
    own_campaign: str = ""
    own_grant: str = ""
    own_video: str = ""
    studio_mask: frozenset[str] = frozenset()
    """The fields a studio may change of what is its own; empty: all."""
    hides: str = ""
    """The kind of resource whose hidden ones are taken out of the answer: `title` or `campaign`."""


def _rules(service: str, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    return {f"spotlight.{service}.{method}": rule for method, rule in rules.items()}


RULES: Mapping[str, Rule] = {
    **_rules("hub.v1.HubService", {
        "GetHub": Rule(scopes=_PUBLIC),
        "BatchGetAnchors": Rule(scopes=_READER),
        "ExplainAnchor": Rule(scopes=_READER | {"creator"}, own_video="video_id"),
        "RecordEvents": Rule(scopes=_APP),
        "SearchTitles": Rule(scopes=_PUBLIC),
    }),
    **_rules("catalog.v1.CatalogService", {
        "GetTitle": Rule(scopes=_PUBLIC, hides="title"),
        "BatchGetTitles": Rule(scopes=_PUBLIC, hides="title"),
        "ListTitles": Rule(scopes=_PUBLIC, hides="title"),
        "CreateTitle": Rule(scopes=_EDITOR),
        "UpdateTitle": Rule(
            scopes=_EDITOR | {STUDIO},
            own_title="title.id",
            studio_mask=frozenset({"watch_offers", "official_accounts", "hashtags"}),
        ),
        "DeleteTitle": Rule(scopes=_EDITOR),
        "UndeleteTitle": Rule(scopes=_EDITOR),
        "GetImport": Rule(scopes=_EDITOR),
        "ListAliases": Rule(scopes=_EDITOR | {"reviewer", STUDIO}, own_title="title_id"),
        "UpdateAlias": Rule(scopes=_EDITOR),
        "BatchUpdateAliases": Rule(scopes=_EDITOR),
        "DeleteAlias": Rule(scopes=_EDITOR),
        "AddReferenceImages": Rule(scopes=_EDITOR),
        "ListReferenceImages": Rule(scopes=_EDITOR | {"reviewer", STUDIO}, own_title="title_id"),
        "BatchGetReferencePictures": Rule(scopes=_EDITOR | {"reviewer"}),
        "RemoveReferenceImage": Rule(scopes=_EDITOR),
        "SetReferenceBankState": Rule(scopes=_EDITOR),
    }),
    **_rules("matcher.v1.MatcherService", {
        "MatchVideo": Rule(scopes=_APP),
        "BatchMatchVideos": Rule(scopes=_APP),
        "GetVideo": Rule(scopes=_READER | {"creator"}, own_video="video_id"),
        "ListFramePictures": Rule(scopes=_REVIEWER),
        "GetMatch": Rule(scopes=_READER),
        "ListVideoMatches": Rule(scopes=_READER | {"creator"}, own_video="video_id"),
        "ListTitleVideos": Rule(scopes=_READER | {STUDIO}, own_title="title_id"),
        "UpdateVideoStats": Rule(scopes=_APP),
        "GetIndexInfo": Rule(scopes=_READER | _APP),
        "RematchTitle": Rule(scopes=_EDITOR),
        "GetRematchRun": Rule(scopes=_EDITOR),
    }),
    **_rules("matcher.v1.ReviewService", {
        "ListReviewTasks": Rule(scopes=_REVIEWER),
        "GetReviewTask": Rule(scopes=_REVIEWER),
        "LeaseReviewTask": Rule(scopes=_REVIEWER),
        "RenewLease": Rule(scopes=_REVIEWER),
        "ReleaseLease": Rule(scopes=_REVIEWER),
        "DecideReviewTask": Rule(scopes=_REVIEWER),
        "ListDecisions": Rule(scopes=_REVIEWER),
        "CreateGoldenTask": Rule(scopes=_ADMIN),
        "FileAppeal": Rule(scopes=_CREATOR),
        "GetAppeal": Rule(scopes=_REVIEWER | _CREATOR),
        "ListAppeals": Rule(scopes=_REVIEWER | _CREATOR),
        "DecideAppeal": Rule(scopes=_REVIEWER),
        "GetReviewStats": Rule(scopes=_REVIEWER),
        "ListAuditEntries": Rule(scopes=_REVIEWER),
    }),
    **_rules("matcher.v1.PolicyService", {
        "GetPolicy": Rule(scopes=_REVIEWER),
        "ListPolicies": Rule(scopes=_REVIEWER),
        "CreatePolicyVersion": Rule(scopes=_ADMIN),
        "ActivatePolicyVersion": Rule(scopes=_ADMIN),
        "SimulatePolicy": Rule(scopes=_ADMIN),
        "ProposeThresholds": Rule(scopes=_ADMIN),
        "SetKillSwitch": Rule(scopes=_ADMIN),
        "ListKillSwitches": Rule(scopes=_REVIEWER),
        "CreateCalibration": Rule(scopes=_ADMIN),
        "ListCalibrations": Rule(scopes=_REVIEWER),
        "ActivateCalibration": Rule(scopes=_ADMIN),
    }),
    **_rules("incentives.v1.IncentivesService", {
        "CreateCampaign": Rule(scopes=_CAMPAIGNS, own_titles="campaign.title_ids"),
        "GetCampaign": Rule(scopes=_PUBLIC, own_campaign="campaign_id", hides="campaign"),
        "ListCampaigns": Rule(scopes=_CAMPAIGN_READER),
        "UpdateCampaign": Rule(scopes=_CAMPAIGNS, own_campaign="campaign_id", own_titles="campaign.title_ids"),
        "DeleteCampaign": Rule(scopes=_CAMPAIGNS, own_campaign="campaign_id"),
        "ChangeCampaignState": Rule(scopes=_CAMPAIGNS, own_campaign="campaign_id"),
        "ListCampaignRevisions": Rule(scopes=_CAMPAIGN_READER, own_campaign="campaign_id"),
        "ListActiveCampaigns": Rule(scopes=_PUBLIC),
        "SimulateCampaign": Rule(scopes=_CAMPAIGN_READER, own_campaign="campaign_id"),
        "Enrol": Rule(scopes=_CREATOR),
        "ChooseTeam": Rule(scopes=_CREATOR),
        "AcceptRevision": Rule(scopes=_CREATOR),
        "ListEnrolments": Rule(scopes=_CAMPAIGN_READER, own_campaign="campaign_id"),
        "SubmitVideo": Rule(scopes=_CREATOR),
        "ReviewSubmission": Rule(scopes=_CAMPAIGNS, own_campaign="campaign_id"),
        "ListSubmissions": Rule(scopes=_CAMPAIGN_READER | _CREATOR, own_campaign="campaign_id"),
        "GetProgress": Rule(scopes=_CREATOR),
        "ClaimReward": Rule(scopes=_CREATOR),
        "RedeemGrant": Rule(scopes=_CREATOR),
        "GetGrant": Rule(scopes=_CREATOR | {STUDIO}, own_grant="grant_id"),
        "ListGrants": Rule(scopes=_CREATOR | _CAMPAIGN_READER, own_campaign="campaign_id"),
        "FulfilGrant": Rule(scopes=_CAMPAIGNS, own_grant="grant_id"),
        "RevokeGrant": Rule(scopes=_CAMPAIGNS, own_grant="grant_id"),
        "RollBackGrant": Rule(scopes=_CREATOR),
        "ReleaseGrant": Rule(scopes=_CAMPAIGNS, own_grant="grant_id"),
        "ListLedger": Rule(scopes=_CAMPAIGN_READER, own_campaign="campaign_id"),
        "ImportRewardCodes": Rule(scopes=_CAMPAIGNS, own_campaign="campaign_id"),
        "BatchUpdateCreators": Rule(scopes=_APP),
    }),
    **_rules("metrics.v1.MetricsService", {
        "GetTitleReport": Rule(scopes=_STUDIO),
        "GetFunnel": Rule(scopes=_STUDIO),
        "GetGeography": Rule(scopes=_STUDIO),
        "GetStudioReport": Rule(scopes=_STUDIO),
        "ListTrendingTitles": Rule(scopes=_PUBLIC),
        "ListTopVideos": Rule(scopes=_STUDIO),
        "ListTopCreators": Rule(scopes=_STUDIO),
        "ListSpikes": Rule(scopes=_STUDIO),
        "ListInsights": Rule(scopes=_STUDIO),
        "DecideInsight": Rule(scopes=_STUDIO),
        "GetCampaignLift": Rule(scopes=_STUDIO),
        "ExportReport": Rule(scopes=_STUDIO),
        "WatchTitle": Rule(scopes=_STUDIO),
    }),
}  # fmt: skip

_UNLISTED = Rule(scopes=_ADMIN)
"""A method nobody thought about yet is the administrators'."""

_SEES_HIDDEN = frozenset({"catalog.write", "reviewer", "policy.admin"})


class IdentityMismatch(PermissionDenied):
    """The request names another identity than the token does."""

    reason = "IDENTITY_MISMATCH"


class FieldForeign(PermissionDenied):
    """A studio may not change these fields of its title."""

    reason = "FIELD_NOT_THE_STUDIOS"


class VideoForeign(PermissionDenied):
    """This video belongs to another creator."""

    reason = "VIDEO_OF_ANOTHER_CREATOR"


class Owners(Protocol):
    """Whose things are."""

    async def studio_of_title(self, title_id: str) -> str: ...
    async def studio_of_campaign(self, campaign_id: str) -> str: ...
    async def campaign_of_grant(self, grant_id: str) -> str: ...
    async def creator_of_video(self, video_id: str) -> str: ...


Metadata = Mapping[str, str | bytes]
"""What a gRPC call carries beside its message."""


def identify_bearer(verifier: Verifier, metadata: Metadata) -> Principal:
    """Who makes a gRPC call to this door: the bearer of the token, never who it claims to be."""
    header = metadata.get("authorization", "")
    return verifier.authorization(header if isinstance(header, str) else "")


def rule_of(method: str) -> Rule:
    """The rule of a method by its full name."""
    return RULES.get(method, _UNLISTED)


def sees_hidden(principal: Principal, studio_id: str) -> bool:
    """Whether withdrawn, embargoed and draft things of a studio may be shown to a caller."""
    return bool(principal.scopes & _SEES_HIDDEN) or studio_id in principal.studio_ids


def is_confined_to_studios(principal: Principal) -> bool:
    """Whether a caller acts for studios and sees nothing but theirs."""
    return bool(principal.studio_ids) and not principal.scopes & {"policy.admin", "catalog.write"}


def is_confined_to_creator(principal: Principal) -> bool:
    """Whether a caller is a creator and acts for nobody else."""
    return "creator" in principal.scopes and "policy.admin" not in principal.scopes


def enter(principal: Principal, method: str, request: Any) -> None:
    """Refuse a caller without the scope; fill in who the caller is."""
    require_scope(principal, rule_of(method))
    fill_identity(principal, request)


async def confine(principal: Principal, method: str, request: Any, owners: Owners) -> None:
    """Refuse what belongs to others; the request is valid already."""
    rule = rule_of(method)
    if is_confined_to_studios(principal):
        await _require_own_studio(principal, rule, request, owners)
    if rule.own_video and is_confined_to_creator(principal):
        await _require_own_video(principal, getattr(request, rule.own_video), owners)


def require_scope(principal: Principal, rule: Rule) -> None:
    """Refuse a caller who holds none of a rule's scopes."""
    if not principal.subject:
        raise Unauthenticated
    held = principal.scopes | {STUDIO} if principal.studio_ids else principal.scopes
    if held.isdisjoint(rule.scopes):
        raise ScopeMissing(metadata={"scopes": " ".join(sorted(rule.scopes - _ADMIN or _ADMIN))})


def fill_identity(principal: Principal, request: Any) -> None:
    """Write the token's identity into the fields that tell who acts."""
    fields = request.DESCRIPTOR.fields_by_name
    if "actor" in fields:
        _fill(request, "actor", principal.subject)
    if "reviewer_id" in fields and "reviewer" in principal.scopes:
        _fill(request, "reviewer_id", principal.subject)
    if "creator_id" in fields and is_confined_to_creator(principal):
        _fill(request, "creator_id", principal.subject)
    if "studio_id" in fields and is_confined_to_studios(principal):
        _fill_studio(principal, request)


def _fill(request: Any, name: str, identity: str) -> None:
    if getattr(request, name) not in ("", identity):
        raise IdentityMismatch(violations=[Violation(name, "is not who the token says")])
    setattr(request, name, identity)


def _fill_studio(principal: Principal, request: Any) -> None:
    if request.studio_id:
        if request.studio_id not in principal.studio_ids:
            raise StudioForeign
    elif len(principal.studio_ids) == 1:
        (request.studio_id,) = principal.studio_ids
    else:
        raise InvalidArgument(violations=[Violation("studio_id", "must be one of the studios of the token")])


async def _require_own_video(principal: Principal, video_id: str, owners: Owners) -> None:
    if await owners.creator_of_video(video_id) != principal.subject:
        raise VideoForeign


def _value_at(request: Any, path: str) -> Any:
    """The value of a dotted field."""
    for part in path.split("."):
        request = getattr(request, part)
    return request


def _require_studio_mask(rule: Rule, request: Any) -> None:
    paths = set(request.update_mask.paths)
    if not paths or not paths <= rule.studio_mask:
        allowed = ", ".join(sorted(rule.studio_mask))
        raise FieldForeign(violations=[Violation("update_mask", f"must name some of: {allowed}")])


async def _studio_of(title_id: str, owners: Owners) -> str:
    """The studio of a title; "" where it has none, or is not in the catalog yet."""
    try:
        return await owners.studio_of_title(title_id)
    except NotFound:
        return ""


async def _require_own_studio(principal: Principal, rule: Rule, request: Any, owners: Owners) -> None:
    if rule.studio_mask:
        _require_studio_mask(rule, request)
    if rule.own_title:
        title_id = _value_at(request, rule.own_title)
        if not title_id or await owners.studio_of_title(title_id) not in principal.studio_ids:
            raise StudioForeign
    if rule.own_titles:
        title_ids = _value_at(request, rule.own_titles)
        studios = set(await asyncio.gather(*(_studio_of(each, owners) for each in title_ids)))
        if studios - principal.studio_ids - {""}:
            raise StudioForeign
    campaign_id = getattr(request, rule.own_campaign) if rule.own_campaign else ""
    if rule.own_grant:
        campaign_id = await owners.campaign_of_grant(getattr(request, rule.own_grant))
    if (rule.own_campaign or rule.own_grant) and (
        not campaign_id or await owners.studio_of_campaign(campaign_id) not in principal.studio_ids
    ):
        raise StudioForeign
