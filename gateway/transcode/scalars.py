"""One JSON value into one scalar of a message: types, ranges, control characters."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from gateway.transcode.names import accepted_names
from gateway.transcode.refusal import Refusal

Take = Callable[[Any], Any]

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,19})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
# What still rounds to the largest 32-bit float, whose shortest spelling lies above it.
_FLOAT32_MAX = 3.4028235677973362e38
_EXACT_FLOAT_MAX = 2**53

# What the name of no member stands for in an open enum: whoever reads it refuses it as any number it does not know.
UNKNOWN_NUMBER = 127

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UINT32 = (0, 2**32 - 1)
_UINT64 = (0, 2**64 - 1)
_RANGES = {
    Field.TYPE_INT32: _INT32,
    Field.TYPE_SINT32: _INT32,
    Field.TYPE_SFIXED32: _INT32,
    Field.TYPE_INT64: _INT64,
    Field.TYPE_SINT64: _INT64,
    Field.TYPE_SFIXED64: _INT64,
    Field.TYPE_UINT32: _UINT32,
    Field.TYPE_FIXED32: _UINT32,
    Field.TYPE_UINT64: _UINT64,
    Field.TYPE_FIXED64: _UINT64,
}


def is_integer(field: Field) -> bool:
    """Whether a field is a whole number."""
    return field.type in _RANGES


def scalar_taker(field: Field, *, is_open: bool = False) -> Take:
    """How a scalar or enum field takes a JSON value; an open enum's may be unknown, as on the wire."""
    kind = field.type
    if kind in _RANGES:
        return _integer_taker(*_RANGES[kind])
    if field.enum_type is not None:
        names = accepted_names(field.enum_type)
        return _open_enum_taker(names) if is_open else _enum_taker(names)
    return {
        Field.TYPE_STRING: take_string,
        Field.TYPE_BOOL: take_bool,
        Field.TYPE_BYTES: take_bytes,
        Field.TYPE_DOUBLE: take_double,
        Field.TYPE_FLOAT: take_float,
    }[kind]


def _integer_taker(low: int, high: int) -> Take:
    def take(value: Any) -> int:
        if type(value) is float and value.is_integer() and abs(value) <= _EXACT_FLOAT_MAX:
            value = int(value)
        if type(value) is str and _INTEGER.fullmatch(value):
            value = int(value)
        if type(value) is not int:
            raise Refusal("must be an integer")
        if not low <= value <= high:
            raise Refusal(f"must be between {low} and {high}")
        return value

    return take


def _enum_taker(numbers: dict[str, int]) -> Take:
    known = frozenset(numbers.values())
    spelled = ", ".join(sorted(name for name in numbers if name.islower()))

    def take(value: Any) -> int:
        number = numbers.get(value) if type(value) is str else value if type(value) is int else None
        if number is None or number not in known:
            raise Refusal(f"must be one of: {spelled}")
        return number

    return take


def _open_enum_taker(numbers: dict[str, int]) -> Take:
    assert UNKNOWN_NUMBER not in numbers.values(), "the number of unknown names is no member's"
    take_number = _integer_taker(*_INT32)

    def take(value: Any) -> int:
        return numbers.get(value, UNKNOWN_NUMBER) if type(value) is str else take_number(value)

    return take


def take_string(value: Any) -> str:
    """A string without control characters other than line breaks and tabs."""
    if type(value) is not str:
        raise Refusal("must be a string")
    if CONTROL.search(value):
        raise Refusal("must not contain control characters")
    return value


def take_bool(value: Any) -> bool:
    """True or false, nothing that resembles them."""
    if type(value) is not bool:
        raise Refusal("must be true or false")
    return value


def take_bytes(value: Any) -> bytes:
    """Base64, standard or URL-safe, padded or not."""
    if type(value) is not str:
        raise Refusal("must be a base64 string")
    try:
        text = value.encode("ascii").translate(_TO_STANDARD).rstrip(b"=")
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Refusal("must be a base64 string") from None


_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def take_double(value: Any) -> float:
    """A finite number, also as a string of digits."""
    if type(value) is str and _NUMBER.fullmatch(value):
        value = float(value)
    if type(value) is int:
        value = float(value)
    if type(value) is not float or not math.isfinite(value):
        raise Refusal("must be a finite number")
    return value


def take_float(value: Any) -> float:
    """A finite number that fits into 32 bits."""
    number = take_double(value)
    if abs(number) > _FLOAT32_MAX:
        raise Refusal("must be a finite 32-bit number")
    return number
