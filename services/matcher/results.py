"""What use cases answer, where a single value of the domain does not say it."""

from dataclasses import dataclass
from datetime import datetime

from services.matcher.agreement import ReviewerQuality
from services.matcher.anchors import Judged
from services.matcher.domain import Match, MatchChange, StoredVideo
from services.matcher.lifecycle import RematchState
from services.matcher.policy import Gate
from services.matcher.reviewing import Task


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes a write repeatable; an empty id repeats nothing."""

    id: str
    body_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What matching found for one video; unchanged: nothing was written."""

    video_id: str
    matches: tuple[Match, ...]
    is_unchanged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleVideosPage:
    """Videos of a title, each with its match."""

    videos: tuple[tuple[StoredVideo, Match], ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorsPage:
    """The anchors shown on a feed page."""

    anchors: tuple[Judged, ...]
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorAnswer:
    """Why a video has or lacks an anchor; `judged` is None when it names no title."""

    video_id: str
    viewer_region: str
    judged: Judged | None
    gates: tuple[Gate, ...]
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsOutcome:
    """What new numbers did."""

    updated_count: int
    unknown_count: int
    stale_count: int
    changed_match_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFacts:
    """The index in use."""

    catalog_revision: int
    latest_catalog_revision: int
    title_count: int
    alias_count: int
    reference_image_count: int
    model_version: str
    calibration_version: str
    policy_version: str
    build_time: datetime | None
    lag_s: float
    is_ready: bool
    video_count: int
    pdq_row_count: int = 0
    frame_models: tuple[tuple[str, int, int], ...] = ()  # name, dimension, rows
    disabled_bank_titles: tuple[str, ...] = ()
    refused_reference_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rematch:
    """A rematch and how far it came; `cursor` is the last batch of the archive that is done."""

    id: str
    title_id: str
    state: RematchState
    create_time: datetime
    update_time: datetime
    videos_per_s: int
    is_whole_corpus: bool = False
    cursor: str = ""
    video_count: int = 0
    changed_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """A piece of the feed."""

    changes: tuple[MatchChange, ...]
    latest_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationCell:
    """Anchors under two policies, for one region and follower band."""

    region_code: str
    follower_band: str
    before_count: int
    after_count: int
    gained_count: int
    lost_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What another policy would do."""

    total: SimulationCell
    cells: tuple[SimulationCell, ...]
    match_count: int
    is_truncated: bool
    gained_match_ids: tuple[str, ...]
    lost_match_ids: tuple[str, ...]
    review_delta_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdProposal:
    """Thresholds for a capacity and costs, and what they would ask for."""

    approve_threshold: float
    review_threshold: float
    reviews_per_day: float
    cost_per_day: float
    match_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks a reviewer wants; empty fields want any."""

    language: str = ""
    studio_id: str = ""
    media_type: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.language, self.studio_id, self.media_type


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTask:
    """A task with what a reader needs beside it."""

    task: Task
    video: StoredVideo | None
    policy_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the stream has moved from what the model was calibrated on."""

    psi: float
    bias: float
    is_alerting: bool
    match_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for reviewers, goldens aside."""

    open_count: int
    leased_count: int
    at_risk_count: int
    oldest_time: datetime | None  # of the open ones


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStats:
    """The queue and its readers."""

    open_count: int
    leased_count: int
    decided_count: int
    at_risk_count: int
    open_appeal_count: int
    oldest_age_s: float
    reviewers: tuple[ReviewerQuality, ...]
    drift: Drift
