"""Realistic traffic from a seed: what viewers of fan videos do, hour by hour, as columns. Pure.

Titles and videos are Zipf-distributed; hours follow each region's day; weekends are livelier; a release lifts its
title for two weeks; planted spikes rise above all that; some events are bots', some come twice, some late. The same
plan and seed give the same events.
"""

import enum
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.metrics.domain import F64, HOUR_MINUTES, I64, MINUTE_MS, Agent, Arm, EventType, Source

HOURS_A_DAY = 24
EVE_DAYS = 7  # interest climbs before a release
CARRIED_SHARE = 0.8  # of a planted spike by its cause
# Shares of a mature app's event stream: mostly views and impressions, a narrow funnel.
TYPE_SHARES: dict[EventType, float] = {
    EventType.VIDEO_VIEW: 0.47,
    EventType.ANCHOR_IMPRESSION: 0.26,
    EventType.VIDEO_LIKE: 0.10,
    EventType.ANCHOR_CLICK: 0.042,
    EventType.HUB_VIEW: 0.038,
    EventType.VIDEO_SHARE: 0.03,
    EventType.OFFER_IMPRESSION: 0.028,
    EventType.OFFER_CLICK: 0.011,
    EventType.CAMPAIGN_VIEW: 0.012,
    EventType.TICKET_CLICK: 0.004,
    EventType.CONVERSION: 0.003,
    EventType.CAMPAIGN_JOIN: 0.001,
    EventType.REWARD_GRANT: 0.001,
}
CAMPAIGN_TYPES = (EventType.CAMPAIGN_VIEW, EventType.CAMPAIGN_JOIN, EventType.REWARD_GRANT)
# Region, share of viewers, hours from UTC: where the evening peak lies.
REGIONS: tuple[tuple[str, float, int], ...] = (
    ("US", 0.34, -6), ("GB", 0.12, 0), ("DE", 0.10, 1), ("BR", 0.10, -3), ("JP", 0.09, 9),
    ("FR", 0.07, 1), ("IN", 0.07, 5), ("MX", 0.06, -6), ("AU", 0.03, 10), ("SE", 0.02, 1),
)  # fmt: skip
# Activity by local hour, from the night's low to the evening's peak; mean 1.
DIURNAL = np.array([0.55, 0.35, 0.25, 0.2, 0.2, 0.3, 0.5, 0.75, 0.9, 0.95, 1.0, 1.05,
                    1.15, 1.15, 1.1, 1.1, 1.2, 1.35, 1.55, 1.75, 1.9, 1.85, 1.5, 1.0])  # fmt: skip
WEEKEND = 1.25
TITLE_ZIPF, VIDEO_ZIPF = 1.05, 1.4
CREATORS_A_TITLE = 40
OFFICIAL_EVERY = 13  # each 13th video is an official account's
BOT_SHARE, DUPLICATE_SHARE, LATE_SHARE = 0.02, 0.005, 0.02
LATE_HOURS_MAX = 47
VIEWERS_A_TITLE = 40_000
HOLDOUT_SHARE, HOLDOUT_LOSS = 0.1, 0.4
BATCH, AGAIN = 1_000, 50  # events a piece, and of a repeated one
HASHTAGS = ("fyp", "edit", "fanart", "cosplay", "theory", "trailer", "reaction", "soundtrack")


class Cause(enum.Enum):
    """What a planted spike is made of."""

    VIDEO = "video"
    CREATOR = "creator"
    REGION = "region"
    BOTS = "bots"
    CAMPAIGN = "campaign"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """Extra events planted on one title."""

    title: int
    start_minute: int  # since 1970
    minutes: int
    events: int
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to generate."""

    title_ids: tuple[str, ...]
    start_minute: int
    hours: int
    events: float  # about so many, spikes aside
    seed: int = 1
    releases: dict[int, int] = field(default_factory=dict)  # title → minute
    spikes: tuple[Spike, ...] = ()
    videos_a_title: int = 300
    # Titles that have a campaign; None: all.
    campaign_titles: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events as columns; times by the device's clock, in order of `received_ms`."""

    ids: list[str]
    types: I64
    times_ms: I64
    received_ms: I64
    titles: I64
    videos: I64  # number within the title, -1: none
    regions: I64
    viewers: I64
    agents: I64
    arms: I64
    tags: I64

    def __len__(self) -> int:
        return len(self.ids)

    def piece(self, start: int, end: int) -> "Batch":
        return Batch(
            ids=self.ids[start:end],
            **{name: getattr(self, name)[start:end] for name in self.__slots__ if name != "ids"},
        )


def title_weights(count: int) -> F64:
    weights = 1.0 / np.arange(1, count + 1) ** TITLE_ZIPF
    found: F64 = weights / weights.sum()
    return found


