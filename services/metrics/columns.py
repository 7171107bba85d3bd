"""Events as columns: as they arrive (RawEvents), as they are kept (Events), strings as codes into names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self, TypeVar

import numpy as np

from services.metrics import digest, texts
from services.metrics.domain import I64, U8, U16, U32, U64, Bools
from services.metrics.texts import Texts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coded:
    """A column of strings: `codes` point into `names`, which need not be distinct, nor all be used."""

    names: Texts
    codes: U32
    known: U64 | None = None  # the digests of the names, where they were made already

    @classmethod
    def of(cls, values: Sequence[str]) -> Self:
        distinct = dict.fromkeys(values)
        places = dict(zip(distinct, range(len(distinct)), strict=True))
        codes = np.fromiter(map(places.__getitem__, values), np.uint32, len(values))
        return cls(names=Texts.of(tuple(distinct)), codes=codes)

    def digests(self, key: digest.Key) -> U64:
        """The digests of the names."""
        return digest.digest64(self.names, key) if self.known is None else self.known

    def values(self) -> list[str]:
        names = self.names.values()
        return [names[code] for code in self.codes]

    def take(self, mask: Bools) -> "Coded":
        """The chosen rows, with the names they still use, in their order."""
        codes = self.codes[mask]
        used = np.zeros(len(self.names), bool)
        used[codes] = True
        if used.all():
            return Coded(names=self.names, codes=codes, known=self.known)
        places = (np.cumsum(used) - 1).astype(np.uint32)
        known = None if self.known is None else self.known[used]
        return Coded(names=self.names.take(used), codes=places[codes], known=known)


def joined(parts: Sequence[Coded]) -> Coded:
    """The columns one after another, and so their names."""
    offsets = np.cumsum([0, *(len(part.names) for part in parts[:-1])]).astype(np.uint32)
    known = [part.known for part in parts if part.known is not None]
    return Coded(
        names=texts.joined([part.names for part in parts]),
        codes=np.concatenate([part.codes + offset for part, offset in zip(parts, offsets, strict=True)]),
        known=np.concatenate(known) if len(known) == len(parts) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvents:
    """A batch as it came over the wire, nothing checked but that all columns have the same length."""

    ids: Texts
    types: I64
    times_ms: I64  # 0: not said
    videos: Coded
    titles: Coded
    creators: Coded
    campaigns: Coded
    offers: Coded
    regions: Coded
    viewers: Texts
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

    ids: Texts
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
        chosen: dict[str, object] = {}
        for field in fields(self):
            column = getattr(self, field.name)
            chosen[field.name] = column.take(mask) if isinstance(column, Coded | Texts) else column[mask]
        return Events(**chosen)  # type: ignore[arg-type]


Batch = TypeVar("Batch", Events, RawEvents)


def concatenated(batches: Iterable[Batch]) -> Batch:
    """Batches one after another as one."""
    parts = list(batches)
    if len(parts) == 1:
        return parts[0]
    whole = {field.name: _joined([getattr(part, field.name) for part in parts]) for field in fields(parts[0])}
    return type(parts[0])(**whole)  # type: ignore[arg-type]


def _joined(columns: Sequence[object]) -> object:
    match columns[0]:
        case Coded():
            return joined(columns)  # type: ignore[arg-type]
        case Texts():
            return texts.joined(columns)  # type: ignore[arg-type]
        case _:
            return np.concatenate(columns)  # type: ignore[arg-type]
