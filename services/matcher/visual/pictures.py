"""Reads a JPEG or PNG of unknown origin into RGB pixels, its format forced and every size bounded."""

import io
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from services.matcher.visual.signals import refused

Picture = NDArray[np.uint8]

ImageFile.LOAD_TRUNCATED_IMAGES = False  # half a picture is a refusal, not a grey half


class PayloadKind(Enum):
    """The file types that are read; anything else is refused by its first bytes."""

    JPEG = "jpeg"
    PNG = "png"
    MP4 = "mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one file may ask of us."""

    image_bytes_max: int = 4 * 1024 * 1024
    video_bytes_max: int = 16 * 1024 * 1024
    pixels_max: int = 24_000_000  # a 24-megapixel photo; decoded it is 72 MB
    video_pixels_max: int = 4096 * 2304
    side_px_max: int = 16_384
    side_px_min: int = 16
    video_s_max: float = 60.0
    frames_max: int = 8  # sampled from a video
    decode_s_max: float = 0.14  # CPU time beyond the key frames
    file_s_max: float = 4.0  # wall time of one file; the child is ended then
    side_px: int = 640  # what we keep: the longer side of a frame


DEFAULT_LIMITS = Limits()


def kind_of(payload: bytes, *, at: str) -> PayloadKind:
    """What a file is by its first bytes; its name and its sender's word do not matter."""
    if payload[:3] == b"\xff\xd8\xff":
        return PayloadKind.JPEG
    if payload[:8] == b"\x89PNG\r\n\x1a\n":
        return PayloadKind.PNG
    if payload[4:8] == b"ftyp":
        return PayloadKind.MP4
    raise refused(at, "not a JPEG, a PNG or an MP4 file")


def checked_kind(payload: bytes, limits: Limits, *, at: str) -> PayloadKind:
    """The file's kind, if its size in bytes is allowed for that kind."""
    kind = kind_of(payload, at=at)
    bytes_max = limits.video_bytes_max if kind is PayloadKind.MP4 else limits.image_bytes_max
    if len(payload) > bytes_max:
        raise refused(at, f"a {kind.value} file has at most {bytes_max} bytes, not {len(payload)}")
    return kind


def read_picture(payload: bytes, kind: PayloadKind, limits: Limits, *, at: str) -> Picture:
    """The upright RGB pixels, at most `side_px` long; the size is checked before a pixel is decoded."""
    assert kind is not PayloadKind.MP4
    try:
        with Image.open(io.BytesIO(payload), formats=(kind.value.upper(),)) as image:
            check_size(image.width, image.height, limits.pixels_max, limits, at=at)
            image.draft("RGB", (limits.side_px, limits.side_px))  # JPEG only: decode at an eighth where that is enough
            image.load()
            upright = ImageOps.exif_transpose(image) or image
            rgb = upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, ArithmeticError, KeyError, IndexError, TypeError, EOFError) as error:
        raise refused(at, f"not a readable {kind.value} file") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refused(at, f"at most {limits.pixels_max} pixels") from error
    rgb.thumbnail((limits.side_px, limits.side_px), Image.Resampling.BOX)
    return np.asarray(rgb, np.uint8)


def check_size(width: int, height: int, pixels_max: int, limits: Limits, *, at: str) -> None:
    if width < limits.side_px_min or height < limits.side_px_min:
        raise refused(at, f"pictures are at least {limits.side_px_min} pixels wide and high")
    if width > limits.side_px_max or height > limits.side_px_max or width * height > pixels_max:
        raise refused(at, f"{width} x {height} is too large: at most {pixels_max} pixels")
