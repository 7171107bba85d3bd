"""Folds events into rollup tables, column-wise: no Python runs once per event.

Two steps. `Facts` are the numbers of events that rollups need, appended batch by batch while a generation of the log
is open. `tables` turns a whole generation into sorted rows: one sort per table over hundreds of thousands of events
costs a fraction of many small ones.
"""

import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields

import numpy as np

from services.metrics import digest, keys, sketch
from services.metrics.columns import Coded, Events
from services.metrics.domain import (
    DAY_MINUTES,
    HOUR_MINUTES,
    I64,
    MINUTE_MS,
    U8,
    U16,
    U32,
    U64,
    Agent,
    Bools,
)
from services.metrics.names import NameBook
from services.metrics.rows import Reduce, Rows, counted, reduced, regrouped

SLOT_BITS = 6
SLOT_VALUES = (1 << SLOT_BITS) - 1
# Small sketches of single videos and creators only have to tell "k and more": 64 registers.
HEAD_REGISTERS = 64


class Table(enum.Enum):
    """The rollup tables; `a` is a cell key (see keys.py) unless said otherwise."""

    CELLS_MINUTE = "cells_minute"  # events
    CELLS_HOUR = "cells_hour"
    CELLS_DAY = "cells_day"
    VIEWERS_MINUTE = "viewers_minute"  # b: register, v: its value
    VIEWERS_HOUR = "viewers_hour"
    VIEWERS_DAY = "viewers_day"
    VIDEOS_HOUR = "videos_hour"  # b: video digest; v: events
    VIDEOS_DAY = "videos_day"
    CREATORS_HOUR = "creators_hour"
    CREATORS_DAY = "creators_day"
    VIDEO_VIEWERS = (
        "video_viewers"  # by day and type; b: video digest with the register in its low bits, v: register value
    )
    CREATOR_VIEWERS = "creator_viewers"
    HASHTAGS_HOUR = "hashtags_hour"
    CAMPAIGNS_HOUR = "campaigns_hour"
    VIDEO_TOTALS = "video_totals"  # a: video digest, b: event type
    VIDEO_CREATORS = "video_creators"  # a: video digest, b: creator digest; the most events win
    ARMS = "arms"  # a: campaign digest, b: event type, arm and register, v: register value
    CAMPAIGN_TITLES = "campaign_titles"  # a: campaign digest, b: title
    NAMES = "names"  # digests and the names behind them; pages of their own kind


NUMBERS = tuple(table for table in Table if table is not Table.NAMES)


