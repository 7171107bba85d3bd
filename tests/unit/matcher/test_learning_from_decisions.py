"""What reviewers teach: agreement, weights, bounded shifts, thresholds, drift."""

import math
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.agreement import WEIGHT_MIN, cohens_kappa, qualities, weight_of
from services.matcher.appeals import Decision
from services.matcher.calibration import (
    BARE,
    PRIOR_WEIGHT,
    REVIEWER_SHARE_MAX,
    SHIFT_MAX,
    TOTAL_SHIFT_MAX,
    Calibration,
    Term,
    Trial,
    calibrated,
    expected_calibration_error,
    keys_of,
    learn,
    logit_of,
    probability_of,
    shifted,
    split,
    trials_of,
)
from services.matcher.domain import Candidate, Evidence, MatchState
from services.matcher.drift import bias_of, drift_of, stability_index
from services.matcher.reviewing import Verdict, Vote
from services.matcher.text.matches import SignalType
from services.matcher.thresholds import BINS, Costs, bin_of, from_decisions, propose

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_decision(reviewer="ann", verdict=Verdict.APPROVE, *, task="t", p=0.6, **fields) -> Decision:
    vote = Vote(reviewer_id=reviewer, verdict=verdict, vote_time=NOW, token=1)
    given = {
        "id": f"{task}-{reviewer}",
        "task_id": task,
        "match_id": task,
        "video_id": task,
        "title_id": "x",
        "probability": p,
        "logit": logit_of(p),
        "model_version": "m1",
        "match_state": MatchState.IN_REVIEW,
        "signals": ("title",),
        "aliases": ("up",),
    }
    return Decision(vote=vote, **{**given, **fields})


