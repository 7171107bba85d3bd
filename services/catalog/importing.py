"""What one row of an import does to the title it meets: nothing, a change, or neither. Pure."""

import enum
from dataclasses import replace

from services.catalog.domain import ImportMode, Stored
from services.catalog.plain import Plain, from_plain, to_plain
from services.catalog.title import ENVELOPE_FIELDS, Title, TitleState


class Outcome(enum.StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


def is_settled_by_digest(*, state: TitleState, known_digest: str, digest: str, mode: ImportMode) -> Outcome | None:
    """The outcome where the content need not be read: most rows of a repeated import."""
    if state is TitleState.DELETED or mode is ImportMode.CREATE_ONLY:
        return Outcome.SKIPPED
    if mode is ImportMode.MERGE and digest and digest == known_digest:
        return Outcome.UNCHANGED
    return None


def merged(stored: Stored, row: Title, mode: ImportMode) -> Title:
    """The title after the row: state, revision and times stay ours."""
    ours = content_of(stored.title)
    theirs = content_of(row)
    if mode is ImportMode.MERGE:
        theirs = _over(ours, theirs)
    title = from_plain(Title, theirs)
    kept = {name: getattr(stored.title, name) for name in ENVELOPE_FIELDS}
    return replace(title, **kept, state=stored.title.state)


def content_of(title: Title) -> Plain:
    """What editors and imports write, as plain values."""
    return {name: part for name, part in to_plain(title).items() if name not in ENVELOPE_FIELDS}


def _over(ours: Plain, theirs: Plain) -> Plain:
    """What the row has replaces ours; groups of fields are laid over each other field by field."""
    both = dict(ours)
    for name, part in theirs.items():
        known = both.get(name)
        both[name] = _over(known, part) if isinstance(part, dict) and isinstance(known, dict) else part
    return both
