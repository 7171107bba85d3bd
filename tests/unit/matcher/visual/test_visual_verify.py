"""The geometric check accepts the same details in the same arrangement and nothing else."""

import cv2
import numpy as np
import pytest

from services.matcher.visual.calibration import DEFAULT_CALIBRATION
from services.matcher.visual.engine import VisualEngine
from services.matcher.visual.layout import small_grey
from services.matcher.visual.signals import (
    Frame,
    Region,
    SignalSource,
    VisualEvidence,
    VisualMatch,
)
from services.matcher.visual.verify import AGREES, DISAGREES, GREY_PX, INLIERS_MIN, between, inliers, verified
from services.matcher.visual.vote import probability


def grey(picture) -> np.ndarray:
    return small_grey(picture, GREY_PX)


def a_match(contribution: float = 3.0, *, is_borderline: bool = True, title_id: str = "t") -> VisualMatch:
    evidence = VisualEvidence(
        reference_id="r",
        source=SignalSource.EMBEDDING,
        model="m",
        distance=0.58,
        start_ms=0,
        end_ms=900,
        region=Region.FULL,
        contribution=contribution,
    )
    return VisualMatch(
        title_id=title_id,
        contribution=contribution,
        prior_logit=-4.0,
        probability=probability(contribution - 4.0),
        is_borderline=is_borderline,
        evidence=(evidence,),
    )


def looked_at(match, shown, reference):
    frames = [Frame(t_ms=0, fingerprints=(), picture=shown)]
    return verified([match], between(frames, lambda _: reference), DEFAULT_CALIBRATION)[0]


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_inset_has_its_references_details(scene, mirrored):
    canvas = cv2.resize(scene(50), (640, 360))
    canvas[60:276, 100:484] = cv2.resize(scene(1), (384, 216))
    shown = canvas[:, ::-1] if mirrored else canvas
    assert inliers(grey(np.ascontiguousarray(shown)), grey(scene(1))) >= INLIERS_MIN


def test_impostors_stay_far_below_the_line(scene):
    counts = [inliers(grey(scene(n)), grey(scene(n + 100))) for n in range(12)]
    assert max(counts) < INLIERS_MIN


def test_flat_pictures_have_no_details(scene):
    flat = np.full((180, 320), 90, np.uint8)
    assert inliers(flat, grey(scene(1))) == 0
    assert inliers(grey(scene(1)), flat) == 0


def test_agreement_settles_a_borderline_likeness(scene):
    match = looked_at(a_match(), grey(scene(1)), grey(scene(1)))
    assert match.contribution == pytest.approx(3.0 + AGREES)
    assert match.evidence[-1].source is SignalSource.GEOMETRY
    assert not match.is_borderline
    assert match.probability == pytest.approx(probability(match.prior_logit + match.contribution))


def test_disagreement_settles_it_too(scene):
    match = looked_at(a_match(), grey(scene(1)), grey(scene(2)))
    assert match.contribution == pytest.approx(3.0 + DISAGREES)
    assert not match.is_borderline


def test_neither_verdict_leaves_the_bounds(scene):
    weak = looked_at(a_match(0.5), grey(scene(1)), grey(scene(2)))
    assert weak.contribution == pytest.approx(0.0)
    strong = looked_at(a_match(10.0), grey(scene(1)), grey(scene(1)))
    assert strong.contribution == pytest.approx(DEFAULT_CALIBRATION.logit_max)


def test_what_cannot_be_looked_at_stays_as_it_is(scene):
    assert looked_at(a_match(), grey(scene(1)), None) == a_match()
    assert looked_at(a_match(), None, grey(scene(1))) == a_match()
    sure = a_match(is_borderline=False)
    assert looked_at(sure, grey(scene(1)), grey(scene(2))) == sure


def test_only_so_many_likenesses_are_checked(scene):
    asked = []
    matches = [a_match(title_id=f"t{n}") for n in range(9)]
    frames = [Frame(t_ms=0, fingerprints=(), picture=grey(scene(1)))]
    verified(matches, between(frames, asked.append), DEFAULT_CALIBRATION)
    assert len(asked) == 4


def test_the_engine_checks_when_it_can_see_references(scene, build):
    far = bytearray(build.pdq(1))
    for place in range(70):
        far[place % 32] ^= 1 << (place // 32)
    bank = [build.reference("r", "t", build.print(1))]
    frame = Frame(t_ms=0, fingerprints=(build.print(0, pdq=bytes(far)),), picture=grey(scene(1)))
    blind = VisualEngine.build(bank).match([frame])[0]
    seeing = VisualEngine.build(bank, pictures=lambda _: grey(scene(1))).match([frame])[0]
    assert blind.is_borderline
    assert seeing.contribution > blind.contribution


def test_counts_kept_from_before_judge_as_a_fresh_look(scene, build):
    far = bytearray(build.pdq(1))
    for place in range(70):
        far[place % 32] ^= 1 << (place // 32)
    engine = VisualEngine.build([build.reference("r", "t", build.print(1))])
    frame = Frame(t_ms=0, fingerprints=(build.print(0, pdq=bytes(far)),))
    (blind,) = engine.match([frame])
    (agreed,) = engine.match([frame], {"r": INLIERS_MIN})
    (refuted,) = engine.match([frame], {"r": INLIERS_MIN - 1})
    assert engine.match([frame], {"another": 99}) == (blind,)
    assert refuted.contribution < blind.contribution < agreed.contribution
    assert [one.evidence[-1].source for one in (refuted, agreed)] == [SignalSource.GEOMETRY] * 2
    assert not agreed.is_borderline
