"""Which numbers of a stock may still be free, as one process believes. Pure.

A stock of n units is the numbers 1 to n. A unit is taken by inserting a grant that carries its number, and a unique
index lets each number be carried once: the index decides, this view only saves it from hopeless tries. A process
believes in three kinds of numbers: ranges leased to it that nobody used yet, numbers that were given back, and holes
that a dead process left in its lease. "Sold out" is said only when there are none of the three.
"""

from collections import deque
from collections.abc import Iterable, Iterator

# A lease is a 16th of the stock: four processes share 100 units without one of them holding them all.
LEASE_SHARE = 16
LEASE_MAX = 64
# Numbers looked at at once when holes are searched.
CHUNK = 2_000


class Pool:
    """The numbers of one stock that this process may try."""

    def __init__(self) -> None:
        self._spare: deque[int] = deque()
        self._known: set[int] = set()
        # Taken from here and neither carried nor put back yet.
        self._flying: set[int] = set()
        # Who gave a number back: that mark is to be wiped once the number is carried again.
        self._givers: dict[int, str] = {}
        # Every number up to here has been carried at least once, so there is no hole: this only grows.
        self.whole_through = 0
        # Leases are exhausted for stocks up to this size.
        self.leased_through = 0

    def __len__(self) -> int:
        return len(self._spare)

    def add(self, numbers: Iterable[int]) -> None:
        """Numbers to try; those in the pool already stay once."""
        for number in numbers:
            if number not in self._known and number not in self._flying:
                self._known.add(number)
                self._spare.append(number)

    def add_returned(self, givers: dict[int, str]) -> None:
        """Numbers that were given back, each with the grant that bears the mark."""
        self._givers |= givers
        self.add(givers)

    def take(self) -> int | None:
        """A number to try, or None."""
        if not self._spare:
            return None
        number = self._spare.popleft()
        self._known.discard(number)
        self._flying.add(number)
        return number

    @property
    def has_flying(self) -> bool:
        """Numbers are on their way and may come back: it is too early to say that there are none."""
        return bool(self._flying)

    def landed(self, numbers: Iterable[int]) -> None:
        """Numbers that are carried now, by us or by somebody else, or of which nothing is known any more."""
        self._flying.difference_update(numbers)

    def put_back(self, number: int) -> None:
        """A number that was taken here and not used."""
        self._flying.discard(number)
        if number and number not in self._known:
            self._known.add(number)
            self._spare.appendleft(number)

    def giver(self, number: int) -> str | None:
        """Whose mark to wipe now that the number is carried again, by us or by somebody else."""
        return self._givers.pop(number, None)

    def lease_size(self, need: int, total: int) -> int:
        """How many fresh numbers to ask for: what is needed now, and a few for the next ones."""
        return max(need, min(LEASE_MAX, max(1, total // LEASE_SHARE)))

    def chunks(self, total: int) -> Iterator[tuple[int, int]]:
        """The ranges in which a hole may be, from the first that was not found whole yet."""
        for first in range(self.whole_through + 1, total + 1, CHUNK):
            yield first, min(total, first + CHUNK - 1)

    def searched(self, chunk: tuple[int, int], used: Iterable[int]) -> None:
        """What a search of a range found: its holes are worth a try; a range without holes never has one again."""
        first, last = chunk
        holes = set(range(first, last + 1)).difference(used)
        self.add(sorted(holes))
        if not holes and first == self.whole_through + 1:
            self.whole_through = last
