"""What was made once and may be asked for again, within a bound of bytes: decoded pages, and whole reports."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, the least recently used go first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, nbytes: int) -> None:
        """Keeps a value of so many bytes in the place of one before it."""
        self.drop(key)
        self._values[key] = (value, nbytes)
        self._bytes += nbytes
        while self._bytes > self._bytes_max:
            _, (_, gone) = self._values.popitem(last=False)
            self._bytes -= gone

    def drop(self, key: K) -> None:
        _, gone = self._values.pop(key, (None, 0))
        self._bytes -= gone
