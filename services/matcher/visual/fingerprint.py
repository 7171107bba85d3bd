"""From pixels to fingerprints: PDQ (as it is and mirrored) and frame-model vectors of each window of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pdqhash
from numpy.typing import NDArray

from services.matcher.visual.frame_model import FrameModel
from services.matcher.visual.generic import generic_pictures
from services.matcher.visual.layout import Box, Window, small_grey, windows_of
from services.matcher.visual.quality import is_flat
from services.matcher.visual.signals import Fingerprint, Frame, ReferenceKind, Region
from services.matcher.visual.verify import GREY_PX
from services.matcher.visual.videos import Moment

PDQ_SIDE_PX = 256  # PDQ itself works on 64 x 64; larger only costs time
WINDOW_PX_MIN = 40
GENERIC_COSINE_MAX = 0.30  # half of all references lie below 0.10, 99 % below 0.28; text cards above
EMBEDDINGS_MAX = 16  # a video: 0.18 s of the distilled SSCD on a busy core, of the half second in all
CROP_ASPECT = 9 / 16
CROP_SHARE_MAX = 0.85  # of the width: a crop that keeps more is the whole picture again

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A window of one moment with its pixels."""

    place: int
    region: Region
    picture: Picture


class Fingerprinter:
    """Computes what references and videos are compared by; with no frame model it computes PDQ only."""

    def __init__(
        self,
        model: FrameModel | None = None,
        *,
        embeddings_max: int = EMBEDDINGS_MAX,
        generic_cosine_max: float = GENERIC_COSINE_MAX,
    ) -> None:
        self._model = model
        self._generic_cosine_max = generic_cosine_max
        self._embeddings_max = embeddings_max
        self._generic = (
            np.stack([one.vector() for one in model.embed(generic_pictures())]) if model is not None else None
        )

    def of_video(self, moments: Sequence[Moment]) -> tuple[Frame, ...]:
        """Frames with the fingerprints of their windows; the layout is found from all moments together."""
        if not moments:
            return ()
        windows = windows_of([moment.picture for moment in moments])
        cuts = [
            cut
            for place in (*range(0, len(moments), 2), *range(1, len(moments), 2))  # a short budget still sees all of it
            for window in windows
            if (cut := _cut(place, window, moments[place].picture)) is not None
        ]
        prints = self._fingerprints(cuts)
        return tuple(
            Frame(
                t_ms=moment.t_ms,
                fingerprints=tuple(
                    one for cut, some in zip(cuts, prints, strict=True) if cut.place == place for one in some
                ),
                picture=small_grey(moment.picture, GREY_PX),
            )
            for place, moment in enumerate(moments)
        )

    def of_reference(self, picture: Picture, kind: ReferenceKind) -> tuple[Fingerprint, ...]:
        """The fingerprints of a title's image, none if it is flat; stills are cut to 9:16 in three places too."""
        content = windows_of([picture])[0].box
        windows = [Window(region=Region.FULL, box=content)]
        if kind is ReferenceKind.STILL:
            windows += _vertical_crops(content, picture)
        cuts = [cut for window in windows if (cut := _cut(0, window, picture)) is not None]
        return tuple(
            self._without_generic(one) for some in self._fingerprints(cuts) for one in some if not one.mirrored
        )

    def _fingerprints(self, cuts: Sequence[_Cut]) -> list[tuple[Fingerprint, ...]]:
        hashed = [_hashed(cut) for cut in cuts]
        if self._model is None:
            return hashed
        embeddings = self._model.embed([cut.picture for cut in cuts[: self._embeddings_max]])
        return [
            (replace(some[0], embedding=embeddings[place]), *some[1:]) if place < len(embeddings) else some
            for place, some in enumerate(hashed)
        ]

    def _without_generic(self, one: Fingerprint) -> Fingerprint:
        if one.embedding is None or self._generic is None:
            return one
        if float((self._generic @ one.embedding.vector()).max()) < self._generic_cosine_max:
            return one
        return replace(one, embedding=None)


def _cut(place: int, window: Window, picture: Picture) -> _Cut | None:
    """The window's pixels, unless there is too little to see in them."""
    pixels = window.box.cut(picture)
    if min(pixels.shape[:2]) < WINDOW_PX_MIN or is_flat(pixels):
        return None
    return _Cut(place=place, region=window.region, picture=np.ascontiguousarray(pixels))


def _hashed(cut: _Cut) -> tuple[Fingerprint, ...]:
    """PDQ of the window and of its mirror image."""
    scale = min(1.0, PDQ_SIDE_PX / max(cut.picture.shape[:2]))
    small = cv2.resize(cut.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return tuple(
        Fingerprint(region=cut.region, mirrored=mirrored, pdq=value, pdq_quality=quality)
        for mirrored, pixels in ((False, small), (True, small[:, ::-1]))
        for value, quality in (pdq_of(np.ascontiguousarray(pixels)),)
    )


def pdq_of(picture: Picture) -> tuple[bytes, int]:
    bits, quality = pdqhash.compute(picture)
    return np.packbits(np.asarray(bits, np.uint8)).tobytes(), int(quality)


def _vertical_crops(content: Box, picture: Picture) -> list[Window]:
    """Left, middle and right 9:16 pieces of a picture that is wider than that."""
    height, width = picture.shape[:2]
    share = CROP_ASPECT * (content.bottom - content.top) * height / ((content.right - content.left) * width)
    if share >= CROP_SHARE_MAX:
        return []
    regions = (Region.CROP_LEFT, Region.CROP_MIDDLE, Region.CROP_RIGHT)
    return [
        Window(region=region, box=Box(left=left, top=0.0, right=left + share, bottom=1.0).inside(content))
        for region, place in zip(regions, (0.1, 0.5, 0.9), strict=True)
        for left in ((1.0 - share) * place,)
    ]
