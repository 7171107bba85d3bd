"""Frozen values to documents and back: a field is a key, an enum its value, a tuple a list; `id` is `_id`.

The decoder of a class is made once from its annotations. A key that is not there takes the field's default, so a
field can be added without touching what is stored.
"""

import enum
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

Document = dict[str, Any]
T = TypeVar("T")
Decoder = Callable[[Any], Any]


def encode(value: Any) -> Any:
    """The plain form of a value."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_key(each.name): encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [encode(each) for each in value]
    return value


def decode(kind: type[T], document: Document) -> T:
    """The value a document holds."""
    read: Decoder = _decoder(kind)  # type: ignore[arg-type]  # a class can be hashed
    decoded: T = read(document)
    return decoded


def _key(name: str) -> str:
    return "_id" if name == "id" else name


@cache
def _decoder(kind: Any) -> Decoder:
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _of_tuple(_decoder(typing.get_args(kind)[0]))
    if origin in {types.UnionType, typing.Union}:
        inner = _decoder(next(arg for arg in typing.get_args(kind) if arg is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    if is_dataclass(kind):
        return _of_dataclass(kind)
    return lambda value: value


def _of_tuple(inner: Decoder) -> Decoder:
    return lambda values: tuple([inner(value) for value in values])


def _of_dataclass(kind: Any) -> Decoder:
    hints = typing.get_type_hints(kind)
    plan = [(each.name, _key(each.name), _decoder(hints[each.name])) for each in fields(kind)]

    def decoded(document: Document) -> Any:
        return kind(**{name: read(document[key]) for name, key, read in plan if key in document})

    return decoded
