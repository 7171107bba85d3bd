"""Which titles are looked at next: those that stand out first, then those that waited longest. Pure."""

from collections.abc import Set as AbstractSet

import numpy as np

from services.metrics.domain import I64


class Rounds:
    """For each title the log entry up to which it was looked at."""

    def __init__(self) -> None:
        self._looked: I64 = np.zeros(0, np.int64)  # by title number; 0: never

    def due(self, positions: I64, standing_out: AbstractSet[int]) -> list[int]:
        """The titles with events since they were looked at; `positions` are the entries that last had some."""
        looked = self._until(len(positions))
        moved = np.flatnonzero(positions > looked)
        waits = ~np.isin(moved, list(standing_out))
        found: list[int] = moved[np.lexsort((moved, looked[moved], waits))].tolist()
        return found

    def new(self, positions: I64) -> list[int]:
        """The titles with events that were never looked at."""
        found: list[int] = np.flatnonzero((positions > 0) & (self._until(len(positions)) == 0)).tolist()
        return found

    def look(self, title: int, position: int) -> None:
        """A title is looked at."""
        self._until(title + 1)[title] = position

    def _until(self, count: int) -> I64:
        if count > len(self._looked):
            self._looked = np.append(self._looked, np.zeros(count, np.int64))
        return self._looked[:count]
