"""TMDB's movie and TV JSON: details with append_to_response of credits, alternative_titles, release_dates,
content_ratings, watch/providers, external_ids, keywords, translations and images.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from services.catalog.adapters.reading import (
    RowUnreadable,
    day,
    long_text,
    objects,
    real,
    slug,
    text,
    texts,
    url,
    whole,
    within,
)
from services.catalog.title import (
    AlternativeTitle,
    CastMember,
    Certification,
    Collection,
    Credits,
    CrewMember,
    ExternalIds,
    Image,
    Images,
    MediaType,
    OfferLinks,
    OfferType,
    ReleaseDate,
    ReleaseType,
    Title,
    Translation,
    WatchOffer,
)

SOURCE = "TMDB watch/providers (JustWatch)"
# A title may have 64 kB: what TMDB has thousands of is cut to what hubs and matching use.
CAST_MAX, CREW_MAX, IMAGES_MAX, TRANSLATED_OVERVIEW_CHARACTERS_MAX = 100, 40, 10, 300
_CREW_JOBS = ("Director", "Writer", "Screenplay", "Novel", "Creator", "Producer", "Original Music Composer")
_OFFERS = ("flatrate", "free", "ads", "rent", "buy")


def title_of(row: Mapping[str, Any]) -> Title:
    """The title of a details object; raises RowUnreadable when it is not one."""
    media_type = _media_type(row)
    is_movie = media_type is MediaType.MOVIE
    tmdb_id = text(row.get("id"))
    name = text(row.get("title" if is_movie else "name"))
    if not tmdb_id or not name:
        raise RowUnreadable("a details object needs id and title or name")
    ids = _ids(row, tmdb_id)
    released = day(row.get("release_date" if is_movie else "first_air_date"))
    networks = texts([each.get("name") for each in objects(row.get("networks"))])
    companies = texts([each.get("name") for each in objects(row.get("production_companies"))])
    return Title(
        id=f"{media_type}:{ids.imdb_id or f'tmdb{tmdb_id}'}",
        media_type=media_type,
        title=name,
        original_title=text(row.get("original_title" if is_movie else "original_name")),
        original_language=text(row.get("original_language"), 8).replace("cn", "zh"),
        year=int(released[:4]) if released else 0,
        end_year=_end_year(row),
        release_date=released,
        status=text(row.get("status"), 100),
        overview=long_text(row.get("overview")),
        tagline=text(row.get("tagline"), 1000),
        runtime=_runtime(row),
        genres=texts([each.get("name") for each in objects(row.get("genres"))]),
        keywords=texts([each.get("name") for each in objects(_list(row, "keywords", "keywords", "results"))], 200, 500),
        certifications=tuple(dict.fromkeys(_certifications(row))),
        alternative_titles=tuple(_alternatives(row)),
        translations=tuple(_translations(row)),
        release_dates=tuple(_release_dates(row)),
        credits=Credits(cast=tuple(_cast(row)), crew=tuple(_crew(row))),
        belongs_to_collection=_collection(row.get("belongs_to_collection")),
        images=_images(row),
        external_ids=ids,
        popularity=real(row.get("popularity")),
        vote_count=whole(row.get("vote_count")),
        vote_average=real(row.get("vote_average"), 10.0),
        studio_id=_studio_id(networks, companies),
        networks=networks,
        production_companies=companies,
        origin_countries=tuple(each for each in texts(row.get("origin_country")) if _is_region(each)),
        homepage=url(row.get("homepage")),
        watch_offers=tuple(_offers(row)),
    )


def _media_type(row: Mapping[str, Any]) -> MediaType:
    said = row.get("media_type")
    if said in (MediaType.MOVIE, MediaType.TV):
        return MediaType(said)
    if "title" in row or "release_date" in row:
        return MediaType.MOVIE
    if "name" in row or "first_air_date" in row:
        return MediaType.TV
    raise RowUnreadable("neither movie nor TV details")


def _ids(row: Mapping[str, Any], tmdb_id: str) -> ExternalIds:
    def of(name: str) -> str:
        return text(within(row, "external_ids", name), 128)

    return ExternalIds(
        imdb_id=of("imdb_id") or text(row.get("imdb_id"), 128),
        tmdb_id=tmdb_id,
        tvdb_id=of("tvdb_id"),
        wikidata_id=of("wikidata_id"),
        facebook_id=of("facebook_id"),
        instagram_id=of("instagram_id"),
        twitter_id=of("twitter_id"),
    )


def _end_year(row: Mapping[str, Any]) -> int:
    last = day(row.get("last_air_date"))
    return int(last[:4]) if last and row.get("status") in ("Ended", "Canceled") else 0


def _runtime(row: Mapping[str, Any]) -> int:
    episodes = row.get("episode_run_time")
    return whole(row.get("runtime") or (episodes[0] if isinstance(episodes, list) and episodes else 0), 100_000)


def _list(row: Mapping[str, Any], group: str, *names: str) -> Any:
    """TMDB names the same list otherwise for movies and shows."""
    return next((found for name in names if (found := within(row, group, name))), None)


def _certifications(row: Mapping[str, Any]) -> Iterator[Certification]:
    for release in _release_dates(row):
        if release.certification:
            yield Certification(iso_3166_1=release.iso_3166_1, certification=release.certification)
    for rating in objects(within(row, "content_ratings", "results")):
        if _is_region(rating.get("iso_3166_1")) and text(rating.get("rating")):
            yield Certification(iso_3166_1=rating["iso_3166_1"], certification=text(rating["rating"], 50))


def _alternatives(row: Mapping[str, Any]) -> Iterator[AlternativeTitle]:
    for each in objects(_list(row, "alternative_titles", "titles", "results")):
        if text(each.get("title")):
            yield AlternativeTitle(
                iso_3166_1=_region(each), title=text(each["title"]), type=text(each.get("type"), 100)
            )


def _translations(row: Mapping[str, Any]) -> Iterator[Translation]:
    for each in objects(within(row, "translations", "translations")):
        name = text(within(each, "data", "title") or within(each, "data", "name"))
        overview = long_text(within(each, "data", "overview"))
        if name or overview:
            yield Translation(
                iso_3166_1=_region(each),
                iso_639_1=text(each.get("iso_639_1"), 8),
                title=name,
                overview=overview[:TRANSLATED_OVERVIEW_CHARACTERS_MAX],
                tagline=text(within(each, "data", "tagline"), 200),
            )


def _release_dates(row: Mapping[str, Any]) -> Iterator[ReleaseDate]:
    for country in objects(within(row, "release_dates", "results")):
        for each in objects(country.get("release_dates")):
            number = whole(each.get("type"))
            yield ReleaseDate(
                iso_3166_1=_region(country),
                type=ReleaseType(number) if number in list(ReleaseType) else ReleaseType.UNSPECIFIED,
                release_date=day(each.get("release_date")),
                certification=text(each.get("certification"), 50),
                note=text(each.get("note"), 200),
            )


def _cast(row: Mapping[str, Any]) -> Iterator[CastMember]:
    members = list(objects(within(row, "credits", "cast")))
    for each in sorted(members, key=lambda member: whole(member.get("order")))[:CAST_MAX]:
        yield CastMember(
            id=text(each.get("id")),
            name=text(each.get("name"), 300),
            character=text(each.get("character")),
            order=whole(each.get("order"), 100_000),
        )


def _crew(row: Mapping[str, Any]) -> Iterator[CrewMember]:
    makers = [{**each, "department": "Creating", "job": "Creator"} for each in objects(row.get("created_by"))]
    members = [*makers, *objects(within(row, "credits", "crew"))]
    for each in [each for each in members if each.get("job") in _CREW_JOBS][:CREW_MAX]:
        yield CrewMember(
            id=text(each.get("id")),
            name=text(each.get("name"), 300),
            department=text(each.get("department"), 100),
            job=text(each.get("job"), 100),
        )


def _collection(value: Any) -> Collection:
    return Collection(id=text(within(value, "id")), name=text(within(value, "name")))


def _images(row: Mapping[str, Any]) -> Images:
    return Images(
        posters=_pictures(row, "posters", row.get("poster_path")),
        backdrops=_pictures(row, "backdrops", row.get("backdrop_path")),
        logos=_pictures(row, "logos", None),
        stills=_pictures(row, "stills", None),
    )


def _pictures(row: Mapping[str, Any], role: str, main: Any) -> tuple[Image, ...]:
    pictures = {text(main, 2000): Image(file_path=text(main, 2000))} if text(main) else {}
    for each in objects(within(row, "images", role)):
        path = text(each.get("file_path"), 2000)
        if path:
            pictures[path] = Image(
                file_path=path,
                width=whole(each.get("width"), 100_000),
                height=whole(each.get("height"), 100_000),
                iso_639_1=text(each.get("iso_639_1"), 8),
            )
    return tuple(pictures.values())[:IMAGES_MAX]


def _studio_id(networks: tuple[str, ...], companies: tuple[str, ...]) -> str:
    if networks:
        return f"network:{slug(networks[0])}"
    return f"studio:{slug(companies[0])}" if companies else ""


def _offers(row: Mapping[str, Any]) -> Iterator[WatchOffer]:
    countries = within(row, "watch/providers", "results")
    for region, country in sorted(countries.items()) if isinstance(countries, dict) else ():
        for kind in _OFFERS if _is_region(region) else ():
            for each in objects(within(country, kind)):
                if text(each.get("provider_id")) and text(each.get("provider_name")):
                    yield WatchOffer(
                        provider_id=f"tmdb:{text(each['provider_id'])}",
                        provider_name=text(each["provider_name"], 200),
                        offer_type=OfferType(kind),
                        iso_3166_1=region,
                        links=OfferLinks(web_url=url(within(country, "link"))),
                        display_priority=whole(each.get("display_priority"), 1_000_000),
                        source=SOURCE,
                    )


def _region(value: Mapping[str, Any]) -> str:
    found = value.get("iso_3166_1")
    return found if isinstance(found, str) and _is_region(found) else ""


def _is_region(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 2 and value.isascii() and value.isupper()  # noqa: PLR2004 - alpha-2
