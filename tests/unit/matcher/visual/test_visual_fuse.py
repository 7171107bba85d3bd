"""Words, pictures and sound in one logit."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.visual.fuse import CONTESTED_LOGIT_MAX, Part, contested_titles, fuse
from services.matcher.visual.signals import Region, SignalSource, VisualEvidence, VisualMatch
from services.matcher.visual.sound import SoundEvidence
from services.matcher.visual.vote import probability

PRIOR = -4.0


def seen(title_id: str, contribution: float) -> VisualMatch:
    return VisualMatch(
        title_id=title_id,
        contribution=contribution,
        prior_logit=PRIOR,
        probability=probability(PRIOR + contribution),
        is_borderline=False,
        evidence=(),
    )


def heard(title_id: str, contribution: float = 1.0) -> SoundEvidence:
    return SoundEvidence(title_id=title_id, value="song", contribution=contribution)


def test_without_pictures_and_sound_the_words_keep_their_say():
    logits = {"a": 2.5, "b": -1.0}
    assert {one.title_id: one.logit for one in fuse(logits)} == logits
    assert all([part.part for part in one.contributions] == [Part.TEXT] for one in fuse(logits))


def test_agreeing_signals_add_up():
    (fused,) = fuse({"a": 1.0}, [seen("a", 3.0)], [heard("a", 0.5)])
    assert fused.logit == pytest.approx(4.5)
    assert not fused.is_contested


def test_a_title_only_the_pictures_found_starts_from_their_prior():
    (fused,) = fuse({}, [seen("a", 9.0)])
    assert fused.probability == pytest.approx(seen("a", 9.0).probability)
    assert [one.part for one in fused.contributions] == [Part.PRIOR, Part.VISUAL]


def test_a_faint_word_never_counts_less_than_no_word():
    (silent,) = fuse({}, [seen("a", 6.0)])
    (faint,) = fuse({"a": -6.0}, [seen("a", 6.0)])
    assert faint.logit == pytest.approx(silent.logit)


def test_sound_alone_finds_no_title():
    assert fuse({}, [], [heard("a", 9.0)]) == ()


def test_a_picture_against_the_words_leaves_neither_approved():
    fused = fuse({"words": 4.0}, [seen("picture", 11.0)])
    assert {one.title_id for one in fused} == {"words", "picture"}
    for one in fused:
        assert one.is_contested
        assert one.probability <= 0.5 + 1e-9
        assert one.contributions[-1].part is Part.CONFLICT


def doubtful(title_id: str, contribution: float, source: SignalSource = SignalSource.EMBEDDING) -> VisualMatch:
    evidence = VisualEvidence(
        reference_id="r",
        source=source,
        model="m",
        distance=0.6,
        start_ms=0,
        end_ms=500,
        region=Region.FULL,
        contribution=contribution,
    )
    return replace(seen(title_id, contribution), is_borderline=True, evidence=(evidence,))


@given(st.floats(0.01, 4.0))
def test_a_likeness_nobody_could_check_is_lifted_to_where_a_reviewer_looks(contribution):
    (fused,) = fuse({}, [doubtful("a", contribution)])
    assert 0.5 <= fused.probability < 0.5 + 1e-6
    if contribution < 4.0:
        assert fused.contributions[-1].part is Part.DOUBT


def test_a_doubt_lifts_nothing_above_even_odds_and_only_vectors_are_lifted():
    (sure_words,) = fuse({"a": 2.0}, [doubtful("a", 1.0)])
    assert sure_words.logit == pytest.approx(3.0)
    (hash_only,) = fuse({}, [doubtful("a", 1.0, SignalSource.PDQ)])
    assert hash_only.logit == pytest.approx(PRIOR + 1.0)


@given(st.floats(-0.3, 12), st.floats(7.0, 12))
def test_a_contested_title_that_was_sure_is_never_rounded_out_of_review(text, picture):
    for one in fuse({"words": text}, [seen("picture", picture)]):
        if one.is_contested and one.contributions[-1].part is Part.CONFLICT:
            assert one.probability >= 0.5


def test_a_contested_title_below_the_line_is_not_pushed_further():
    fused = {one.title_id: one for one in fuse({"words": -0.2}, [seen("picture", 11.0)])}
    assert fused["words"].is_contested
    assert fused["words"].logit == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("text", "pictures"),
    [
        ({"a": 4.0}, [seen("a", 11.0)]),  # agreement
        ({"a": 4.0}, [seen("a", 2.0), seen("b", 11.0)]),  # both are shown: a compilation
        ({"a": 4.0, "b": 3.0}, [seen("b", 11.0)]),  # both are meant, one is shown... a is against what is seen
        ({"a": -3.0}, [seen("b", 11.0)]),  # the words are not sure
        ({"a": 4.0}, [seen("b", 3.0)]),  # the pictures are not sure
        ({"a": 4.0}, []),
        ({}, [seen("b", 11.0)]),
    ],
)
def test_what_is_no_contradiction_is_not_contested(text, pictures):
    assert contested_titles(text, pictures) == frozenset()


logits = st.floats(-15, 15)
titles = st.sampled_from("abcdef")


@given(st.dictionaries(titles, logits), st.dictionaries(titles, st.floats(0.01, 12)), st.dictionaries(titles, logits))
def test_parts_always_sum_to_the_logit(text, pictures, sounds):
    fused = fuse(text, [seen(*one) for one in pictures.items()], [heard(*one) for one in sounds.items()])
    assert {one.title_id for one in fused} == {*text, *pictures}
    assert [one.logit for one in fused] == sorted((one.logit for one in fused), reverse=True)
    for one in fused:
        assert one.logit == math.fsum(part.value for part in one.contributions)
        assert one.probability == probability(one.logit)
        if one.is_contested:
            assert one.logit <= CONTESTED_LOGIT_MAX + 1e-9


@given(st.dictionaries(titles, logits), st.dictionaries(titles, st.floats(0.01, 12)))
def test_a_picture_of_the_title_itself_never_hurts_it(text, pictures):
    alone = {one.title_id: one.logit for one in fuse(text)}
    for one in fuse(text, [seen(*match) for match in pictures.items()]):
        if one.title_id in pictures and not one.is_contested:
            assert one.logit >= alone.get(one.title_id, -math.inf)
