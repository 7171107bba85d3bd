"""What the text engine answers: matches, each with the evidence its probability is the sum of."""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from services.matcher.text.posts import Field


class SignalType(enum.StrEnum):
    """The kinds of evidence a match can rest on (the wire's names)."""

    HASHTAG = "hashtag"
    TITLE = "title"
    ALIAS = "alias"
    CHARACTER = "character"
    CAST = "cast"
    MENTION = "mention"
    SPEECH = "speech"
    OCR = "ocr"
    SOUND = "sound"
    VISUAL = "visual"
    PRIOR = "prior"


class Evidence(NamedTuple):
    """One named part of a match's logit; a tuple: a match has a dozen, and a frozen dataclass costs five times it.

    `factor` says what was weighed ("name", "context", "year", ...); `value` is the post's own words
    where there are any.  `start` and `end` are offsets in `field` (in `segment`-th entry where the
    field is a list); both are 0 where the evidence is not a span.
    """

    signal_type: SignalType
    factor: str
    contribution: float
    value: str = ""
    field: Field = Field.CAPTION
    segment: int = 0
    start: int = 0
    end: int = 0
    reference_id: str = ""  # the alias of the title that was recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """Another title the same words could mean, and what separated it from the match."""

    title_id: str
    probability: float
    separated_by: tuple[str, ...] = ()  # factors, the largest difference first


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMatch:
    """A title the post may be about.  The contributions of `evidence` sum to `logit`."""

    title_id: str
    probability: float
    logit: float
    evidence: tuple[Evidence, ...]
    runner_ups: tuple[RunnerUp, ...] = ()
    margin: float = 1.0  # probability less the best runner-up's; the probability itself without one
