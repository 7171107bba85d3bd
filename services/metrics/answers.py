"""What the use cases answer: values between the service and the wire."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.metrics import funnel, report
from services.metrics.domain import EventType, Period
from services.metrics.heads import TopList
from services.metrics.overview import Standing
from services.metrics.report import Choice, Share, Total
from services.metrics.titles import TitleFacts
from services.metrics.trending import Velocity


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """How fresh an answer is."""

    as_of_ms: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleReport:
    """A title's report."""

    title: TitleFacts
    choice: Choice
    rows: report.Table
    totals: tuple[Total, ...]
    previous: tuple[Total, ...]
    standings: Mapping[EventType, Standing]
    share: Share
    nonhuman_count: int
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelReport:
    """The funnel of a period."""

    steps: tuple[funnel.Step, ...]
    period: Period
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region of a title's map."""

    region: str
    count: int = 0
    viewers: int = 0
    share: float = 0.0
    impressions: int = 0
    clicks: int = 0
    click_rate: float = 0.0  # of the days that show both
    has_offer: bool = False
    is_suppressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Geography:
    """A title's map."""

    regions: tuple[Region, ...]
    period: Period
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """A top list with the names of its entries and, for videos, their creators."""

    list: TopList
    names: Mapping[int, str]
    creators: Mapping[int, str]
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A title's last 60 minutes."""

    title_id: str
    totals: tuple[Total, ...]
    rows: report.Table
    trending_position: int
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One trending title with its position among all."""

    title: TitleFacts
    position: int
    velocity: Velocity


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPage:
    """A page of the trending list."""

    trends: tuple[Trend, ...]
    next_page_token: str
    as_of_ms: int
    suppressed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A title in a studio's overview."""

    title: TitleFacts
    counts: Mapping[EventType, int]
    viewers: int = 0
    change: float = 0.0
    trending_position: int = 0
    is_suppressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioPage:
    """A page of a studio's titles."""

    summaries: tuple[Summary, ...]
    next_page_token: str
    total_size: int
    as_of_ms: int
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestInfo:
    """The state of the pipeline."""

    log_position: int
    fold_position: int
    stored_position: int
    accepted_count: int
    duplicate_count: int
    rejected_counts: dict[str, int]
    bot_count: int
    as_of_ms: int
    rollup_digest: str
