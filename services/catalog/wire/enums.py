"""The enums of the protos and ours, number by number."""

from services.catalog.domain import (
    AliasKind,
    AliasSource,
    ChangeType,
    EmbeddingDtype,
    ImportMode,
    ReferenceImageKind,
    ReferenceState,
)
from services.catalog.title import AmbiguityClass, MediaType, OfferType, TitleState

# Position is the proto's number. What is unspecified means what stands at 0.
MEDIA_TYPES = (
    MediaType.UNSPECIFIED,
    MediaType.MOVIE,
    MediaType.TV,
    MediaType.SEASON,
    MediaType.EPISODE,
    MediaType.EVENT,
)
TITLE_STATES = (TitleState.ACTIVE, TitleState.ACTIVE, TitleState.WITHDRAWN, TitleState.DELETED)
OFFER_TYPES = (
    OfferType.FLATRATE,
    OfferType.FLATRATE,
    OfferType.FREE,
    OfferType.ADS,
    OfferType.RENT,
    OfferType.BUY,
    OfferType.TICKET,
)
AMBIGUITY_CLASSES = (
    AmbiguityClass.UNSPECIFIED,
    AmbiguityClass.UNIQUE,
    AmbiguityClass.HOMONYM,
    AmbiguityClass.COMMON_WORD,
)
IMPORT_MODES = (ImportMode.MERGE, ImportMode.MERGE, ImportMode.REPLACE, ImportMode.CREATE_ONLY)
CHANGE_TYPES = (
    None,
    ChangeType.CREATED,
    ChangeType.UPDATED,
    ChangeType.DELETED,
    ChangeType.UNDELETED,
    ChangeType.ALIASES,
    ChangeType.REFERENCE_IMAGES,
)
ALIAS_KINDS = (
    AliasKind.TITLE,
    AliasKind.TITLE,
    AliasKind.ORIGINAL,
    AliasKind.ALTERNATIVE,
    AliasKind.FRANCHISE,
    AliasKind.HASHTAG,
    AliasKind.SOUNDTRACK,
    AliasKind.CHARACTER,
    AliasKind.ABBREVIATION,
)
# A caller that does not say who it is, is an editor. Nobody sends what is derived.
ALIAS_SOURCES = (
    AliasSource.EDITED,
    AliasSource.DERIVED,
    AliasSource.IMPORTED,
    AliasSource.LEARNED,
    AliasSource.EDITED,
)
REFERENCE_IMAGE_KINDS = (
    ReferenceImageKind.POSTER,
    ReferenceImageKind.POSTER,
    ReferenceImageKind.STILL,
    ReferenceImageKind.TITLE_CARD,
)
REFERENCE_STATES = (ReferenceState.ENABLED, ReferenceState.ENABLED, ReferenceState.DISABLED)
EMBEDDING_DTYPES = (EmbeddingDtype.UNSPECIFIED, EmbeddingDtype.F32, EmbeddingDtype.F16, EmbeddingDtype.I8)

MEDIA_TYPE_NUMBERS = {value: number for number, value in enumerate(MEDIA_TYPES)}
TITLE_STATE_NUMBERS = {value: number for number, value in enumerate(TITLE_STATES)}
OFFER_TYPE_NUMBERS = {value: number for number, value in enumerate(OFFER_TYPES)}
AMBIGUITY_CLASS_NUMBERS = {value: number for number, value in enumerate(AMBIGUITY_CLASSES)}
CHANGE_TYPE_NUMBERS = {value: number for number, value in enumerate(CHANGE_TYPES)}
ALIAS_KIND_NUMBERS = {value: number for number, value in enumerate(ALIAS_KINDS)}
ALIAS_SOURCE_NUMBERS = {value: number for number, value in enumerate(ALIAS_SOURCES)}
REFERENCE_IMAGE_KIND_NUMBERS = {value: number for number, value in enumerate(REFERENCE_IMAGE_KINDS)}
REFERENCE_STATE_NUMBERS = {value: number for number, value in enumerate(REFERENCE_STATES)}
EMBEDDING_DTYPE_NUMBERS = {value: number for number, value in enumerate(EMBEDDING_DTYPES)}
