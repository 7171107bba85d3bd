"""The parts of a title between the proto and ours."""

from typing import Any

from chassis.timestamps import moment_in, timestamp
from protos.catalog.v1 import catalog_pb2 as pb
from services.catalog import title as ours
from services.catalog.wire import enums

_NO_LINKS = ours.OfferLinks()


def certification_to(part: ours.Certification) -> pb.Certification:
    return pb.Certification(
        iso_3166_1=part.iso_3166_1,
        certification=part.certification,
    )


def certification_from(part: pb.Certification) -> ours.Certification:
    return ours.Certification(
        iso_3166_1=part.iso_3166_1,
        certification=part.certification,
    )


def alternative_title_to(part: ours.AlternativeTitle) -> pb.AlternativeTitle:
    return pb.AlternativeTitle(
        iso_3166_1=part.iso_3166_1,
        iso_639_1=part.iso_639_1,
        title=part.title,
        type=part.type,
    )


def alternative_title_from(part: pb.AlternativeTitle) -> ours.AlternativeTitle:
    return ours.AlternativeTitle(
        iso_3166_1=part.iso_3166_1,
        iso_639_1=part.iso_639_1,
        title=part.title,
        type=part.type,
    )


def translation_to(part: ours.Translation) -> pb.Translation:
    return pb.Translation(
        iso_3166_1=part.iso_3166_1,
        iso_639_1=part.iso_639_1,
        title=part.title,
        overview=part.overview,
        tagline=part.tagline,
        homepage=part.homepage,
    )


def translation_from(part: pb.Translation) -> ours.Translation:
    return ours.Translation(
        iso_3166_1=part.iso_3166_1,
        iso_639_1=part.iso_639_1,
        title=part.title,
        overview=part.overview,
        tagline=part.tagline,
        homepage=part.homepage,
    )


def release_date_to(part: ours.ReleaseDate) -> pb.ReleaseDate:
    return pb.ReleaseDate(
        iso_3166_1=part.iso_3166_1,
        type=number(part.type),
        release_date=part.release_date,
        certification=part.certification,
        note=part.note,
    )


def release_date_from(part: pb.ReleaseDate) -> ours.ReleaseDate:
    return ours.ReleaseDate(
        iso_3166_1=part.iso_3166_1,
        type=ours.ReleaseType(part.type),
        release_date=part.release_date,
        certification=part.certification,
        note=part.note,
    )


def credits_to(part: ours.Credits) -> pb.Credits:
    return pb.Credits(
        cast=map(cast_member_to, part.cast),
        crew=map(crew_member_to, part.crew),
    )


def credits_from(part: pb.Credits) -> ours.Credits:
    return ours.Credits(
        cast=tuple(map(cast_member_from, part.cast)),
        crew=tuple(map(crew_member_from, part.crew)),
    )


def cast_member_to(part: ours.CastMember) -> pb.CastMember:
    return pb.CastMember(
        id=part.id,
        name=part.name,
        character=part.character,
        order=part.order,
    )


def cast_member_from(part: pb.CastMember) -> ours.CastMember:
    return ours.CastMember(
        id=part.id,
        name=part.name,
        character=part.character,
        order=part.order,
    )


def crew_member_to(part: ours.CrewMember) -> pb.CrewMember:
    return pb.CrewMember(
        id=part.id,
        name=part.name,
        department=part.department,
        job=part.job,
    )


def crew_member_from(part: pb.CrewMember) -> ours.CrewMember:
    return ours.CrewMember(
        id=part.id,
        name=part.name,
        department=part.department,
        job=part.job,
    )


def collection_to(part: ours.Collection) -> pb.Collection:
    return pb.Collection(
        id=part.id,
        name=part.name,
    )


def collection_from(part: pb.Collection) -> ours.Collection:
    return ours.Collection(
        id=part.id,
        name=part.name,
    )


def images_to(part: ours.Images) -> pb.Images:
    return pb.Images(
        posters=map(image_to, part.posters),
        backdrops=map(image_to, part.backdrops),
        logos=map(image_to, part.logos),
        stills=map(image_to, part.stills),
    )


def images_from(part: pb.Images) -> ours.Images:
    return ours.Images(
        posters=tuple(map(image_from, part.posters)),
        backdrops=tuple(map(image_from, part.backdrops)),
        logos=tuple(map(image_from, part.logos)),
        stills=tuple(map(image_from, part.stills)),
    )


def image_to(part: ours.Image) -> pb.Image:
    return pb.Image(
        file_path=part.file_path,
        width=part.width,
        height=part.height,
        iso_639_1=part.iso_639_1,
    )


