"""What this service asks of others, as it sees it: the match feed, video counts, and a taker of events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.incentives.feed import MatchChange


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCount:
    """What metrics counted of a video."""

    view_count: int
    like_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event for metrics."""

    id: str
    kind: str
    time: datetime
    title_id: str
    creator_id: str
    campaign_id: str


class FeedPeer(Protocol):
    """The matcher's feed of changed matches."""

    async def changes(self, after_sequence: int, limit: int, wait_s: float) -> tuple[list[MatchChange], int]:
        """Changes after a position, and the position after them."""
        ...


class CountPeer(Protocol):
    """Metrics' totals of single videos."""

    async def counts(self, video_ids: Sequence[str]) -> dict[str, VideoCount]:
        """Counts of up to 1,000 videos."""
        ...


class EventPeer(Protocol):
    """Metrics' door for events."""

    async def record(self, events: Sequence[ToldEvent]) -> dict[str, str]:
        """Hands over up to 1,000 events; gives the reason of each that will never be taken."""
        ...


class NoPeers:
    """Where metrics is not configured: nothing is counted beyond what the match feed told."""

    async def counts(self, video_ids: Sequence[str]) -> dict[str, VideoCount]:  # noqa: ARG002 - the protocol's name
        return {}