def batches(plan: Plan) -> Iterator[Batch]:
    """All events in pieces of 1,000, in order of time; some pieces repeat a part of one before."""
    random = np.random.default_rng(plan.seed)
    base = title_weights(len(plan.title_ids)) * plan.events / plan.hours
    waiting: list[Batch] = []
    for hour in range(plan.hours):
        minute = plan.start_minute + hour * HOUR_MINUTES
        waiting.append(_hour(plan, random, base * _lift(plan, minute), minute, hour))
        if sum(map(len, waiting)) >= BATCH or hour == plan.hours - 1:
            whole = joined(waiting)
            full = len(whole) if hour == plan.hours - 1 else len(whole) // BATCH * BATCH
            waiting = [whole.piece(full, len(whole))]
            for start in range(0, full, BATCH):
                piece = whole.piece(start, min(start + BATCH, full))
                yield piece
                if random.random() < DUPLICATE_SHARE * BATCH / AGAIN:
                    yield piece.piece(0, AGAIN)


def joined(parts: Sequence[Batch]) -> Batch:
    """Batches one after another."""
    if len(parts) == 1:
        return parts[0]
    names = [name for name in Batch.__slots__ if name != "ids"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Batch(ids=[id_ for part in parts for id_ in part.ids], **columns)


def _lift(plan: Plan, minute: int) -> F64:
    """How far releases lift titles in an hour: five-fold on the day, halved every two days."""
    factors = np.ones(len(plan.title_ids))
    for title, release in plan.releases.items():
        days = (minute - release) / (HOURS_A_DAY * HOUR_MINUTES)
        if days >= 0:
            factors[title] += 4 * math.exp(-days * math.log(2) / 2)
        elif days > -EVE_DAYS:
            factors[title] += (EVE_DAYS + days) / EVE_DAYS
    return factors


def activity(minute: int) -> tuple[float, F64]:
    """How lively an hour is over all, and each region's share of it."""
    weekday = minute // (HOURS_A_DAY * HOUR_MINUTES) % 7  # 1970-01-01 was a Thursday
    week = WEEKEND if weekday in {2, 3} else 1.0
    hour = minute // HOUR_MINUTES
    by_region = np.array([share * DIURNAL[(hour + offset) % HOURS_A_DAY] for _, share, offset in REGIONS])
    return float(by_region.sum()) * week, by_region / by_region.sum()


def _hour(plan: Plan, random: np.random.Generator, rates: F64, minute: int, hour: int) -> Batch:
    level, regions = activity(minute)
    counts = random.poisson(rates * level)
    title = np.repeat(np.arange(len(rates)), counts)
    count = len(title)
    videos = np.minimum(random.zipf(VIDEO_ZIPF, count), plan.videos_a_title) - 1
    region = random.choice(len(REGIONS), count, p=regions)
    # A title's viewers come back: squared uniform numbers favour the first ones.
    viewer = (random.random(count) ** 2 * VIEWERS_A_TITLE).astype(np.int64) * len(REGIONS) + region
    kinds = np.array(list(TYPE_SHARES))
    shares = np.array(list(TYPE_SHARES.values()))
    parts = {
        "types": random.choice(kinds, count, p=shares / shares.sum()),
        "titles": title,
        "videos": videos,
        "regions": region,
        "viewers": viewer,
        "agents": np.where(random.random(count) < BOT_SHARE, Agent.BOT, Agent.HUMAN),
        "tags": random.integers(0, len(HASHTAGS) * 4, count),
        "received_ms": minute * MINUTE_MS + random.integers(0, HOUR_MINUTES * MINUTE_MS, count),
    }
    for number, spike in enumerate(plan.spikes):
        extra = _spike(plan, spike, random, minute, number)
        parts = {name: np.concatenate([parts[name], extra[name]]) for name in parts}
    order = np.argsort(parts["received_ms"], kind="stable")
    parts = {name: column[order] for name, column in parts.items()}
    count = len(order)
    late = random.random(count) < LATE_SHARE
    delay = np.where(
        late, random.integers(1, LATE_HOURS_MAX * HOUR_MINUTES * MINUTE_MS, count), random.integers(50, 3_000, count)
    )
    parts["times_ms"] = np.maximum(parts["received_ms"] - delay, plan.start_minute * MINUTE_MS)
    parts["types"] = _possible(plan, parts["types"], parts["titles"])
    parts["arms"] = np.where(parts["viewers"] % 100 < HOLDOUT_SHARE * 100, Arm.HOLDOUT, Arm.EXPOSED)
    # Those who were shown nothing of a campaign come to its end more seldom.
    lost = (
        (parts["arms"] == Arm.HOLDOUT)
        & (parts["types"] == EventType.CONVERSION)
        & (random.random(count) < HOLDOUT_LOSS)
    )
    parts["types"] = np.where(lost, EventType.HUB_VIEW, parts["types"])
    prefix = f"{plan.seed:x}.{hour:x}."
    return Batch(ids=[f"{prefix}{place:06x}" for place in range(count)], **parts)


def _possible(plan: Plan, types: I64, titles: I64) -> I64:
    """Without events of campaigns that are not: those viewers just watch."""
    if plan.campaign_titles is None:
        return types
    strange = np.isin(types, CAMPAIGN_TYPES) & ~np.isin(titles, list(plan.campaign_titles))
    return np.where(strange, EventType.VIDEO_VIEW, types)


def _spike(plan: Plan, spike: Spike, random: np.random.Generator, minute: int, number: int) -> dict[str, I64]:
    """The part of a planted spike that lies in an hour."""
    start, end = max(spike.start_minute, minute), min(spike.start_minute + spike.minutes, minute + HOUR_MINUTES)
    share = max(end - start, 0) / spike.minutes
    count = int(random.poisson(spike.events * share)) if share else 0
    _, regions = activity(minute)
    region = random.choice(len(REGIONS), count, p=regions)
    videos = np.minimum(random.zipf(VIDEO_ZIPF, count), plan.videos_a_title) - 1
    viewers = (random.random(count) * VIEWERS_A_TITLE).astype(np.int64)
    tags = random.integers(0, len(HASHTAGS) * 4, count)
    kinds = random.choice(
        [EventType.VIDEO_VIEW, EventType.ANCHOR_IMPRESSION, EventType.ANCHOR_CLICK], count, p=[0.8, 0.17, 0.03]
    )
    carried = random.random(count) < CARRIED_SHARE
    match spike.cause:
        case Cause.VIDEO:
            videos = np.where(carried, plan.videos_a_title + number, videos)
        case Cause.CREATOR:
            # Videos of one creator, see creator_of.
            later = CREATORS_A_TITLE * (1 + random.integers(0, 5, count))
            own = plan.videos_a_title + later + number % CREATORS_A_TITLE
            videos = np.where(carried, own, videos)
        case Cause.REGION:
            region = np.where(carried, 3 + number % 5, region)
        case Cause.BOTS:
            viewers, videos, region = random.integers(0, 8, count), np.full(count, 7), np.zeros(count, np.int64)
        case Cause.CAMPAIGN:
            kinds = np.where(carried, EventType.CAMPAIGN_VIEW, kinds)
        case Cause.RELEASE:
            tags = np.where(carried, HASHTAGS.index("trailer"), tags)
    return {
        "types": kinds.astype(np.int64),
        "titles": np.full(count, spike.title),
        "videos": videos,
        "regions": region,
        "viewers": viewers * len(REGIONS) + region,
        "agents": np.full(count, int(Agent.HUMAN)),
        "tags": tags,
        "received_ms": random.integers(start * MINUTE_MS, max(end, start + 1) * MINUTE_MS, count),
    }


def video_id(title_id: str, video: int) -> str:
    return f"vid.{title_id.rsplit(':', 1)[-1]}.{video}"


def creator_of(title: int, video: int) -> str:
    """A title's creators own every 40th video; each 13th is its official account's."""
    return f"official.{title}" if source_of(video) is Source.OFFICIAL else f"creator.{title}.{video % CREATORS_A_TITLE}"


def source_of(video: int) -> Source:
    return Source.OFFICIAL if video % OFFICIAL_EVERY == 0 else Source.FAN


def planted(plan: Plan) -> tuple[Spike, ...]:
    """One spike of each cause on one of the first titles, spread over the time, each far above its title's releases."""
    random = np.random.default_rng(plan.seed + 7)
    titles, length = len(plan.title_ids), plan.hours * HOUR_MINUTES
    weights = title_weights(titles) * plan.events / plan.hours
    found = []
    for number, cause in enumerate(Cause):
        title = number % titles
        at = plan.start_minute + int(length * (0.35 + 0.6 * (number + random.random()) / len(Cause)))
        usual = float(weights[title] * _lift(plan, at)[title]) * 2
        found.append(Spike(title=title, start_minute=at, minutes=120, events=int(max(usual * 12, 150)), cause=cause))
    # Two creators who rise through the last six days: slow enough to be no spike.
    rise = min(6 * HOURS_A_DAY, plan.hours) * HOUR_MINUTES
    found += [
        Spike(
            title=title,
            start_minute=plan.start_minute + length - rise,
            minutes=rise,
            events=int(max(float(weights[title]) * rise / HOUR_MINUTES * 0.15, 120)),
            cause=Cause.CREATOR,
        )
        for title in range(min(2, titles))
    ]
    return tuple(found)


def ids_of(prefix: str, count: int) -> Sequence[str]:
    return tuple(f"{prefix}:{number}" for number in range(count))


class Cast:
    """What the numbers of generated events are called; another cast may give them real names."""

    def __init__(self, title_ids: Sequence[str]) -> None:
        self.title_ids = tuple(title_ids)

    def video(self, title: int, video: int) -> str:
        return video_id(self.title_ids[title], video)

    def anchored(self, _: int, video: int) -> int:
        """The video, or in place of one without an anchor one that has one."""
        return video

    def creator(self, title: int, video: int) -> str:
        return creator_of(title, video)

    def source(self, _: int, video: int) -> Source:
        return source_of(video)

    def campaign(self, title: int) -> str:
        return f"campaign.{title}"

    def offer(self, title: int) -> str:
        return f"offer.{title}"

    def hashtags(self, _: int, __: int, tag: int) -> tuple[str, ...]:
        """Of a video, with what this viewer's copy of it is tagged with besides."""
        return HASHTAGS[tag : tag + 1]
