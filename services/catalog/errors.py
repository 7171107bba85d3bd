"""Every error the catalog raises: the docstring is the message, `reason` what callers branch on."""

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
