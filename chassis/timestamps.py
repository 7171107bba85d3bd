"""Moments on the wire: google.protobuf.Timestamp and aware datetimes."""

from datetime import UTC, datetime
from typing import overload

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


@overload
def timestamp(moment: datetime) -> Timestamp: ...
@overload
def timestamp(moment: None) -> None: ...
@overload
def timestamp(moment: datetime | None) -> Timestamp | None: ...
def timestamp(moment: datetime | None) -> Timestamp | None:
    """The moment as a message; None stays None, which leaves a field unset."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def moment_of(message: Timestamp) -> datetime:
    """The message as an aware moment, in UTC."""
    return message.ToDatetime(tzinfo=UTC)


def moment_in(message: Message, field: str) -> datetime | None:
    """The moment a message's field names; None where it is not set."""
    return moment_of(getattr(message, field)) if message.HasField(field) else None
