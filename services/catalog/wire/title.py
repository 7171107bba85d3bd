"""The title between the proto and ours."""

from chassis.timestamps import moment_in, timestamp
from protos.catalog.v1 import catalog_pb2 as pb
from services.catalog import title as ours
from services.catalog.wire import enums, parts

_NO_CREDITS = ours.Credits()
_NO_COLLECTION = ours.Collection()
_NO_IMAGES = ours.Images()
_NO_EXTERNAL_IDS = ours.ExternalIds()


def title_to(title: ours.Title) -> pb.Title:
    return pb.Title(
        id=title.id,
        media_type=parts.number(enums.MEDIA_TYPE_NUMBERS[title.media_type]),
        title=title.title,
        original_title=title.original_title,
        original_language=title.original_language,
        year=title.year,
        release_date=title.release_date,
        status=title.status,
        overview=title.overview,
        tagline=title.tagline,
        runtime=title.runtime,
        genres=title.genres,
        keywords=title.keywords,
        certifications=map(parts.certification_to, title.certifications),
        alternative_titles=map(parts.alternative_title_to, title.alternative_titles),
        translations=map(parts.translation_to, title.translations),
        release_dates=map(parts.release_date_to, title.release_dates),
        credits=parts.credits_to(title.credits) if title.credits != _NO_CREDITS else None,
        belongs_to_collection=parts.collection_to(title.belongs_to_collection)
        if title.belongs_to_collection != _NO_COLLECTION
        else None,
        images=parts.images_to(title.images) if title.images != _NO_IMAGES else None,
        external_ids=parts.external_ids_to(title.external_ids) if title.external_ids != _NO_EXTERNAL_IDS else None,
        official_accounts=map(parts.official_account_to, title.official_accounts),
        hashtags=map(parts.hashtag_to, title.hashtags),
        popularity=title.popularity,
        vote_count=title.vote_count,
        studio_id=title.studio_id,
        embargo_lift_time=timestamp(title.embargo_lift_time),
        state=parts.number(enums.TITLE_STATE_NUMBERS[title.state]),
        revision=title.revision,
        etag=title.etag,
        create_time=timestamp(title.create_time),
        update_time=timestamp(title.update_time),
        watch_offers=map(parts.watch_offer_to, title.watch_offers),
        parent_id=title.parent_id,
        season_number=title.season_number,
        episode_number=title.episode_number,
        end_year=title.end_year,
        networks=title.networks,
        production_companies=title.production_companies,
        origin_countries=title.origin_countries,
        homepage=title.homepage,
        characters=title.characters,
        vote_average=title.vote_average,
        attributions=map(parts.attribution_to, title.attributions),
    )


def title_from(title: pb.Title) -> ours.Title:
    return ours.Title(
        id=title.id,
        media_type=enums.MEDIA_TYPES[title.media_type],
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
        keywords=tuple(title.keywords),
        certifications=tuple(map(parts.certification_from, title.certifications)),
        alternative_titles=tuple(map(parts.alternative_title_from, title.alternative_titles)),
        translations=tuple(map(parts.translation_from, title.translations)),
        release_dates=tuple(map(parts.release_date_from, title.release_dates)),
        credits=parts.credits_from(title.credits) if title.HasField("credits") else _NO_CREDITS,
        belongs_to_collection=parts.collection_from(title.belongs_to_collection)
        if title.HasField("belongs_to_collection")
        else _NO_COLLECTION,
        images=parts.images_from(title.images) if title.HasField("images") else _NO_IMAGES,
        external_ids=parts.external_ids_from(title.external_ids)
        if title.HasField("external_ids")
        else _NO_EXTERNAL_IDS,
        official_accounts=tuple(map(parts.official_account_from, title.official_accounts)),
        hashtags=tuple(map(parts.hashtag_from, title.hashtags)),
        popularity=title.popularity,
        vote_count=title.vote_count,
        studio_id=title.studio_id,
        embargo_lift_time=moment_in(title, "embargo_lift_time"),
        state=enums.TITLE_STATES[title.state],
        revision=title.revision,
        etag=title.etag,
        create_time=moment_in(title, "create_time"),
        update_time=moment_in(title, "update_time"),
        watch_offers=tuple(map(parts.watch_offer_from, title.watch_offers)),
        parent_id=title.parent_id,
        season_number=title.season_number,
        episode_number=title.episode_number,
        end_year=title.end_year,
        networks=tuple(title.networks),
        production_companies=tuple(title.production_companies),
        origin_countries=tuple(title.origin_countries),
        homepage=title.homepage,
        characters=tuple(title.characters),
        vote_average=title.vote_average,
        attributions=tuple(map(parts.attribution_from, title.attributions)),
    )


def present_fields(title: pb.Title) -> frozenset[str]:
    """The names of the fields the sender set."""
    return frozenset(descriptor.name for descriptor, _ in title.ListFields())
