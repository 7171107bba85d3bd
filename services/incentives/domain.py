"""Campaigns and what is in them, as frozen values: rules, tasks, rewards, teams, limits, revisions."""

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WEEK = timedelta(days=7)
# How long earned rewards can be claimed after the end, unless the campaign says otherwise.
CLAIM_GRACE = timedelta(days=14)
SUBMISSIONS_PER_CREATOR_DEFAULT = 50
SUBMISSIONS_PER_CREATOR_MAX = 200
STOCK_MAX = 100_000
SYSTEM_ACTOR = "incentives"


def stored_moment(moment: datetime) -> datetime:
    """A moment as the store keeps it, in milliseconds: what is answered now is what is read back later."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class CampaignState(enum.Enum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    ARCHIVED = "archived"


class CampaignAct(enum.Enum):
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    ARCHIVE = "archive"


class RequiredMatch(enum.Enum):
    APPROVED = "approved"
    APPROVED_OR_IN_REVIEW = "approved_or_in_review"


class TaskKind(enum.Enum):
    VIDEOS = "videos"
    TOTAL_VIEWS = "total_views"
    TOTAL_LIKES = "total_likes"
    BEST_VIDEO_VIEWS = "best_video_views"


class RewardKind(enum.Enum):
    PROFILE_FRAME = "profile_frame"
    FILTER = "filter"
    MERCHANDISE = "merchandise"
    TICKET = "ticket"

    @property
    def is_instant(self) -> bool:
        """Given with the claim: nothing is sent and no code is shown."""
        return self in {RewardKind.PROFILE_FRAME, RewardKind.FILTER}

    @property
    def has_codes(self) -> bool:
        """Its stock is a pool of imported codes."""
        return self is RewardKind.TICKET


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityRules:
    """Who may take part and which videos count; 0, None and () ask for nothing."""

    follower_count_min: int = 0
    follower_count_max: int = 0
    view_count_min: int = 0
    duration_min_s: int = 0
    duration_max_s: int = 0
    all_hashtag_names: tuple[str, ...] = ()
    any_hashtag_names: tuple[str, ...] = ()
    required_match: RequiredMatch = RequiredMatch.APPROVED
    strike_score_max: float | None = None
    account_age_min_days: int = 0
    region_codes: tuple[str, ...] = ()
    made_for_kids_allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """The target of one week; week 1 begins with the campaign."""

    week: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do: one target, or one for each of some weeks."""

    id: str
    display_name: str
    kind: TaskKind
    target: int = 0
    steps: tuple[TaskStep, ...] = ()
    title_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What a creator gets; a ticket's stock is its pool of codes, not `stock_count`."""

    id: str
    display_name: str
    kind: RewardKind
    stock_count: int = 0
    is_unlimited: bool = False
    per_creator_max: int = 1
    task_ids: tuple[str, ...] = ()
    waitlist_max: int = 0
    reservation_ttl_s: int = 0
    asset_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Where the units of a reward are: total = available + everything else but the waitlist."""

    total_count: int = 0
    reserved_count: int = 0
    redeemed_count: int = 0
    fulfilled_count: int = 0
    burned_count: int = 0
    waitlisted_count: int = 0

    @property
    def held_count(self) -> int:
        return self.reserved_count + self.redeemed_count + self.fulfilled_count + self.burned_count

    @property
    def available_count(self) -> int:
        return self.total_count - self.held_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """One side of a campaign, with the rewards only it can claim."""

    id: str
    display_name: str
    reward_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a campaign; 0 means none."""

    enrolments_max: int = 0
    rewards_per_creator_max: int = 0
    submissions_per_creator_max: int = 0
    grants_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCount:
    """Units a revision gives one reward."""

    reward_id: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMark:
    """That a request was carried out on a document: kept in it, so that both are written or neither."""

    request_id: str
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionMark:
    """That a revision exists: its number, where its text lies, and what it changed."""

    revision: int
    body_id: str
    changed_paths: tuple[str, ...]
    actor: str
    create_time: datetime
    stock_counts: tuple[StockCount, ...] = ()
    # The update that made it; None for acts.
    request: RequestMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMark:
    """That a campaign was moved."""

    act: CampaignAct
    reason: str
    actor: str
    create_time: datetime


