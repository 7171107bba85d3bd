"""What reviewers' decisions teach: bounded shifts of the logit per signal and per alias, Beta-Bernoulli.

For each term (a kind of signal, an alias) the decisions on matches that rest on it are Bernoulli trials; the prior
is what the model said of them, worth PRIOR_WEIGHT trials. The shift is the distance between the posterior's logit and
the model's, at most SHIFT_MAX, of one match together at most TOTAL_SHIFT_MAX. One reviewer counts for at most
REVIEWER_SHARE_MAX of a term's weight, so that a bad one moves the posterior of a term by at most that share.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.matcher.appeals import Decision
from services.matcher.domain import Candidate, Evidence
from services.matcher.reviewing import Verdict, is_sampled
from services.matcher.text.matches import SignalType

NONE = "none"
PRIOR_WEIGHT = 20.0
SHIFT_MAX = 1.5
TOTAL_SHIFT_MAX = 2.0  # of one match, whatever its terms say together
REVIEWER_SHARE_MAX = 0.25
DECISIONS_MIN = 50
HELD_OUT_SHARE = 0.2
BINS = 10
TERMS_MAX = 20_000
TURNS = 3
_ROUNDS = 30  # each brings the cap closer to where it stays by at least a quarter


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One learnt shift; `kind` is "signal" or "alias"."""

    kind: str
    key: str
    shift: float
    approved_weight: float
    rejected_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A version of the calibration; "none" shifts nothing."""

    version: str = NONE
    model_version: str = ""
    terms: tuple[Term, ...] = ()
    decision_count: int = 0
    held_out_count: int = 0
    ece_before: float = 0.0
    ece_after: float = 0.0
    create_time: datetime | None = None
    proposed_approve_threshold: float = 0.0
    proposed_review_threshold: float = 0.0
    shifts: Mapping[tuple[str, str], float] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def of(terms: Iterable[Term], **facts: object) -> "Calibration":
        kept = tuple(sorted(terms, key=lambda term: (-abs(term.shift), term.kind, term.key))[:TERMS_MAX])
        return Calibration(
            terms=kept,
            shifts={(term.kind, term.key): term.shift for term in kept},
            **facts,  # type: ignore[arg-type]  # the caller names fields of this class
        )


BARE = Calibration()


@dataclass(frozen=True, slots=True)
class Trial:
    """One settled decision as evidence for learning."""

    keys: tuple[tuple[str, str], ...]
    logit: float
    approved: bool
    reviewer_id: str
    weight: float


def calibrated(calibration: Calibration, candidate: Candidate) -> Candidate:
    """The candidate with the learnt shifts as further evidence: contributions still sum to the logit."""
    if not calibration.shifts:
        return candidate
    found = [
        Evidence(signal_type=SignalType.PRIOR, value=f"calibration {kind} {key}", contribution=shift)
        for kind, key in keys_of(candidate.evidence)
        if (shift := calibration.shifts.get((kind, key)))
    ]
    if not found:
        return candidate
    scale = _scale(math.fsum(each.contribution for each in found))
    return with_evidence(candidate, [each._replace(contribution=each.contribution * scale) for each in found])


def with_evidence(candidate: Candidate, found: Iterable[Evidence]) -> Candidate:
    """The candidate with more evidence, and the probability that all of it sums to."""
    evidence = (*candidate.evidence, *found)
    probability = probability_of(math.fsum(each.contribution for each in evidence))
    return replace(candidate, evidence=evidence, probability=probability)


def keys_of(evidence: Sequence[Evidence]) -> tuple[tuple[str, str], ...]:
    """The terms a match rests on: its kinds of signal and the aliases it was recognised by."""
    keys: dict[tuple[str, str], None] = {}
    for each in evidence:
        if each.signal_type is SignalType.PRIOR:
            continue
        keys["signal", each.signal_type.value] = None
        if each.reference_id and each.signal_type is not SignalType.VISUAL:
            keys["alias", each.reference_id] = None
    return tuple(keys)


def trials_of(decisions: Iterable[Decision], weights: Mapping[str, float]) -> list[Trial]:
    """Votes that say yes or no to a match, each weighing what its reader's record is worth."""
    return [
        Trial(
            keys=(
                *(("signal", signal) for signal in decision.signals),
                *(("alias", alias) for alias in decision.aliases),
            ),
            logit=decision.logit,
            approved=decision.vote.verdict is Verdict.APPROVE,
            reviewer_id=decision.vote.reviewer_id,
            weight=weights.get(decision.vote.reviewer_id, 1.0),
        )
        for decision in decisions
        if decision.vote.verdict in {Verdict.APPROVE, Verdict.REJECT, Verdict.WRONG_TITLE}
    ]


