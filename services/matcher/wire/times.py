"""Timestamps that came from outside, within the years we know."""

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidArgument, Violation

SECONDS_MIN, SECONDS_MAX = 0, 253_402_300_799  # 1970 to 9999
NANOS_PER_S = 1_000_000_000


def seconds_of(message: Timestamp, at: str) -> float:
    """Unix seconds of a time that came from outside; `at` names the field."""
    if not SECONDS_MIN <= message.seconds <= SECONDS_MAX or not 0 <= message.nanos < NANOS_PER_S:
        raise InvalidArgument(violations=[Violation(at, "must lie between 1970 and 9999")])
    return message.seconds + message.nanos / NANOS_PER_S
