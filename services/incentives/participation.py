"""Creators in campaigns, as frozen values: their videos, progress, grants, and the ledger rows written with them."""

import enum
from dataclasses import dataclass
from datetime import datetime

from services.incentives.domain import RequestMark, RewardKind, TaskKind


class MatchState(enum.Enum):
    APPROVED = "approved"
    IN_REVIEW = "in_review"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class SubmissionState(enum.Enum):
    PENDING = "pending"
    COUNTED = "counted"
    FROZEN = "frozen"
    REJECTED = "rejected"


class Review(enum.Enum):
    ACCEPT = "accept"
    REJECT = "reject"


class GrantState(enum.Enum):
    WAITLISTED = "waitlisted"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ROLLED_BACK = "rolled_back"


class GrantAct(enum.Enum):
    PROMOTE = "promote"
    REDEEM = "redeem"
    FULFIL = "fulfil"
    EXPIRE = "expire"
    REVOKE = "revoke"
    ROLL_BACK = "roll_back"


class ShippingState(enum.Enum):
    NOT_REQUIRED = "not_required"
    PENDING = "pending"
    PREPARING = "preparing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"


class HoldCode(enum.Enum):
    SHARED_DEVICE = "SHARED_DEVICE"
    SHARED_IDENTITY = "SHARED_IDENTITY"
    FOLLOWER_JUMP = "FOLLOWER_JUMP"
    SUBMISSION_BURST = "SUBMISSION_BURST"
    # Not fraud: put and taken away with the progress, by nobody's hand.
    PROGRESS_LOST = "PROGRESS_LOST"


class LedgerKind(enum.Enum):
    STOCK = "stock"
    GRANT = "grant"
    PROGRESS = "progress"


class RewardStanding(enum.Enum):
    LOCKED = "locked"
    CLAIMABLE = "claimable"
    SOLD_OUT = "sold_out"
    GRANTED = "granted"
    OTHER_TEAM = "other_team"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMatch:
    """The newest word of the matcher about a video and a title."""

    title_id: str
    match_id: str
    state: MatchState
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """What is known of a video: its facts from the match feed, its counts from metrics or the feed."""

    id: str
    creator_id: str
    create_time: datetime
    region_code: str = ""
    duration_s: float = 0.0
    hashtag_names: tuple[str, ...] = ()
    made_for_kids: bool = False
    view_count: int = 0
    like_count: int = 0
    matches: tuple[VideoMatch, ...] = ()
    # The newest change of the feed whose facts these are.
    sequence: int = 0
    # Grows with each write and guards against two at once.
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a rule says no, and how far away yes is."""

    code: str
    value: str = ""
    threshold: str = ""
    gap: float = 0.0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A ledger row, stored in the document that moved."""

    number: int
    act: str
    create_time: datetime
    stock_delta: int = 0
    reason: str = ""
    actor: str = ""
    video_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """An event for metrics that has not been taken over yet."""

    id: str
    kind: str
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A video of a creator in a campaign."""

    video_id: str
    create_time: datetime
    title_id: str = ""
    match_id: str = ""
    state: SubmissionState = SubmissionState.PENDING
    reasons: tuple[Reason, ...] = ()
    view_count: int = 0
    like_count: int = 0
    is_automatic: bool = False
    video_create_time: datetime | None = None
    review: Review | None = None
    review_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A creator in a campaign: the one document all progress of the two is written in."""

    id: str
    campaign_id: str
    creator_id: str
    revision: int
    create_time: datetime
    # Whether they moved to newer rules since they joined: earlier grants may carry no slot under these.
    has_moved: bool = False
    team_id: str = ""
    # Number among the campaign's enrolments where it bounds them; 0 elsewhere.
    seat: int = 0
    version: int = 1
    submissions: tuple[Submission, ...] = ()
    done_task_ids: tuple[str, ...] = ()
    counted_time: datetime | None = None
    ledger: tuple[Movement, ...] = ()
    requests: tuple[RequestMark, ...] = ()
    outbox: tuple[OutboxEvent, ...] = ()

    def submission(self, video_id: str) -> Submission | None:
        return next((each for each in self.submissions if each.video_id == video_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Something that keeps a grant from being handed over."""

    code: HoldCode
    detail: str
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A reward given to a creator. The document holds the unit, the place of the creator, and the ledger rows:
    whatever happens to a process, they move together.
    """

    id: str
    campaign_id: str
    reward_id: str
    reward_kind: RewardKind
    creator_id: str
    body_hash: str
    create_time: datetime
    update_time: datetime
    state: GrantState
    # Number of the unit in the reward's stock, kept as history; 0 where there is none.
    unit_number: int = 0
    # Number of the grant among all of the campaign's, where it bounds them.
    campaign_number: int = 0
    # Which of the creator's grants of this reward, and of this campaign where it bounds them.
    reward_slot: int = 1
    campaign_slot: int = 0
    # Whether it takes its numbers and its slots from others now.
    holds_unit: bool = False
    holds_slot: bool = True
    reservation_ttl_s: int = 0
    expire_time: datetime | None = None
    holds: tuple[Hold, ...] = ()
    shipping_state: ShippingState = ShippingState.NOT_REQUIRED
    carrier: str = ""
    tracking_reference: str = ""
    device_id_hash: str = ""
    identity_cluster_id: str = ""
    title_id: str = ""
    reason: str = ""
    version: int = 1
    ledger: tuple[Movement, ...] = ()
    requests: tuple[RequestMark, ...] = ()
    outbox: tuple[OutboxEvent, ...] = ()

    @property
    def reward_key(self) -> str:
        return f"{self.campaign_id}/{self.reward_id}"

    @property
    def is_held(self) -> bool:
        return bool(self.holds)

    @property
    def is_open(self) -> bool:
        """Still the creator's, or still to be."""
        return self.state in OPEN_STATES


OPEN_STATES = frozenset({GrantState.WAITLISTED, GrantState.RESERVED, GrantState.REDEEMED, GrantState.FULFILLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A row of the ledger as it is read: a movement with what it belongs to."""

    id: str
    kind: LedgerKind
    campaign_id: str
    movement: Movement
    reward_id: str = ""
    creator_id: str = ""
    grant_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    week: int
    current: int
    target: int
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress:
    """How far a creator is with a task, and what would count."""

    task_id: str
    display_name: str
    kind: TaskKind
    current: int
    target: int
    steps: tuple[StepProgress, ...] = ()
    is_done: bool = False
    missing: str = ""
    candidates: tuple[Submission, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardProgress:
    """What a creator can do about a reward."""

    reward_id: str
    display_name: str
    kind: RewardKind
    standing: RewardStanding
    missing_task_ids: tuple[str, ...] = ()
    available_count: int = 0
    grant_ids: tuple[str, ...] = ()
