"""Suggestions from what was seen: what, why it matters, what to do, a ready draft; and their life. Pure."""

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chassis.ids import derived_id
from services.metrics.answers import Region
from services.metrics.causes import Spike, SpikeCause
from services.metrics.domain import DAY_MINUTES, EventType, InsightAlreadyDecided
from services.metrics.heads import Head
from services.metrics.intervals import wilson
from services.metrics.titles import TitleFacts

REGION_CLICKS_MIN = 20
# A title without any offer would ask for one in every region at once.
OFFERS_MAX = 3
# From 0.3 to 0.8, half of the way at so many clicks: what most viewers miss comes first.
OFFER_PRIORITY, OFFER_CLICKS = 0.3, 200
GROWTH_MIN = 1.3
RELEASE_DAYS_AHEAD = 30
TAG_IMPRESSIONS_MIN = 100
# A hashtag's click rate must lie this far under the title's for its videos to look off-topic.
TAG_RATE_FACTOR = 0.5
SURGE_DAYS = 7
# An open insight not seen again for a day no longer holds; a dismissed one stays away for a month.
EXPIRE_MINUTES = DAY_MINUTES
DISMISSED_MINUTES = 30 * DAY_MINUTES
OUTCOME_MINUTES = 7 * DAY_MINUTES


class InsightKind(enum.IntEnum):
    """What is suggested; the numbers are those of the wire."""

    ADD_WATCH_OFFER = 1
    INVITE_CREATOR = 2
    OPEN_CAMPAIGN = 3
    CHECK_ALIAS = 4
    REVIEW_SURGE = 5


class InsightState(enum.IntEnum):
    """Where a suggestion stands; the numbers are those of the wire."""

    OPEN = 1
    ACCEPTED = 2
    DISMISSED = 3
    MEASURED = 4
    EXPIRED = 5


class Act(enum.Enum):
    """What happens to a suggestion."""

    ACCEPT = "accept"
    DISMISS = "dismiss"
    MEASURE = "measure"
    EXPIRE = "expire"
    SEE_AGAIN = "see again"


