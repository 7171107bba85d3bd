"""Pictures as small JPEGs: a frame and the reference image it resembles, for people and for the geometric check."""

import cv2
import numpy as np
from numpy.typing import NDArray

from services.matcher.visual.verify import GREY_PX

SIDE_PX_MAX = 160
BYTES_MAX = 8_192
REFERENCE_PX_MAX = GREY_PX  # what the geometric check compares
REFERENCE_BYTES_MAX = 32_768
QUALITIES = (75, 55, 35, 15)  # the first that fits; 160 x 160 of black and white noise take 7.6 kB at the last

Picture = NDArray[np.uint8]


def thumbnail_of(picture: Picture) -> bytes:
    """A frame, for people to look at."""
    return jpeg_within(picture, SIDE_PX_MAX, BYTES_MAX)


def reference_picture_of(picture: Picture) -> bytes:
    """A reference image, as the catalog keeps it."""
    return jpeg_within(picture, REFERENCE_PX_MAX, REFERENCE_BYTES_MAX)


def jpeg_within(picture: Picture, side_px_max: int, bytes_max: int) -> bytes:
    """The RGB picture as a JPEG of at most so many pixels a side and so many bytes."""
    scale = min(1.0, side_px_max / max(picture.shape[:2]))
    size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = np.asarray(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), np.uint8)
    drafts = (_jpeg(small, quality) for quality in QUALITIES)
    found = next((draft for draft in drafts if len(draft) <= bytes_max), None)
    assert found is not None, "so small a picture fits at the last quality"
    return found


def _jpeg(picture: Picture, quality: int) -> bytes:
    is_done, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert is_done, "a picture of bytes can be encoded"
    return coded.tobytes()
