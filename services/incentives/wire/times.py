"""Times that come in, to the millisecond, which is what the store keeps."""

from datetime import datetime
from typing import Any

from chassis.timestamps import moment_in
from services.incentives.domain import stored_moment


def optional_time(message: Any, field: str) -> datetime | None:
    """The field's time; None when it is not set."""
    found = moment_in(message, field)
    return None if found is None else stored_moment(found)


def required_time(message: Any, field: str) -> datetime:
    """The time of a field whose rules demand it."""
    found = optional_time(message, field)
    assert found is not None, f"{field} is set: its rules demand it"
    return found
