"""What else the catalog is about: changes, imports, hits, aliases, reference images, and the pages they come in."""

import enum
from dataclasses import dataclass, field
from datetime import datetime

from services.catalog.title import AmbiguityClass, Title, TitleState

IMPORT_ERRORS_KEPT_MAX = 1_000
BANK_IMAGES_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A title with what is kept beside its content."""

    title: Title
    ordinal: int = 0  # the revision that created it: titles are listed in this order
    digest: str = ""  # of the row last imported
    before_deletion: TitleState = TitleState.ACTIVE


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One title found, and the name that was met."""

    title: Title
    matched_name: str
    matched_by: int
    typo_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    hits: tuple[SearchHit, ...]
    next_page_token: str = ""
    revision: int = 0


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
    derived_prior: float = 0.0
    derived_class: AmbiguityClass = AmbiguityClass.UNSPECIFIED


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
    picture_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePicture:
    """What a reference image looks like, as a small JPEG."""

    id: str
    title_id: str
    picture: bytes


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
