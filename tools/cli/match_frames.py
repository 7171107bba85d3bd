"""`match-frames`: score images or videos listed in an index file against the reference images of another one."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer

from services.matcher.visual.engine import VisualEngine
from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.frame_model import FrameModel, FrameModelUnusable
from services.matcher.visual.layout import small_grey
from services.matcher.visual.pictures import DEFAULT_LIMITS, PayloadKind, Picture, checked_kind, read_picture
from services.matcher.visual.signals import Frame, Reference, ReferenceKind, SignalRefused, VisualMatch, refused
from services.matcher.visual.verify import GREY_PX, Grey
from services.matcher.visual.videos import Moment, read_video

MATCHES_MAX = 5
NAMED_MIN = 0.5
ROWS_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of an index: a file (relative to the index), and what it shows if that is known."""

    file: str
    path: Path
    title_id: str
    kind: str


def match_frames(
    references: Annotated[Path, typer.Option(help="Index of reference images: file, id, kind in each line.")],
    queries: Annotated[Path, typer.Option(help="Index of images or MP4 videos to score: file in each line.")],
    out: Annotated[Path, typer.Option(help="Where the predictions go, one JSON object a line.")],
    frame_model: Annotated[
        Path | None, typer.Option(help="ONNX frame model; without one PDQ hashes alone are compared.")
    ] = None,
    verify: Annotated[bool, typer.Option(help="Check borderline likenesses geometrically.")] = True,  # noqa: FBT002  typer reads options from defaults
) -> None:
    """Say for each query which title it shows, with its probability and the reference image it looks like."""
    cv2.setNumThreads(1)
    try:
        model = FrameModel(frame_model) if frame_model is not None else None
        known, asked = tuple(rows(references)), tuple(rows(queries))
    except (FrameModelUnusable, OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    fingerprinter = Fingerprinter(model)
    bank = {row.file: row for row in known if row.title_id}
    engine = VisualEngine.build(
        reference_images(bank.values(), fingerprinter), pictures=grey_reader(bank) if verify else None
    )
    started = time.monotonic()
    with out.open("w", encoding="utf-8") as predictions:
        for row in asked:
            predictions.write(json.dumps(prediction(row, engine, fingerprinter), ensure_ascii=False) + "\n")
    typer.echo(summary(engine, len(asked), time.monotonic() - started), err=True)


def rows(index: Path) -> Iterator[Row]:
    """The lines of an index; `id` may be missing (a picture of no title), `file` may not."""
    with index.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if number > ROWS_MAX:
                raise ValueError(f"{index.name}: more than {ROWS_MAX} lines")
            if line.strip():
                yield _row(index, number, line)


def _row(index: Path, number: int, line: str) -> Row:
    try:
        said: Any = json.loads(line)
        file = said["file"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{index.name}, line {number}: not a JSON object with a `file`") from error
    if not isinstance(file, str):
        raise ValueError(f"{index.name}, line {number}: `file` is not a string")  # noqa: TRY004  one error for all
    return Row(
        file=file,
        path=index.parent / file,
        title_id=str(said.get("id") or said.get("title_id") or ""),
        kind=str(said.get("kind") or ReferenceKind.STILL.value),
    )


def reference_images(some: Iterable[Row], fingerprinter: Fingerprinter) -> Iterator[Reference]:
    """The references that can be read; others are named on the terminal."""
    for row in some:
        kind = ReferenceKind(row.kind) if row.kind in {one.value for one in ReferenceKind} else ReferenceKind.STILL
        try:
            picture = picture_of(row)
        except (SignalRefused, OSError) as error:
            typer.echo(f"{row.file}: {reason(error)}", err=True)
            continue
        yield Reference(
            id=row.file,
            title_id=row.title_id,
            kind=kind,
            fingerprints=fingerprinter.of_reference(picture, kind),
        )


def prediction(row: Row, engine: VisualEngine, fingerprinter: Fingerprinter) -> dict[str, Any]:
    """One line of the answer; a query that cannot be read says why and matches nothing.

    `title_id` is the best match where it is more likely right than wrong; `matches` has all, `probability` the best's.
    """
    try:
        matches = engine.match(frames_of(row, fingerprinter))[:MATCHES_MAX]
    except (SignalRefused, OSError) as error:
        return {"file": row.file, "title_id": None, "probability": 0.0, "matches": [], "error": reason(error)}
    return {
        "file": row.file,
        "title_id": matches[0].title_id if matches and matches[0].probability >= NAMED_MIN else None,
        "probability": round(matches[0].probability, 6) if matches else 0.0,
        "matches": [said(match) for match in matches],
    }


def said(match: VisualMatch) -> dict[str, Any]:
    return {
        "title_id": match.title_id,
        "probability": round(match.probability, 6),
        "evidence": [
            {
                "reference": one.reference_id,
                "source": one.source.value,
                "model": one.model,
                "distance": round(one.distance, 4),
                "start_ms": one.start_ms,
                "end_ms": one.end_ms,
                "region": one.region.value,
                "contribution": round(one.contribution, 4),
            }
            for one in match.evidence
        ],
    }


def frames_of(row: Row, fingerprinter: Fingerprinter) -> tuple[Frame, ...]:
    payload = _payload(row.path)
    kind = checked_kind(payload, DEFAULT_LIMITS, at="file")
    if kind is PayloadKind.MP4:
        return fingerprinter.of_video(read_video(payload, DEFAULT_LIMITS, at="file"))
    picture = read_picture(payload, kind, DEFAULT_LIMITS, at="file")
    return fingerprinter.of_video([Moment(t_ms=0, picture=picture)])


def picture_of(row: Row) -> Picture:
    payload = _payload(row.path)
    kind = checked_kind(payload, DEFAULT_LIMITS, at="file")
    if kind is PayloadKind.MP4:
        raise refused("file", "a video where a JPEG or PNG is expected")
    return read_picture(payload, kind, DEFAULT_LIMITS, at="file")


def _payload(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(DEFAULT_LIMITS.video_bytes_max + 1)  # one more than allowed: enough to be refused


def grey_reader(bank: dict[str, Row]) -> Callable[[str], Grey | None]:
    return lambda reference_id: small_grey(picture_of(bank[reference_id]), GREY_PX)


def reason(error: SignalRefused | OSError) -> str:
    if isinstance(error, SignalRefused):
        return error.violations[0].description
    return error.strerror or type(error).__name__


def summary(engine: VisualEngine, count: int, seconds: float) -> str:
    held = engine.info()
    per_query = 1000 * seconds / max(1, count)
    return (
        f"{held.reference_count} references of {held.title_count} titles ({len(held.refused)} refused), "
        f"{count} queries, {per_query:.0f} ms each"
    )
