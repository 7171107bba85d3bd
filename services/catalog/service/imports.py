"""Imports: rows in file order become titles, batch by batch, each batch with the import's own state."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from chassis.errors import SpotlightError
from chassis.ids import NewId
from chassis.mongo import Document, Session
from services.catalog.diff import diff
from services.catalog.domain import (
    IMPORT_ERRORS_KEPT_MAX,
    ChangeType,
    ImportMode,
    ImportPiece,
    ImportRow,
    ImportState,
    RowError,
    Stored,
    Write,
)
from services.catalog.errors import ImportNotFound, ImportOutOfOrder
from services.catalog.importing import Outcome, content_of, is_settled_by_digest, merged
from services.catalog.plain import from_plain, to_plain
from services.catalog.store import Imports, Journal, Titles, Transaction
from services.catalog.store.titles import stored_of
from services.catalog.title import Title, TitleState
from services.catalog.validity import settled

_GLANCE = {"digest": 1, "body.state": 1}


@dataclass(slots=True)
class Batch:
    """One batch under way: what is known of its titles, and what its rows came to."""

    mode: ImportMode
    glances: dict[str, Document]
    stored: dict[str, Stored]
    outcomes: list[Outcome] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)


class ImportCases:
    """What importers may do."""

    def __init__(self, *, imports: Imports, titles: Titles, journal: Journal, new_id: NewId) -> None:
        self._imports, self._titles, self._journal, self._new_id = imports, titles, journal, new_id

    async def import_titles(self, pieces: AsyncIterator[ImportPiece]) -> ImportState:
        """Takes every piece of the stream; what was committed stays, whatever happens later.

        While one piece is committed the next is read and checked.
        """
        under_way: asyncio.Task[ImportState] | None = None
        first: ImportPiece | None = None
        state = ImportState(import_id="")
        try:
            async for piece in pieces:
                if first is None:
                    first = replace(piece, import_id=piece.import_id or self._new_id())
                    state = await self._begun(first)
                state = await under_way if under_way else state
                under_way = asyncio.create_task(self._take(state, piece.rows, first))
            return await under_way if under_way else state
        finally:
            if under_way is not None:
                await asyncio.wait([under_way])

    async def get_import(self, import_id: str) -> ImportState:
        found = await self._imports.get(import_id)
        if found is None:
            raise ImportNotFound
        return found

    async def _begun(self, first: ImportPiece) -> ImportState:
        known = await self._imports.get(first.import_id)
        return known or ImportState(import_id=first.import_id, source=first.source)

    async def _take(self, state: ImportState, rows: Sequence[ImportRow], first: ImportPiece) -> ImportState:
        """Commits one piece, or passes it over when it was committed before."""
        _check_order(rows)
        if not rows or rows[-1].line <= state.acknowledged_line:
            return state

        async def work(under_way: Transaction) -> Document:
            known = await self._imports.get(state.import_id, under_way.session) or state
            ahead = [row for row in rows if row.line > known.acknowledged_line]
            batch = await self._looked_up(ahead, first.mode, under_way)
            for row in ahead:
                await self._meet(row, batch, under_way)
            after = _counted(known, batch, ahead, under_way)

            async def keep(session: Session, revision: int) -> None:
                done = replace(after, revision=revision) if under_way.noted else after
                answer["import"] = to_plain(done)
                await self._imports.put(done, session)

            under_way.also(keep)
            answer: Document = {"import": to_plain(after)}
            return answer

        answer = await self._journal.commit(Write(actor=first.actor), work)
        return from_plain(ImportState, answer["import"])

    async def _looked_up(self, rows: Sequence[ImportRow], mode: ImportMode, under_way: Transaction) -> Batch:
        """Glances at the titles of all rows, then reads in full only those that may change."""
        ids = [row.title.id for row in rows if row.title is not None and row.title.id]
        glances = await self._titles.documents(ids, projection=_GLANCE, session=under_way.session)
        doubtful = [
            row.title.id
            for row in rows
            if row.title is not None
            and row.title.id in glances
            and _at_a_glance(row, glances[row.title.id], mode) is None
        ]
        documents = await self._titles.documents(doubtful, session=under_way.session)
        return Batch(
            mode=mode,
            glances=glances,
            stored={title_id: stored_of(each) for title_id, each in documents.items()},
        )

    async def _meet(self, row: ImportRow, batch: Batch, under_way: Transaction) -> None:
        if row.problem is not None or row.title is None:
            batch.errors.append(row.problem or RowError(line=row.line, reason="ROW_EMPTY"))
            return
        try:
            outcome = await self._apply(row, row.title, batch, under_way)
        except SpotlightError as error:
            batch.errors.append(row_error(row.line, row.title.id, error))
        else:
            batch.outcomes.append(outcome)

    async def _apply(self, row: ImportRow, title: Title, batch: Batch, under_way: Transaction) -> Outcome:
        named = title if title.id else replace(title, id=f"{title.media_type}:{self._new_id().lower()}")
        stored = batch.stored.get(named.id)
        glance = batch.glances.get(named.id)
        if stored is None and glance is not None:
            known = _at_a_glance(row, glance, batch.mode)
            if known is not None:
                return known
            # An earlier row of this batch settled it at a glance; this one differs.
            documents = await self._titles.documents([named.id], session=under_way.session)
            stored = stored_of(documents[named.id])
        if stored is None:
            created = Stored(title=settled(replace(named, state=_importable(named.state))), digest=row.digest)
            under_way.create(created)
            batch.stored[named.id] = created
            return Outcome.CREATED
        return self._update(row, named, stored, batch, under_way)

    def _update(self, row: ImportRow, title: Title, stored: Stored, batch: Batch, under_way: Transaction) -> Outcome:
        known = is_settled_by_digest(
            state=stored.title.state, known_digest=stored.digest, digest=row.digest, mode=batch.mode
        )
        if known is not None:
            return known
        changed = settled(merged(stored, title, batch.mode))
        field_changes = diff(content_of(stored.title), content_of(changed))
        after = replace(stored, title=changed, digest=row.digest)
        batch.stored[title.id] = after
        if not field_changes:
            return Outcome.UNCHANGED
        under_way.replace(after, ChangeType.UPDATED, field_changes)
        return Outcome.UPDATED


def row_error(line: int, title_id: str, error: SpotlightError) -> RowError:
    first = error.violations[0] if error.violations else None
    return RowError(
        line=line,
        title_id=title_id,
        reason=error.reason,
        field=first.field if first else "",
        description=first.description if first else error.message,
    )


def _check_order(rows: Sequence[ImportRow]) -> None:
    if any(after.line <= before.line for before, after in itertools.pairwise(rows)):
        raise ImportOutOfOrder


def _at_a_glance(row: ImportRow, glance: Document, mode: ImportMode) -> Outcome | None:
    return is_settled_by_digest(
        state=TitleState(glance.get("body", {}).get("state", TitleState.ACTIVE)),
        known_digest=glance["digest"],
        digest=row.digest,
        mode=mode,
    )


def _importable(state: TitleState) -> TitleState:
    """A file cannot bring in a deleted title."""
    return TitleState.WITHDRAWN if state is TitleState.WITHDRAWN else TitleState.ACTIVE


def _counted(known: ImportState, batch: Batch, rows: Sequence[ImportRow], under_way: Transaction) -> ImportState:
    count = batch.outcomes.count
    return replace(
        known,
        acknowledged_line=rows[-1].line if rows else known.acknowledged_line,
        created_count=known.created_count + count(Outcome.CREATED),
        updated_count=known.updated_count + count(Outcome.UPDATED),
        unchanged_count=known.unchanged_count + count(Outcome.UNCHANGED),
        skipped_count=known.skipped_count + count(Outcome.SKIPPED),
        error_count=known.error_count + len(batch.errors),
        errors=(*known.errors, *batch.errors)[:IMPORT_ERRORS_KEPT_MAX],
        start_time=known.start_time or under_way.now,
        update_time=under_way.now,
    )
