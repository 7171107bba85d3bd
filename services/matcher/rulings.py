"""What a video's matches become: candidates meet what is known, policy decides, and the differences are named."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.matcher.anchors import Regime, facts_of
from services.matcher.decision import GONE, decided, record_of
from services.matcher.domain import (
    Candidate,
    Cause,
    DecidedBy,
    Evidence,
    Match,
    MatchChange,
    MatchState,
    StoredVideo,
)
from services.matcher.policy import Policy
from services.matcher.text.matches import SignalType

# A new match below review is nobody's news; later changes of any match are.
NEWS = frozenset({MatchState.APPROVED, MatchState.IN_REVIEW})


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Which versions found the candidates."""

    model_version: str
    calibration_version: str
    catalog_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A video after deciding, and what changed by it. Equal to before: nothing needs to be written."""

    video: StoredVideo
    changes: tuple[MatchChange, ...]
    is_changed: bool


def ruled(
    regime: Regime,
    now: datetime,
    before: StoredVideo,
    candidates: Sequence[Candidate] | None,
    *,
    basis: Basis | None,
    cause: Cause,
) -> Ruling:
    """Decide every match of a video anew; `candidates` None decides those it has.

    What people said of a match stands even where the engine no longer finds it.
    """
    matches: list[Match] = []
    shown = 0
    for candidate in _with_kept(regime, before, candidates):
        known = before.match_of(candidate.title_id)
        match, is_shown = _decided(regime, now, before, candidate, known, basis=basis, rank=shown + 1)
        shown += is_shown
        matches.append(match)
    after = _with_matches(before, tuple(matches), before.version + 1)
    changes = _changes(before, after, cause, now)
    return Ruling(video=after, changes=changes, is_changed=before.version == 0 or after.matches != before.matches)


def said(
    regime: Regime,
    now: datetime,
    before: StoredVideo,
    verdicts: Mapping[str, MatchState],
    *,
    by: DecidedBy,
    cause: Cause,
) -> Ruling:
    """People's word on matches of a video, by title, and what follows for its other matches.

    A title that nothing found becomes a match by their word alone.
    """
    told = [
        match._replace(verdict=verdicts[match.title_id], verdict_by=by) if match.title_id in verdicts else match
        for match in before.matches
    ]
    for title_id in verdicts:
        if before.match_of(title_id) is None:
            basis = Basis(model_version="", calibration_version="", catalog_revision=0)
            match = _new(before.id, _named(title_id, regime.policy), now, basis)
            told.append(match._replace(verdict=verdicts[title_id], verdict_by=by))
    ruling = ruled(regime, now, replace(before, matches=tuple(told)), None, basis=None, cause=cause)
    return Ruling(video=ruling.video, changes=_changes(before, ruling.video, cause, now), is_changed=True)


def _named(title_id: str, policy: Policy) -> Candidate:
    """A title that people named: as probable as one that needs nobody's word."""
    logit = math.log(policy.approve_threshold / max(1e-9, 1 - policy.approve_threshold))
    evidence = Evidence(signal_type=SignalType.PRIOR, value="named by reviewers", contribution=logit)
    return Candidate(title_id=title_id, probability=policy.approve_threshold, evidence=(evidence,), margin=0.0)


def _with_kept(regime: Regime, before: StoredVideo, candidates: Sequence[Candidate] | None) -> list[Candidate]:
    """Most probable first: candidates worth keeping, and known matches that stand without being found."""
    if candidates is None:
        return [match.candidate for match in before.matches]
    drop = regime.policy.drop_threshold
    found = {each.title_id for each in candidates}
    kept = [each for each in candidates if each.probability >= drop or before.match_of(each.title_id)]
    kept += [
        match.candidate
        for match in before.matches
        if match.title_id not in found and (match.verdict is not None or regime.card_of(match.title_id).state in GONE)
    ]
    return sorted(kept, key=lambda each: (-each.probability, each.title_id))


def _decided(
    regime: Regime,
    now: datetime,
    video: StoredVideo,
    candidate: Candidate,
    known: Match | None,
    *,
    basis: Basis | None,
    rank: int,
) -> tuple[Match, bool]:
    match = _renewed(known, candidate, basis) if known else _new(video.id, candidate, now, basis)
    card = regime.card_of(candidate.title_id)
    decision = decided(regime.policy, facts_of(regime, video.standing, match, card, viewer_region="", rank=rank))
    match = match._replace(
        state=decision.state,
        decided_by=decision.decided_by,
        policy_version=decision.policy_version,
        held=decision.held,
        passed=decision.passed,
    )
    if match == known:
        return match, decision.is_shown
    return match._replace(update_time=now, record=record_of(decision)), decision.is_shown


def _renewed(known: Match, candidate: Candidate, basis: Basis | None) -> Match:
    if basis is None or candidate == known.candidate:
        return known
    return known._replace(
        candidate=candidate,
        model_version=basis.model_version,
        calibration_version=basis.calibration_version,
        catalog_revision=basis.catalog_revision,
    )


def _new(video_id: str, candidate: Candidate, now: datetime, basis: Basis | None) -> Match:
    assert basis is not None, "a new match was found by something"
    return Match(
        video_id=video_id,
        candidate=candidate,
        state=MatchState.REJECTED,
        decided_by=DecidedBy.POLICY,
        create_time=now,
        update_time=now,
        model_version=basis.model_version,
        calibration_version=basis.calibration_version,
        policy_version="",
        catalog_revision=basis.catalog_revision,
    )


def _changes(before: StoredVideo, after: StoredVideo, cause: Cause, now: datetime) -> tuple[MatchChange, ...]:
    """What the feed tells: new matches of note, changes of state, anchors gained or lost, matches gone."""
    changes: list[MatchChange] = []
    for match in after.matches:
        known = before.match_of(match.title_id)
        if known is None:
            is_news = match.state in NEWS
        else:
            is_news = known.state is not match.state or (
                match.state is MatchState.APPROVED and known.passed != match.passed
            )
        if is_news:
            changes.append(_change(match, known, cause, after, now))
    for known in before.matches:
        if after.match_of(known.title_id) is None and known.state in NEWS:
            gone = known._replace(state=MatchState.WITHDRAWN, update_time=now)
            changes.append(_change(gone, known, cause, after, now))
    return tuple(changes)


def _change(match: Match, known: Match | None, cause: Cause, video: StoredVideo, now: datetime) -> MatchChange:
    return MatchChange(
        match=match,
        previous_state=known.state if known else None,
        cause=cause,
        video=_with_matches(video, (), video.version),
        change_time=now,
    )


def _with_matches(video: StoredVideo, matches: tuple[Match, ...], version: int) -> StoredVideo:
    """`replace`, at a quarter of its price: every video that is decided on comes by here twice."""
    return StoredVideo(
        id=video.id,
        standing=video.standing,
        matches=matches,
        digest=video.digest,
        body=video.body,
        version=version,
    )