def image_from(part: pb.Image) -> ours.Image:
    return ours.Image(
        file_path=part.file_path,
        width=part.width,
        height=part.height,
        iso_639_1=part.iso_639_1,
    )


def external_ids_to(part: ours.ExternalIds) -> pb.ExternalIds:
    return pb.ExternalIds(
        imdb_id=part.imdb_id,
        tmdb_id=part.tmdb_id,
        tvdb_id=part.tvdb_id,
        wikidata_id=part.wikidata_id,
        eidr_id=part.eidr_id,
        justwatch_id=part.justwatch_id,
        facebook_id=part.facebook_id,
        instagram_id=part.instagram_id,
        twitter_id=part.twitter_id,
        tvmaze_id=part.tvmaze_id,
        others={other.registry: other.value for other in part.others},
    )


def external_ids_from(part: pb.ExternalIds) -> ours.ExternalIds:
    return ours.ExternalIds(
        imdb_id=part.imdb_id,
        tmdb_id=part.tmdb_id,
        tvdb_id=part.tvdb_id,
        wikidata_id=part.wikidata_id,
        eidr_id=part.eidr_id,
        justwatch_id=part.justwatch_id,
        facebook_id=part.facebook_id,
        instagram_id=part.instagram_id,
        twitter_id=part.twitter_id,
        tvmaze_id=part.tvmaze_id,
        others=tuple(ours.OtherId(registry=key, value=part.others[key]) for key in sorted(part.others)),
    )


def official_account_to(part: ours.OfficialAccount) -> pb.OfficialAccount:
    return pb.OfficialAccount(
        platform=part.platform,
        username=part.username,
        url=part.url,
        is_verified=part.is_verified,
    )


def official_account_from(part: pb.OfficialAccount) -> ours.OfficialAccount:
    return ours.OfficialAccount(
        platform=part.platform,
        username=part.username,
        url=part.url,
        is_verified=part.is_verified,
    )


def hashtag_to(part: ours.Hashtag) -> pb.Hashtag:
    return pb.Hashtag(
        name=part.name,
        ambiguity=number(enums.AMBIGUITY_CLASS_NUMBERS[part.ambiguity]),
        official=part.official,
    )


def hashtag_from(part: pb.Hashtag) -> ours.Hashtag:
    return ours.Hashtag(
        name=part.name,
        ambiguity=enums.AMBIGUITY_CLASSES[part.ambiguity],
        official=part.official,
    )


def attribution_to(part: ours.Attribution) -> pb.Attribution:
    return pb.Attribution(
        url=part.url,
        licence=part.licence,
    )


def attribution_from(part: pb.Attribution) -> ours.Attribution:
    return ours.Attribution(
        url=part.url,
        licence=part.licence,
    )


def watch_offer_to(part: ours.WatchOffer) -> pb.WatchOffer:
    return pb.WatchOffer(
        id=part.id,
        provider_id=part.provider_id,
        provider_name=part.provider_name,
        offer_type=number(enums.OFFER_TYPE_NUMBERS[part.offer_type]),
        iso_3166_1=part.iso_3166_1,
        availability_start_time=timestamp(part.availability_start_time),
        availability_end_time=timestamp(part.availability_end_time),
        price=part.price,
        currency=part.currency,
        format_profile=part.format_profile,
        links=offer_links_to(part.links) if part.links != _NO_LINKS else None,
        display_priority=part.display_priority,
        source=part.source,
        as_of_time=timestamp(part.as_of_time),
    )


def watch_offer_from(part: pb.WatchOffer) -> ours.WatchOffer:
    return ours.WatchOffer(
        id=part.id,
        provider_id=part.provider_id,
        provider_name=part.provider_name,
        offer_type=enums.OFFER_TYPES[part.offer_type],
        iso_3166_1=part.iso_3166_1,
        availability_start_time=moment_in(part, "availability_start_time"),
        availability_end_time=moment_in(part, "availability_end_time"),
        price=part.price,
        currency=part.currency,
        format_profile=part.format_profile,
        links=offer_links_from(part.links) if part.HasField("links") else _NO_LINKS,
        display_priority=part.display_priority,
        source=part.source,
        as_of_time=moment_in(part, "as_of_time"),
    )


def offer_links_to(part: ours.OfferLinks) -> pb.OfferLinks:
    return pb.OfferLinks(
        web_url=part.web_url,
        ios_url=part.ios_url,
        android_url=part.android_url,
    )


def offer_links_from(part: pb.OfferLinks) -> ours.OfferLinks:
    return ours.OfferLinks(
        web_url=part.web_url,
        ios_url=part.ios_url,
        android_url=part.android_url,
    )


def number(value: int) -> Any:
    """The stubs want an enum's own type, the runtime wants its number."""
    return value
