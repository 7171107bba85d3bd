"""The title: one film, show, season, episode or event as a frozen value, with all its parts."""

import enum
from dataclasses import dataclass, field
from datetime import datetime

TITLE_BYTES_MAX = 65_536  # issue 2: titles <= 64 kB, measured on the wire


class MediaType(enum.StrEnum):
    UNSPECIFIED = ""
    MOVIE = "movie"
    TV = "tv"
    SEASON = "season"
    EPISODE = "episode"
    EVENT = "event"


class TitleState(enum.StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


class OfferType(enum.StrEnum):
    FLATRATE = "flatrate"
    FREE = "free"
    ADS = "ads"
    RENT = "rent"
    BUY = "buy"
    TICKET = "ticket"


class ReleaseType(enum.IntEnum):
    """TMDB's numbers."""

    UNSPECIFIED = 0
    PREMIERE = 1
    THEATRICAL_LIMITED = 2
    THEATRICAL = 3
    DIGITAL = 4
    PHYSICAL = 5
    TV = 6


class AmbiguityClass(enum.StrEnum):
    UNSPECIFIED = ""
    UNIQUE = "unique"
    HOMONYM = "homonym"
    COMMON_WORD = "common_word"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    iso_3166_1: str = ""
    certification: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeTitle:
    iso_3166_1: str = ""
    iso_639_1: str = ""
    title: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    iso_3166_1: str = ""
    iso_639_1: str = ""
    title: str = ""
    overview: str = ""
    tagline: str = ""
    homepage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDate:
    iso_3166_1: str = ""
    type: ReleaseType = ReleaseType.UNSPECIFIED
    release_date: str = ""
    certification: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember:
    id: str = ""
    name: str = ""
    character: str = ""
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewMember:
    id: str = ""
    name: str = ""
    department: str = ""
    job: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    cast: tuple[CastMember, ...] = ()
    crew: tuple[CrewMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    file_path: str = ""
    width: int = 0
    height: int = 0
    iso_639_1: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    posters: tuple[Image, ...] = ()
    backdrops: tuple[Image, ...] = ()
    logos: tuple[Image, ...] = ()
    stills: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherId:
    registry: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIds:
    imdb_id: str = ""
    tmdb_id: str = ""
    tvdb_id: str = ""
    wikidata_id: str = ""
    eidr_id: str = ""
    justwatch_id: str = ""
    facebook_id: str = ""
    instagram_id: str = ""
    twitter_id: str = ""
    tvmaze_id: str = ""
    others: tuple[OtherId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialAccount:
    platform: str = ""
    username: str = ""
    url: str = ""
    is_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashtag:
    name: str = ""
    ambiguity: AmbiguityClass = AmbiguityClass.UNSPECIFIED
    official: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    url: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLinks:
    web_url: str = ""
    ios_url: str = ""
    android_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOffer:
    """One way to watch, in one region, in the half-open window [start, end)."""

    id: str = ""
    provider_id: str
    provider_name: str
    offer_type: OfferType
    iso_3166_1: str = ""
    availability_start_time: datetime | None = None
    availability_end_time: datetime | None = None
    price: str = ""
    currency: str = ""
    format_profile: str = ""
    links: OfferLinks = OfferLinks()
    display_priority: int = 0
    source: str = ""
    as_of_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """All that is known of one title. `revision`, `etag` and the times are the store's to set."""

    id: str = ""
    media_type: MediaType = MediaType.UNSPECIFIED
    title: str = ""
    original_title: str = ""
    original_language: str = ""
    year: int = 0
    release_date: str = ""
    status: str = ""
    overview: str = ""
    tagline: str = ""
    runtime: int = 0
    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    certifications: tuple[Certification, ...] = ()
    alternative_titles: tuple[AlternativeTitle, ...] = ()
    translations: tuple[Translation, ...] = ()
    release_dates: tuple[ReleaseDate, ...] = ()
    credits: Credits = Credits()
    belongs_to_collection: Collection = Collection()
    images: Images = Images()
    external_ids: ExternalIds = ExternalIds()
    official_accounts: tuple[OfficialAccount, ...] = ()
    hashtags: tuple[Hashtag, ...] = ()
    popularity: float = 0.0
    vote_count: int = 0
    studio_id: str = ""
    embargo_lift_time: datetime | None = None
    state: TitleState = TitleState.ACTIVE
    watch_offers: tuple[WatchOffer, ...] = ()
    parent_id: str = ""
    season_number: int = 0
    episode_number: int = 0
    end_year: int = 0
    networks: tuple[str, ...] = ()
    production_companies: tuple[str, ...] = ()
    origin_countries: tuple[str, ...] = ()
    homepage: str = ""
    characters: tuple[str, ...] = ()
    vote_average: float = 0.0
    attributions: tuple[Attribution, ...] = ()
    revision: int = field(default=0, metadata={"stored": "envelope"})
    etag: str = field(default="", metadata={"stored": "envelope"})
    create_time: datetime | None = field(default=None, metadata={"stored": "envelope"})
    update_time: datetime | None = field(default=None, metadata={"stored": "envelope"})


# What the store sets; the rest is content.
ENVELOPE_FIELDS = frozenset({"id", "revision", "etag", "create_time", "update_time"})


def is_shown(title: Title, now: datetime) -> bool:
    """Whether the title may have a hub, anchors and a place in search at this moment."""
    lifted = title.embargo_lift_time is None or title.embargo_lift_time <= now
    return title.state is TitleState.ACTIVE and lifted
