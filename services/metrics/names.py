"""The names behind the digests that rollups hold: pieces as they came, each sorted when it is first looked into."""

import numpy as np

from services.metrics import digest, texts
from services.metrics.domain import U64
from services.metrics.texts import Texts

# A look-up searches each piece; so many become one.
PIECES_MAX = 64
# Names on so many times the bytes they need get bytes of their own: those of all columns come on the same.
LOOSE = 4


class NameBook:
    """Names by digest."""

    __slots__ = ("_pieces", "_sorted")

    def __init__(self) -> None:
        self._pieces: list[tuple[U64, Texts]] = []
        # So many of them, the first, are sorted.
        self._sorted = 0

    def add(self, digests: U64, names: Texts) -> None:
        """Takes names in; the empty one has no digest."""
        is_loose = len(names.data) > LOOSE * int(names.lengths.sum())
        self._pieces.append((digests, names.compact() if is_loose else names))
        if len(self._pieces) > PIECES_MAX:
            self._pieces, self._sorted = [self.sorted()], 1

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
        self._pieces[self._sorted :] = [_distinct(*piece) for piece in self._pieces[self._sorted :]]
        self._sorted = len(self._pieces)
        for digests, names in self._pieces:
            place = int(np.searchsorted(digests, np.uint64(head)))
            if place < len(digests) and int(digests[place]) == head:
                return names[place]
        return None


def _distinct(digests: U64, names: Texts) -> tuple[U64, Texts]:
    first, _ = digest.distinct(digests)
    first = first[digests[first] != 0]
    order = first[np.argsort(digests[first])]
    return digests[order], names.take(order).compact()