REDUCE: Mapping[Table, Reduce] = {
    table: Reduce.MAX if "viewers" in table.value or table is Table.ARMS else Reduce.SUM for table in Table
}
ARM_SHIFT, ARM_TYPE_SHIFT = 12, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rollups need of each event, 63 bytes an event; hashtags as pairs of row and digest."""

    title: U32
    minute: U32  # since 1970
    region: U16
    type: U8
    source: U8
    agent: U8
    arm: U8
    viewer: U64
    video: U64
    creator: U64
    campaign: U64
    tag_row: U32
    tag: U64

    def __len__(self) -> int:
        return len(self.title)

    def take(self, mask: Bools) -> "Facts":
        """The chosen events with their hashtags."""
        tagged = mask[self.tag_row] if len(self.tag_row) else np.zeros(0, bool)
        places = (np.cumsum(mask) - 1).astype(np.uint32)
        chosen = {
            field.name: getattr(self, field.name)[mask]
            for field in fields(self)
            if field.name not in {"tag_row", "tag"}
        }
        return Facts(**chosen, tag_row=places[self.tag_row[tagged]], tag=self.tag[tagged])


def facts(events: Events, titles: U32, key: digest.Key, names: NameBook) -> Facts:
    """The numbers of checked events; `titles` are their title numbers. New names go into `names` by digest."""
    tag_row, tag = _hashtags(events.hashtags, key, names)
    return Facts(
        title=titles,
        minute=(events.derived_ms // MINUTE_MS).astype(np.uint32),
        region=events.region,
        type=events.type,
        source=events.source,
        agent=events.agent,
        arm=events.arm,
        viewer=events.viewer,
        video=_named(events.video, key, names),
        creator=_named(events.creator, key, names),
        campaign=_named(events.campaign, key, names),
        tag_row=tag_row,
        tag=tag,
    )


def _named(column: Coded, key: digest.Key, names: NameBook) -> U64:
    digests = column.digests(key)
    names.add(digests, column.names)
    return digests[column.codes]


def _hashtags(column: Coded, key: digest.Key, names: NameBook) -> tuple[U32, U64]:
    """One pair for each hashtag of each event."""
    if not column.names.lengths.any():
        return np.zeros(0, np.uint32), np.zeros(0, np.uint64)
    split = [tuple(dict.fromkeys(name.split(","))) if name else () for name in column.names]
    counts = np.fromiter(map(len, split), np.int64, len(split))
    digests = _named(Coded.of([name for each in split for name in each]), key, names)
    starts = np.cumsum(counts) - counts
    of_event = counts[column.codes]
    rows = np.repeat(np.arange(len(column.codes), dtype=np.uint32), of_event)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(of_event) - of_event, of_event)
    return rows, digests[np.repeat(starts[column.codes], of_event) + within]


def joined(parts: Sequence[Facts]) -> Facts:
    """Facts one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_facts()
    offsets = np.cumsum([0, *(len(part) for part in parts[:-1])])
    whole = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Facts)
        if field.name != "tag_row"
    }
    rows = [part.tag_row + np.uint32(offset) for part, offset in zip(parts, offsets, strict=True)]
    return Facts(**whole, tag_row=np.concatenate(rows))


def no_facts() -> Facts:
    kinds = {"title": "u4", "minute": "u4", "region": "u2", "tag_row": "u4"}
    kinds |= dict.fromkeys(("type", "source", "agent", "arm"), "u1")
    return Facts(**{field.name: np.zeros(0, kinds.get(field.name, "u8")) for field in fields(Facts)})


class Run(Mapping[Table, Rows]):
    """Facts as rollups, each group of tables made when one of it is first asked for."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._made: dict[Table, Rows] = {}

    def __getitem__(self, table: Table) -> Rows:
        if table not in self._made:
            build = next(build for build, tables in BUILDS.items() if table in tables)
            # Not kept: with what it remembers it is larger than the facts.
            self._made |= build(self.facts, People(self.facts), BUILDS[build])
        return self._made[table]

    def __iter__(self) -> Iterator[Table]:
        return iter(NUMBERS)

    def __len__(self) -> int:
        return len(NUMBERS)


def tables(all_facts: Facts, only: Sequence[Table] = NUMBERS) -> dict[Table, Rows]:
    """The facts as rollups; tables not asked for are left out."""
    wanted = frozenset(only)
    people = People(all_facts)
    found: dict[Table, Rows] = {}
    for build, made in BUILDS.items():
        if wanted & made:
            found |= build(all_facts, people, wanted)
    return {table: found[table] for table in only}


@dataclass(frozen=True, slots=True)
class Ranked:
    """Digests as ranks among the distinct ones: small numbers that sort alike, so that rows pack into 64 bits."""

    distinct: U64
    rank: U64

    @classmethod
    def of(cls, digests: U64) -> "Ranked":
        first, group = digest.distinct(digests)
        order = np.argsort(digests[first])
        rank = np.empty(len(order), np.uint64)
        rank[order] = np.arange(len(order))
        return cls(digests[first][order], rank[group])

    def with_slots(self) -> "Ranked":
        """The digests with room for a register in their low bits; those that differ in nothing else become one."""
        cut = head_slot(self.distinct, np.zeros(1, np.uint64))
        is_new = np.ones(len(cut), bool)
        is_new[1:] = cut[1:] != cut[:-1]
        return Ranked(cut[is_new], (np.cumsum(is_new) - 1).astype(np.uint64)[self.rank])

    def take(self, mask: Bools) -> "Ranked":
        """The chosen ranks, among the same distinct digests."""
        return Ranked(self.distinct, self.rank[mask])


class People:
    """Facts of people's events, and what several tables need of them: each made when it is first asked for."""

    def __init__(self, facts: Facts) -> None:
        self._all = facts

    @functools.cached_property
    def facts(self) -> Facts:
        return self._all.take(self._all.agent == Agent.HUMAN)

    @functools.cached_property
    def title_hours(self) -> U64:
        """Keys by title, hour and type alone."""
        part = self.facts
        zero, one = np.zeros(len(part), np.uint8), np.ones(len(part), np.uint8)
        return keys.coarser(keys.pack(part.title, part.minute, zero, part.type, one, one), HOUR_MINUTES)

    @functools.cached_property
    def videos(self) -> Ranked:
        return Ranked.of(self.facts.video)

    @functools.cached_property
    def creators(self) -> Ranked:
        return Ranked.of(self.facts.creator)

    @functools.cached_property
    def has_viewer(self) -> Bools:
        """Which events tell their viewer."""
        found: Bools = self.facts.viewer != 0
        return found

    @functools.cached_property
    def touched(self) -> tuple[U64, I64]:
        """The registers that those viewers touch, and the values they bring."""
        return sketch.touched(self.facts.viewer[self.has_viewer])


