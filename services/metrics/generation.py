"""The rollups in memory: the log's last entries, folded in order, until a segment of them is stored.

A generation is a run of log entries. Where it ends depends on the entries alone (their number, events and times), so
every process that reads the log cuts it at the same places, and a segment made twice is the same segment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.metrics import digest, fold, rows
from services.metrics.columns import Events
from services.metrics.dedupe import SeenIds
from services.metrics.domain import I64, U32, U64, Agent, Bools
from services.metrics.fold import REDUCE, Facts, Run, Table
from services.metrics.names import NameBook
from services.metrics.numbers import UNKNOWN, Numbers
from services.metrics.rows import Rows
from services.metrics.texts import Texts

# A generation of 128,000 events folds in 0.1 s; its rows take some 50 MB until they are stored.
ENTRIES_MAX = 512
EVENTS_MAX = 128_000
SPAN_MS_MAX = 300_000
# Facts come in small pieces; so many of them, or of their events, are folded into a run of tables: a query slices
# runs, and folds only its title's events of the pieces after the last run.
PIECES_MAX = 32
RUN_EVENTS = 16_000
HOUR_MS = 3_600_000


@dataclass(slots=True, kw_only=True)
class Generation:
    """A run of entries and what they hold."""

    first: int
    first_ms: int
    title_start: int
    last: int = 0
    last_ms: int = 0
    event_count: int = 0
    entry_count: int = 0
    pieces: list[Facts] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    names: NameBook = field(default_factory=NameBook)

    def is_full(self, time_ms: int) -> bool:
        """Whether the entry of that time opens the next generation."""
        return (
            self.entry_count >= ENTRIES_MAX or self.event_count >= EVENTS_MAX or time_ms - self.first_ms >= SPAN_MS_MAX
        )

    def is_ripe(self) -> bool:
        """Whether the pieces should become a run."""
        return len(self.pieces) >= PIECES_MAX or sum(map(len, self.pieces)) >= RUN_EVENTS

    def tables(self) -> dict[Table, Rows]:
        """Everything in it, made at once: one sort of many events is cheaper than many sorts and a merge."""
        return fold.tables(fold.joined([*(run.facts for run in self.runs), *self.pieces]))


class Memory:
    """Everything about the log that is not stored yet, and the numbers of titles."""

    def __init__(self, key: digest.Key) -> None:
        self._key = key
        self.seen = SeenIds()
        self.position = 0
        self.time_ms = 0
        self.accepted_count = 0
        self.bot_count = 0
        self.title_names: list[str] = []
        self.title_numbers: dict[str, int] = {}
        self.generations: list[Generation] = []
        # Told the tables of each run, each event once.
        self.listeners: list[Callable[[Mapping[Table, Rows]], None]] = []
        self._known = Numbers()
        # By title number: the entry that last had events of it; for caches and live streams.
        self.title_positions: I64 = np.zeros(0, np.int64)

    def resume(self, *, position: int, time_ms: int, titles: Sequence[str], accepted_count: int) -> None:
        """Starts after what is stored."""
        assert not self.generations, "resumed before anything is folded"
        self.position, self.time_ms, self.accepted_count = position, time_ms, accepted_count
        names = Texts.of(titles)
        self._numbered(names, digest.digest64(names, self._key))

    def remember(self, hi: U64, lo: U64, time_ms: int) -> None:
        """Ids of entries that are stored already."""
        self.seen.add(hi, lo, time_ms // HOUR_MS)

    def unseen(self, events: Events, time_ms: int) -> Bools:
        return self.seen.unseen(events.id_hi, events.id_lo, time_ms // HOUR_MS)

    def apply(self, position: int, time_ms: int, events: Events) -> None:
        """Folds the next log entry."""
        assert position == self.position + 1, "entries are folded in order, each once"
        if not self.generations or self.generations[-1].is_full(time_ms):
            self.generations.append(Generation(first=position, first_ms=time_ms, title_start=len(self.title_names)))
        current = self.generations[-1]
        events = events.take(self.seen.add(events.id_hi, events.id_lo, time_ms // HOUR_MS))
        numbers = self._numbers(events, current, position)
        piece = fold.facts(events, numbers, self._key, current.names)
        self.position, self.time_ms = position, max(time_ms, self.time_ms)
        current.last, current.last_ms = position, self.time_ms
        current.event_count += len(events)
        current.entry_count += 1
        current.pieces.append(piece)
        if current.is_ripe():
            self._fold(current)
        self.accepted_count += len(events)
        self.bot_count += int((events.agent != Agent.HUMAN).sum())

    def _numbers(self, events: Events, current: Generation, position: int) -> U32:
        """The number of each event's title; new titles get the next numbers, in order of appearance."""
        # Names that lost their last event to deduplication must not be numbered: `take` dropped them.
        digests = events.title.digests(self._key)
        numbers = self._known.of(digests)
        new = np.flatnonzero(numbers == UNKNOWN)
        if len(new):
            first, group = digest.distinct(digests[new])
            numbers[new] = len(self.title_names) + group
            current.titles.extend(self._numbered(events.title.names.take(new[first]), digests[new[first]]))
        self.title_positions[numbers] = position
        return numbers[events.title.codes].astype(np.uint32)

    def _numbered(self, names: Texts, digests: U64) -> list[str]:
        """Gives new titles the next numbers."""
        start, values = len(self.title_names), names.values()
        self.title_names += values
        self.title_numbers |= dict(zip(values, range(start, len(self.title_names)), strict=True))
        self._known.add(digests, np.arange(start, len(self.title_names)))
        self._make_room()
        return values

    def _make_room(self) -> None:
        if (more := len(self.title_names) - len(self.title_positions)) > 0:
            room = np.zeros(more + len(self.title_positions), np.int64)
            self.title_positions = np.append(self.title_positions, room)

    def position_of(self, title: int | None) -> int:
        """The entry that last had events of a title, 0 where none since the start had."""
        return 0 if title is None else int(self.title_positions[title])

    def _fold(self, generation: Generation) -> None:
        """Makes a run of a generation's pieces; runs of any cut add up to the same rows."""
        if not generation.pieces:
            return
        run = Run(fold.joined(generation.pieces))
        generation.runs.append(run)
        generation.pieces = []
        for listener in self.listeners:
            listener(run)

    def fold_all(self) -> None:
        """Makes runs of everything, so that the listeners know all there is."""
        for generation in self.generations:
            self._fold(generation)

    def sealed(self) -> list[Generation]:
        """Generations that are complete."""
        return self.generations[:-1]

    def drop(self, position: int) -> None:
        """Forgets what is stored up to a position."""
        for each in self.generations:
            if each.last <= position:
                self._fold(each)
        self.generations = [each for each in self.generations if each.last > position]

    def runs(self) -> list[Run]:
        """The folded part of what is not stored."""
        return [run for generation in self.generations for run in generation.runs]

    def unfolded(self, wanted: Sequence[Table], chosen: Callable[[Facts], Bools] | None = None) -> dict[Table, Rows]:
        """The rest of it, of the chosen events, as rollups."""
        pieces = [piece for generation in self.generations for piece in generation.pieces]
        if chosen is not None:
            pieces = [piece.take(chosen(piece)) for piece in pieces]
        return fold.tables(fold.joined(pieces), wanted)

    def tables(self, wanted: Sequence[Table]) -> dict[Table, Rows]:
        """All that is not stored, of every title."""
        last = self.unfolded(wanted)
        runs = self.runs()
        return {table: rows.merged([*(run[table] for run in runs), last[table]], REDUCE[table]) for table in wanted}

    def name_of(self, head: int) -> str | None:
        """The name behind a digest, where memory knows it."""
        for generation in reversed(self.generations):
            if (name := generation.names.get(head)) is not None:
                return name
        return None
