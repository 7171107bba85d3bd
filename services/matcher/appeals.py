"""An appeal and a decision: what a creator says against, and what a reviewer's vote was about."""

from dataclasses import dataclass, replace
from datetime import datetime

from services.matcher.domain import MatchState
from services.matcher.errors import AppealClosed
from services.matcher.lifecycle import APPEAL, AppealAct, AppealState
from services.matcher.reviewing import Verdict, Vote

EXPIRED_ANSWER = "We did not manage to hear your appeal in time, so we decided in your favour."


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """A creator's appeal against the decision on a match."""

    id: str
    match_id: str
    video_id: str
    title_id: str
    creator_id: str
    text: str
    state: AppealState
    create_time: datetime
    sla_deadline_time: datetime
    answer: str = ""
    reviewer_id: str = ""
    decide_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A vote with what it was about: the stuff of statistics and learning.

    `signals` and `aliases` are what the match rested on, `logit` what the bare model of that version said.
    """

    id: str
    task_id: str
    match_id: str
    video_id: str
    title_id: str
    vote: Vote
    probability: float
    logit: float
    model_version: str
    match_state: MatchState
    signals: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    expected: Verdict | None = None


def heard(appeal: Appeal, act: AppealAct, *, reviewer_id: str, answer: str, now: datetime) -> Appeal:
    """The appeal after it was granted, denied, or expired."""
    state = APPEAL.get((appeal.state, act))
    if state is None:
        raise AppealClosed
    return replace(appeal, state=state, reviewer_id=reviewer_id, answer=answer, decide_time=now)
