"""The pipeline's state to the wire."""

from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics.answers import IngestInfo
from services.metrics.wire import times


def ingest_info(found: IngestInfo) -> pb.GetIngestInfoResponse:
    return pb.GetIngestInfoResponse(
        log_position=found.log_position,
        fold_position=found.fold_position,
        stored_position=found.stored_position,
        accepted_count=found.accepted_count,
        duplicate_count=found.duplicate_count,
        rejected_counts=found.rejected_counts,
        bot_count=found.bot_count,
        as_of_time=times.of_ms(found.as_of_ms),
        rollup_digest=found.rollup_digest,
    )
