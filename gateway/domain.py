"""What a hub is made of, and the errors of this door."""

import enum
from dataclasses import dataclass, field
from datetime import datetime

from chassis.errors import NotFound, Unavailable


class TitleNotFound(NotFound):
    """This title does not exist."""

    reason = "TITLE_NOT_FOUND"


class TitleWithdrawn(NotFound):
    """This title was withdrawn and has no hub."""

    reason = "TITLE_WITHDRAWN"


class TitleEmbargoed(NotFound):
    """This title has no hub before its embargo lifts."""

    reason = "TITLE_EMBARGOED"


class HubUnavailable(Unavailable):
    """The catalog does not answer and no copy of this hub is kept: try again shortly."""

    reason = "HUB_UNAVAILABLE"


class Panel(enum.Enum):
    """One independent part of a hub."""

    CAST = "cast"
    OFFERS = "offers"
    FAN_VIDEOS = "fan_videos"
    COUNTS = "counts"
    CAMPAIGNS = "campaigns"


class TitleState(enum.Enum):
    """Whether a title may have a hub."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubKey:
    """What identifies one hub: normalised, so that equal wishes share one copy."""

    title_id: str
    region: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember:
    """One person of the cast."""

    id: str
    name: str
    character: str
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialAccount:
    """An account that speaks officially."""

    platform: str
    username: str
    url: str
    is_verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One way to watch, in one region, inside one window; both ends of the window may be open."""

    id: str
    provider_id: str
    provider_name: str
    offer_type: int
    region: str
    start_time: datetime | None = None
    end_time: datetime | None = None
    price: str = ""
    currency: str = ""
    format_profile: str = ""
    web_url: str = ""
    ios_url: str = ""
    android_url: str = ""
    display_priority: int = 0
    source: str = ""
    as_of_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose text it is and under which licence."""

    url: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A title's texts in one language, perhaps of one region."""

    language: str
    region: str
    title: str
    overview: str
    tagline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release in one region."""

    region: str
    date: str
    certification: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleFacts:
    """What catalog says about a title, as far as a hub needs it."""

    id: str
    media_type: int
    title: str
    original_title: str = ""
    original_language: str = ""
    year: int = 0
    release_date: str = ""
    status: str = ""
    overview: str = ""
    tagline: str = ""
    runtime: int = 0
    genres: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    poster_uri: str = ""
    backdrop_uri: str = ""
    vote_average: float = 0.0
    vote_count: int = 0
    popularity: float = 0.0
    studio_id: str = ""
    state: TitleState = TitleState.ACTIVE
    embargo_lift_time: datetime | None = None
    revision: int = 0
    translations: tuple[Translation, ...] = ()
    releases: tuple[Release, ...] = ()
    certifications: tuple[Release, ...] = ()
    cast: tuple[CastMember, ...] = ()
    official_accounts: tuple[OfficialAccount, ...] = ()
    offers: tuple[Offer, ...] = ()
    attributions: tuple[Attribution, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FanVideo:
    """One fan video as a hub shows it."""

    video_id: str
    creator_id: str
    creator_username: str
    is_creator_verified: bool
    video_description: str
    duration: float
    view_count: int
    like_count: int
    create_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCampaign:
    """One running campaign as a hub shows it."""

    campaign_id: str
    title: str
    description: str
    rewards: tuple[str, ...]
    start_time: datetime | None
    end_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCounts:
    """How the fandom moves."""

    hub_view_count: int
    anchor_click_count: int
    trending_rank: int
    as_of_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubTitle:
    """The public part of a title in one language."""

    id: str
    media_type: int
    title: str
    original_title: str
    original_language: str
    year: int
    release_date: str
    regional_release_date: str
    certification: str
    status: str
    overview: str
    tagline: str
    runtime: int
    genres: tuple[str, ...]
    hashtags: tuple[str, ...]
    poster_uri: str
    backdrop_uri: str
    vote_average: float
    vote_count: int
    popularity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """What the other services had to say; None where one could not be reached."""

    fan_videos: tuple[FanVideo, ...] | None
    counts: HubCounts | None
    campaigns: tuple[HubCampaign, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Everything a hub page shows."""

    title: HubTitle
    region: str
    fallback_region: str
    language: str
    revision: int
    as_of_time: datetime
    at: datetime
    valid_until: datetime | None
    """When a window of an offer or campaign opens or closes: no copy may be shown past it."""
    cast: tuple[CastMember, ...] = ()
    official_accounts: tuple[OfficialAccount, ...] = ()
    offers: tuple[Offer, ...] = ()
    offers_of_unstated_region: tuple[Offer, ...] = ()
    fan_videos: tuple[FanVideo, ...] = ()
    campaigns: tuple[HubCampaign, ...] = ()
    counts: HubCounts | None = None
    attributions: tuple[Attribution, ...] = ()
    unreachable: tuple[Panel, ...] = field(default=())
