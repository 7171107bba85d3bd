"""The values of matching: videos, evidence, matches, titles as the index knows them, changes."""

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from services.matcher.text.matches import SignalType

HUB_PATH = "/hubs/"


class MatchState(enum.IntEnum):
    """Where a match stands; the numbers are the wire's."""

    APPROVED = 1
    IN_REVIEW = 2
    REJECTED = 3
    WITHDRAWN = 4


class AccountType(enum.IntEnum):
    """What kind of account posts; the numbers are the wire's."""

    UNKNOWN = 0
    PERSONAL = 1
    BUSINESS = 2
    OFFICIAL = 3
    POLITICAL = 4


class Cause(enum.IntEnum):
    """What made a match change; the numbers are the wire's."""

    POLICY = 1
    REVIEW = 2
    APPEAL = 3
    REMATCH = 4
    TITLE = 5
    KILL_SWITCH = 6
    STATS = 7


class TitleState(enum.IntEnum):
    """A title's state in the catalog; the numbers are the catalog's. MISSING: never heard of."""

    MISSING = 0
    ACTIVE = 1
    WITHDRAWN = 2
    DELETED = 3


class DecidedBy(enum.StrEnum):
    """Who put a match into its state."""

    POLICY = "policy"
    REVIEWERS = "reviewers"
    APPEAL = "appeal"
    SLA = "sla"
    TITLE = "title"


class Creator(NamedTuple):
    """The account behind a video. `strike_time_s` is Unix seconds, 0 when not known."""

    id: str
    username: str = ""
    follower_count: int = 0
    is_verified: bool = False
    region_code: str = ""
    strike_score: float = 0.0
    account_type: AccountType = AccountType.UNKNOWN
    strike_time_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameVector:
    """A vector of one frame, as little-endian float32."""

    model: str
    values: bytes
    dtype: str = "float32"
    t_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSignal:
    """What is known of one frame; `pdq` is hex, empty when there is none."""

    t_ms: int
    pdq: str = ""
    pdq_quality: int = 0
    vectors: tuple[FrameVector, ...] = ()
    labels: tuple[str, ...] = ()
    mirrored: bool = False
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How many details of a frame and a reference image agree, as the geometric check counted."""

    reference_id: str
    inlier_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePicture:
    """A frame as a small JPEG, for people to look at."""

    t_ms: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHash:
    """A hash made upstream."""

    signal_type: str
    signal: str
    time_offset_ms: int = 0


class Video(NamedTuple):
    """A video with its signals, under the platform's names.

    `body` is the video as it is kept, `digest` fingerprints everything that was sent: equal digests mean
    equal inputs. `images` and `clip` are pixels to be fingerprinted; they are never kept, but what we made of
    them is: `made` fingerprints, `screen_text` read and `likenesses` checked, so that matching again needs no pixels.
    A tuple, for the reason that `Evidence` is one.
    """

    id: str
    body: bytes = b""
    digest: bytes = b""
    creator: Creator | None = None
    create_time: int = 0
    region_code: str = ""
    video_description: str = ""
    duration: float = 0.0
    hashtag_names: tuple[str, ...] = ()
    video_mention_list: tuple[str, ...] = ()
    music_id: str = ""
    sound_title: str = ""
    sound_author: str = ""
    effect_ids: tuple[str, ...] = ()
    voice_to_text: str = ""
    ocr_text: tuple[str, ...] = ()
    view_count: int = 0
    like_count: int = 0
    comment_count: int = 0
    share_count: int = 0
    video_label: str = ""
    is_aigc: bool = False
    made_for_kids: bool = False
    content_claimed: bool = False
    frame_hashes: tuple[FrameHash, ...] = ()
    vectors: tuple[FrameVector, ...] = ()
    language: str = ""
    frames: tuple[FrameSignal, ...] = ()
    images: tuple[bytes, ...] = ()
    clip: bytes = b""
    made: tuple[FrameSignal, ...] = ()
    screen_text: tuple[str, ...] = ()
    likenesses: tuple[Likeness, ...] = ()

    def __repr__(self) -> str:
        return f"Video(id={self.id!r}, video_description={self.video_description!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where in one of the video's texts a piece of evidence stands, in code points."""

    field: str
    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the video, in milliseconds."""

    start_ms: int
    end_ms: int


class Evidence(NamedTuple):
    """One named part of a match's logit; a tuple: a match has a dozen, and a frozen dataclass costs five times it."""

    signal_type: SignalType
    value: str
    contribution: float
    span: Span | None = None
    segment: Segment | None = None
    reference_id: str = ""
    distance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """Another title that was considered."""

    title_id: str
    probability: float
    separated_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A title a video may be about, before policy has decided; contributions sum to the logit.

    `is_contradicted` says that picture and words speak for different titles.
    """

    title_id: str
    probability: float
    evidence: tuple[Evidence, ...]
    runner_ups: tuple[RunnerUp, ...] = ()
    margin: float = 1.0
    is_contradicted: bool = False


class Match(NamedTuple):
    """A video's relation to one title, with the record of the decision that put it into its state.

    `verdict` is what people said of it, `verdict_by` who; it stands until people change it. `held` and
    `passed` are gates as bits: those hysteresis remembers, and all that passed at the decision.
    """

    video_id: str
    candidate: Candidate
    state: MatchState
    decided_by: DecidedBy
    create_time: datetime
    update_time: datetime
    model_version: str
    calibration_version: str
    policy_version: str
    catalog_revision: int
    verdict: MatchState | None = None
    verdict_by: DecidedBy = DecidedBy.POLICY
    held: int = 0
    passed: int = 0
    record: bytes = b""

    @property
    def id(self) -> str:
        return match_id(self.video_id, self.candidate.title_id)

    @property
    def title_id(self) -> str:
        return self.candidate.title_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Numbers of a video that move after it was sent; None keeps what is known."""

    video_id: str
    observe_time_s: float
    view_count: int | None = None
    like_count: int | None = None
    comment_count: int | None = None
    share_count: int | None = None
    follower_count: int | None = None
    strike_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What policy must know of a video and its creator; the numbers move, the rest is as sent."""

    creator_id: str = ""
    creator_region: str = ""
    account_type: AccountType = AccountType.UNKNOWN
    follower_count: int = 0
    strike_score: float = 0.0
    strike_time_s: float = 0.0
    view_count: int = 0
    like_count: int = 0
    comment_count: int = 0
    share_count: int = 0
    made_for_kids: bool = False
    content_claimed: bool = False
    is_aigc: bool = False
    language: str = ""
    observe_time_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVideo:
    """A video as it is kept, with its matches, the most probable first.

    `version` grows with each write and guards against two at once; `body` is empty where it was not read.
    """

    id: str
    standing: Standing
    matches: tuple[Match, ...] = ()
    digest: bytes = b""
    body: bytes = field(default=b"", repr=False)
    version: int = 0

    def match_of(self, title_id: str) -> Match | None:
        return next((match for match in self.matches if match.title_id == title_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchChange:
    """One entry of the feed: a match after a change, and the video it belongs to."""

    match: Match
    previous_state: MatchState | None
    cause: Cause
    video: StoredVideo
    change_time: datetime
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class TitleCard:
    """What decisions must know of a title. `embargo_lift_s` is Unix seconds, 0 without an embargo."""

    name: str
    state: TitleState
    media_type: str = ""
    studio_id: str = ""
    embargo_lift_s: float = 0.0


UNKNOWN_TITLE = TitleCard("", TitleState.MISSING)


def match_id(video_id: str, title_id: str) -> str:
    """The match's id, the same whenever the two meet: matching again keeps it."""
    return f"{video_id}:{title_id}"