def test_kappa_is_what_cohen_computed():
    """The textbook table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no gives 0.4."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([]) == 0.0
    assert cohens_kappa([("y", "y")] * 3) == 1.0


@given(st.lists(st.tuples(st.sampled_from("yn"), st.sampled_from("yn")), min_size=1))
def test_kappa_never_exceeds_one(pairs):
    assert -1.0 - 1e-9 <= cohens_kappa(pairs) <= 1.0


def test_a_reviewers_weight_follows_goldens_and_colleagues():
    decisions = [a_decision("good", Verdict.REJECT, task=f"g{k}", expected=Verdict.REJECT) for k in range(20)]
    decisions += [a_decision("bad", Verdict.APPROVE, task=f"g{k}", expected=Verdict.REJECT) for k in range(20)]
    decisions += [a_decision(who, Verdict.APPROVE, task="s") for who in ("good", "bad")]
    records = {each.reviewer_id: each for each in qualities(decisions)}
    assert records["good"].golden_accuracy == 1.0
    assert records["bad"].golden_accuracy == 0.0
    assert records["bad"].weight == WEIGHT_MIN < records["good"].weight
    assert (records["good"].shared_count, records["good"].kappa) == (1, 1.0)


def test_without_a_record_a_reviewer_weighs_three_fifths():
    assert weight_of(0, 0) == pytest.approx(0.6)


trials = st.lists(
    st.builds(
        Trial,
        keys=st.just((("signal", "title"), ("alias", "up"))),
        logit=st.floats(-3, 3),
        approved=st.booleans(),
        reviewer_id=st.sampled_from(["ann", "bob", "cem"]),
        weight=st.floats(0.05, 1),
    ),
    min_size=1,
    max_size=60,
)


@given(trials)
def test_no_shift_passes_its_bound_alone_or_together(found):
    terms = learn(found)
    assert all(abs(term.shift) <= SHIFT_MAX for term in terms)
    shifts = {(term.kind, term.key): term.shift for term in terms}
    for trial in found:
        assert abs(shifted(trial.logit, trial.keys, shifts) - trial.logit) <= TOTAL_SHIFT_MAX + 1e-9


def test_terms_that_come_together_shift_a_match_once():
    """Decisions that say the same of a title, a hashtag and a cast are not counted three times over."""

    def shift_of(*kinds):
        found = [
            Trial(tuple(("signal", kind) for kind in kinds), 0.0, k % 4 == 0, f"r{k % 9}", 1.0) for k in range(400)
        ]
        shifts = {(term.kind, term.key): term.shift for term in learn(found)}
        return shifted(0.0, found[0].keys, shifts)

    alone = shift_of("title")
    assert logit_of(0.25) < alone < 0.8 * logit_of(0.25)
    assert logit_of(0.25) - 0.01 < shift_of("title", "hashtag", "cast") < alone + 0.01


@settings(max_examples=25)
@given(st.integers(1, 2_000), st.floats(0.2, 0.8))
def test_a_bad_reviewer_moves_a_posterior_by_at_most_his_share(count, p):
    """However many decisions one reviewer forges, the posterior moves by at most REVIEWER_SHARE_MAX."""
    honest = [
        Trial((("signal", "title"),), logit_of(p), random.Random(k).random() < p, f"r{k % 7}", 0.6) for k in range(100)
    ]
    forged = [Trial((("signal", "title"),), logit_of(p), False, "mallory", 1.0) for _ in range(count)]

    def posterior(found):
        (term,) = learn(found)
        total = term.approved_weight + term.rejected_weight + PRIOR_WEIGHT
        return (term.approved_weight + PRIOR_WEIGHT * p) / total

    bound = REVIEWER_SHARE_MAX / (1 - REVIEWER_SHARE_MAX)
    assert abs(posterior(honest + forged) - posterior(honest)) <= bound


def test_a_calibration_adds_evidence_that_sums_to_the_logit():
    evidence = (
        Evidence(signal_type=SignalType.TITLE, value="Up", contribution=1.0, reference_id="up"),
        Evidence(signal_type=SignalType.PRIOR, value="bias", contribution=-0.5),
    )
    candidate = Candidate(title_id="t", probability=probability_of(0.5), evidence=evidence)
    assert keys_of(evidence) == (("signal", "title"), ("alias", "up"))
    assert calibrated(BARE, candidate) is candidate
    terms = (
        Term(kind="signal", key="title", shift=-1.5, approved_weight=0, rejected_weight=9),
        Term(kind="alias", key="up", shift=-1.5, approved_weight=0, rejected_weight=9),
    )
    after = calibrated(Calibration.of(terms, version="c-000001"), candidate)
    total = math.fsum(each.contribution for each in after.evidence)
    assert after.probability == pytest.approx(probability_of(total))
    assert total == pytest.approx(0.5 - TOTAL_SHIFT_MAX)
    other = Calibration.of((Term(kind="alias", key="dune", shift=1.0, approved_weight=1, rejected_weight=0),))
    assert calibrated(other, candidate) is candidate


def test_votes_that_say_neither_yes_nor_no_teach_nothing():
    decisions = [a_decision(verdict=verdict) for verdict in Verdict]
    assert [trial.approved for trial in trials_of(decisions, {})] == [True, False, False]


def test_no_video_is_both_learnt_from_and_judged_by():
    learnt, held_out = split([a_decision(task=f"v{k}") for k in range(500)])
    assert len(learnt) + len(held_out) == 500
    assert 60 < len(held_out) < 140


def test_calibration_error_is_the_distance_between_said_and_true():
    assert expected_calibration_error([]) == 0.0
    assert expected_calibration_error([(0.75, True)] * 3 + [(0.75, False)]) == pytest.approx(0.0)
    assert expected_calibration_error([(0.95, False)] * 10) == pytest.approx(0.95)


@given(st.floats(-30, 30))
def test_logit_and_probability_undo_each_other(logit):
    assert logit_of(probability_of(logit)) == pytest.approx(max(-20.7, min(20.7, logit)), abs=0.2)


def test_thresholds_supported_by_decisions():
    pairs = [(p / 100, p >= 70) for p in range(100)]
    approve, review = from_decisions(pairs)
    assert 0.65 <= approve <= 0.72
    assert 0.60 <= review <= approve
    assert from_decisions([(0.5, True)] * 5) == (0.0, 0.0)


histograms = st.lists(st.integers(0, 50), min_size=BINS, max_size=BINS)
costs_ = st.builds(
    Costs,
    reviews_per_day=st.floats(0, 500),
    false_anchor_cost=st.floats(0, 50),
    missed_anchor_cost=st.floats(0, 50),
)


@given(histograms, costs_)
def test_proposed_thresholds_keep_the_capacity_and_beat_reviewing_nothing(histogram, costs):
    proposal = propose(histogram, costs, days=2.0)
    assert proposal.review_threshold <= proposal.approve_threshold
    assert proposal.reviews_per_day <= costs.reviews_per_day + 1e-9
    nothing = propose(
        histogram,
        Costs(
            reviews_per_day=0, false_anchor_cost=costs.false_anchor_cost, missed_anchor_cost=costs.missed_anchor_cost
        ),
        days=2.0,
    )
    assert proposal.cost_per_day <= nothing.cost_per_day + 1e-6


def test_without_a_limit_the_thresholds_are_those_of_the_formula():
    proposal = propose([10] * BINS, Costs(reviews_per_day=10**6, false_anchor_cost=20, missed_anchor_cost=5), 1.0)
    assert proposal.approve_threshold == pytest.approx(1 - 1 / 20, abs=0.01)
    assert proposal.review_threshold == pytest.approx(1 / 5, abs=0.01)


@given(st.floats(0, 1))
def test_every_probability_has_its_bin(p):
    assert 0 <= bin_of(p) < BINS


def test_drift_is_seen_when_the_stream_changes_and_only_then():
    steady = [20] * BINS
    shifted_ = [0] * (BINS // 2) + [40] * (BINS // 2)
    assert stability_index(steady, steady) == pytest.approx(0.0)
    assert not drift_of(steady, steady, []).is_alerting
    assert drift_of(shifted_, steady, []).is_alerting
    assert not drift_of([1] * BINS, shifted_, []).is_alerting, "200 matches are too few to tell"


def test_drift_is_seen_when_reviewers_disagree_with_the_model():
    rejected = [a_decision(verdict=Verdict.REJECT, p=0.6, task=f"v{k}") for k in range(60)]
    assert bias_of(rejected) == pytest.approx(-0.6)
    assert drift_of([0] * BINS, [0] * BINS, rejected).is_alerting
    assert bias_of(rejected[:10]) == 0.0
