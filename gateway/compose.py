"""Puts a hub together from what catalog and the other services said: pure, no I/O."""

from collections.abc import Iterable
from datetime import datetime

from gateway.domain import (
    Hub,
    HubKey,
    HubTitle,
    Panel,
    Panels,
    TitleEmbargoed,
    TitleFacts,
    TitleNotFound,
    TitleState,
    TitleWithdrawn,
    Translation,
)
from gateway.locales import DEFAULT_LANGUAGE, primary_language, region_of_language
from gateway.offers import shown_offers

CAST_MAX = 20
HASHTAGS_MAX = 20


def refuse_hidden(title: TitleFacts, at: datetime) -> None:
    """A title that is deleted, withdrawn or embargoed at `at` has no hub."""
    if title.state is TitleState.DELETED:
        raise TitleNotFound
    if title.state is TitleState.WITHDRAWN:
        raise TitleWithdrawn
    if title.embargo_lift_time is not None and at < title.embargo_lift_time:
        raise TitleEmbargoed(metadata={"embargo_lift_time": title.embargo_lift_time.isoformat()})


def compose(*, key: HubKey, title: TitleFacts, panels: Panels, at: datetime, now: datetime) -> Hub:
    """The hub of a title that may be shown: a title has to be visible both at `at` and now."""
    refuse_hidden(title, now)
    refuse_hidden(title, at)
    offers = shown_offers(title.offers, region=key.region, at=at)
    texts = translation_for(title, key)
    campaigns = panels.campaigns or ()
    ends = [offers.valid_until, *(campaign.end_time for campaign in campaigns)]
    return Hub(
        title=hub_title(title, key, texts),
        cast=tuple(sorted(title.cast, key=lambda member: member.order)[:CAST_MAX]),
        official_accounts=title.official_accounts,
        offers=offers.offers,
        offers_of_unstated_region=offers.unstated,
        fan_videos=panels.fan_videos or (),
        campaigns=campaigns,
        counts=panels.counts,
        attributions=title.attributions,
        unreachable=unreachable(panels),
        region=key.region,
        fallback_region=offers.fallback_region,
        language=texts.language if texts else DEFAULT_LANGUAGE,
        revision=title.revision,
        as_of_time=now,
        at=at,
        valid_until=_earliest(ends, after=at),
    )


def unreachable(panels: Panels) -> tuple[Panel, ...]:
    """The panels that could not be had, in the order of the page."""
    answers = (
        (Panel.FAN_VIDEOS, panels.fan_videos),
        (Panel.COUNTS, panels.counts),
        (Panel.CAMPAIGNS, panels.campaigns),
    )
    return tuple(panel for panel, answer in answers if answer is None)


def hub_title(title: TitleFacts, key: HubKey, texts: Translation | None) -> HubTitle:
    """The title in the language of a translation, each text falling back by itself."""
    release = min(
        (release for release in title.releases if release.region == key.region and release.date),
        key=lambda release: release.date,
        default=None,
    )
    certifications = (*title.certifications, *title.releases)
    return HubTitle(
        id=title.id,
        media_type=title.media_type,
        title=(texts.title if texts else "") or title.title,
        original_title=title.original_title,
        original_language=title.original_language,
        year=title.year,
        release_date=title.release_date,
        regional_release_date=release.date if release else "",
        certification=next(
            (rated.certification for rated in certifications if rated.region == key.region and rated.certification),
            "",
        ),
        status=title.status,
        overview=(texts.overview if texts else "") or title.overview,
        tagline=(texts.tagline if texts else "") or title.tagline,
        runtime=title.runtime,
        genres=title.genres,
        hashtags=title.hashtags[:HASHTAGS_MAX],
        poster_uri=title.poster_uri,
        backdrop_uri=title.backdrop_uri,
        vote_average=title.vote_average,
        vote_count=title.vote_count,
        popularity=title.popularity,
    )


def translation_for(title: TitleFacts, key: HubKey) -> Translation | None:
    """The translation nearest to the wish: same language and region, else the same language."""
    wanted = primary_language(key.language)
    spoken = [text for text in title.translations if primary_language(text.language) == wanted]
    region = region_of_language(key.language) or key.region
    return min(spoken, key=lambda text: (text.region != region, text.region != "", text.region), default=None)


def _earliest(moments: Iterable[datetime | None], *, after: datetime) -> datetime | None:
    return min((moment for moment in moments if moment is not None and moment > after), default=None)
