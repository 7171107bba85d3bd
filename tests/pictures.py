"""Pictures drawn from seeds, and encoders of them."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
from PIL import Image


def a_scene(seed: int, width: int = 426, height: int = 240):
    """A picture with large shapes, edges and texture; another seed, another picture."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(30, 226, (5, 8, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(14):
        centre = (int(chance.integers(0, width)), int(chance.integers(0, height)))
        size = int(chance.integers(8, height // 4))
        colour = [int(value) for value in chance.integers(0, 256, 3)]
        if chance.random() < 0.5:
            cv2.circle(picture, centre, size, colour, -1)
        else:
            cv2.rectangle(picture, centre, (centre[0] + size, centre[1] + size // 2), colour, -1)
    grain = chance.normal(0, 10, picture.shape)
    return np.clip(picture + cv2.GaussianBlur(grain, (0, 0), 0.8), 0, 255).astype(np.uint8)


def jpeg_of(picture, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png_of(picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def mp4_of(pictures: Sequence, *, rate: int = 4, frames_each: int = 4, codec: str = "libx264") -> bytes:
    height, width = (side // 2 * 2 for side in pictures[0].shape[:2])
    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number = 0
        for picture in pictures:
            for _ in range(frames_each):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, rate)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode())
    return buffer.getvalue()
