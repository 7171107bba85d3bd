"""What use cases answer beside the things themselves: pages, impacts, imports, progress. Frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from services.incentives.campaigns import Touched
from services.incentives.domain import Campaign, RevisionMark, Stock, Terms
from services.incentives.participation import (
    Enrolment,
    Grant,
    LedgerEntry,
    RewardProgress,
    Submission,
    TaskProgress,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some of a list, and where the rest begins."""

    items: tuple[T, ...]
    next_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """A campaign with what is counted of it."""

    campaign: Campaign
    stocks: Mapping[str, Stock]
    enrolment_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionView:
    """A revision with its text."""

    campaign: Campaign
    mark: RevisionMark
    terms: Terms
    enrolment_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """Whom a change of a running campaign affects."""

    change: Touched
    # Creators by the revision whose terms they keep.
    kept_enrolments: tuple[tuple[int, int], ...]
    # Creators who joined before and for whom something changes at once.
    applied_enrolment_count: int
    creator_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionView:
    """A submission with whose it is."""

    campaign_id: str
    creator_id: str
    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """A creator's progress in one campaign."""

    campaign: Campaign
    enrolment: Enrolment
    tasks: tuple[TaskProgress, ...]
    rewards: tuple[RewardProgress, ...]
    summary: str
    as_of_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """A grant with its place in line, and its code where the reader may see it."""

    grant: Grant
    waitlist_position: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The ledger of a reward beside its stock."""

    reward_id: str
    balance: int
    available_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage:
    entries: tuple[LedgerEntry, ...]
    balances: tuple[Balance, ...]
    next_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeImport:
    """What became of imported codes."""

    imported_count: int
    duplicate_count: int
    total_count: int
