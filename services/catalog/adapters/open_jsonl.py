"""The catalog JSONL of `data/catalog`: one film or show a line, facts merged from open sources.

What the file does not say stays unsaid: an offer without a region has none, a popularity that is unknown is 0.
`score` is the logarithm to base 10 of a popularity, which we keep unlogged. A title's studio is its network;
a title without one belongs to the sample's own studio.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.catalog.adapters.providers import offer_at, offer_of
from services.catalog.adapters.reading import (
    RowUnreadable,
    day,
    long_text,
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
    Attribution,
    CastMember,
    Collection,
    Credits,
    CrewMember,
    ExternalIds,
    Hashtag,
    Image,
    Images,
    MediaType,
    OfficialAccount,
    OtherId,
    Title,
    WatchOffer,
)

SAMPLE_STUDIO_ID = "studio:open-catalog"
NETFLIX_TOP10_SOURCE = "Netflix Top 10"
SITE_SOURCE = "official site"

ID_CHARACTERS_MAX = 128

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9:_.-]")
_LANGUAGES = {
    "English": "en", "Japanese": "ja", "Dutch": "nl", "Spanish": "es", "Korean": "ko", "German": "de",
    "Portuguese": "pt", "French": "fr", "Danish": "da", "Welsh": "cy", "Hebrew": "he", "Swedish": "sv",
    "Thai": "th", "Chinese": "zh", "cn": "zh",
}  # fmt: skip
_OUR_IDS = {"imdb": "imdb_id", "tmdb": "tmdb_id", "tvdb": "tvdb_id", "wikidata": "wikidata_id",
            "justwatch": "justwatch_id", "tvmaze": "tvmaze_id"}  # fmt: skip
_ACCOUNT_URLS = {
    "facebook": "https://www.facebook.com/", "instagram": "https://www.instagram.com/", "x": "https://x.com/",
    "youtube": "https://www.youtube.com/@", "tiktok": "https://www.tiktok.com/@",
}  # fmt: skip


def title_of(row: Mapping[str, Any]) -> Title:
    """The title of a row; raises RowUnreadable when it is not one."""
    if not text(row.get("id")) or not text(row.get("title")):
        raise RowUnreadable("a row needs id and title")
    if row.get("kind") not in (MediaType.MOVIE, MediaType.TV):
        raise RowUnreadable("kind is movie or tv")
    networks = texts([part.strip() for part in text(row.get("network")).split(",")])
    return Title(
        id=id_of(text(row["id"])),
        media_type=MediaType(row["kind"]),
        title=text(row["title"]),
        original_title=text(row.get("original_title")),
        original_language=_language(row.get("language")),
        year=whole(row.get("year"), 2200),
        end_year=_end_year(row),
        release_date=day(row.get("release_date")),
        overview=long_text(row.get("overview")),
        genres=texts(row.get("genres")),
        keywords=texts(_keywords(row)),
        alternative_titles=tuple(_alternatives(row.get("akas"))),
        credits=Credits(cast=tuple(_cast(row.get("cast"))), crew=_directors(row.get("directors"))),
        characters=texts(row.get("characters")),
        belongs_to_collection=_collection(row.get("franchise")),
        images=Images(posters=_posters(row.get("poster"))),
        external_ids=_ids(row.get("ids"), text(row["id"])),
        official_accounts=tuple(_accounts(row.get("social"))),
        hashtags=_hashtags(row),
        popularity=_popularity(row),
        vote_count=whole(within(row, "pop", "imdb_votes") or within(row, "pop", "tmdb_votes")),
        vote_average=real(within(row, "pop", "imdb_rating"), 10.0),
        studio_id=f"network:{slug(networks[0])}" if networks else SAMPLE_STUDIO_ID,
        networks=networks,
        origin_countries=tuple(each for each in texts(row.get("countries")) if len(each) == 2 and each.isupper()),  # noqa: PLR2004 - alpha-2
        homepage=url(row.get("site")),
        watch_offers=_offers(row),
        attributions=_attributions(row),
    )


def id_of(name: str) -> str:
    """A source's id in the letters ours have: others become _ and their UTF-8 in hexadecimal digits."""
    return _NOT_IN_IDS.sub(lambda found: f"_{found.group().encode().hex()}", name)[:ID_CHARACTERS_MAX]


def _language(value: Any) -> str:
    name = text(value)
    return _LANGUAGES.get(name, name if 2 <= len(name) <= 3 and name.islower() and name.isascii() else "")  # noqa: PLR2004 - ISO 639


def _end_year(row: Mapping[str, Any]) -> int:
    """An end before the beginning is a mistake of the source, and left out."""
    end_year = whole(row.get("end_year"), 2200)
    return end_year if end_year >= whole(row.get("year"), 2200) else 0


def _keywords(row: Mapping[str, Any]) -> list[Any]:
    keywords = row.get("keywords")
    return [*(keywords if isinstance(keywords, list) else []), *(["anime"] if row.get("anime") is True else [])]


