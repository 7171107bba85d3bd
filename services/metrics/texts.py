"""Many strings as one run of bytes: where each begins, and how long it is. No Python object a string.

Parts of a column, columns one after another and digests are then work on numbers. Bytes are UTF-8; a line feed inside
a string, which no checked field may hold, becomes a zero byte.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from services.metrics.domain import I64, U8, U64, Bools

LINE_FEED = 10
WORD_BYTES = 8
# What is left of a word of which so many bytes count.
KEPT = np.array([(1 << 8 * count) - 1 for count in range(WORD_BYTES + 1)], np.uint64)
# Copied together: the places of their bytes, eight times as many bytes, stay in the cache.
STRINGS_AT_ONCE = 1_024
# So few strings are cut out one by one: laying them side by side begins twenty small steps.
FEW = 32


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Strings as slices of bytes; several may lie on the same bytes."""

    data: U8
    starts: I64
    lengths: I64  # in bytes

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values())

    def __getitem__(self, place: int) -> str:
        start = int(self.starts[place])
        return self.data[start : start + int(self.lengths[place])].tobytes().decode()

    @classmethod
    def of(cls, values: Sequence[str]) -> Self:
        found = cls._cut("\n".join(values).encode())
        if len(found) > max(len(values), 1):
            found = cls._cut("\n".join([value.replace("\n", "\0") for value in values]).encode())
        return found if values else found.take(np.zeros(0, np.int64))

    @classmethod
    def of_lines(cls, lines: bytes, count: int) -> Self:
        """So many strings with line feeds between them."""
        found = cls._cut(lines) if count else cls.of(())
        if len(found) != count:
            raise ValueError(count)
        return found

    @classmethod
    def _cut(cls, lines: bytes) -> Self:
        data = np.frombuffer(lines, np.uint8)
        ends = np.append(np.flatnonzero(data == LINE_FEED), len(data))
        starts = np.zeros_like(ends)
        starts[1:] = ends[:-1] + 1
        return cls(data, starts, ends - starts)

    def lines(self) -> bytes:
        """The strings with line feeds between them."""
        return self.compact().data.tobytes()

    def values(self) -> list[str]:
        if len(self) <= FEW:
            return [self[place].replace("\n", "\0") for place in range(len(self))]
        return self.lines().decode().split("\n")

    def take(self, chosen: Bools | I64) -> Self:
        """The chosen strings, on the same bytes."""
        return type(self)(self.data, self.starts[chosen], self.lengths[chosen])

    def compact(self) -> "Texts":
        """The same strings on bytes of their own: these strings with line feeds between them and nothing else."""
        ends = np.cumsum(self.lengths + 1)
        starts = ends - self.lengths - 1
        size = int(ends[-1]) - 1 if len(self) else 0
        if len(self.data) == size and np.array_equal(starts, self.starts) and self._has_lines(ends):
            return self
        if not self.lengths.any():
            return Texts(np.full(max(size, 0), LINE_FEED, np.uint8), starts, self.lengths)
        data = np.empty(size, np.uint8)
        for first in range(0, len(self), STRINGS_AT_ONCE):
            piece = slice(first, first + STRINGS_AT_ONCE)
            start, end = int(starts[first]), int(ends[piece][-1])
            # Where each byte comes from; what stands where the line feeds go does not matter.
            origin = np.arange(start, end) + np.repeat(self.starts[piece] - starts[piece], self.lengths[piece] + 1)
            self.data.take(origin[: size - start], out=data[start:end], mode="clip")
        data[data == LINE_FEED] = 0
        data[ends[:-1] - 1] = LINE_FEED
        return Texts(data, starts, self.lengths)

    def words(self) -> Iterator[tuple[I64 | None, U64]]:
        """The first 8 bytes of all strings, then the next of those that have more, and so on.

        Tells whose they are (None: all) and what. Bytes past the end of a string are zero.
        """
        if not len(self):
            return
        data = self.data
        if int((self.starts + self.lengths).max()) + WORD_BYTES > len(data):
            data = np.zeros(len(self.data) + WORD_BYTES, np.uint8)
            data[: len(self.data)] = self.data
        # The word at each byte.
        at = np.ndarray((len(data) - WORD_BYTES + 1,), "<u8", data, strides=(1,))
        rows, starts, left = None, self.starts, self.lengths
        while True:
            words = at[starts]
            if int(left.min()) < WORD_BYTES:
                words &= KEPT[np.minimum(left, WORD_BYTES)]
            yield rows, words
            more = left > WORD_BYTES
            if not (held := np.count_nonzero(more)):
                return
            if held < len(more):
                chosen = np.flatnonzero(more)
                rows = chosen if rows is None else rows[chosen]
                starts, left = starts[chosen], left[chosen]
            starts, left = starts + WORD_BYTES, left - WORD_BYTES

    def _has_lines(self, ends: I64) -> bool:
        """Whether line feeds stand between the strings, which end there, and nowhere else."""
        between = self.data[ends[:-1] - 1] == LINE_FEED
        return bool(between.all()) and np.count_nonzero(self.data == LINE_FEED) == len(between)


def joined(parts: Sequence[Texts]) -> Texts:
    """Strings one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Texts.of(())
    data, starts = parts[0].data, [part.starts for part in parts]
    if any(part.data is not data for part in parts):
        data = np.concatenate([part.data for part in parts])
        offsets = itertools.accumulate((len(part.data) for part in parts[:-1]), initial=0)
        starts = [each + offset for each, offset in zip(starts, offsets, strict=True)]
    return Texts(data, np.concatenate(starts), np.concatenate([part.lengths for part in parts]))
