"""Sends catalog files to a catalog and shows how far it is."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from chassis.client import Client, channel
from chassis.config import Settings
from chassis.errors import NotFound, SpotlightError, Unavailable
from protos.catalog.v1 import catalog_pb2 as pb
from protos.catalog.v1 import catalog_pb2_grpc
from services.catalog.importer.files import FORMATS, Row, import_id_of, rows_of
from services.catalog.wire.title import title_to

ROWS_PER_MESSAGE = 500
BYTES_PER_MESSAGE = 1_000_000
IMPORT_TIMEOUT_S = 3_600.0
TRIES_MAX = 5
RETRY_PAUSE_S = 1.0
POLL_S = 0.5
ERRORS_SHOWN_MAX = 20
MODES = {
    "merge": pb.IMPORT_MODE_MERGE,
    "replace": pb.IMPORT_MODE_REPLACE,
    "create-only": pb.IMPORT_MODE_CREATE_ONLY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be imported, and how."""

    path: Path
    import_id: str
    mode: str = "merge"
    format_name: str = "auto"
    source: str = ""


async def import_file(client: Client, order: Order, progress: Progress) -> pb.ImportTitlesResponse:
    """Imports one file, going on from the acknowledged line when the catalog was away for a moment."""
    task = progress.add_task(order.path.name, total=None)
    for attempt in range(1, TRIES_MAX + 1):
        known = await _state(client, order.import_id)
        watching = asyncio.create_task(_watch(client, order.import_id, progress, task))
        try:
            done: pb.ImportTitlesResponse = await client.call(
                "ImportTitles", _messages(order, known.acknowledged_line), timeout_s=IMPORT_TIMEOUT_S
            )
        except Unavailable:
            if attempt == TRIES_MAX:
                raise
            await asyncio.sleep(RETRY_PAUSE_S * attempt)
        else:
            progress.update(task, completed=done.acknowledged_line, total=done.acknowledged_line)
            return done
        finally:
            watching.cancel()
    raise AssertionError


async def _state(client: Client, import_id: str) -> pb.ImportTitlesResponse:
    try:
        found: pb.ImportTitlesResponse = await client.call(
            "GetImport", pb.GetImportRequest(import_id=import_id), timeout_s=5
        )
    except NotFound:
        return pb.ImportTitlesResponse(import_id=import_id)
    return found


async def _watch(client: Client, import_id: str, progress: Progress, task: object) -> None:
    """Shows what is committed, not what was sent."""
    while True:
        await asyncio.sleep(POLL_S)
        try:
            state = await _state(client, import_id)
        except SpotlightError:
            continue
        progress.update(task, completed=state.acknowledged_line)  # type: ignore[arg-type] # rich's TaskID


async def _messages(order: Order, after_line: int) -> AsyncIterator[pb.ImportTitlesRequest]:
    # The first message goes out even when no row is left: its answer is the import's state.
    yield pb.ImportTitlesRequest(import_id=order.import_id, mode=MODES[order.mode], source=order.source)
    for rows in _batches(rows_of(order.path, after_line=after_line, format_name=order.format_name)):
        yield pb.ImportTitlesRequest(rows=rows)
        await asyncio.sleep(0)


def _batches(rows: Iterator[Row]) -> Iterator[list[pb.ImportRow]]:
    batch: list[pb.ImportRow] = []
    total = 0
    for row in map(_row_to, rows):
        size = row.ByteSize()
        if batch and (len(batch) == ROWS_PER_MESSAGE or total + size > BYTES_PER_MESSAGE):
            yield batch
            batch, total = [], 0
        batch.append(row)
        total += size
    if batch:
        yield batch


def _row_to(row: Row) -> pb.ImportRow:
    if row.title is None:
        problem = pb.ImportError(line=row.line, reason="ROW_UNREADABLE", description=row.problem)
        return pb.ImportRow(line=row.line, problem=problem)
    return pb.ImportRow(line=row.line, title=title_to(row.title))


def main(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="JSONL (.gz) or JSON files.")],
    address: Annotated[str, typer.Option(help="The catalog's gRPC address.")] = "127.0.0.1:8082",
    format_name: Annotated[str, typer.Option("--format", help="auto, catalog or tmdb.")] = "auto",
    mode: Annotated[str, typer.Option(help="merge, replace or create-only.")] = "merge",
    import_id: Annotated[str, typer.Option(help="Resume this import; by default made from the file.")] = "",
    *,
    quiet: Annotated[bool, typer.Option(help="No progress bar.")] = False,
) -> None:
    """Imports catalog files; a file that was imported already is passed over, one that broke off is resumed."""
    if format_name not in ("auto", *FORMATS) or mode not in MODES:
        raise typer.BadParameter("format is auto, catalog or tmdb; mode is merge, replace or create-only")
    if import_id and len(files) > 1:
        raise typer.BadParameter("--import-id goes with one file")
    orders = [
        Order(
            path=path,
            import_id=import_id or import_id_of(path),
            mode=mode,
            format_name=format_name,
            source=path.name,
        )
        for path in files
    ]
    console = Console(stderr=True)
    try:
        asyncio.run(_import_all(orders, address, console, quiet=quiet))
    except SpotlightError as error:
        console.print(f"import: {error.message} ({error.reason})", markup=False)
        raise typer.Exit(1) from None


async def _import_all(orders: list[Order], address: str, console: Console, *, quiet: bool) -> None:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    link = channel(address, Settings(local=True))
    client = Client(catalog_pb2_grpc.CatalogServiceStub, link)
    try:
        with Progress(*columns, console=console, disable=quiet) as progress:
            for order in orders:
                start = time.monotonic()
                done = await import_file(client, order, progress)
                print(_summary(order, done, time.monotonic() - start))  # noqa: T201 - this is a command
                _show_errors(done)
    finally:
        await link.close()


def _summary(order: Order, done: pb.ImportTitlesResponse, seconds: float) -> str:
    return (
        f"{order.path.name}: {done.created_count:,} created, {done.updated_count:,} updated, "
        f"{done.unchanged_count:,} unchanged, {done.skipped_count:,} skipped, {done.error_count:,} refused, "
        f"revision {done.revision:,}, {seconds:.1f} s"
    )


def _show_errors(done: pb.ImportTitlesResponse) -> None:
    for error in done.errors[:ERRORS_SHOWN_MAX]:
        where = f" {error.field}" if error.field else ""
        print(f"  line {error.line}: {error.reason}{where}: {error.description}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    typer.run(main)
