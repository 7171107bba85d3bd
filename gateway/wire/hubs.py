"""Titles, videos, campaigns and counts from the wire, hubs to it, field by field."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.timestamps import moment_in, moment_of, timestamp
from gateway import domain
from protos.catalog.v1 import catalog_pb2
from protos.hub.v1 import hub_pb2
from protos.incentives.v1 import campaign_pb2
from protos.matcher.v1 import matcher_pb2
from protos.metrics.v1 import event_pb2, report_pb2

STATES = {
    catalog_pb2.TITLE_STATE_UNSPECIFIED: domain.TitleState.ACTIVE,
    catalog_pb2.TITLE_STATE_ACTIVE: domain.TitleState.ACTIVE,
    catalog_pb2.TITLE_STATE_WITHDRAWN: domain.TitleState.WITHDRAWN,
    catalog_pb2.TITLE_STATE_DELETED: domain.TitleState.DELETED,
}
_PANELS = {
    domain.Panel.CAST: hub_pb2.PANEL_CAST,
    domain.Panel.OFFERS: hub_pb2.PANEL_OFFERS,
    domain.Panel.FAN_VIDEOS: hub_pb2.PANEL_FAN_VIDEOS,
    domain.Panel.COUNTS: hub_pb2.PANEL_COUNTS,
    domain.Panel.CAMPAIGNS: hub_pb2.PANEL_CAMPAIGNS,
}
# TMDB names pictures by path; this is its public prefix for each role.
_TMDB_POSTER, _TMDB_BACKDROP = "https://image.tmdb.org/t/p/w500", "https://image.tmdb.org/t/p/w1280"


def title_facts(title: catalog_pb2.Title) -> domain.TitleFacts:
    """What a hub needs of catalog's title."""
    return domain.TitleFacts(
        id=title.id,
        media_type=title.media_type,
        title=title.title,
        original_title=title.original_title,
        original_language=title.original_language,
        year=title.year,
        release_date=title.release_date,
        status=title.status,
        overview=title.overview,
        tagline=title.tagline,
        runtime=title.runtime,
        genres=tuple(title.genres),
        hashtags=tuple(tag.name for tag in sorted(title.hashtags, key=lambda tag: not tag.official)),
        poster_uri=_picture(title.images.posters, _TMDB_POSTER),
        backdrop_uri=_picture(title.images.backdrops, _TMDB_BACKDROP),
        vote_average=title.vote_average,
        vote_count=title.vote_count,
        popularity=title.popularity,
        studio_id=title.studio_id,
        state=STATES[title.state],
        embargo_lift_time=moment_in(title, "embargo_lift_time"),
        revision=title.revision,
        translations=tuple(_translation(text) for text in title.translations),
        releases=tuple(_release(release) for release in title.release_dates),
        certifications=tuple(
            domain.Release(region=rated.iso_3166_1, date="", certification=rated.certification)
            for rated in title.certifications
        ),
        cast=tuple(_cast_member(member) for member in title.credits.cast),
        official_accounts=tuple(_account(account) for account in title.official_accounts),
        offers=tuple(_offer(offer) for offer in title.watch_offers),
        attributions=tuple(domain.Attribution(url=source.url, licence=source.licence) for source in title.attributions),
    )


def _picture(images: Iterable[catalog_pb2.Image], prefix: str) -> str:
    path = next((image.file_path for image in images if image.file_path), "")
    return prefix + path if path.startswith("/") else path


def _translation(text: catalog_pb2.Translation) -> domain.Translation:
    return domain.Translation(
        language=text.iso_639_1,
        region=text.iso_3166_1,
        title=text.title,
        overview=text.overview,
        tagline=text.tagline,
    )


def _release(release: catalog_pb2.ReleaseDate) -> domain.Release:
    return domain.Release(region=release.iso_3166_1, date=release.release_date, certification=release.certification)


