"""`fingerprint-references`: turn images listed in an index file into what the catalog's AddReferenceImages takes."""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer

from services.matcher.visual.engine import usable
from services.matcher.visual.fingerprint import Fingerprinter
from services.matcher.visual.frame_model import FrameModel, FrameModelUnusable
from services.matcher.visual.signals import Embedding, ReferenceKind, SignalRefused
from services.matcher.visual.thumbnail import reference_picture_of
from tools.cli.match_frames import Row, picture_of, reason, rows

IMAGES_PER_REQUEST_MAX = 100
REQUEST_BYTES_MAX = 900_000  # the gateway reads a body of 1 MiB
ID_BYTES = 12
KINDS = {one.value for one in ReferenceKind}


def fingerprint_references(
    references: Annotated[Path, typer.Option(help="Index of reference images: file, id, kind in each line.")],
    out: Annotated[Path, typer.Option(help="Where the requests go, one JSON object a line.")],
    frame_model: Annotated[
        Path | None, typer.Option(help="ONNX frame model, the one the matcher runs; without one PDQ hashes alone.")
    ] = None,
    source: Annotated[str, typer.Option(help="Who says so, and the licence.")] = "",
) -> None:
    """Write requests for POST /v1/titles/{title_id}/referenceImages: fingerprints and a small picture of each image."""
    cv2.setNumThreads(1)
    try:
        model = FrameModel(frame_model) if frame_model is not None else None
        known = tuple(row for row in rows(references) if row.title_id)
    except (FrameModelUnusable, OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    fingerprinter = Fingerprinter(model)
    by_title: dict[str, list[Row]] = defaultdict(list)
    for row in known:
        by_title[row.title_id].append(row)
    with out.open("w", encoding="utf-8") as requests:
        for title_id, some in by_title.items():
            for images in batches(images_of(some, fingerprinter, source)):
                requests.write(json.dumps({"title_id": title_id, "images": images}) + "\n")


def images_of(some: Iterable[Row], fingerprinter: Fingerprinter, source: str) -> Iterator[dict[str, Any]]:
    """The images that say something, as the catalog takes them; others are named on the terminal."""
    for row in some:
        kind = ReferenceKind(row.kind) if row.kind in KINDS else ReferenceKind.STILL
        try:
            picture = picture_of(row)
        except (SignalRefused, OSError) as error:
            typer.echo(f"{row.file}: {reason(error)}", err=True)
            continue
        prints = usable(fingerprinter.of_reference(picture, kind))
        if not prints:
            typer.echo(f"{row.file}: flat, it would match anything", err=True)
            continue
        yield {
            "id": hashlib.blake2b(f"{row.title_id} {row.file}".encode(), digest_size=ID_BYTES).hexdigest(),
            "kind": kind.value,
            "source": source or row.file,
            "pdq": [one.pdq.hex() for one in prints if one.pdq is not None],
            "pdq_quality": min((one.pdq_quality for one in prints if one.pdq is not None), default=0),
            "embeddings": [embedding_said(one.embedding) for one in prints if one.embedding is not None],
            "picture": base64.b64encode(reference_picture_of(picture)).decode(),
        }


def embedding_said(embedding: Embedding) -> dict[str, Any]:
    values = [round(float(value), 6) for value in embedding.vector()]
    return {"model": embedding.model, "dim": embedding.dim, "dtype": "f32", "values": values}


def batches(images: Iterable[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    """Images in requests that the catalog takes: not too many and not too large."""
    batch: list[dict[str, Any]] = []
    size = 0
    for image in images:
        needs = len(json.dumps(image))
        if batch and (len(batch) == IMAGES_PER_REQUEST_MAX or size + needs > REQUEST_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(image)
        size += needs
    if batch:
        yield batch
