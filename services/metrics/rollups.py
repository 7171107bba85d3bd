"""Stored and remembered rollups as one: loads them, answers range queries, stores generations, merges segments."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import structlog

from services.metrics import codec, keys, rows, segment
from services.metrics.domain import DAY_MINUTES, MINUTE_MS, U64, Bools, EventType
from services.metrics.fold import NUMBERS, REDUCE, Facts, Table
from services.metrics.generation import Generation, Memory
from services.metrics.names import NameBook
from services.metrics.pages import PAGES_AT_ONCE, Pages, RollupsMoved
from services.metrics.query import Query
from services.metrics.rows import Rows, Span
from services.metrics.segment import Manifest, Segment
from services.metrics.store.events import Names, Store
from services.metrics.texts import Texts

log = structlog.get_logger("rollups")

# An id is looked for 24 to 25 hours back.
DEDUPE_MS = 26 * 3_600_000
# Rows by the minute serve live numbers and spikes; older ones go when segments merge.
MINUTES_KEPT_MS = 8 * DAY_MINUTES * MINUTE_MS
MINUTE_TABLES = (Table.CELLS_MINUTE, Table.VIEWERS_MINUTE)
NAMES_A_PAGE = 8_192
# Generations that may wait to be stored, some 20 MB each; then the log waits, too.
SEALED_MAX = 2
# Merging holds about this many pages of 4,096 rows at once: 12 MB.
WINDOW_PAGES = 128
# A query that began before a merge may still read the merged segments.
DROP_AFTER_S = 30.0


class Rollups:
    """One reader and writer of a set of rollups."""

    def __init__(self, store: Store, memory: Memory, *, cache_bytes_max: int) -> None:
        self._store = store
        self.memory = memory
        self.manifest = Manifest()
        self.segments: tuple[Segment, ...] = ()
        self._pages = Pages(store, bytes_max=cache_bytes_max)
        # Only one coroutine at a time changes what is stored.
        self._storing = asyncio.Lock()
        self._merging = asyncio.Lock()
        self._filled, self._dropped = asyncio.Event(), asyncio.Event()
        self._dropping: set[asyncio.Task[None]] = set()

    async def load(self, until: int | None = None) -> None:
        """Takes up what is stored, remembers the ids of the last day, folds the rest of the log up to a position."""
        manifest = await self._store.manifest()
        await self._adopt(manifest)
        await self._store.drop_segments(await self._store.merged_away(self.segments))
        titles = await self._store.titles(manifest.title_count)
        time_ms = await self._store.time_of(manifest.position) if manifest.position else 0
        self.memory.resume(
            position=manifest.position,
            time_ms=time_ms or 0,
            titles=titles,
            accepted_count=manifest.accepted_count,
        )
        if manifest.position:
            await self._remember_ids(manifest.position, time_ms or 0)
        # The log may be long, as when all is derived anew.
        await self.catch_up(storing=True, until=until)

    async def _adopt(self, manifest: Manifest) -> None:
        known = {each.id: each for each in self.segments}
        segments = tuple([known.get(id_) or await self._store.segment(id_) for id_ in manifest.segments])
        # While they were read, this process may have stored or merged something itself.
        if manifest.version >= self.manifest.version:
            self.segments, self.manifest = segments, manifest

    async def _remember_ids(self, last: int, time_ms: int) -> None:
        first = await self._store.first_since(time_ms - DEDUPE_MS, last)
        async for entry_ms, digests in self._store.ids_between(first, last):
            hi, lo = codec.split_digests(digests)
            self.memory.remember(hi, lo, entry_ms)

    async def catch_up(self, *, storing: bool = False, until: int | None = None) -> int:
        """Folds what others wrote to the log; how many entries that were. `storing` keeps only its end in memory."""
        count = 0
        async for entry in self._store.entries(self.memory.position):
            if until is not None and entry.position > until:
                break
            self.memory.apply(entry.position, entry.time_ms, codec.decode(entry.frame, entry.id_digests))
            count += 1
            if storing and len(self.memory.sealed()) > SEALED_MAX:
                await self.flush()
            await asyncio.sleep(0)
        return count

    # Queries

    async def rows(self, queries: Sequence[Query], chosen: Callable[[Facts], Bools] | None = None) -> list[Rows]:
        """The rows of each query, stored and remembered; `chosen` picks the facts its ranges can mean."""
        while True:
            remembered = [*self.memory.runs(), self.memory.unfolded([query.table for query in queries], chosen)]
            segments = self.segments
            try:
                return await self._rows(queries, remembered, segments)
            except RollupsMoved:
                if not await self.have_moved(segments):
                    raise

    async def have_moved(self, segments: Sequence[Segment]) -> bool:
        """Whether what is stored is no longer these segments: whoever read them may read again."""
        if segments is self.segments:
            await self._refresh()
        return segments is not self.segments

    async def _rows(
        self, queries: Sequence[Query], remembered: Sequence[Mapping[Table, Rows]], segments: Sequence[Segment]
    ) -> list[Rows]:
        """Of these segments and runs, taken in one step: what memory drops is in a segment from the same moment on."""
        wanted = [[each.pages(query.table, query.spans) for each in segments] for query in queries]
        young = [[run[query.table] for run in remembered] for query in queries]
        pages = await self._pages.of(dict.fromkeys(id_ for ids in wanted for run in ids for id_ in run))

        def answers() -> list[Rows]:
            return [
                query.answer([[pages[id_] for id_ in run] for run in ids], parts)
                for query, ids, parts in zip(queries, wanted, young, strict=True)
            ]

        return await asyncio.to_thread(answers) if len(pages) > PAGES_AT_ONCE else answers()

    async def whole(
        self, table: Table, remembered: Sequence[Mapping[Table, Rows]], segments: Sequence[Segment]
    ) -> AsyncIterator[Rows]:
        """A whole table of these segments and runs, piece by piece."""
        for span in segment.windows(segments, table, WINDOW_PAGES):
            (part,) = await self._rows([Query(table=table, spans=[span])], remembered, segments)
            yield part

    async def title_rows(
        self, title: int, spans: Sequence[tuple[Table, int, int]], types: AbstractSet[EventType] = frozenset()
    ) -> list[Rows]:
        """A title's rows of tables between minutes since 1970, of some event types; empty: of all."""
        queries = [Query.of_title(title, *span, types) for span in spans]
        return await self.rows(queries, lambda facts: facts.title == title)

    async def names(self, heads: Iterable[int]) -> dict[int, str]:
        """The names behind digests, as far as they are known."""
        found: dict[int, str] = {}
        missing: list[int] = []
        for head in heads:
            if (name := self.memory.name_of(head)) is not None:
                found[head] = name
            else:
                missing.append(head)
        segments = self.segments
        wanted = dict.fromkeys(i for h in missing for s in segments for i in s.pages(Table.NAMES, [(h, h + 1)]))
        pages = await self._store.names(list(wanted)) if wanted else {}
        sought = np.array(missing, np.uint64)
        for page in pages.values():
            places = np.searchsorted(page.digests, sought)
            for head, place in zip(missing, places.tolist(), strict=True):
                if place < len(page.digests) and int(page.digests[place]) == head:
                    found[head] = page.names[place]
        return found

    # Storing

    async def stored_enough(self) -> None:
        """Waits while so much waits to be stored that nothing more should be folded."""
        while len(self.memory.sealed()) > SEALED_MAX:
            self._dropped.clear()
            self._filled.set()
            await self._dropped.wait()

    async def filled(self, within_s: float) -> None:
        """Returns when the fold waits for room, at the latest after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._filled.wait()
        self._filled.clear()

    async def flush(self) -> int:
        """Stores the complete generations; how many that were."""
        async with self._storing:
            return await self._flush()

    async def _flush(self) -> int:
        """One generation after the other: where another process stored or merged in between, the same again."""
        count = 0
        while await self._refresh() and (generation := self._first_not_stored()) is not None:
            count += await self._store_generation(generation)
        return count

    def _first_not_stored(self) -> Generation | None:
        return next((each for each in self.memory.sealed() if each.last > self.manifest.position), None)

    async def _refresh(self) -> bool:
        """Takes up what other processes stored or merged; False where they are ahead of what is folded here."""
        manifest = await self._store.manifest()
        if manifest.position > self.memory.position:
            # What they stored of entries that are not folded here yet would count twice once they are.
            return False
        if manifest.version > self.manifest.version:
            await self._adopt(manifest)
            self._drop(self.manifest.position)
        return True

    def _drop(self, position: int) -> None:
        self.memory.drop(position)
        self._dropped.set()

    async def _store_generation(self, generation: Generation) -> bool:
        """Whether it is stored; False when another process changed what is stored meanwhile."""
        assert generation.first == self.manifest.position + 1, "what is stored has no gap"
        tables = await asyncio.to_thread(generation.tables)
        new = Segment(first=generation.first, last=generation.last, level=0, time_ms=generation.last_ms, firsts={})
        firsts: dict[Table, U64] = {}
        for table, part in tables.items():
            firsts[table] = await self._put(new, table, part)
        firsts[Table.NAMES] = await self._put_names(new, *generation.names.sorted())
        if generation.titles:
            await self._store.put_titles(generation.title_start, generation.titles)
        new = Segment(first=new.first, last=new.last, level=0, time_ms=new.time_ms, firsts=firsts)
        await self._store.put_segment(new)
        return await self._replace(
            new,
            (),
            title_count=generation.title_start + len(generation.titles),
            accepted_count=self.manifest.accepted_count + generation.event_count,
        )

    async def _put(self, new: Segment, table: Table, part: Rows, start: int = 0) -> U64:
        pages = await asyncio.to_thread(lambda: list(segment.pages_of(part)))
        await self._store.put_pages([(new.page_id(table, start + i), data) for i, (_, data) in enumerate(pages)])
        return np.array([first for first, _ in pages], np.uint64)

    async def _put_names(self, new: Segment, digests: U64, names: Texts, start: int = 0) -> U64:
        places = np.arange(len(digests))
        for page, first in enumerate(range(0, len(digests), NAMES_A_PAGE), start=start):
            piece = places[first : first + NAMES_A_PAGE]
            of_page = Names(digests=digests[piece], names=names.take(piece))
            await self._store.put_names(new.page_id(Table.NAMES, page), of_page)
        return digests[::NAMES_A_PAGE].copy()

    async def _replace(self, new: Segment, old: Sequence[Segment], *, title_count: int, accepted_count: int) -> bool:
        """Makes the new segment part of the rollups in place of old ones, atomically; False when somebody else did."""
        gone = {each.id for each in old}
        segments = sorted([new, *(each for each in self.segments if each.id not in gone)], key=lambda s: s.first)
        manifest = Manifest(
            version=self.manifest.version + 1,
            segments=tuple(each.id for each in segments),
            position=max(new.last, self.manifest.position),
            title_count=title_count,
            accepted_count=accepted_count,
        )
        if not await self._store.replace_manifest(manifest):
            # Another process stored or merged the same; take up what it did.
            await self._refresh()
            return False
        # In one step for queries: no await between these.
        self.segments, self.manifest = tuple(segments), manifest
        self._drop(self.manifest.position)
        return True

    # Merging

    async def merge(self) -> bool:
        """Merges one run of segments, if there is one; generations are stored meanwhile."""
        async with self._merging:
            return await self._merge()

    async def _merge(self) -> bool:
        run = segment.mergeable(self.segments)
        if run is None:
            return False
        new = Segment(first=run[0].first, last=run[-1].last, level=run[0].level + 1, time_ms=run[-1].time_ms, firsts={})
        try:
            firsts: dict[Table, U64] = {table: await self._merge_table(new, run, table) for table in NUMBERS}
            firsts[Table.NAMES] = await self._merge_names(new, run)
        except KeyError:
            # Another process merged the same and dropped the pages.
            async with self._storing:
                await self._refresh()
            return False
        new = Segment(first=new.first, last=new.last, level=new.level, time_ms=new.time_ms, firsts=firsts)
        await self._store.put_segment(new)
        async with self._storing:
            replaced = await self._merged(new, run)
        if replaced:
            self._drop_later(run)
        return replaced

    async def _merged(self, new: Segment, run: Sequence[Segment]) -> bool:
        live = {each.id for each in self.segments}
        if not live.issuperset(each.id for each in run):
            # Another process merged the same meanwhile.
            return False
        return await self._replace(
            new, run, title_count=self.manifest.title_count, accepted_count=self.manifest.accepted_count
        )

    async def _merge_table(self, new: Segment, run: Sequence[Segment], table: Table) -> U64:
        firsts: list[U64] = []
        carried, start = rows.empty(), 0
        for span in segment.windows(run, table, WINDOW_PAGES):
            ids = [id_ for each in run for id_ in each.pages(table, [span])]
            stored = await self._store.pages(ids)
            pages = [stored[id_] for id_ in ids]
            whole = await asyncio.to_thread(_merged_pages, carried, pages, span, table)
            whole = _kept(whole, table, new.time_ms)
            # Whole pages only, so that where windows end leaves no trace.
            cut = len(whole) if span[1] == rows.KEYS_END else len(whole) // segment.PAGE_ROWS * segment.PAGE_ROWS
            done = Rows(whole.a[:cut], whole.b[:cut], whole.v[:cut])
            carried = Rows(whole.a[cut:], whole.b[cut:], whole.v[cut:])
            firsts.append(await self._put(new, table, done, start))
            start += len(firsts[-1])
        return np.concatenate(firsts) if firsts else np.zeros(0, np.uint64)

    async def _merge_names(self, new: Segment, run: Sequence[Segment]) -> U64:
        firsts: list[U64] = []
        carried, start = Names(digests=np.zeros(0, np.uint64), names=Texts.of(())), 0
        for span in segment.windows(run, Table.NAMES, WINDOW_PAGES):
            ids = [id_ for each in run for id_ in each.pages(Table.NAMES, [span])]
            stored = await self._store.names(ids)
            whole = await asyncio.to_thread(_merged_names, carried, [stored[id_] for id_ in ids], span)
            digests, names = whole.digests, whole.names
            # Whole pages only, so that where windows end leaves no trace.
            cut = len(digests) if span[1] == rows.KEYS_END else len(digests) // NAMES_A_PAGE * NAMES_A_PAGE
            places = np.arange(len(digests))
            firsts.append(await self._put_names(new, digests[:cut], names.take(places[:cut]), start))
            carried = Names(digests=digests[cut:], names=names.take(places[cut:]).compact())
            start += len(firsts[-1])
        return np.concatenate(firsts) if firsts else np.zeros(0, np.uint64)

    async def settled(self) -> None:
        """Drops what was merged away without waiting for queries under way: there are none."""
        self.leave_dropping()
        await asyncio.gather(*self._dropping, return_exceptions=True)
        await self._store.drop_segments(await self._store.merged_away(self.segments))

    def leave_dropping(self) -> None:
        """Leaves what was merged away to whoever loads next."""
        for task in self._dropping:
            task.cancel()

    def _drop_later(self, run: Sequence[Segment]) -> None:
        async def drop() -> None:
            await asyncio.sleep(DROP_AFTER_S)
            await self._store.drop_segments(run)

        task = asyncio.get_running_loop().create_task(drop())
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)


def _merged_pages(carried: Rows, pages: Sequence[bytes], span: Span, table: Table) -> Rows:
    parts = [part for page in pages for part in segment.decode(page).cut([span])]
    return rows.merged([carried, *parts], REDUCE[table])


def _merged_names(carried: Names, pages: Sequence[Names], span: Span) -> Names:
    book = NameBook()
    for each in (carried, *(page.between(span) for page in pages)):
        book.add(each.digests, each.names)
    digests, names = book.sorted()
    return Names(digests=digests, names=names)


def _kept(whole: Rows, table: Table, time_ms: int) -> Rows:
    """Without the rows by the minute that are too old; a function of the log like all else."""
    if table not in MINUTE_TABLES:
        return whole
    young = keys.unpack(whole.a).minute >= (time_ms - MINUTES_KEPT_MS) // MINUTE_MS
    return whole.where(young)
