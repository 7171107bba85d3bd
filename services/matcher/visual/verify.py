"""The geometric check of borderline likenesses: the same details in the same arrangement, or it is another picture.

What it costs (two runs of SIFT) and needs (both pictures) keeps it off the request path: `verified` is given the
counts, be they made now (`between`) or kept from before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.matcher.visual.calibration import Calibration
from services.matcher.visual.signals import Frame, SignalSource, VisualEvidence, VisualMatch
from services.matcher.visual.vote import probability

GREY_PX = 320  # the longer side of the pictures compared: an inset's details, at 40 ms a pair
INLIERS_MIN = 11  # 0 of 600 impostors reached it
KEYPOINTS_MAX = 600
RATIO_MAX = 0.8  # Lowe's test
REPROJECTION_PX_MAX = 5.0
SCALE_MIN, SCALE_MAX = 0.15, 6.0
CHECKS_MAX = 4  # a video; about 50 ms each
AGREES = 6.0  # log likelihood ratio: 600 impostors refused against two in three right ones accepted
DISAGREES = -1.5  # a hard crop may hide too many details: doubt, no disproof

Grey = NDArray[np.uint8]
Details = tuple[Sequence[Any], Any]  # key points and their descriptors, as OpenCV gives them
Pictures = Callable[[str], Grey | None]  # a reference's grey picture by its id, if it is at hand
CountInliers = Callable[[VisualEvidence], int | None]  # agreeing details of frame and reference, if both can be seen


def inliers(one: Grey, other: Grey) -> int:
    """How many details of one picture lie where a similarity of the other, or of its mirror image, puts them."""
    sift = cv2.SIFT.create(nfeatures=KEYPOINTS_MAX)
    known = sift.detectAndCompute(other, None)
    plain = _agreeing(sift.detectAndCompute(one, None), known)
    if plain >= INLIERS_MIN:
        return plain
    return max(plain, _agreeing(sift.detectAndCompute(np.ascontiguousarray(one[:, ::-1]), None), known))


def _agreeing(seen: Details, known: Details) -> int:
    (points_one, details_one), (points_other, details_other) = seen, known
    if details_one is None or details_other is None or min(len(points_one), len(points_other)) < INLIERS_MIN:
        return 0
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(details_one, details_other, k=2)
    good = [pair[0] for pair in pairs if len(pair) > 1 and pair[0].distance < RATIO_MAX * pair[1].distance]
    if len(good) < INLIERS_MIN:
        return 0
    source = np.array([points_one[match.queryIdx].pt for match in good], np.float32)
    target = np.array([points_other[match.trainIdx].pt for match in good], np.float32)
    matrix, mask = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION_PX_MAX, maxIters=1000
    )
    if matrix is None or not SCALE_MIN <= float(np.hypot(matrix[0, 0], matrix[1, 0])) <= SCALE_MAX:
        return 0
    hit = mask.ravel().astype(bool)
    # details stacked on few places (a logo's letters, a grid) agree with anything: count places, not details
    return min(len(np.unique(np.rint(target[hit] / 4), axis=0)), len(np.unique(np.rint(source[hit] / 4), axis=0)))


def between(frames: Sequence[Frame], pictures: Pictures) -> CountInliers:
    """Counts where both pictures are at hand: the frame's own and the reference's."""

    def count(evidence: VisualEvidence) -> int | None:
        reference = pictures(evidence.reference_id)
        shown = shown_at(evidence, frames)
        return None if reference is None or shown is None else inliers(shown, reference)

    return count


def shown_at(evidence: VisualEvidence, frames: Sequence[Frame]) -> Grey | None:
    """The picture of the frame that the evidence is about, if pixels were sent."""
    inside = (one.picture for one in frames if evidence.start_ms <= one.t_ms <= evidence.end_ms)
    return next((picture for picture in inside if picture is not None), None)


def best_of(match: VisualMatch) -> VisualEvidence:
    """The likeness a match rests on: the one that is checked."""
    return max(match.evidence, key=lambda one: one.contribution)


def verified(matches: Sequence[VisualMatch], count: CountInliers, calibration: Calibration) -> tuple[VisualMatch, ...]:
    """Borderline matches with the verdict of the geometric check added to their evidence; others as they are."""
    checks = CHECKS_MAX
    looked: list[VisualMatch] = []
    for match in matches:
        if match.is_borderline and checks > 0:
            checks -= 1
            looked.append(_judged(match, count(best_of(match)), calibration))
        else:
            looked.append(match)
    return tuple(sorted(looked, key=lambda match: (-match.contribution, match.title_id)))


def _judged(match: VisualMatch, count: int | None, calibration: Calibration) -> VisualMatch:
    """The match after the check of its best likeness; it stays borderline where nobody could look."""
    if count is None:
        return match
    best = best_of(match)
    agrees = count >= INLIERS_MIN
    room = calibration.logit_max - match.contribution
    verdict = VisualEvidence(
        reference_id=best.reference_id,
        source=SignalSource.GEOMETRY,
        model="",
        distance=1.0 / (1 + count),
        start_ms=best.start_ms,
        end_ms=best.end_ms,
        region=best.region,
        contribution=min(AGREES, room) if agrees else max(DISAGREES, -match.contribution),
    )
    contribution = match.contribution + verdict.contribution
    return replace(
        match,
        contribution=contribution,
        probability=probability(match.prior_logit + contribution),
        is_borderline=False,
        evidence=(*match.evidence, verdict),
    )