Build = Callable[[Facts, People, AbstractSet[Table]], dict[Table, Rows]]


def _cell_keys(part: Facts, minutes: int = 1) -> U64:
    packed = keys.pack(part.title, part.minute, part.region, part.type, part.source, part.agent)
    return packed if minutes == 1 else keys.coarser(packed, minutes)


def _cells(all_facts: Facts, _: People, wanted: AbstractSet[Table]) -> dict[Table, Rows]:
    return _by_time(counted(_cell_keys(all_facts)), _CELLS, Reduce.SUM, wanted)


def _viewers(_: Facts, people: People, wanted: AbstractSet[Table]) -> dict[Table, Rows]:
    slot, value = people.touched
    minute = reduced(_cell_keys(people.facts)[people.has_viewer], slot, value, Reduce.MAX)
    return _by_time(minute, _VIEWERS, Reduce.MAX, wanted)


_CELLS = {Table.CELLS_MINUTE: 1, Table.CELLS_HOUR: HOUR_MINUTES, Table.CELLS_DAY: DAY_MINUTES}
_VIEWERS = {Table.VIEWERS_MINUTE: 1, Table.VIEWERS_HOUR: HOUR_MINUTES, Table.VIEWERS_DAY: DAY_MINUTES}


def _by_time(minute: Rows, widths: Mapping[Table, int], how: Reduce, wanted: AbstractSet[Table]) -> dict[Table, Rows]:
    """The minute rows and what hours and days make of them."""
    found, finer = {}, minute
    for table, width in widths.items():
        if width > 1:
            finer = regrouped(finer, keys.coarser(finer.a, width), how)
        if table in wanted:
            found[table] = finer
    return found


def _heads(_: Facts, people: People, __: AbstractSet[Table]) -> dict[Table, Rows]:
    """What single videos and creators bring, and what videos have in all."""
    found: dict[Table, Rows] = {}
    hours, videos, creators = people.title_hours, people.videos, people.creators
    ones = np.ones(len(hours), np.int64)
    # Events without one are a head of their own, 0: the rest of a title's events must not be told by subtraction.
    for heads, hour, day in (
        (videos, Table.VIDEOS_HOUR, Table.VIDEOS_DAY),
        (creators, Table.CREATORS_HOUR, Table.CREATORS_DAY),
    ):
        rows = reduced(hours, heads.rank, ones, Reduce.SUM)
        by_day = regrouped(rows, keys.coarser(rows.a, DAY_MINUTES), Reduce.SUM)
        found[hour] = Rows(rows.a, heads.distinct[rows.b], rows.v)
        found[day] = Rows(by_day.a, heads.distinct[by_day.b], by_day.v)
        if heads is videos:
            total = reduced(rows.b, keys.unpack(rows.a).type.astype(np.uint64), rows.v, Reduce.SUM)
            found[Table.VIDEO_TOTALS] = Rows(videos.distinct[total.a], total.b, total.v)
    both = (people.facts.video != 0) & (people.facts.creator != 0)
    pairs = reduced(videos.rank[both], creators.rank[both], ones[both], Reduce.SUM)
    found[Table.VIDEO_CREATORS] = Rows(videos.distinct[pairs.a], creators.distinct[pairs.b], pairs.v)
    return found


