"""What calls bring: titles checked for size, writes with the hash of their body, rows judged one by one."""

from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Protocol

from google.protobuf.message import Message

from chassis.errors import InvalidArgument, SpotlightError, Violation
from chassis.validation import Rules
from protos.catalog.v1 import catalog_pb2 as pb
from services.catalog.domain import Alias, ImportPiece, ImportRow, ReferenceImage, RowError, Write
from services.catalog.errors import TitleInvalid, TitleTooLarge
from services.catalog.title import TITLE_BYTES_MAX, Title
from services.catalog.wire import enums
from services.catalog.wire.registry import alias_from, image_from
from services.catalog.wire.title import title_from

_ROW_RULES = Rules()


class WriteRequest(Protocol):
    """What every request that writes has."""

    request_id: str
    actor: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...  # noqa: N802 - protobuf's name


def write_of(request: WriteRequest) -> Write:
    """Equal bodies have equal hashes; the kind of request is part of it."""
    body = request.SerializeToString(deterministic=True)
    return Write(
        request_id=request.request_id,
        body_hash=blake2b(type(request).__name__.encode() + b"\x00" + body, digest_size=16).hexdigest(),
        actor=request.actor,
        validate_only=getattr(request, "validate_only", False),
    )


def given_title(request: pb.CreateTitleRequest) -> Title:
    return _sized(request.title)


def changed_title(request: pb.UpdateTitleRequest) -> Title:
    if not request.title.id:
        raise InvalidArgument(violations=[Violation("title.id", "is needed")])
    return _sized(request.title)


def _sized(title: pb.Title) -> Title:
    if title.ByteSize() > TITLE_BYTES_MAX:
        raise TitleTooLarge(violations=[Violation("title", f"is larger than {TITLE_BYTES_MAX} bytes")])
    return title_from(title)


async def pieces_of(requests: AsyncIterator[pb.ImportTitlesRequest]) -> AsyncIterator[ImportPiece]:
    async for request in requests:
        yield ImportPiece(
            import_id=request.import_id,
            rows=tuple(map(_row, request.rows)),
            mode=enums.IMPORT_MODES[request.mode],
            source=request.source,
            actor=request.actor,
        )


def _row(row: pb.ImportRow) -> ImportRow:
    """A row that breaks a rule becomes its own error and harms no other."""
    if row.HasField("problem"):
        return ImportRow(line=row.line, problem=_problem(row))
    if not row.HasField("title"):
        return ImportRow(line=row.line, problem=RowError(line=row.line, reason="ROW_EMPTY"))
    try:
        _ROW_RULES.check(row.title)
        title = _sized(row.title)
    except SpotlightError as error:
        return ImportRow(line=row.line, problem=_refused(row, error))
    return ImportRow(line=row.line, title=title, digest=digest_of(row.title))


def digest_of(message: Message) -> str:
    """Tells equal rows from changed ones."""
    return blake2b(message.SerializeToString(deterministic=True), digest_size=12).hexdigest()


def _problem(row: pb.ImportRow) -> RowError:
    return RowError(
        line=row.line,
        title_id=row.problem.title_id[:128],
        reason=row.problem.reason[:100] or "ROW_UNREADABLE",
        field=row.problem.field[:200],
        description=row.problem.description[:500],
    )


def _refused(row: pb.ImportRow, error: SpotlightError) -> RowError:
    first = error.violations[0]
    return RowError(
        line=row.line,
        title_id=row.title.id[:128],
        reason=error.reason if isinstance(error, TitleTooLarge) else TitleInvalid.reason,
        field=first.field,
        description=first.description,
    )


def given_alias(request: pb.UpdateAliasRequest) -> Alias:
    return alias_from(request.alias)


def given_aliases(request: pb.BatchUpdateAliasesRequest) -> list[Alias]:
    return [alias_from(each) for each in request.aliases]


def given_images(request: pb.AddReferenceImagesRequest) -> list[ReferenceImage]:
    strangers = [n for n, each in enumerate(request.images) if each.title_id not in ("", request.title_id)]
    if strangers:
        raise InvalidArgument(
            violations=[Violation(f"images[{strangers[0]}].title_id", "is not the title of the request")]
        )
    return [image_from(each) for each in request.images]
