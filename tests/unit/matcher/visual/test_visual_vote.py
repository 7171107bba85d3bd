"""Shots vote for titles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.visual.calibration import Calibration, Curve
from services.matcher.visual.shots import shots_of
from services.matcher.visual.signals import Region, SignalSource
from services.matcher.visual.vote import AMBIGUOUS_TITLES_MIN, FrameHit, probability, vote


def a_hit(title_id="t", shot=0, log_ratio=5.0, **fields) -> FrameHit:
    return FrameHit(
        **{
            "t_ms": 100 * shot,
            "shot": shot,
            "title_id": title_id,
            "reference_id": f"r-{title_id}-{shot}",
            "source": SignalSource.PDQ,
            "model": "",
            "distance": 40.0,
            "region": Region.FULL,
            "log_ratio": log_ratio,
            "is_sure": True,
            **fields,
        }
    )


def test_a_rival_in_the_same_shot_takes_away_what_it_has():
    (match,) = vote([a_hit("t", log_ratio=8.0), a_hit("u", log_ratio=3.0)], Calibration())
    assert match.title_id == "t"
    assert match.contribution == pytest.approx(5.0)


def test_a_shot_like_many_titles_says_nothing():
    hits = [a_hit(f"t{n}", log_ratio=9.0 - n) for n in range(AMBIGUOUS_TITLES_MIN)]
    assert vote(hits, Calibration()) == ()
    assert len(vote(hits[:-1], Calibration())) == 1


def test_worthless_hits_make_no_match():
    assert vote([a_hit(log_ratio=0.0), a_hit("u", shot=1, log_ratio=-2.0)], Calibration()) == ()


def test_the_sum_is_capped_and_still_a_sum():
    (match,) = vote([a_hit(shot=n, log_ratio=12.0) for n in range(5)], Calibration(logit_max=12.0))
    assert match.contribution == pytest.approx(12.0)
    assert sum(one.contribution for one in match.evidence) == pytest.approx(12.0)


def test_only_unsure_likenesses_are_borderline():
    assert vote([a_hit(is_sure=False)], Calibration())[0].is_borderline
    assert not vote([a_hit(is_sure=False), a_hit(shot=1)], Calibration())[0].is_borderline


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.floats(-20, 20)), max_size=30))
def test_contributions_always_sum_to_the_match(rows):
    hits = [a_hit(title, shot, ratio) for title, shot, ratio in rows]
    for match in vote(hits, Calibration()):
        assert match.contribution == pytest.approx(sum(one.contribution for one in match.evidence), abs=1e-9)
        assert 0.0 < match.contribution <= 12.0 + 1e-9
        assert match.probability == pytest.approx(probability(match.prior_logit + match.contribution))


@given(st.floats(-700, 700))
def test_probability_is_the_inverse_of_the_logit_on_both_sides(logit):
    assert probability(logit) + probability(-logit) == pytest.approx(1.0)


def test_more_rows_make_the_same_distance_worth_less():
    curve = Curve(distances=(0, 10), log_ratios=(10, 0), distance_max=10, distance_sure=5)
    assert curve.log_ratio(5, 1_000) == pytest.approx(5.0)
    assert curve.log_ratio(5, 100) == pytest.approx(5.0)
    assert curve.log_ratio(5, 1_000_000) == pytest.approx(5.0 - 6.907755, abs=1e-5)


def test_a_model_of_its_own_curve_is_read_by_it():
    own = Curve(distances=(0, 1), log_ratios=(1, 0), distance_max=1, distance_sure=0.1)
    calibration = Calibration(by_model=(("mine", own),))
    assert calibration.curve(SignalSource.EMBEDDING, "mine") is own
    assert calibration.curve(SignalSource.EMBEDDING, "other") is calibration.embedding
    assert calibration.curve(SignalSource.PDQ, "") is calibration.pdq


def test_a_picture_that_returns_is_the_same_shot(build):
    frames = [
        build.frame(build.print(1)),
        build.frame(build.print(2), t_ms=1),
        build.frame(build.print(1), t_ms=2),
        build.frame(t_ms=3),
    ]
    assert shots_of(frames) == (0, 1, 0, 2)


def test_shots_are_told_apart_by_vectors_where_there_are_any(build):
    near, far = build.embedding(1), build.embedding(2)
    frames = [
        build.frame(build.print(1, embedding=near)),
        build.frame(build.print(1, embedding=far), t_ms=1),
        build.frame(build.print(2, embedding=near), t_ms=2),
    ]
    assert shots_of(frames) == (0, 1, 0)
    mixed = [build.frame(build.print(1, pdq=None, embedding=near)), build.frame(build.print(1), t_ms=1)]
    assert shots_of(mixed) == (0, 1)


def test_one_reference_seen_in_several_shots_agrees_only_once():
    same = [a_hit(shot=n, reference_id="r", log_ratio=4.0) for n in range(3)]
    (match,) = vote(same, Calibration())
    assert match.contribution == pytest.approx(4.0)
    assert len(match.evidence) == 1
    (other,) = vote([a_hit(shot=n, log_ratio=4.0) for n in range(3)], Calibration())
    assert other.contribution > match.contribution
