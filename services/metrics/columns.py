"""Events as columns: as they arrive (RawEvents), as they are kept (Events), strings as codes into distinct values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from services.metrics.domain import I64, U8, U16, U32, U64, Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A column of strings: `names` are distinct, `codes` point into them."""

    names: tuple[str, ...]
    codes: U32

    @classmethod
    def of(cls, values: Sequence[str]) -> Self:
        distinct = dict.fromkeys(values)
        places = dict(zip(distinct, range(len(distinct)), strict=True))
        codes = np.fromiter(map(places.__getitem__, values), np.uint32, len(values))
        return cls(names=tuple(distinct), codes=codes)

    def values(self) -> list[str]:
        return [self.names[code] for code in self.codes]

    def take(self, mask: Bools) -> "Coded":
        """The chosen rows, with the names they still use, in order of first appearance."""
        codes = self.codes[mask]
        used, first = np.unique(codes, return_index=True)
        order = np.argsort(first)
        kept = used[order]
        lookup = np.zeros(len(self.names), np.uint32)
        lookup[kept] = np.arange(len(kept), dtype=np.uint32)
        return Coded(names=tuple(self.names[code] for code in kept), codes=lookup[codes])


def joined(parts: Sequence[Coded]) -> Coded:
    """The columns one after another over one set of names, in order of first appearance."""
    places: dict[str, int] = {}
    codes: list[U32] = []
    for part in parts:
        lookup = np.fromiter((places.setdefault(name, len(places)) for name in part.names), np.uint32, len(part.names))
        codes.append(lookup[part.codes] if len(part.names) else part.codes)
    return Coded(names=tuple(places), codes=np.concatenate(codes) if codes else np.zeros(0, np.uint32))


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvents:
    """A batch as it came over the wire, nothing checked but that all columns have the same length."""

    ids: list[str]
    types: I64
    times_ms: I64  # 0: not said
    videos: Coded
    titles: Coded
    creators: Coded
    campaigns: Coded
    offers: Coded
    regions: Coded
    viewers: list[str]
    devices: I64
    sources: I64
    agents: I64
    user_agents: Coded
    arms: I64
    hashtags: Coded  # lists, joined by commas

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Checked events: what the log holds and the fold reads."""

    ids: list[str]
    id_hi: U64
    id_lo: U64
    type: U8
    source: U8
    agent: U8
    arm: U8
    device: U8
    time_ms: I64  # by the device's clock
    derived_ms: I64  # corrected by the clock difference, never after the time received
    viewer: U64  # keyed digest; 0: not known
    region: U16
    title: Coded
    video: Coded
    creator: Coded
    campaign: Coded
    offer: Coded
    hashtags: Coded

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, mask: Bools) -> "Events":
        """The chosen rows."""
        if mask.all():
            return self
        chosen: dict[str, object] = {"ids": [id_ for id_, keep in zip(self.ids, mask.tolist(), strict=True) if keep]}
        for field in fields(self):
            column = getattr(self, field.name)
            if isinstance(column, Coded):
                chosen[field.name] = column.take(mask)
            elif field.name != "ids":
                chosen[field.name] = column[mask]
        return Events(**chosen)  # type: ignore[arg-type]


def concatenated(batches: Iterable[Events]) -> Events:
    """Batches one after another as one."""
    parts = list(batches)
    if len(parts) == 1:
        return parts[0]
    whole: dict[str, object] = {"ids": [id_ for part in parts for id_ in part.ids]}
    for field in fields(Events):
        columns = [getattr(part, field.name) for part in parts]
        if field.name == "ids":
            continue
        if isinstance(columns[0], Coded):
            whole[field.name] = joined(columns)
        else:
            whole[field.name] = np.concatenate(columns)
    return Events(**whole)  # type: ignore[arg-type]
