"""A post as the text engine reads it, and the names of its fields."""

import enum
from dataclasses import dataclass


class Field(enum.IntEnum):
    """Where in a post a span lies."""

    CAPTION = 0
    HASHTAGS = 1  # tags given beside the caption; span offsets count within their own tag
    MENTIONS = 2
    SPEECH = 3
    OCR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The words that came with one video.  `create_time` is Unix seconds, 0 when not known."""

    caption: str = ""
    hashtags: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    speech: str = ""
    ocr: tuple[str, ...] = ()
    language: str = ""
    create_time: int = 0