def _cast_member(member: catalog_pb2.CastMember) -> domain.CastMember:
    return domain.CastMember(id=member.id, name=member.name, character=member.character, order=member.order)


def _account(account: catalog_pb2.OfficialAccount) -> domain.OfficialAccount:
    return domain.OfficialAccount(
        platform=account.platform,
        username=account.username,
        url=account.url,
        is_verified=account.is_verified,
    )


def _offer(offer: catalog_pb2.WatchOffer) -> domain.Offer:
    return domain.Offer(
        id=offer.id,
        provider_id=offer.provider_id,
        provider_name=offer.provider_name,
        offer_type=offer.offer_type,
        region=offer.iso_3166_1,
        start_time=moment_in(offer, "availability_start_time"),
        end_time=moment_in(offer, "availability_end_time"),
        price=offer.price,
        currency=offer.currency,
        format_profile=offer.format_profile,
        web_url=offer.links.web_url,
        ios_url=offer.links.ios_url,
        android_url=offer.links.android_url,
        display_priority=offer.display_priority,
        source=offer.source,
        as_of_time=moment_in(offer, "as_of_time"),
    )


def fan_video(entry: matcher_pb2.TitleVideo) -> domain.FanVideo:
    """A matched video without anything about its creator's standing."""
    video = entry.video
    created = Timestamp(seconds=video.create_time) if video.create_time else None
    return domain.FanVideo(
        video_id=video.id,
        creator_id=video.creator.id,
        creator_username=video.creator.username,
        is_creator_verified=video.creator.is_verified,
        video_description=video.video_description,
        duration=video.duration,
        view_count=video.view_count,
        like_count=video.like_count,
        create_time=moment_of(created) if created else None,
    )


def hub_campaign(campaign: campaign_pb2.Campaign) -> domain.HubCampaign:
    """A running campaign without its rules and stocks."""
    return domain.HubCampaign(
        campaign_id=campaign.id,
        title=campaign.display_name,
        description=campaign.description,
        rewards=tuple(reward.display_name for reward in campaign.rewards),
        start_time=moment_in(campaign, "start_time"),
        end_time=moment_in(campaign, "end_time"),
    )


def hub_counts(
    report: report_pb2.GetTitleReportResponse, trending: report_pb2.ListTrendingTitlesResponse
) -> domain.HubCounts:
    """How a title's fandom moves; suppressed numbers stay 0."""
    totals = {tally.event_type: tally.event_count for tally in report.totals if not tally.is_suppressed}
    rank = next((title.position for title in trending.titles if title.title_id == report.title_id), 0)
    return domain.HubCounts(
        hub_view_count=totals.get(event_pb2.EVENT_TYPE_HUB_VIEW, 0),
        anchor_click_count=totals.get(event_pb2.EVENT_TYPE_ANCHOR_CLICK, 0),
        trending_rank=rank,
        as_of_time=moment_in(report, "as_of_time"),
    )


def hub_message(hub: domain.Hub) -> hub_pb2.Hub:
    """A hub as the wire carries it."""
    return hub_pb2.Hub(
        title=hub_title_message(hub.title),
        cast=[_cast_message(member) for member in hub.cast],
        official_accounts=[_account_message(account) for account in hub.official_accounts],
        offers=[_offer_message(offer) for offer in hub.offers],
        offers_of_unstated_region=[_offer_message(offer) for offer in hub.offers_of_unstated_region],
        fan_videos=[_fan_video_message(video) for video in hub.fan_videos],
        campaigns=[_campaign_message(campaign) for campaign in hub.campaigns],
        counts=_counts_message(hub.counts) if hub.counts else None,
        unreachable=[_PANELS[panel] for panel in hub.unreachable],
        region=hub.region,
        fallback_region=hub.fallback_region,
        language=hub.language,
        revision=hub.revision,
        as_of_time=timestamp(hub.as_of_time),
        at=timestamp(hub.at),
        attributions=[catalog_pb2.Attribution(url=source.url, licence=source.licence) for source in hub.attributions],
    )


