"""The names behind the digests that rollups hold: few pieces sorted by digest, each name once a piece."""

import numpy as np

from services.metrics import texts
from services.metrics.domain import U64
from services.metrics.texts import Texts

# A look-up searches each piece; so many become one.
PIECES_MAX = 16


class NameBook:
    """Names by digest."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[tuple[U64, Texts]] = []

    def add(self, digests: U64, names: Texts) -> None:
        """Takes names in; the empty one has no digest."""
        self._pieces.append(_distinct(digests, names))
        if len(self._pieces) > PIECES_MAX:
            self._pieces = [self.sorted()]

    def sorted(self) -> tuple[U64, Texts]:
        """All names in the order of their digests."""
        if not self._pieces:
            return np.zeros(0, np.uint64), Texts.of(())
        digests = np.concatenate([digests for digests, _ in self._pieces])
        return _distinct(digests, texts.joined([names for _, names in self._pieces]))

    def get(self, head: int) -> str | None:
        """The name behind a digest, where it is known; 0 stands for no name."""
        if not head:
            return ""
        for digests, names in self._pieces:
            place = int(np.searchsorted(digests, np.uint64(head)))
            if place < len(digests) and int(digests[place]) == head:
                return names[place]
        return None


def _distinct(digests: U64, names: Texts) -> tuple[U64, Texts]:
    order = np.argsort(digests)
    digests = digests[order]
    first = digests != 0
    first[1:] &= digests[1:] != digests[:-1]
    return digests[first], names.take(order[first]).compact()