def hub_url(title_id: str) -> str:
    return HUB_PATH + title_id


def standing_of(video: Video, now_s: float) -> Standing:
    """The standing of a video as it was just sent."""
    creator = video.creator or NOBODY
    return Standing(
        creator_id=creator.id,
        creator_region=creator.region_code or video.region_code,
        account_type=creator.account_type,
        follower_count=creator.follower_count,
        strike_score=creator.strike_score,
        strike_time_s=creator.strike_time_s or now_s,
        view_count=video.view_count,
        like_count=video.like_count,
        comment_count=video.comment_count,
        share_count=video.share_count,
        made_for_kids=video.made_for_kids,
        content_claimed=video.content_claimed,
        is_aigc=video.is_aigc,
        language=video.language,
        observe_time_s=now_s,
    )


NOBODY = Creator(id="")


def with_stats(standing: Standing, stats: Stats) -> Standing:
    """The standing after newer numbers; what they do not name stays."""

    def newer(given: int | None, known: int) -> int:
        return known if given is None else given

    has_strikes = stats.strike_score is not None
    return replace(
        standing,
        view_count=newer(stats.view_count, standing.view_count),
        like_count=newer(stats.like_count, standing.like_count),
        comment_count=newer(stats.comment_count, standing.comment_count),
        share_count=newer(stats.share_count, standing.share_count),
        follower_count=newer(stats.follower_count, standing.follower_count),
        strike_score=stats.strike_score if stats.strike_score is not None else standing.strike_score,
        strike_time_s=stats.observe_time_s if has_strikes else standing.strike_time_s,
        observe_time_s=stats.observe_time_s,
    )
