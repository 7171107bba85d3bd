"""What an entry of the alias registry does to a match: named, bounded, and summing to the logit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.calibration import probability_of
from services.matcher.domain import Candidate, Evidence, RunnerUp
from services.matcher.registry import OFF, SHIFT_MAX, Ambiguity, Entry, registered
from services.matcher.text.matches import SignalType

SHARES = st.floats(0, 1, allow_nan=False)


def an_entry(name: str = "The Bear", **given) -> Entry:
    defaults = {
        "prior": 0.5,
        "ambiguity": Ambiguity.UNIQUE,
        "derived_prior": 0.5,
        "derived_ambiguity": Ambiguity.UNIQUE,
    }
    return Entry(name=name, **{**defaults, **given})


def a_candidate(logit: float = 2.0, name: str = "the bear") -> Candidate:
    evidence = (
        Evidence(signal_type=SignalType.HASHTAG, value="#TheBear", contribution=logit + 1, reference_id=name),
        Evidence(signal_type=SignalType.PRIOR, value="bias", contribution=-1.0),
    )
    probability = probability_of(logit)
    runner_up = RunnerUp(title_id="t2", probability=0.1)
    return Candidate(
        title_id="t1", probability=probability, evidence=evidence, runner_ups=(runner_up,), margin=probability - 0.1
    )


@given(SHARES, st.sampled_from(Ambiguity), SHARES, st.sampled_from(Ambiguity), st.floats(-10, 10))
def test_an_entry_moves_a_match_by_what_it_says_and_within_bounds(prior, said, derived, by_default, logit):
    entry = an_entry(prior=prior, ambiguity=said, derived_prior=derived, derived_ambiguity=by_default)
    after = registered({"t1": (entry,)}, a_candidate(logit))
    total = math.fsum(each.contribution for each in after.evidence)
    assert after.probability == pytest.approx(probability_of(total), abs=1e-12)
    moved = sum(each.contribution for each in after.evidence if each.value.startswith("registry"))
    assert abs(moved) <= (SHIFT_MAX if prior else -OFF)
    assert after.margin == pytest.approx(after.probability - 0.1)


def test_what_is_derived_anyhow_says_nothing():
    assert registered({"t1": (an_entry(),)}, a_candidate()) == a_candidate()


def test_a_name_made_a_common_word_is_doubted_and_one_made_likely_believed():
    before = a_candidate().probability
    common = registered({"t1": (an_entry(ambiguity=Ambiguity.COMMON_WORD),)}, a_candidate())
    likely = registered({"t1": (an_entry(prior=0.9),)}, a_candidate())
    assert common.probability < before - 0.2
    assert likely.probability > before + 0.05
    assert common.evidence[-1].value == "registry The Bear: common word 0.5, else unique 0.5"


def test_a_name_switched_off_means_nothing_any_more():
    off = registered({"t1": (an_entry(prior=0.0),)}, a_candidate(8.0))
    assert off.probability < 1e-5
    assert off.evidence[-1].value.endswith("switched off")


@pytest.mark.parametrize("entries", [{}, {"t2": (an_entry(prior=0.0),)}, {"t1": (an_entry("Carmy", prior=0.0),)}])
def test_other_names_and_titles_are_not_touched(entries):
    assert registered(entries, a_candidate()) == a_candidate()
