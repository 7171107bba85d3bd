"""From a stored video to its anchor: the facts of each match, judged in order of probability."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from services.matcher.decision import Decision, decided
from services.matcher.domain import Match, Standing, StoredVideo, TitleCard
from services.matcher.policy import Facts, Policy

CardOf = Callable[[str], TitleCard]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The kill switches that are on; `epoch` counts their changes."""

    is_global: bool = False
    titles: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    epoch: int = 0

    def cover(self, title_id: str, viewer_region: str) -> bool:
        return self.is_global or title_id in self.titles or viewer_region in self.regions


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """What decides besides the video: the active policy, the switches, the titles, and the time."""

    policy: Policy
    switches: Switches
    card_of: CardOf
    now_s: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One match as one viewer's region sees it; `facts.state` is the outcome."""

    match: Match
    card: TitleCard
    facts: Facts
    decision: Decision

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
        found.append(Judged(match, card, replace(facts, state=decision.state), decision))
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
