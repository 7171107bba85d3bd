"""Messages into JSON, by writers compiled once per message type.

Fields without presence are always written, so that a reader finds the same shape every time;
messages and optional fields that are not set, and enums that say nothing, are left out.
"""

import base64
from collections.abc import Callable
from math import isfinite
from struct import pack, unpack
from typing import Any

import orjson
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from gateway.transcode.names import is_map, map_value_field, short_names
from gateway.transcode.wellknown import TEXTS, WRAPPERS

_SHORT_DIGITS = (7, 8, 9)
"""Nine significant digits always identify a 32-bit float; seven mostly do."""

_FLOAT32_LARGEST = 3.4028234663852886e38
"""Its shortest spelling is above it, which other readers refuse."""

_Convert = Callable[[Any], Any]
_Write = Callable[[Any, dict[str, Any]], None]
"""(message, the JSON object to write its field into)"""


class Encoder:
    """Turns messages into JSON values; compiled lazily, one writer per message type."""

    def __init__(self) -> None:
        self._converters: dict[str, _Convert] = {}

    def to_json(self, message: Any) -> bytes:
        """The JSON text of a message."""
        return orjson.dumps(self.to_value(message))

    def to_value(self, message: Any) -> Any:
        """The JSON value of a message."""
        return self._converter(message.DESCRIPTOR)(message)

    def _converter(self, descriptor: Descriptor) -> _Convert:
        known = self._converters.get(descriptor.full_name)
        if known is None:
            known = self._converters[descriptor.full_name] = self._compile(descriptor)
        return known

    def _compile(self, descriptor: Descriptor) -> _Convert:
        if descriptor.full_name in TEXTS:
            return TEXTS[descriptor.full_name]
        if descriptor.full_name in WRAPPERS:
            convert = _scalar_converter(descriptor.fields_by_name["value"]) or _itself
            return lambda message: convert(message.value)
        if descriptor.full_name == any_pb2.Any.DESCRIPTOR.full_name:
            return self._any_value
        writes: list[_Write] = []

        def convert_message(message: Any) -> dict[str, Any]:
            value: dict[str, Any] = {}
            for write in writes:
                write(message, value)
            return value

        # Registered before its fields are compiled: a message may contain itself.
        self._converters[descriptor.full_name] = convert_message
        writes.extend(self._field(field) for field in descriptor.fields)
        return convert_message

    def _field(self, field: FieldDescriptor) -> _Write:
        name = field.name
        if is_map(field):
            return self._map_field(field)
        convert = self._converter(field.message_type) if field.message_type else _scalar_converter(field)
        if field.is_repeated:
            return _write_repeated(name, convert)
        if field.has_presence:
            return _write_present(name, convert or _itself)
        if field.enum_type is not None:
            return _write_said(name, convert or _itself)
        return _write_plain(name, convert)

    def _map_field(self, field: FieldDescriptor) -> _Write:
        name = field.name
        value_field = map_value_field(field)
        convert = (
            self._converter(value_field.message_type)
            if value_field.message_type
            else _scalar_converter(value_field) or _itself
        )

        def write(message: Any, value: dict[str, Any]) -> None:
            value[name] = {_key(key): convert(item) for key, item in sorted(getattr(message, name).items())}

        return write

    def _any_value(self, message: any_pb2.Any) -> dict[str, Any]:
        try:
            descriptor = descriptor_pool.Default().FindMessageTypeByName(message.TypeName())
            inner = message_factory.GetMessageClass(descriptor)()
            inner.ParseFromString(message.value)
        except (KeyError, DecodeError):
            return {"@type": message.type_url}
        value = self.to_value(inner)
        return {"@type": message.type_url, **(value if isinstance(value, dict) else {"value": value})}


def _write_plain(name: str, convert: _Convert | None) -> _Write:
    if convert is None:

        def write(message: Any, value: dict[str, Any]) -> None:
            value[name] = getattr(message, name)
    else:

        def write(message: Any, value: dict[str, Any]) -> None:
            value[name] = convert(getattr(message, name))

    return write


def _write_said(name: str, convert: _Convert) -> _Write:
    def write(message: Any, value: dict[str, Any]) -> None:
        number = getattr(message, name)
        if number:
            value[name] = convert(number)

    return write


def _write_present(name: str, convert: _Convert) -> _Write:
    def write(message: Any, value: dict[str, Any]) -> None:
        if message.HasField(name):
            value[name] = convert(getattr(message, name))

    return write


def _write_repeated(name: str, convert: _Convert | None) -> _Write:
    if convert is None:

        def write(message: Any, value: dict[str, Any]) -> None:
            value[name] = list(getattr(message, name))
    else:

        def write(message: Any, value: dict[str, Any]) -> None:
            value[name] = [convert(item) for item in getattr(message, name)]

    return write


def _scalar_converter(field: FieldDescriptor) -> _Convert | None:
    if field.enum_type is not None:
        names = short_names(field.enum_type)
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _shortest_float
    return None


def _shortest_float(value: float) -> float:
    """The 32-bit float as people write it: 0.1, not 0.10000000149011612."""
    if not isfinite(value) or abs(value) >= _FLOAT32_LARGEST:
        return value
    candidates = (float(f"{value:.{digits}g}") for digits in _SHORT_DIGITS)
    return next((short for short in candidates if unpack("f", pack("f", short))[0] == value), value)


def _itself(value: Any) -> Any:
    return value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