def _head_viewers(_: Facts, people: People, __: AbstractSet[Table]) -> dict[Table, Rows]:
    """Small sketches of each video's and creator's viewers by title, day and type."""
    found: dict[Table, Rows] = {}
    slot, value = people.touched
    low = slot & np.uint64(SLOT_VALUES)
    days = keys.coarser(people.title_hours[people.has_viewer], DAY_MINUTES)
    for column, table in ((people.videos, Table.VIDEO_VIEWERS), (people.creators, Table.CREATOR_VIEWERS)):
        heads = column.take(people.has_viewer).with_slots()
        rows = reduced(days, heads.rank << np.uint64(SLOT_BITS) | low, value, Reduce.MAX)
        b = heads.distinct[rows.b >> np.uint64(SLOT_BITS)] | rows.b & np.uint64(SLOT_VALUES)
        found[table] = Rows(rows.a, b, rows.v)
    return found


def head_slot(head: U64, slot: U64) -> U64:
    """A head's digest with the register in its low bits."""
    return (head & np.uint64(~SLOT_VALUES & 0xFFFFFFFFFFFFFFFF)) | (slot & np.uint64(SLOT_VALUES))


def _tags(_: Facts, people: People, __: AbstractSet[Table]) -> dict[Table, Rows]:
    hours = people.title_hours[people.facts.tag_row]
    return {Table.HASHTAGS_HOUR: reduced(hours, people.facts.tag, np.ones(len(hours), np.int64), Reduce.SUM)}


def _campaigns(_: Facts, people: People, __: AbstractSet[Table]) -> dict[Table, Rows]:
    """Events with a campaign by hour; the viewers of each side of its experiment; its titles."""
    mask = people.facts.campaign != 0
    part, hours = people.facts.take(mask), people.title_hours[mask]
    ones = np.ones(len(part), np.int64)
    known = part.take(part.viewer != 0)
    slot, value = sketch.touched(known.viewer)
    side = (known.type.astype(np.uint64) << np.uint64(ARM_TYPE_SHIFT)) | (
        known.arm.astype(np.uint64) << np.uint64(ARM_SHIFT)
    )
    return {
        Table.CAMPAIGNS_HOUR: reduced(hours, part.campaign, ones, Reduce.SUM),
        Table.ARMS: reduced(known.campaign, side | slot, value, Reduce.MAX),
        Table.CAMPAIGN_TITLES: reduced(part.campaign, part.title.astype(np.uint64), ones, Reduce.SUM),
    }


BUILDS: Mapping[Build, frozenset[Table]] = {
    _cells: frozenset(_CELLS),
    _viewers: frozenset(_VIEWERS),
    _heads: frozenset(
        {
            Table.VIDEOS_HOUR,
            Table.VIDEOS_DAY,
            Table.CREATORS_HOUR,
            Table.CREATORS_DAY,
            Table.VIDEO_TOTALS,
            Table.VIDEO_CREATORS,
        }
    ),
    _head_viewers: frozenset({Table.VIDEO_VIEWERS, Table.CREATOR_VIEWERS}),
    _tags: frozenset({Table.HASHTAGS_HOUR}),
    _campaigns: frozenset({Table.CAMPAIGNS_HOUR, Table.ARMS, Table.CAMPAIGN_TITLES}),
}
