"""Columns of strings, as slices of the request's bytes, over their distinct strings."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from services.metrics import digest, texts
from services.metrics.columns import Coded
from services.metrics.domain import I64, U32, U64
from services.metrics.texts import Texts

MORE = 0x80  # set on all bytes of a number but its last
SEVEN = 0x7F
# As long as the longest string that is accepted, a user agent of 512 characters, may be, hashtags aside.
STRING_BYTES_MAX = 1_024
# The same lists of hashtags come again and again.
LISTS_KEPT = 1_024
ZERO = np.zeros(1, np.int64)


class Unusual(Exception):
    """These bytes are not read here."""


def require_text(compact: Texts) -> None:
    """Refuses bytes that are no UTF-8, as protobuf does."""
    if len(compact.data) and int(compact.data.max()) >= MORE:
        compact.data.tobytes().decode()


def coded(columns: Sequence[Texts], ids: int, key: digest.Key, *, is_ascii: bool) -> list[Coded]:
    """The columns: the first are those of ids, the last one's strings are lists as they are on the wire.

    All are grouped at once: column by column, most of the time would go into beginning small steps. What is no id lies
    on bytes of its own, so that those of ids can be looked at as one.
    """
    whole, count = texts.joined(columns), len(columns[0])
    if int(whole.lengths.max()) > STRING_BYTES_MAX:
        raise Unusual
    filled = np.flatnonzero(whole.lengths)
    strings, column = whole.take(filled), filled // count
    digests = digest.of_words(strings.words(), strings.lengths, key)
    digests[digests == 0] = 1  # as digest64 has it
    # Equal strings of two columns are two.
    first, group = digest.distinct(digests ^ column.astype(np.uint64) * np.uint64(digest.SPREAD))
    bounds = np.searchsorted(column[first], np.arange(len(columns) + 1))
    # Where an event has no string, its code is 0, and the names begin with the empty one.
    has_empty = np.bincount(column, minlength=len(columns)) < count
    codes = np.zeros(len(whole), np.uint32)
    codes[filled] = group - (bounds[:-1] - has_empty)[column]
    parts = [strings.take(first[: bounds[ids]]).compact(), strings.take(first[bounds[ids] : bounds[-2]]).compact()]
    if not is_ascii:
        for part in parts:
            require_text(part)
    names = [*_cut(parts[0], bounds[: ids + 1]), *_cut(parts[1], bounds[ids:-1] - bounds[ids])]
    names.append(_comma_joined(strings.take(first[bounds[-2] :])))
    known, places = digests[first], bounds.tolist()
    # A list's digest is that of its bytes on the wire, not that of its names with commas.
    kept = [*(known[start:end] for start, end in itertools.pairwise(places[:-1])), None]
    return [_column(*each) for each in zip(names, codes.reshape(-1, count), kept, has_empty.tolist(), strict=True)]


def _cut(names: Texts, bounds: I64) -> list[Texts]:
    """The columns' parts of their names."""
    pairs = itertools.pairwise(bounds.tolist())
    return [Texts(names.data, names.starts[start:end], names.lengths[start:end]) for start, end in pairs]


def _column(names: Texts, codes: U32, known: U64 | None, has_empty: bool) -> Coded:  # noqa: FBT001
    if has_empty:
        starts, lengths = np.concatenate((ZERO, names.starts)), np.concatenate((ZERO, names.lengths))
        names = Texts(names.data, starts, lengths)
        known = None if known is None else np.concatenate((ZERO.view(np.uint64), known))
    return Coded(names=names, codes=codes, known=known)


def _comma_joined(lists: Texts) -> Texts:
    """Lists as they are on the wire, each as one string."""
    each = zip(lists.starts.tolist(), lists.lengths.tolist(), strict=True)
    return Texts.of([_joined(lists.data[at : at + size].tobytes()) for at, size in each])


@functools.lru_cache(LISTS_KEPT)
def _joined(data: bytes) -> str:
    names, at = [], 0
    while at < len(data):
        size, at = data[at + 2], at + 3
        if size >= MORE:
            size, at = size & SEVEN | data[at] << 7, at + 1
        names.append(data[at : at + size])
        at += size
    return b",".join(names).decode()
