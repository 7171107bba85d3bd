"""Timestamps, to the millisecond, which is what the store keeps."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from services.incentives.domain import stored_moment


def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """None stays unset."""
    return None if moment is None else stamp(moment)


def stamp(moment: datetime) -> Timestamp:
    stamped = Timestamp()
    stamped.FromDatetime(moment)
    return stamped


def optional_time(message: Any, field: str) -> datetime | None:
    """The field's time; None when it is not set."""
    if not message.HasField(field):
        return None
    return stored_moment(getattr(message, field).ToDatetime(tzinfo=UTC))


def required_time(message: Any, field: str) -> datetime:
    """The time of a field whose rules demand it."""
    found = optional_time(message, field)
    assert found is not None, f"{field} is set: its rules demand it"
    return found
