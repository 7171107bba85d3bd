"""What else the catalog is about: changes, imports, aliases, reference images, and every error it raises."""

import enum
from dataclasses import dataclass, field
from datetime import datetime

from chassis.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unavailable,
)

from services.catalog.title import AmbiguityClass, Title

IMPORT_ERRORS_KEPT_MAX = 1_000
BANK_IMAGES_MAX = 2_000


class ChangeType(enum.StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNDELETED = "undeleted"
    ALIASES = "aliases"
    REFERENCE_IMAGES = "reference_images"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field before and after, as JSON; empty where it was or became unset."""

    path: str
    old_json: str = ""
    new_json: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of the feed; `title` is at least as new as the change."""

    revision: int
    title_id: str
    change_type: ChangeType
    field_changes: tuple[FieldChange, ...] = ()
    title: Title | None = None
    change_time: datetime
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    changes: tuple[Change, ...]
    latest_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TitlePage:
    titles: tuple[Title, ...]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleBatch:
    titles: tuple[Title, ...]
    missing_ids: tuple[str, ...] = ()
    unread_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What makes a write repeatable and attributable; an empty request_id is never remembered."""

    request_id: str = ""
    body_hash: str = ""
    actor: str = ""
    validate_only: bool = False


class ImportMode(enum.StrEnum):
    MERGE = "merge"
    REPLACE = "replace"
    CREATE_ONLY = "create_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One refused line and why."""

    line: int
    title_id: str = ""
    reason: str
    field: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One line: a title, or what was wrong with it. `digest` tells equal rows apart from changed ones."""

    line: int
    title: Title | None = None
    digest: str = ""
    problem: RowError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPiece:
    """What one message of the stream carries."""

    import_id: str = ""
    rows: tuple[ImportRow, ...] = ()
    mode: ImportMode = ImportMode.MERGE
    source: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportState:
    """How far an import came; every row up to `acknowledged_line` is committed."""

    import_id: str
    acknowledged_line: int = 0
    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    skipped_count: int = 0
    error_count: int = 0
    errors: tuple[RowError, ...] = ()
    revision: int = 0
    start_time: datetime | None = None
    update_time: datetime | None = None
    source: str = ""


class AliasKind(enum.StrEnum):
    TITLE = "title"
    ORIGINAL = "original"
    ALTERNATIVE = "alternative"
    FRANCHISE = "franchise"
    HASHTAG = "hashtag"
    SOUNDTRACK = "soundtrack"
    CHARACTER = "character"
    ABBREVIATION = "abbreviation"


class AliasSource(enum.StrEnum):
    DERIVED = "derived"
    IMPORTED = "imported"
    LEARNED = "learned"
    EDITED = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One name of one title: how ambiguous it is and how likely it means this title."""

    title_id: str
    name: str
    kind: AliasKind
    ambiguity_class: AmbiguityClass = AmbiguityClass.UNSPECIFIED
    prior: float = 0.0
    pinned: bool = False
    source: AliasSource = AliasSource.EDITED
    update_time: datetime | None = None
    shared_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasPage:
    aliases: tuple[Alias, ...]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasBatch:
    updated_count: int
    unchanged_count: int
    pinned_count: int
    revision: int


class ReferenceImageKind(enum.StrEnum):
    POSTER = "poster"
    STILL = "still"
    TITLE_CARD = "title_card"


class ReferenceState(enum.StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class EmbeddingDtype(enum.StrEnum):
    UNSPECIFIED = ""
    F32 = "f32"
    F16 = "f16"
    I8 = "i8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEmbedding:
    model: str
    dim: int
    dtype: EmbeddingDtype = EmbeddingDtype.F32
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceImage:
    """A picture that shows a title, with its fingerprints."""

    id: str = ""
    title_id: str = ""
    kind: ReferenceImageKind
    uri: str = ""
    pdq: tuple[str, ...] = ()
    pdq_quality: int = 0
    embeddings: tuple[ReferenceEmbedding, ...] = ()
    state: ReferenceState = ReferenceState.ENABLED
    source: str = ""
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceBank:
    """All images of one title under one switch."""

    title_id: str
    state: ReferenceState = ReferenceState.ENABLED
    image_count: int = 0
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePage:
    images: tuple[ReferenceImage, ...]
    banks: tuple[ReferenceBank, ...] = ()
    next_page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceBatch:
    images: tuple[ReferenceImage, ...] = field(default=())
    revision: int = 0


class TitleNotFound(NotFound):
    """This title does not exist."""

    reason = "TITLE_NOT_FOUND"


class TitleExists(AlreadyExists):
    """A title with this id exists already."""

    reason = "TITLE_EXISTS"


class TitleDeleted(FailedPrecondition):
    """This title is deleted: undelete it first."""

    reason = "TITLE_DELETED"


class TitleNotDeleted(FailedPrecondition):
    """This title is not deleted."""

    reason = "TITLE_NOT_DELETED"


class TitleInvalid(InvalidArgument):
    """The title is not valid."""

    reason = "TITLE_INVALID"


class TitleTooLarge(InvalidArgument):
    """A title may not be larger than 64 kB."""

    reason = "TITLE_TOO_LARGE"


class EtagMismatch(Aborted):
    """The title was changed since you read it: read it again."""

    reason = "ETAG_MISMATCH"


class UpdateMaskInvalid(InvalidArgument):
    """The update mask names fields that do not exist or may not be written."""

    reason = "UPDATE_MASK_INVALID"


class FilterInvalid(InvalidArgument):
    """The filter cannot be read."""

    reason = "FILTER_INVALID"


class RequestIdReused(AlreadyExists):
    """This request_id was used before with another body."""

    reason = "REQUEST_ID_REUSED"


class ImportNotFound(NotFound):
    """No import has this id."""

    reason = "IMPORT_NOT_FOUND"


class ImportOutOfOrder(InvalidArgument):
    """The lines of an import must grow from message to message."""

    reason = "IMPORT_OUT_OF_ORDER"


class RevisionAhead(OutOfRange):
    """This revision was never given out: the follower must start over."""

    reason = "REVISION_AHEAD"


class IndexNotReady(Unavailable):
    """The search index is being built after a start: try again shortly."""

    reason = "INDEX_NOT_READY"


class AliasNotFound(NotFound):
    """This name is not in the registry for this title."""

    reason = "ALIAS_NOT_FOUND"


class AliasPinned(FailedPrecondition):
    """An editor pinned this name: only an editor may change it."""

    reason = "ALIAS_PINNED"


class ReferenceImageNotFound(NotFound):
    """This reference image does not exist."""

    reason = "REFERENCE_IMAGE_NOT_FOUND"


class ReferenceBankFull(ResourceExhausted):
    """A title may not have more than 2,000 reference images."""

    reason = "REFERENCE_BANK_FULL"
