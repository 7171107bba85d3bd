"""The only place where kinds of error meet gRPC codes, google.rpc.Status and HTTP statuses."""

from collections.abc import Mapping

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from chassis.errors import OF_KIND, Kind, SpotlightError, Violation

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "spotlight"
# Metadata past 8 KiB is refused and base64 adds a third: details that do not fit are cut, not lost whole.
DETAILS_BYTES_MAX = 3_500
VIOLATIONS_MAX = 20
TEXT_CHARACTERS_MAX = 300

_CODES: Mapping[Kind, tuple[grpc.StatusCode, int]] = {
    Kind.INVALID_ARGUMENT: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    Kind.OUT_OF_RANGE: (grpc.StatusCode.OUT_OF_RANGE, 400),
    Kind.FAILED_PRECONDITION: (grpc.StatusCode.FAILED_PRECONDITION, 400),
    Kind.UNAUTHENTICATED: (grpc.StatusCode.UNAUTHENTICATED, 401),
    Kind.PERMISSION_DENIED: (grpc.StatusCode.PERMISSION_DENIED, 403),
    Kind.NOT_FOUND: (grpc.StatusCode.NOT_FOUND, 404),
    Kind.ALREADY_EXISTS: (grpc.StatusCode.ALREADY_EXISTS, 409),
    Kind.ABORTED: (grpc.StatusCode.ABORTED, 409),
    Kind.RESOURCE_EXHAUSTED: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    Kind.CANCELLED: (grpc.StatusCode.CANCELLED, 499),
    Kind.INTERNAL: (grpc.StatusCode.INTERNAL, 500),
    Kind.DATA_LOSS: (grpc.StatusCode.DATA_LOSS, 500),
    Kind.UNIMPLEMENTED: (grpc.StatusCode.UNIMPLEMENTED, 501),
    Kind.UNAVAILABLE: (grpc.StatusCode.UNAVAILABLE, 503),
    Kind.DEADLINE_EXCEEDED: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
}
_KINDS: Mapping[grpc.StatusCode, Kind] = {code: kind for kind, (code, _) in _CODES.items()}


def code_of(kind: Kind) -> grpc.StatusCode:
    return _CODES[kind][0]


def http_of(kind: Kind) -> int:
    """As grpc-gateway maps it."""
    return _CODES[kind][1]


def kind_of(code: grpc.StatusCode) -> Kind:
    """UNKNOWN is what a server says that did not map its error: a bug, so INTERNAL."""
    return _KINDS.get(code, Kind.INTERNAL)


def name_of(code: object) -> str:
    """The name of a code given as the number or the enum that a servicer context holds."""
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return next((each.name for each in grpc.StatusCode if each.value[0] == number), "UNKNOWN")


def to_status(error: SpotlightError) -> status_pb2.Status:
    """The error as google.rpc.Status: ErrorInfo always, BadRequest and RetryInfo where needed."""
    status = status_pb2.Status(
        code=code_pb2.Code.Value(code_of(error.kind).name), message=error.message[:TEXT_CHARACTERS_MAX]
    )
    _pack(
        status,
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=_fitting(error.metadata)),
    )
    if error.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        _pack(status, retry)
    if error.violations:
        _pack(status, _bad_request(error.violations, DETAILS_BYTES_MAX - status.ByteSize()))
    return status


def _pack(status: status_pb2.Status, detail: object) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)  # type: ignore[arg-type]  # google.rpc has no type information
    status.details.append(packed)


def _fitting(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key[:64]: value[:TEXT_CHARACTERS_MAX] for key, value in list(metadata.items())[: VIOLATIONS_MAX // 4]}


def _bad_request(violations: tuple[Violation, ...], bytes_max: int) -> error_details_pb2.BadRequest:
    found = error_details_pb2.BadRequest()
    for violation in violations[:VIOLATIONS_MAX]:
        found.field_violations.add(
            field=violation.field[:TEXT_CHARACTERS_MAX],
            description=violation.description[:TEXT_CHARACTERS_MAX],
        )
        if found.ByteSize() > bytes_max:
            del found.field_violations[-1]
            break
    return found


def from_status(status: status_pb2.Status) -> SpotlightError:
    """The error a google.rpc.Status stands for: same kind, reason, violations and metadata."""
    info, retry, bad = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.BadRequest(),
    )
    for detail in status.details:
        for wanted in (info, retry, bad):
            if detail.Is(wanted.DESCRIPTOR):
                detail.Unpack(wanted)
    code = next((code for code in grpc.StatusCode if code.value[0] == status.code), grpc.StatusCode.UNKNOWN)
    return OF_KIND[kind_of(code)](
        status.message or None,
        violations=[Violation(found.field, found.description) for found in bad.field_violations],
        metadata=dict(info.metadata),
        retry_after_s=retry.retry_delay.ToNanoseconds() / 1e9 if retry.HasField("retry_delay") else None,
        reason=info.reason or None,
    )


def from_rpc_error(error: grpc.aio.AioRpcError) -> SpotlightError:
    """What a call of ours failed with, as an error of ours."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return from_status(status_pb2.Status.FromString(value))
    kind = kind_of(error.code())
    # Without details the text is the transport's (addresses, sockets): for the log, not for a caller.
    return OF_KIND[kind](None)
