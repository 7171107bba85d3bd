"""Why a spike: who carries which share of it, and the verdict with its evidence. Pure."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from services.metrics.domain import DAY_MINUTES, EventType
from services.metrics.spikes import Alarm

# What a contribution must carry to be named, and how many of a kind are.
SHARE_MIN, NAMED_MAX = 0.05, 5
# Of those who make a spike a person takes part once or twice; four events and more each is a script or a paid crowd.
EVENTS_PER_VIEWER_MAX = 4.0
# The mean viewer sees one video once or twice a day; bots and click farms, a few devices many times.
VIEWS_PER_VIEWER_MAX = 3.0
BOT_SHARE_MAX = 0.3
CAMPAIGN_SHARE_MIN = 0.4
RELEASE_DAYS = 2.0


class ContributorKind(enum.IntEnum):
    """What a contribution names; the numbers are those of the wire."""

    VIDEO = 1
    CREATOR = 2
    REGION = 3
    HASHTAG = 4
    CAMPAIGN = 5


class SpikeCause(enum.IntEnum):
    """What drives a spike; the numbers are those of the wire."""

    ORGANIC = 1
    RELEASE = 2
    CAMPAIGN = 3
    SUSPICIOUS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """Something that carries part of a spike."""

    kind: ContributorKind
    name: str
    count: int
    expected: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A fact the verdict rests on."""

    code: str
    value: float
    threshold: float
    cause: SpikeCause
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A spike of a title."""

    id: str
    title_id: str
    event_type: EventType
    start: int  # minutes since 1970
    end: int
    peak: int
    detect: int
    count: int
    expected: float
    score: float
    cause: SpikeCause = SpikeCause.ORGANIC
    contributions: tuple[Contribution, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    viewers: int = 0

    def overlaps(self, alarm: Alarm, slack: int) -> bool:
        return alarm.start <= self.end + slack and alarm.end >= self.start - slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """What is known of a spike's window, against the same hours of the days before."""

    alarm: Alarm
    viewers: int
    expected_viewers: float
    human_count: int
    expected_human_count: float
    bot_count: int
    campaign_count: int
    expected_campaign_count: float
    views_per_viewer: float = 0.0  # of the video that carries most, on the days of the spike
    release_dates: tuple[date, ...] = ()
    counts: Mapping[ContributorKind, Sequence[tuple[str, int, float]]] = field(default_factory=dict)


def contributions(surge: Surge) -> tuple[Contribution, ...]:
    """The names of each kind that carry at least a twentieth of the excess."""
    excess = max(surge.alarm.count - surge.alarm.expected, 1.0)
    found: list[Contribution] = []
    for kind in ContributorKind:
        named = [
            Contribution(kind=kind, name=name, count=count, expected=usual, share=min(1.0, (count - usual) / excess))
            for name, count, usual in surge.counts.get(kind, ())
            if count > usual
        ]
        named = sorted((each for each in named if each.share >= SHARE_MIN), key=lambda each: (-each.share, each.name))
        # An event has several hashtags; of the other kinds the shares must not pass the whole.
        total = sum(each.share for each in named)
        scale = 1 / total if total > 1 else 1.0
        found += [
            Contribution(
                kind=each.kind, name=each.name, count=each.count, expected=each.expected, share=each.share * scale
            )
            for each in named[:NAMED_MAX]
        ]
    return tuple(found)


def evidence(surge: Surge) -> tuple[Evidence, ...]:
    """The facts, whether or not they pass their thresholds."""
    # Of what came on top: the usual crowd would hide a handful of busy newcomers.
    per_viewer = (surge.human_count - surge.expected_human_count) / max(surge.viewers - surge.expected_viewers, 1.0)
    bots = surge.bot_count / max(surge.bot_count + surge.human_count, 1)
    excess = max(surge.alarm.count - surge.alarm.expected, 1.0)
    campaign = max(surge.campaign_count - surge.expected_campaign_count, 0.0) / excess
    found = [
        Evidence(
            code="events_per_viewer",
            value=per_viewer,
            threshold=EVENTS_PER_VIEWER_MAX,
            cause=SpikeCause.SUSPICIOUS,
            description=f"{per_viewer:.1f} more events for each viewer more than usual.",
        ),
        Evidence(
            code="bot_share",
            value=bots,
            threshold=BOT_SHARE_MAX,
            cause=SpikeCause.SUSPICIOUS,
            description=f"{bots:.0%} of the traffic in this time came from bots.",
        ),
        Evidence(
            code="campaign_share",
            value=campaign,
            threshold=CAMPAIGN_SHARE_MIN,
            cause=SpikeCause.CAMPAIGN,
            description=f"Campaign events carry {campaign:.0%} of the excess.",
        ),
    ]
    if surge.views_per_viewer:
        found.append(
            Evidence(
                code="views_per_viewer",
                value=surge.views_per_viewer,
                threshold=VIEWS_PER_VIEWER_MAX,
                cause=SpikeCause.SUSPICIOUS,
                description=f"Each viewer of the leading video saw it {surge.views_per_viewer:.1f} times.",
            )
        )
    days = _days_to_release(surge)
    if days is not None:
        found.append(
            Evidence(
                code="days_to_release",
                value=days,
                threshold=RELEASE_DAYS,
                cause=SpikeCause.RELEASE,
                description=f"The nearest release is {days:.1f} days away.",
            )
        )
    return tuple(found)


def _days_to_release(surge: Surge) -> float | None:
    """Days between the peak and the nearest release date; the release's own day counts as 0."""
    distances = []
    for day in surge.release_dates:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() / 60
        before, after = start - surge.alarm.peak, surge.alarm.peak - (start + DAY_MINUTES)
        distances.append(max(before, after, 0.0) / DAY_MINUTES)
    return min(distances, default=None)


def verdict(facts: Sequence[Evidence]) -> SpikeCause:
    """The first cause, most serious first, that a fact speaks for."""
    for cause in (SpikeCause.SUSPICIOUS, SpikeCause.CAMPAIGN, SpikeCause.RELEASE):
        if any(fact.cause is cause and _speaks(fact) for fact in facts):
            return cause
    return SpikeCause.ORGANIC


def _speaks(fact: Evidence) -> bool:
    if fact.code == "days_to_release":
        return fact.value <= fact.threshold
    return fact.value >= fact.threshold
