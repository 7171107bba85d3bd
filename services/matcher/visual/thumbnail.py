"""A frame as a small JPEG, for people to compare with the reference image it resembles."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX_MAX = 160
BYTES_MAX = 8_192
QUALITIES = (75, 55, 35, 15)  # the first that fits; 160 x 160 of black and white noise take 7.6 kB at the last

Picture = NDArray[np.uint8]


def thumbnail_of(picture: Picture) -> bytes:
    """The RGB picture as a JPEG of at most `SIDE_PX_MAX` pixels and `BYTES_MAX` bytes."""
    scale = min(1.0, SIDE_PX_MAX / max(picture.shape[:2]))
    size = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = np.asarray(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), np.uint8)
    drafts = (_jpeg(small, quality) for quality in QUALITIES)
    found = next((draft for draft in drafts if len(draft) <= BYTES_MAX), None)
    assert found is not None, "so small a picture fits at the last quality"
    return found


def _jpeg(picture: Picture, quality: int) -> bytes:
    is_done, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert is_done, "a picture of bytes can be encoded"
    return coded.tobytes()