# Repeats of a request arrive within minutes; what is older is forgotten.
REQUESTS_KEPT_MAX = 50


def with_mark(marks: tuple[RequestMark, ...], mark: RequestMark) -> tuple[RequestMark, ...]:
    """The marks with one more; the newest 50 are kept."""
    return (*marks[-(REQUESTS_KEPT_MAX - 1) :], mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a studio writes and a revision keeps: everything of a campaign but its state."""

    display_name: str = ""
    description: str = ""
    title_ids: tuple[str, ...] = ()
    region_codes: tuple[str, ...] = ()
    visible_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    claim_end_time: datetime | None = None
    rules: EligibilityRules = field(default_factory=EligibilityRules)
    tasks: tuple[Task, ...] = ()
    rewards: tuple[Reward, ...] = ()
    teams: tuple[Team, ...] = ()
    limits: Limits = field(default_factory=Limits)
    submission_review_required: bool = False

    def task(self, task_id: str) -> Task | None:
        return next((task for task in self.tasks if task.id == task_id), None)

    def reward(self, reward_id: str) -> Reward | None:
        return next((reward for reward in self.rewards if reward.id == reward_id), None)

    def unlocking(self, reward: Reward) -> tuple[str, ...]:
        """The tasks that unlock a reward: those it names, else the whole set."""
        return reward.task_ids or tuple(task.id for task in self.tasks)

    def team_of(self, reward_id: str) -> Team | None:
        """The team a reward belongs to; None when it is everybody's."""
        return next((team for team in self.teams if reward_id in team.reward_ids), None)

    @property
    def visible_from(self) -> datetime | None:
        return self.visible_time or self.start_time

    @property
    def claims_until(self) -> datetime | None:
        if self.claim_end_time is not None or self.end_time is None:
            return self.claim_end_time
        return self.end_time + CLAIM_GRACE

    @property
    def submissions_max(self) -> int:
        return self.limits.submissions_per_creator_max or SUBMISSIONS_PER_CREATOR_DEFAULT

    def runs_in(self, region: str) -> bool:
        return not region or not self.region_codes or region in self.region_codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign: its terms as of the newest revision, and where it stands."""

    id: str
    studio_id: str
    terms: Terms
    create_time: datetime
    update_time: datetime
    state: CampaignState = CampaignState.DRAFT
    revision: int = 0
    version: int = 1
    revisions: tuple[RevisionMark, ...] = ()
    states: tuple[StateMark, ...] = ()
    requests: tuple[RequestMark, ...] = ()

    @property
    def etag(self) -> str:
        return str(self.version)

    def mark(self, revision: int) -> RevisionMark:
        found = next((mark for mark in self.revisions if mark.revision == revision), None)
        assert found is not None, f"campaign {self.id} has revision {revision}"
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerSample:
    """Followers of a creator at a moment."""

    count: int
    time: datetime


# Above every sequence of the match feed: what the platform says itself goes before what a video told at that moment.
PLATFORM_SEQUENCE = 2**62


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Known:
    """How new a fact is: when it was measured, then the change of the match feed that told it."""

    time: datetime
    sequence: int = PLATFORM_SEQUENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """What is known of a creator; None and "" where nothing is."""

    id: str
    follower_count: int | None = None
    region_code: str = ""
    strike_score: float | None = None
    account_create_time: datetime | None = None
    identity_cluster_id: str = ""
    follower_samples: tuple[FollowerSample, ...] = ()
    # How new the follower count and the region are, and the strike score.
    follower_known: Known | None = None
    strike_known: Known | None = None
    # Grows with each write and guards against two at once.
    version: int = 0