LIFE: Mapping[tuple[InsightState, Act], InsightState] = {
    (InsightState.OPEN, Act.ACCEPT): InsightState.ACCEPTED,
    (InsightState.OPEN, Act.DISMISS): InsightState.DISMISSED,
    (InsightState.OPEN, Act.EXPIRE): InsightState.EXPIRED,
    (InsightState.OPEN, Act.SEE_AGAIN): InsightState.OPEN,
    (InsightState.ACCEPTED, Act.ACCEPT): InsightState.ACCEPTED,
    (InsightState.ACCEPTED, Act.MEASURE): InsightState.MEASURED,
    (InsightState.DISMISSED, Act.DISMISS): InsightState.DISMISSED,
    (InsightState.EXPIRED, Act.SEE_AGAIN): InsightState.OPEN,
}
# What an accepted suggestion is measured by.
MEASURES: Mapping[InsightKind, EventType] = {
    InsightKind.ADD_WATCH_OFFER: EventType.OFFER_CLICK,
    InsightKind.INVITE_CREATOR: EventType.VIDEO_VIEW,
    InsightKind.OPEN_CAMPAIGN: EventType.VIDEO_VIEW,
    InsightKind.CHECK_ALIAS: EventType.ANCHOR_CLICK,
    InsightKind.REVIEW_SURGE: EventType.VIDEO_VIEW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Something ready to send."""

    http_method: str
    http_path: str
    body_json: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an accepted suggestion."""

    measure: str
    before: float
    after: float
    measure_minute: int
    is_final: bool
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """A suggestion; times in minutes since 1970."""

    id: str
    title_id: str
    studio_id: str
    kind: InsightKind
    subject: str
    observation: str
    reason: str
    action: str
    facts: tuple[tuple[str, float], ...]
    draft: Draft
    priority: float
    create_minute: int
    update_minute: int
    state: InsightState = InsightState.OPEN
    decide_minute: int = 0
    decided_by: str = ""
    outcome: Outcome | None = None

    @property
    def etag(self) -> str:
        measured = "" if self.outcome is None else f"{self.outcome.after}:{self.outcome.measure_minute}"
        return derived_id(self.id, self.state.name, str(self.decide_minute), measured)


def moved(insight: Insight, act: Act) -> InsightState:
    """The state after an act; refused where the table has none."""
    state = LIFE.get((insight.state, act))
    if state is None:
        raise InsightAlreadyDecided
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What there is to see of a title now: published numbers only."""

    title: TitleFacts
    minute: int
    regions: Sequence[Region] = ()
    creators: Sequence[tuple[str, Head]] = ()
    growth: float = 0.0  # this week's events over last week's
    week_count: int = 0
    # Hashtag, impressions, clicks.
    tags: Sequence[tuple[str, int, int]] = ()
    impressions: int = 0
    clicks: int = 0
    spikes: Sequence[Spike] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikePage:
    """A page of a title's spikes; those under k viewers carry no contributions."""

    spikes: tuple[Spike, ...]
    next_page_token: str
    as_of_ms: int
    viewers_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightPage:
    """A page of suggestions."""

    insights: tuple[Insight, ...]
    next_page_token: str
    as_of_ms: int


Rule = Callable[[Sight], list[Insight]]


def seen(sight: Sight) -> tuple[Insight, ...]:
    """Everything the rules suggest, most urgent first."""
    found = [insight for rule in RULES for insight in rule(sight)]
    return tuple(sorted(found, key=lambda insight: (-insight.priority, insight.id)))


def _insight(sight: Sight, kind: InsightKind, subject: str, priority: float, **texts: object) -> Insight:
    return Insight(
        id=derived_id("insight", kind.name, sight.title.id, subject),
        title_id=sight.title.id,
        studio_id=sight.title.studio_id,
        kind=kind,
        subject=subject,
        priority=min(max(priority, 0.0), 1.0),
        create_minute=sight.minute,
        update_minute=sight.minute,
        **texts,  # type: ignore[arg-type]
    )


def missing_offers(sight: Sight) -> list[Insight]:
    """Regions whose viewers click and find no offer, those with the most clicks."""
    found = []
    for region in sorted(sight.regions, key=lambda region: (-region.clicks, region.region)):
        if region.is_suppressed or region.has_offer or region.region == "ZZ" or region.clicks < REGION_CLICKS_MIN:
            continue
        offer = {"provider_id": "", "provider_name": "", "offer_type": "flatrate", "iso_3166_1": region.region}
        body = {"id": sight.title.id, "watch_offers": [offer]}
        found.append(
            _insight(
                sight,
                InsightKind.ADD_WATCH_OFFER,
                region.region,
                OFFER_PRIORITY + region.clicks / (region.clicks + OFFER_CLICKS) / 2,
                observation=f"Over {region.clicks} anchor clicks in two weeks came from {region.region}, "
                f"where {sight.title.name} has no watch offer.",
                reason="Viewers who look for a place to watch and find none leave.",
                action=f"Add a watch offer for {region.region}.",
                facts=(
                    ("click_count", float(region.clicks)),
                    ("viewer_count", float(region.viewers)),
                    ("share", region.share),
                ),
                draft=_draft("PATCH", f"/v1/titles/{sight.title.id}?update_mask=watch_offers", body, "Draft the offer"),
            )
        )
    return found[:OFFERS_MAX]


def rising_creators(sight: Sight) -> list[Insight]:
    """Creators who grow with this title."""
    found = []
    for name, head in sight.creators:
        if not head.is_rising or not name or name.startswith("official"):
            continue
        views = head.count(EventType.VIDEO_VIEW)
        body = _campaign(sight, f"Creators of {sight.title.name}", f"Invitation for {name}.")
        found.append(
            _insight(
                sight,
                InsightKind.INVITE_CREATOR,
                name,
                0.3 + head.view_share,
                observation=f"{name} went from {head.previous_views} to {views} views with {sight.title.name}.",
                reason="A creator on the rise brings viewers of their own, and is asked by others soon.",
                action=f"Invite {name} to a campaign.",
                facts=(
                    ("view_count", float(views)),
                    ("previous_view_count", float(head.previous_views)),
                    ("growth_score", head.growth),
                ),
                draft=_draft("POST", "/v1/campaigns", body, "Draft the invitation"),
            )
        )
    return found[:3]


def campaigns_before_release(sight: Sight) -> list[Insight]:
    """Velocity that climbs before a release."""
    ahead = [
        (day.toordinal() - 719_163) * DAY_MINUTES - sight.minute for day in sight.title.release_dates
    ]  # ordinal 719,163 is 1970-01-01
    soon = [minutes for minutes in ahead if 0 < minutes <= RELEASE_DAYS_AHEAD * DAY_MINUTES]
    if not soon or sight.growth < GROWTH_MIN:
        return []
    days = min(soon) / DAY_MINUTES
    body = _campaign(sight, f"{sight.title.name}: opening week", "Open before the release, while interest climbs.")
    return [
        _insight(
            sight,
            InsightKind.OPEN_CAMPAIGN,
            "release",
            0.5 + 0.5 * (1 - days / RELEASE_DAYS_AHEAD),
            observation=f"Events grew {sight.growth - 1:.0%} in a week, {days:.0f} days before the release.",
            reason="A campaign opened while interest climbs reaches the people who carry it.",
            action="Open a campaign before the release.",
            facts=(("growth", sight.growth - 1), ("days_to_release", days), ("event_count", float(sight.week_count))),
            draft=_draft("POST", "/v1/campaigns", body, "Draft the campaign"),
        )
    ]


def doubtful_hashtags(sight: Sight) -> list[Insight]:
    """Hashtags whose viewers hardly ever click: the videos may be about something else."""
    whole = wilson(sight.clicks, sight.impressions)
    found = []
    for tag, impressions, clicks in sight.tags:
        rate = wilson(clicks, impressions)
        if impressions < TAG_IMPRESSIONS_MIN or rate.upper >= whole.lower or rate.value > TAG_RATE_FACTOR * whole.value:
            continue
        body = {"title_id": sight.title.id, "name": tag, "kind": "hashtag", "ambiguity_class": "common_word"}
        found.append(
            _insight(
                sight,
                InsightKind.CHECK_ALIAS,
                tag,
                0.3 + min(impressions / max(sight.impressions, 1), 0.5),
                observation=f"Videos with #{tag} were shown {impressions} times and clicked {clicks} times.",
                reason=f"Of all this title's anchors {whole.value:.1%} are clicked: these videos may be off-topic.",
                action=f"Check whether #{tag} should lead to this title.",
                facts=(
                    ("impression_count", float(impressions)),
                    ("click_rate", rate.value),
                    ("title_click_rate", whole.value),
                ),
                draft=_draft("PATCH", f"/v1/titles/{sight.title.id}/aliases", body, "Draft the change"),
            )
        )
    return found


def surges(sight: Sight) -> list[Insight]:
    """Spikes that look bought."""
    return [
        _insight(
            sight,
            InsightKind.REVIEW_SURGE,
            spike.id,
            0.6 + min(spike.score / 100, 0.4),
            observation=f"{spike.count} events where {spike.expected:.0f} are usual, from few viewers.",
            reason="Bought traffic spoils rankings and campaign rewards.",
            action="Look at the surge before rewards are granted on it.",
            facts=tuple((fact.code, fact.value) for fact in spike.evidence),
            draft=_draft("GET", f"/v1/titles/{sight.title.id}/spikes", {}, "Open the spike"),
        )
        for spike in sight.spikes
        if spike.cause is SpikeCause.SUSPICIOUS and spike.end >= sight.minute - SURGE_DAYS * DAY_MINUTES
    ]


def _campaign(sight: Sight, name: str, text: str) -> dict[str, object]:
    return {
        "studio_id": sight.title.studio_id,
        "campaign": {"display_name": name[:200], "description": text, "title_ids": [sight.title.id]},
    }


def _draft(method: str, path: str, body: Mapping[str, object], label: str) -> Draft:
    return Draft(http_method=method, http_path=path, body_json=json.dumps(body, ensure_ascii=False), label=label)


RULES: tuple[Rule, ...] = (missing_offers, rising_creators, campaigns_before_release, doubtful_hashtags, surges)


def renewed(known: Insight | None, now: Insight) -> Insight | None:
    """What to store when a suggestion is seen (again); None where it was decided and stays so."""
    if known is None:
        return now
    if known.state is InsightState.DISMISSED:
        return now if now.update_minute - known.decide_minute >= DISMISSED_MINUTES else None
    if (known.state, Act.SEE_AGAIN) not in LIFE:
        return None
    return replace(now, create_minute=known.create_minute, state=moved(known, Act.SEE_AGAIN))
