"""From a stored video to its anchor: the facts of each match, judged in order of probability."""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from services.matcher.decision import Decision, decided
from services.matcher.domain import (
    Candidate,
    DecidedBy,
    Match,
    MatchState,
    Standing,
    StoredVideo,
    TitleCard,
    TitleState,
)
from services.matcher.policy import Facts, Policy

CardOf = Callable[[str], TitleCard]


class SwitchScope(enum.IntEnum):
    """What a kill switch covers; the numbers are the wire's."""

    GLOBAL = 1
    TITLE = 2
    REGION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """A kill switch that is on; `target` is a title or a region, empty for the global one."""

    scope: SwitchScope
    target: str
    note: str
    actor: str
    set_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The kill switches that are on, as they are asked; `epoch` counts their changes."""

    is_global: bool = False
    titles: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    epoch: int = 0

    def cover(self, title_id: str, viewer_region: str) -> bool:
        return self.is_global or title_id in self.titles or viewer_region in self.regions

    @staticmethod
    def of(switches: Iterable[KillSwitch], epoch: int) -> "Switches":
        on = tuple(switches)
        return Switches(
            is_global=any(each.scope is SwitchScope.GLOBAL for each in on),
            titles=frozenset(each.target for each in on if each.scope is SwitchScope.TITLE),
            regions=frozenset(each.target for each in on if each.scope is SwitchScope.REGION),
            epoch=epoch,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """What decides besides the video: the active policy, the switches, the titles, and the time."""

    policy: Policy
    switches: Switches
    card_of: CardOf
    now_s: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One match as one viewer's region sees it."""

    match: Match
    card: TitleCard
    decision: Decision

    @property
    def facts(self) -> Facts:
        return self.decision.facts

    @property
    def is_shown(self) -> bool:
        return self.decision.is_shown


def judged(regime: Regime, video: StoredVideo, viewer_region: str = "") -> tuple[Judged, ...]:
    """Every match of the video under the regime, the most probable first."""
    found: list[Judged] = []
    shown = 0
    for match in video.matches:
        card = regime.card_of(match.title_id)
        facts = facts_of(regime, video.standing, match, card, viewer_region, rank=shown + 1)
        decision = decided(regime.policy, facts)
        shown += decision.is_shown
        found.append(Judged(match, card, decision))
    return tuple(found)


def facts_of(
    regime: Regime, standing: Standing, match: Match, card: TitleCard, viewer_region: str, *, rank: int
) -> Facts:
    """What the gates judge of one match."""
    return Facts(
        video_id=match.video_id,
        probability=match.candidate.probability,
        verdict=match.verdict,
        verdict_by=match.verdict_by,
        is_contradicted=match.candidate.is_contradicted,
        held=match.held,
        is_killed=regime.switches.cover(match.title_id, viewer_region),
        title_state=card.state,
        embargo_lift_s=card.embargo_lift_s,
        now_s=regime.now_s,
        follower_count=standing.follower_count,
        view_count=standing.view_count,
        strike_score=standing.strike_score,
        strike_time_s=standing.strike_time_s,
        account_type=standing.account_type,
        made_for_kids=standing.made_for_kids,
        content_claimed=standing.content_claimed,
        is_aigc=standing.is_aigc,
        creator_region=standing.creator_region,
        viewer_region=viewer_region,
        rank=rank,
    )


def facts_without_match(regime: Regime, video: StoredVideo, viewer_region: str) -> Facts:
    """The facts of a video that names no title: everything but the probability can still be judged."""
    nothing = Candidate(title_id="", probability=0.0, evidence=())
    moment = datetime.fromtimestamp(regime.now_s, UTC)
    match = Match(
        video_id=video.id,
        candidate=nothing,
        state=MatchState.REJECTED,
        decided_by=DecidedBy.POLICY,
        create_time=moment,
        update_time=moment,
        model_version="",
        calibration_version="",
        policy_version=regime.policy.version,
        catalog_revision=0,
    )
    card = TitleCard("", TitleState.ACTIVE)
    return facts_of(regime, video.standing, match, card, viewer_region, rank=1)
