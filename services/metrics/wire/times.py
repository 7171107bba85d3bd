"""Timestamps of the wire as moments, minutes and milliseconds, and back."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidArgument, Violation
from services.metrics.domain import DAY_MINUTES, Period

# What rollup keys can hold, see keys.py.
SECONDS_MIN, SECONDS_MAX = 0, 2_200_000_000
DEFAULT_DAYS = 7


def of_minute(minute: int) -> Timestamp:
    return Timestamp(seconds=minute * 60)


def of_ms(time_ms: int) -> Timestamp:
    return Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000)


def ms_of(message: Timestamp, at: str) -> int:
    if not SECONDS_MIN <= message.seconds <= SECONDS_MAX or not 0 <= message.nanos < 10**9:
        raise InvalidArgument(violations=[Violation(at, "must lie between 1970 and 2039")])
    return message.seconds * 1000 + message.nanos // 1_000_000


def period(start: Timestamp | None, end: Timestamp | None, now: datetime, days: int = DEFAULT_DAYS) -> Period:
    """The span a request names; the end defaults to now, the start to midnight 7 days before the end."""
    if start is not None and end is not None and ms_of(start, "start_time") >= ms_of(end, "end_time"):
        raise InvalidArgument(violations=[Violation("end_time", "must be after start_time")])
    last = -(-ms_of(end, "end_time") // 60_000) if end is not None else -int(-now.timestamp() // 60)
    default = (last - days * DAY_MINUTES) // DAY_MINUTES * DAY_MINUTES
    first = ms_of(start, "start_time") // 60_000 if start is not None else default
    if first >= last:
        raise InvalidArgument(violations=[Violation("end_time", "must be after start_time")])
    return Period(start=first, end=last)


def minute_time(minute: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
