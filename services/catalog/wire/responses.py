"""What callers get: pages, changes, states of imports."""

from collections.abc import Iterable

from chassis.timestamps import timestamp
from protos.catalog.v1 import catalog_pb2 as pb
from services.catalog import domain
from services.catalog.title import Title
from services.catalog.wire import enums
from services.catalog.wire.parts import number
from services.catalog.wire.registry import alias_to, bank_to, image_to, picture_to
from services.catalog.wire.title import title_to

CHANGES_BYTES_MAX = 1_000_000


def title_batch_to(batch: domain.TitleBatch) -> pb.BatchGetTitlesResponse:
    return pb.BatchGetTitlesResponse(
        titles=map(title_to, batch.titles), missing_ids=batch.missing_ids, unread_ids=batch.unread_ids
    )


def title_page_to(page: domain.TitlePage) -> pb.ListTitlesResponse:
    return pb.ListTitlesResponse(titles=map(title_to, page.titles), next_page_token=page.next_page_token)


def search_page_to(page: domain.SearchPage) -> pb.SearchTitlesResponse:
    return pb.SearchTitlesResponse(
        hits=(
            pb.SearchHit(
                title=title_to(hit.title),
                matched_name=hit.matched_name,
                matched_by=number(hit.matched_by),
                typo_count=hit.typo_count,
            )
            for hit in page.hits
        ),
        next_page_token=page.next_page_token,
        revision=page.revision,
    )


def export_piece_to(piece: tuple[tuple[Title, ...], int]) -> pb.ExportTitlesResponse:
    titles, revision = piece
    return pb.ExportTitlesResponse(titles=map(title_to, titles), revision=revision)


def import_state_to(state: domain.ImportState) -> pb.ImportTitlesResponse:
    return pb.ImportTitlesResponse(
        import_id=state.import_id,
        acknowledged_line=state.acknowledged_line,
        created_count=state.created_count,
        updated_count=state.updated_count,
        unchanged_count=state.unchanged_count,
        skipped_count=state.skipped_count,
        error_count=state.error_count,
        errors=map(_row_error_to, state.errors),
        revision=state.revision,
        start_time=timestamp(state.start_time),
        update_time=timestamp(state.update_time),
        source=state.source,
    )


def _row_error_to(error: domain.RowError) -> pb.ImportError:
    return pb.ImportError(
        line=error.line,
        title_id=error.title_id,
        reason=error.reason,
        field=error.field,
        description=error.description,
    )


def change_page_to(page: domain.ChangePage) -> pb.ListChangesResponse:
    """Ends where the answer is full: the follower goes on from its last revision."""
    response = pb.ListChangesResponse(latest_revision=page.latest_revision)
    total = 0
    for change in map(change_to, page.changes):
        total += change.ByteSize()
        if total > CHANGES_BYTES_MAX and response.changes:
            break
        response.changes.append(change)
    return response


def change_to(change: domain.Change) -> pb.Change:
    return pb.Change(
        revision=change.revision,
        title_id=change.title_id,
        change_type=number(enums.CHANGE_TYPE_NUMBERS[change.change_type]),
        field_changes=map(_field_change_to, change.field_changes),
        title=title_to(change.title) if change.title is not None else None,
        change_time=timestamp(change.change_time),
        actor=change.actor,
    )


def _field_change_to(change: domain.FieldChange) -> pb.FieldChange:
    return pb.FieldChange(path=change.path, old_json=change.old_json, new_json=change.new_json)


def alias_page_to(page: domain.AliasPage) -> pb.ListAliasesResponse:
    return pb.ListAliasesResponse(aliases=map(alias_to, page.aliases), next_page_token=page.next_page_token)


def alias_batch_to(batch: domain.AliasBatch) -> pb.BatchUpdateAliasesResponse:
    return pb.BatchUpdateAliasesResponse(
        updated_count=batch.updated_count,
        unchanged_count=batch.unchanged_count,
        pinned_count=batch.pinned_count,
        revision=batch.revision,
    )


def deleted_alias_to(alias: domain.Alias | None) -> pb.DeleteAliasResponse:
    return pb.DeleteAliasResponse(alias=alias_to(alias) if alias else None)


def reference_batch_to(batch: domain.ReferenceBatch) -> pb.AddReferenceImagesResponse:
    return pb.AddReferenceImagesResponse(images=map(image_to, batch.images), revision=batch.revision)


def reference_page_to(page: domain.ReferencePage) -> pb.ListReferenceImagesResponse:
    return pb.ListReferenceImagesResponse(
        images=map(image_to, page.images),
        next_page_token=page.next_page_token,
        banks=_banks_to(page.banks),
    )


def reference_pictures_to(pictures: Iterable[domain.ReferencePicture]) -> pb.BatchGetReferencePicturesResponse:
    return pb.BatchGetReferencePicturesResponse(pictures=map(picture_to, pictures))


def _banks_to(banks: Iterable[domain.ReferenceBank]) -> list[pb.ReferenceBank]:
    return [bank_to(bank) for bank in banks]
