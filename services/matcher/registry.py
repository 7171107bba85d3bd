"""What people wrote into the catalog's alias registry, as evidence beside the model's: named, and bounded.

The model knows how common and how shared a name is. An entry of the registry speaks only where it differs from what
the catalog derives from the same facts: by the distance of the two priors' logits, and by the classes. Together they
move a match by at most SHIFT_MAX; a prior of 0 switches the name off. What decisions teach of a name comes on top
(`calibration.py`), within bounds of its own.
"""

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.matcher.calibration import with_evidence
from services.matcher.domain import Candidate, Evidence
from services.matcher.text.matches import SignalType
from services.matcher.touched import words_of

# One edit takes a match of 0.95 to 0.49, or one of 0.5 to 0.95: enough to put it before people, not to decide alone.
SHIFT_MAX = 3.0
OFF = -20.0
PRIOR_MIN = 0.001  # a prior nearer to 0 or 1 says no more


class Ambiguity(enum.StrEnum):
    """How a name is used in posts."""

    UNKNOWN = "unknown"
    UNIQUE = "unique"
    HOMONYM = "homonym"
    COMMON_WORD = "common word"


# A common word is taken for its title ten times as seldom (ln 10), a shared name about half as often.
CLASS_WORTH = {Ambiguity.UNKNOWN: 0.0, Ambiguity.UNIQUE: 0.0, Ambiguity.HOMONYM: -0.7, Ambiguity.COMMON_WORD: -2.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is said of one name of a title, and what would be said by default."""

    name: str
    prior: float
    ambiguity: Ambiguity
    derived_prior: float
    derived_ambiguity: Ambiguity

    @property
    def key(self) -> str:
        return key_of(self.name)

    @property
    def shift(self) -> float:
        """What the entry adds to the logit of a match that rests on the name."""
        if self.prior == 0.0:
            return OFF
        by_prior = _logit(self.prior) - _logit(self.derived_prior)
        by_class = CLASS_WORTH[self.ambiguity] - CLASS_WORTH[self.derived_ambiguity]
        return max(-SHIFT_MAX, min(SHIFT_MAX, by_prior + by_class))

    @property
    def says(self) -> str:
        """The entry as reviewers read it."""
        if self.prior == 0.0:
            return f"registry {self.name}: switched off"
        said, derived = (self.ambiguity, self.prior), (self.derived_ambiguity, self.derived_prior)
        return "registry {}: {} {:g}, else {} {:g}".format(self.name, *said, *derived)


Registry = Mapping[str, Sequence[Entry]]  # by title


def registered(registry: Registry, candidate: Candidate) -> Candidate:
    """The candidate with what the registry says of the names it rests on: contributions still sum to the logit."""
    entries = registry.get(candidate.title_id)
    if not entries:
        return candidate
    names = {key_of(each.reference_id) for each in candidate.evidence if each.signal_type in _OF_NAMES}
    found = [
        Evidence(signal_type=SignalType.PRIOR, value=entry.says, contribution=shift)
        for entry in entries
        if entry.key in names and (shift := entry.shift)
    ]
    if not found:
        return candidate
    after = with_evidence(candidate, found)
    best = max((other.probability for other in candidate.runner_ups), default=0.0)
    return replace(after, margin=after.probability - best)


def key_of(name: str) -> str:
    """A name as it is compared: folded, without what parts its words."""
    return "".join(words_of(name))


def _logit(prior: float) -> float:
    held = max(PRIOR_MIN, min(1 - PRIOR_MIN, prior))
    return math.log(held / (1 - held))


_OF_NAMES = frozenset(SignalType) - {SignalType.PRIOR, SignalType.VISUAL, SignalType.SOUND, SignalType.CAST}
