"""The words of metrics: event types, the values its answers are made of, and its errors."""

import enum
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from chassis.errors import (
    Aborted,
    FailedPrecondition,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

MINUTE_MS = 60_000
HOUR_MINUTES = 60
DAY_MINUTES = 1_440
UNKNOWN_REGION = "ZZ"  # ISO 3166 leaves it to users: here "not known", and the pool of regions under k viewers


class EventType(enum.IntEnum):
    """What happened; the numbers are those of the wire and of the log."""

    ANCHOR_IMPRESSION = 1
    ANCHOR_CLICK = 2
    HUB_VIEW = 3
    OFFER_IMPRESSION = 4
    OFFER_CLICK = 5
    TICKET_CLICK = 6
    VIDEO_VIEW = 7
    VIDEO_LIKE = 8
    VIDEO_SHARE = 9
    CAMPAIGN_VIEW = 10
    CAMPAIGN_JOIN = 11
    REWARD_GRANT = 12
    CONVERSION = 13


class Source(enum.IntEnum):
    """Whose video an event came through."""

    FAN = 1
    OFFICIAL = 2


class Agent(enum.IntEnum):
    """Who caused an event; only people are counted in reports."""

    HUMAN = 1
    BOT = 2
    PREVIEW = 3
    HEAD = 4


class Arm(enum.IntEnum):
    """The side of a campaign's experiment."""

    EXPOSED = 1
    HOLDOUT = 2


class Reason(enum.IntEnum):
    """Why an event was not taken; the numbers are those of the wire."""

    ID_INVALID = 1
    TYPE_UNKNOWN = 2
    TOO_LATE = 3
    IN_FUTURE = 4
    FIELD_MISSING = 5
    FIELD_INVALID = 6
    TITLE_LIMIT = 7


class Granularity(enum.IntEnum):
    """The width of a time bucket."""

    MINUTE = 1
    HOUR = 2
    DAY = 3
    TOTAL = 4


class Dimension(enum.IntEnum):
    """What rows are split by besides time."""

    EVENT_TYPE = 1
    VIEWER_REGION = 2
    SOURCE = 3


class TopOrder(enum.IntEnum):
    """What a top list is sorted by."""

    VIEWS = 1
    RISING = 2
    CLICKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One event that was not taken, by its place in the batch."""

    index: int
    event_id: str
    reason: Reason
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a batch."""

    accepted_count: int
    duplicate_count: int
    rejected: tuple[Rejection, ...]
    log_position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A half-open span of whole minutes since 1970."""

    start: int
    end: int

    def __post_init__(self) -> None:
        assert self.start < self.end, "a period has a length"

    def before(self) -> "Period":
        """The period of the same length that ends where this one starts."""
        return Period(start=2 * self.start - self.end, end=self.start)

    def widened(self, minutes: int) -> "Period":
        """The smallest period of whole buckets around it."""
        return Period(start=self.start // minutes * minutes, end=-(-self.end // minutes) * minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far the log is folded in."""

    as_of: datetime
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCounts:
    """Lifetime totals of one video."""

    video_id: str
    views: int = 0
    likes: int = 0
    shares: int = 0
    impressions: int = 0
    clicks: int = 0


class LogUnavailable(Unavailable):
    """The event log cannot be written at the moment: send the batch again."""

    reason = "LOG_UNAVAILABLE"


class IngestOverloaded(ResourceExhausted):
    """More events arrive than can be written: send the batch again a little later."""

    reason = "INGEST_OVERLOADED"


class PeriodTooLong(OutOfRange):
    """The period has too many buckets of that granularity."""

    reason = "PERIOD_TOO_LONG"


class TitleNotInStudio(PermissionDenied):
    """This title is not one of the studio's."""

    reason = "TITLE_NOT_IN_STUDIO"


class CampaignNotInStudio(PermissionDenied):
    """This campaign is about no title of the studio's."""

    reason = "CAMPAIGN_NOT_IN_STUDIO"


class InsightNotFound(NotFound):
    """There is no such insight."""

    reason = "INSIGHT_NOT_FOUND"


class InsightAlreadyDecided(FailedPrecondition):
    """This insight was decided the other way, or is no longer open."""

    reason = "INSIGHT_ALREADY_DECIDED"


class EtagMismatch(Aborted):
    """The insight changed since it was read: read it again."""

    reason = "ETAG_MISMATCH"