def learn(trials: Sequence[Trial]) -> tuple[Term, ...]:
    """Signals first, then each alias on what the signals leave unexplained.

    Terms of a kind come together in one match: each learns what the others do not say already, in turns, lest the same
    decisions shift a match once for each of them.
    """
    signals = _terms("signal", trials, {})
    shifts = {("signal", term.key): term.shift for term in signals}
    return (*signals, *_terms("alias", trials, shifts))


def shifted(logit: float, keys: Iterable[tuple[str, str]], shifts: Mapping[tuple[str, str], float]) -> float:
    total = math.fsum(shifts.get(key, 0.0) for key in keys)
    return logit + total * _scale(total)


def _scale(total: float) -> float:
    return min(1.0, TOTAL_SHIFT_MAX / abs(total)) if total else 1.0


def split(decisions: Iterable[Decision]) -> tuple[list[Decision], list[Decision]]:
    """Decisions to learn from and to judge by, by the video: no video stands on both sides."""
    learnt: list[Decision] = []
    held_out: list[Decision] = []
    for decision in decisions:
        (held_out if is_sampled(decision.video_id, HELD_OUT_SHARE) else learnt).append(decision)
    return learnt, held_out


def expected_calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Mean distance between what was said and what came true, over equal bins of what was said."""
    if not pairs:
        return 0.0
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for probability, outcome in pairs:
        bins[min(BINS - 1, int(probability * BINS))].append((probability, outcome))
    return math.fsum(
        abs(math.fsum(p for p, _ in each) - sum(outcome for _, outcome in each)) for each in bins.values()
    ) / len(pairs)


def probability_of(logit: float) -> float:
    if logit >= 0:
        return 1 / (1 + math.exp(-min(logit, 700.0)))
    return 1 - 1 / (1 + math.exp(max(logit, -700.0)))


def logit_of(probability: float) -> float:
    p = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _terms(kind: str, trials: Sequence[Trial], shifts: Mapping[tuple[str, str], float]) -> tuple[Term, ...]:
    by_key: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        for each_kind, key in trial.keys:
            if each_kind == kind:
                by_key[key].append(trial)
    learnt = dict(shifts)
    terms: dict[str, Term] = {}
    for _ in range(TURNS):
        # The term with the most decisions first: what they have in common is its.
        for key in sorted(by_key, key=lambda key: (-len(by_key[key]), key)):
            learnt.pop((kind, key), None)
            terms[key] = _term(kind, key, by_key[key], learnt)
            learnt[kind, key] = terms[key].shift
    return tuple(terms[key] for key in sorted(terms))


def _term(kind: str, key: str, trials: Sequence[Trial], shifts: Mapping[tuple[str, str], float]) -> Term:
    capped = _capped(trials)
    approved = math.fsum(weight for trial, weight in capped if trial.approved)
    total = math.fsum(weight for _, weight in capped)
    said = [probability_of(shifted(trial.logit, trial.keys, shifts)) for trial in trials]
    mean = min(max(math.fsum(said) / len(said), 1e-6), 1 - 1e-6)
    posterior = (approved + PRIOR_WEIGHT * mean) / (total + PRIOR_WEIGHT)
    shift = logit_of(posterior) - logit_of(mean)
    return Term(
        kind=kind,
        key=key,
        shift=max(-SHIFT_MAX, min(SHIFT_MAX, shift)),
        approved_weight=approved,
        rejected_weight=total - approved,
    )


def _capped(trials: Sequence[Trial]) -> list[tuple[Trial, float]]:
    """Each trial's weight, with every reviewer held to his share of the term's prior and votes."""
    heft: dict[str, float] = defaultdict(float)
    for trial in trials:
        heft[trial.reviewer_id] += trial.weight
    allowed = _allowed(list(heft.values()))
    return [
        (trial, trial.weight * min(1.0, allowed / heft[trial.reviewer_id]) if heft[trial.reviewer_id] else 0.0)
        for trial in trials
    ]


def _allowed(hefts: Sequence[float]) -> float:
    """The greatest heft that is a REVIEWER_SHARE_MAX of the term once every heft is held to it."""
    allowed = math.fsum(hefts)
    for _ in range(_ROUNDS):
        allowed = REVIEWER_SHARE_MAX * (math.fsum(min(heft, allowed) for heft in hefts) + PRIOR_WEIGHT)
    return allowed
