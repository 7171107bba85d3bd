"""Stored rollups: immutable segments of sorted pages, each covering a run of the event log.

A generation of the log becomes one segment of level 0; eight neighbours of one level become one of the next. What a
segment holds is a function of the log alone, so whoever writes it, and however often, writes the same bytes under the
same ids. Pages are delta-coded, byte-shuffled and compressed: about 4 bytes a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import zstandard

from services.metrics.domain import U64
from services.metrics.fold import Table
from services.metrics.rows import KEYS_END, Rows, Span, places

# A page is 10-20 kB stored and decodes in 0.1 ms; a report reads one or two of each table from each segment.
PAGE_ROWS = 4_096
PAGE_ROWS_MAX = 16_384  # of pages stored before
LEVEL = 1
# Eight segments of a level merge: a row is written log8(generations) times.
FAN_IN = 8
WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The index of a segment: for each table the first key of each of its pages."""

    first: int  # position of the first log entry it covers
    last: int
    level: int
    time_ms: int  # when its last entry was received
    firsts: Mapping[Table, U64] = field(repr=False)

    @property
    def id(self) -> str:
        return f"{self.first:012d}-{self.last:012d}"

    def page_id(self, table: Table, page: int) -> str:
        return f"{self.id}:{table.value}:{page:06d}"

    def pages(self, table: Table, spans: Sequence[Span]) -> list[str]:
        """The ids of the pages that may hold rows of the spans, which ascend."""
        firsts = self.firsts.get(table)
        if firsts is None or not len(firsts):
            return []
        # Rows with one `a` may run over several pages: begin one page before the first that starts with it.
        ranges = [range(max(start - 1, 0), end) for start, end in zip(*places(firsts, spans), strict=True)]
        return [self.page_id(table, page) for page in sorted(set().union(*ranges))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Which segments make up the stored rollups, and how far they reach; replaced atomically."""

    version: int = 0
    segments: tuple[str, ...] = ()
    position: int = 0
    title_count: int = 0
    accepted_count: int = 0


def pages_of(rows: Rows) -> Iterator[tuple[int, bytes]]:
    """The rows cut into pages: the first key and the bytes of each."""
    for start in range(0, len(rows), PAGE_ROWS):
        piece = slice(start, start + PAGE_ROWS)
        page = Rows(rows.a[piece], rows.b[piece], rows.v[piece])
        yield int(page.a[0]), encode(page)


def encode(page: Rows) -> bytes:
    deltas = np.diff(page.a, prepend=np.uint64(0))
    parts = [_shuffled(deltas), _shuffled(page.b), _shuffled(page.v.astype(np.uint64))]
    head = np.array([len(page), *(len(part[1]) for part in parts)], "<u4").tobytes()
    widths = bytes(width for width, _ in parts)
    return zstandard.ZstdCompressor(level=LEVEL).compress(head + widths + b"".join(data for _, data in parts))


def _shuffled(values: U64) -> tuple[int, bytes]:
    """The values in as few bytes as the greatest needs, all first bytes, then all second ones."""
    greatest = int(values.max()) if len(values) else 0
    width = next(width for width in WIDTHS if greatest < 1 << (8 * width))
    narrow = values.astype(f"<u{width}")
    return width, narrow.view(np.uint8).reshape(len(values), width).T.tobytes()


def decode(data: bytes) -> Rows:
    return decode_all([data])[0]


def decode_all(pages: Sequence[bytes]) -> list[Rows]:
    """Pages as rows."""
    decompressor = zstandard.ZstdDecompressor()
    return [_decoded(decompressor.decompress(data, max_output_size=PAGE_ROWS_MAX * 24 + 64)) for data in pages]


def _decoded(body: bytes) -> Rows:
    count, *sizes = np.frombuffer(body, "<u4", 4).tolist()
    start, columns = 19, []
    for width, size in zip(body[16:19], sizes, strict=True):
        flat = np.frombuffer(body, np.uint8, size, start)
        if width > 1:
            flat = np.ascontiguousarray(flat.reshape(width, count).T).view(f"<u{width}").reshape(count)
        columns.append(flat)
        start += size
    return Rows(np.cumsum(columns[0], dtype=np.uint64), columns[1].astype(np.uint64), columns[2].astype(np.int64))


def mergeable(segments: Sequence[Segment]) -> Sequence[Segment] | None:
    """The oldest run of eight neighbours of the lowest level that has one."""
    for level in sorted({segment.level for segment in segments}):
        run = [segment for segment in segments if segment.level == level]
        if len(run) >= FAN_IN:
            return run[:FAN_IN]
    return None


def windows(segments: Sequence[Segment], table: Table, pages: int) -> Iterator[tuple[int, int]]:
    """Key ranges that together cover the table and hold about `pages` pages each: merging keeps to that memory."""
    firsts = [segment.firsts[table] for segment in segments if table in segment.firsts]
    every = np.unique(np.concatenate(firsts)) if firsts else np.zeros(0, np.uint64)
    total = sum(len(part) for part in firsts)
    step = max(len(every) * pages // max(total, 1), 1)
    bounds = [0, *(int(key) for key in every[step::step]), KEYS_END]
    yield from pairwise(bounds)
