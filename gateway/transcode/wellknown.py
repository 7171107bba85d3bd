"""The JSON forms of google.protobuf's own messages: times, durations, masks, wrappers, free values."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.message import Message

from gateway.transcode.refusal import Refusal
from gateway.transcode.scalars import take_double, take_string

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))")
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s")
_DURATION_SECONDS_MAX = 315_576_000_000
_MASK_PATH = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*|\*")
_MASK_PATHS_MAX = 200
_FREE_DEPTH_MAX = 16


def _fill_timestamp(message: Any, value: Any) -> None:
    found = _TIME.fullmatch(value) if type(value) is str else None
    if found is None:
        raise Refusal("must be a time such as 2026-01-31T18:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        if found[8]:
            offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
            moment = moment - offset if found[8] == "+" else moment + offset
    except (ValueError, OverflowError):
        raise Refusal("must be a time that exists") from None
    message.seconds = (moment - _EPOCH) // timedelta(seconds=1)
    message.nanos = int((found[7] or "0").ljust(9, "0"))
    message.SetInParent()


def _timestamp_text(message: Any) -> str:
    moment = _EPOCH + timedelta(seconds=message.seconds)
    return f"{moment.isoformat()[:19]}{_fraction(message.nanos)}Z"


def _fill_duration(message: Any, value: Any) -> None:
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if found is None or int(found[2]) > _DURATION_SECONDS_MAX:
        raise Refusal('must be a duration such as "3.5s"')
    sign = -1 if found[1] else 1
    message.seconds = sign * int(found[2])
    message.nanos = sign * int((found[3] or "0").ljust(9, "0"))
    message.SetInParent()


def _duration_text(message: Any) -> str:
    sign = "-" if message.seconds < 0 or message.nanos < 0 else ""
    return f"{sign}{abs(message.seconds)}{_fraction(abs(message.nanos))}s"


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    digits = f"{nanos:09d}"
    if digits.endswith("000000"):
        return "." + digits[:3]
    return "." + (digits[:6] if digits.endswith("000") else digits)


def _fill_mask(message: Any, value: Any) -> None:
    if type(value) is not str:
        raise Refusal("must be field names separated by commas")
    paths = value.split(",") if value else []
    if len(paths) > _MASK_PATHS_MAX or not all(_MASK_PATH.fullmatch(path) for path in paths):
        raise Refusal(f"must be at most {_MASK_PATHS_MAX} field names in snake_case, separated by commas")
    message.paths.extend(paths)
    message.SetInParent()


def _mask_text(message: Any) -> str:
    return ",".join(message.paths)


def _fill_value(message: Any, value: Any, depth: int = 0) -> None:
    if depth > _FREE_DEPTH_MAX:
        raise Refusal(f"must not be nested deeper than {_FREE_DEPTH_MAX}")
    if value is None:
        message.null_value = struct_pb2.NULL_VALUE
    elif type(value) is bool:
        message.bool_value = value
    elif type(value) is str:
        message.string_value = take_string(value)
    elif type(value) is list:
        _fill_list(message.list_value, value, depth)
    elif type(value) is dict:
        _fill_struct(message.struct_value, value, depth)
    else:
        message.number_value = take_double(value)


def _fill_list(message: Any, value: Any, depth: int = 0) -> None:
    if type(value) is not list:
        raise Refusal("must be a list")
    message.SetInParent()
    for item in value:
        _fill_value(message.values.add(), item, depth + 1)


def _fill_struct(message: Any, value: Any, depth: int = 0) -> None:
    if type(value) is not dict:
        raise Refusal("must be an object")
    message.SetInParent()
    for name, item in value.items():
        _fill_value(message.fields[take_string(name)], item, depth + 1)


def _value_json(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "struct_value":
        return _struct_json(message.struct_value)
    if kind == "list_value":
        return _list_json(message.list_value)
    return None if kind in (None, "null_value") else getattr(message, kind)


def _list_json(message: Any) -> list[Any]:
    return [_value_json(item) for item in message.values]


def _struct_json(message: Any) -> dict[str, Any]:
    return {name: _value_json(item) for name, item in message.fields.items()}


def _refuse_any(_message: Any, _value: Any) -> None:
    raise Refusal("cannot be given in JSON")


Fill = Callable[[Message, Any], None]

FILLS: dict[str, Fill] = {
    "google.protobuf.Timestamp": _fill_timestamp,
    "google.protobuf.Duration": _fill_duration,
    "google.protobuf.FieldMask": _fill_mask,
    "google.protobuf.Struct": _fill_struct,
    "google.protobuf.Value": _fill_value,
    "google.protobuf.ListValue": _fill_list,
    "google.protobuf.Any": _refuse_any,
}
"""Messages that are filled from one JSON value, by full name."""

TEXTS: dict[str, Callable[[Any], Any]] = {
    "google.protobuf.Timestamp": _timestamp_text,
    "google.protobuf.Duration": _duration_text,
    "google.protobuf.FieldMask": _mask_text,
    "google.protobuf.Struct": _struct_json,
    "google.protobuf.Value": _value_json,
    "google.protobuf.ListValue": _list_json,
}
"""Messages that become one JSON value, by full name."""

WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
"""Messages whose JSON form is that of their field `value`."""
