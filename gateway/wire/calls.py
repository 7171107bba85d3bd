"""Requests and answers of the hub's methods, to and from the services behind, and what of theirs is public."""

from datetime import datetime

from chassis.timestamps import moment_in
from gateway import domain
from gateway.compose import hub_title, translation_for
from gateway.locales import language_of, region_of
from gateway.wire.hubs import STATES, hub_title_message, title_facts
from protos.catalog.v1 import catalog_pb2
from protos.hub.v1 import hub_pb2
from protos.incentives.v1 import campaign_pb2
from protos.matcher.v1 import matcher_pb2
from protos.metrics.v1 import metrics_pb2


def hub_wish(request: hub_pb2.GetHubRequest) -> tuple[domain.HubKey, datetime | None]:
    """Which hub is wanted, as of when."""
    key = domain.HubKey(
        title_id=request.title_id, region=region_of(request.region), language=language_of(request.language)
    )
    return key, moment_in(request, "at")


def anchors_wish(request: hub_pb2.BatchGetAnchorsRequest) -> tuple[tuple[str, ...], str]:
    """Whose anchors are wanted, and for which region."""
    return tuple(request.video_ids), region_of(request.viewer_region, field="viewer_region")


def explain_request(request: hub_pb2.ExplainAnchorRequest) -> matcher_pb2.ExplainAnchorRequest:
    """The same question to matcher."""
    return matcher_pb2.ExplainAnchorRequest(
        video_id=request.video_id,
        viewer_region=region_of(request.viewer_region, field="viewer_region"),
        title_id=request.title_id,
    )


def explain_response(answer: matcher_pb2.ExplainAnchorResponse) -> hub_pb2.ExplainAnchorResponse:
    """Matcher's answer as the hub gives it."""
    return hub_pb2.ExplainAnchorResponse(anchor=answer.anchor, match=answer.match if answer.HasField("match") else None)


def events_request(request: hub_pb2.RecordEventsRequest) -> metrics_pb2.RecordEventsRequest:
    """The same batch to metrics."""
    return metrics_pb2.RecordEventsRequest(
        events=request.events,
        request_id=request.request_id,
        sent_time=request.sent_time if request.HasField("sent_time") else None,
        columns=request.columns if request.HasField("columns") else None,
    )


def events_response(answer: metrics_pb2.RecordEventsResponse) -> hub_pb2.RecordEventsResponse:
    """What became of the batch."""
    return hub_pb2.RecordEventsResponse(
        accepted_count=answer.accepted_count,
        duplicate_count=answer.duplicate_count,
        rejected=answer.rejected,
        log_position=answer.log_position,
    )


def search_request(request: hub_pb2.SearchTitlesRequest) -> tuple[catalog_pb2.SearchTitlesRequest, str]:
    """The same search to catalog, hidden titles left out, and the language of the answer."""
    wish = catalog_pb2.SearchTitlesRequest(
        q=request.q, media_type=request.media_type, page_size=request.page_size, page_token=request.page_token
    )
    return wish, language_of(request.language)


def search_response(answer: catalog_pb2.SearchTitlesResponse, language: str) -> hub_pb2.SearchTitlesResponse:
    """The titles found, in the viewer's language."""
    return hub_pb2.SearchTitlesResponse(
        hits=[_search_hit(hit, language) for hit in answer.hits], next_page_token=answer.next_page_token
    )


def _search_hit(hit: catalog_pb2.SearchHit, language: str) -> hub_pb2.SearchHit:
    facts = title_facts(hit.title)
    key = domain.HubKey(title_id=facts.id, region=region_of(""), language=language)
    return hub_pb2.SearchHit(
        title=hub_title_message(hub_title(facts, key, translation_for(facts, key))),
        matched_name=hit.matched_name,
        matched_by=hit.matched_by,
    )


def is_public_title(title: catalog_pb2.Title, now: datetime) -> bool:
    """Whether a title is active and its embargo has lifted."""
    lift = moment_in(title, "embargo_lift_time")
    return STATES[title.state] is domain.TitleState.ACTIVE and (lift is None or lift <= now)


def is_public_campaign(campaign: campaign_pb2.Campaign, now: datetime) -> bool:
    """Whether creators may see a campaign: scheduled ones from their visible_time on, drafts never."""
    if campaign.state in (campaign_pb2.CAMPAIGN_STATE_UNSPECIFIED, campaign_pb2.CAMPAIGN_STATE_DRAFT):
        return False
    visible = moment_in(campaign, "visible_time") or moment_in(campaign, "start_time")
    return campaign.state != campaign_pb2.CAMPAIGN_STATE_SCHEDULED or (visible is not None and visible <= now)