def parse_hub(data: bytes) -> hub_pb2.Hub:
    """A kept hub."""
    return hub_pb2.Hub.FromString(data)


def hub_schema() -> bytes:
    """What a kept hub's bytes depend on."""
    return hub_pb2.DESCRIPTOR.serialized_pb


def without_times(hub: hub_pb2.Hub) -> hub_pb2.Hub:
    """What a hub shows, without when it was put together."""
    content = hub_pb2.Hub()
    content.CopyFrom(hub)
    content.ClearField("as_of_time")
    content.ClearField("at")
    if content.HasField("counts"):
        content.counts.ClearField("as_of_time")
    return content


def hub_title_message(title: domain.HubTitle) -> hub_pb2.HubTitle:
    """The public part of a title."""
    return hub_pb2.HubTitle(
        id=title.id,
        media_type=catalog_pb2.MediaType.ValueType(title.media_type),
        title=title.title,
        original_title=title.original_title,
        original_language=title.original_language,
        year=title.year,
        release_date=title.release_date,
        regional_release_date=title.regional_release_date,
        certification=title.certification,
        status=title.status,
        overview=title.overview,
        tagline=title.tagline,
        runtime=title.runtime,
        genres=title.genres,
        hashtags=title.hashtags,
        poster_uri=title.poster_uri,
        backdrop_uri=title.backdrop_uri,
        vote_average=title.vote_average,
        vote_count=title.vote_count,
        popularity=title.popularity,
    )


def _cast_message(member: domain.CastMember) -> catalog_pb2.CastMember:
    return catalog_pb2.CastMember(id=member.id, name=member.name, character=member.character, order=member.order)


def _account_message(account: domain.OfficialAccount) -> catalog_pb2.OfficialAccount:
    return catalog_pb2.OfficialAccount(
        platform=account.platform,
        username=account.username,
        url=account.url,
        is_verified=account.is_verified,
    )


def _offer_message(offer: domain.Offer) -> catalog_pb2.WatchOffer:
    return catalog_pb2.WatchOffer(
        id=offer.id,
        provider_id=offer.provider_id,
        provider_name=offer.provider_name,
        offer_type=catalog_pb2.OfferType.ValueType(offer.offer_type),
        iso_3166_1=offer.region,
        availability_start_time=timestamp(offer.start_time),
        availability_end_time=timestamp(offer.end_time),
        price=offer.price,
        currency=offer.currency,
        format_profile=offer.format_profile,
        links=catalog_pb2.OfferLinks(web_url=offer.web_url, ios_url=offer.ios_url, android_url=offer.android_url),
        display_priority=offer.display_priority,
        source=offer.source,
        as_of_time=timestamp(offer.as_of_time),
    )


def _fan_video_message(video: domain.FanVideo) -> hub_pb2.FanVideo:
    return hub_pb2.FanVideo(
        video_id=video.video_id,
        creator_id=video.creator_id,
        creator_username=video.creator_username,
        is_creator_verified=video.is_creator_verified,
        video_description=video.video_description,
        duration=video.duration,
        view_count=video.view_count,
        like_count=video.like_count,
        create_time=timestamp(video.create_time),
    )


def _campaign_message(campaign: domain.HubCampaign) -> hub_pb2.HubCampaign:
    return hub_pb2.HubCampaign(
        campaign_id=campaign.campaign_id,
        title=campaign.title,
        description=campaign.description,
        rewards=campaign.rewards,
        start_time=timestamp(campaign.start_time),
        end_time=timestamp(campaign.end_time),
    )


def _counts_message(counts: domain.HubCounts) -> hub_pb2.HubCounts:
    return hub_pb2.HubCounts(
        hub_view_count=counts.hub_view_count,
        anchor_click_count=counts.anchor_click_count,
        trending_rank=counts.trending_rank,
        as_of_time=timestamp(counts.as_of_time),
    )
