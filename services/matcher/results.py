"""What use cases answer, where a single value of the domain does not say it."""

from dataclasses import dataclass
from datetime import datetime

from services.matcher.anchors import Judged
from services.matcher.domain import Match, MatchChange, StoredVideo
from services.matcher.lifecycle import RematchState
from services.matcher.policy import Gate


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