def _alternatives(akas: Any) -> Iterator[AlternativeTitle]:
    """Given as ["name"], ["name", "ko"] or {"title": "name", "lang": "ko"}."""
    for aka in akas if isinstance(akas, list) else ():
        if isinstance(aka, dict):
            name, language = text(aka.get("title")), aka.get("lang")
        else:
            parts = aka if isinstance(aka, list) else [aka]
            name, language = text(parts[0]) if parts else "", parts[1] if len(parts) > 1 else ""
        if name:
            yield AlternativeTitle(title=name, iso_639_1=_language(language))


def _cast(cast: Any) -> Iterator[CastMember]:
    for order, member in enumerate(cast if isinstance(cast, list) else ()):
        parts = member if isinstance(member, list) else [member]
        if parts and text(parts[0]):
            character = text(parts[1]) if len(parts) > 1 else ""
            yield CastMember(name=text(parts[0], 300), character=character, order=order)


def _directors(names: Any) -> tuple[CrewMember, ...]:
    return tuple(CrewMember(name=name, department="Directing", job="Director") for name in texts(names))


def _collection(franchise: Any) -> Collection:
    if isinstance(franchise, dict):
        return Collection(id=text(franchise.get("tmdb_collection")), name=text(franchise.get("name")))
    return Collection(name=text(franchise))


def _posters(path: Any) -> tuple[Image, ...]:
    found = text(path, 2000)
    return (Image(file_path=found),) if found else ()


def _ids(ids: Any, source_id: str) -> ExternalIds:
    """An id that could not be kept as it was stays known as source_id."""
    given = {text(name): text(value, 300) for name, value in ids.items()} if isinstance(ids, dict) else {}
    if id_of(source_id) != source_id:
        given["source_id"] = source_id
    ours: dict[str, Any] = {_OUR_IDS[name]: value for name, value in given.items() if name in _OUR_IDS and value}
    others = tuple(
        OtherId(registry=name, value=value) for name, value in sorted(given.items()) if name not in _OUR_IDS and value
    )
    return replace(ExternalIds(others=others), **ours)


def _accounts(social: Any) -> Iterator[OfficialAccount]:
    """Given as ["facebook", "DuneMovie"]. That an account is official is the source's word; verified we do not know."""
    for each in social if isinstance(social, list) else ():
        if isinstance(each, list) and len(each) == 2 and text(each[0]) and text(each[1]):  # noqa: PLR2004 - a pair
            platform, username = text(each[0], 50).lower(), text(each[1], 200)
            base = _ACCOUNT_URLS.get(platform)
            yield OfficialAccount(platform=platform, username=username, url=f"{base}{username}" if base else "")


def _hashtags(row: Mapping[str, Any]) -> tuple[Hashtag, ...]:
    """Tags with a picture of their own ("hashflags") are bought by the title's owner, so they are official."""
    official = "hashflag" in text(within(row, "src", "hashtags"))
    names = ("".join(name.replace("#", " ").split()) for name in texts(row.get("hashtags")))
    return tuple(Hashtag(name=name, official=official) for name in dict.fromkeys(names) if name)


def _popularity(row: Mapping[str, Any]) -> float:
    """10 to the score; unknown where there is none: weeks in a Top 10 are another measure."""
    score = row.get("score")
    if isinstance(score, int | float) and not isinstance(score, bool):
        return round(math.pow(10.0, min(real(score), 12.0)), 2)
    return 0.0


def _offers(row: Mapping[str, Any]) -> tuple[WatchOffer, ...]:
    """One offer for each provider, type and region: with the page of one source and the date of another."""
    found: dict[tuple[str, str, str], WatchOffer] = {}
    for offer in _said_offers(row):
        key = (offer.provider_id, offer.offer_type.value, offer.iso_3166_1)
        known = found.get(key, offer)
        dated = offer if offer.as_of_time else known
        paged = offer if offer.links.web_url else known
        found[key] = replace(dated, links=paged.links)
    return tuple(found.values())


def _said_offers(row: Mapping[str, Any]) -> Iterator[WatchOffer]:
    source = text(within(row, "src", "providers")) or "providers"
    for named in texts(row.get("providers")):
        if (offer := offer_of(named, source)) is not None:
            yield offer
    if (last := day(within(row, "netflix_top10", "last"))) and (offer := offer_of("Netflix", NETFLIX_TOP10_SOURCE)):
        yield replace(offer, as_of_time=_midnight(last))
    if (offer := offer_at(url(row.get("site")), SITE_SOURCE)) is not None:
        yield offer


def _midnight(date: str) -> datetime | None:
    try:
        return datetime.fromisoformat(date).replace(tzinfo=UTC)
    except ValueError:
        return None


def _attributions(row: Mapping[str, Any]) -> tuple[Attribution, ...]:
    found = Attribution(url=url(row.get("source")), licence=text(row.get("licence"), 200))
    return (found,) if found != Attribution() else ()
