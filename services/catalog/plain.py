"""Frozen values as plain JSON-able values and back: the one form that is stored, compared and shown in diffs.

A field that holds its default is left out, so absent and default are the same thing. Each class's translation is
worked out once from its annotations.
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

Plain = dict[str, Any]
T = TypeVar("T")
Translate = Callable[[Any], Any]


def to_plain(value: Any) -> Plain:
    """The value without its defaults."""
    found: Plain = {}
    for name, encode, default in _encoders(type(value)):  # type: ignore[arg-type] # mypy: classes are hashable
        part = getattr(value, name)
        if part != default:
            found[name] = part if encode is None else encode(part)
    return found


def from_plain(cls: type[T], plain: Mapping[str, Any]) -> T:
    """The value again; what is absent gets its default."""
    decoders = _decoders(cls)  # type: ignore[arg-type] # likewise
    return cls(**{
        name: part if (decode := decoders[name]) is None else decode(part) for name, part in plain.items()
    })  # fmt: skip


@functools.cache
def _encoders(cls: Any) -> tuple[tuple[str, Translate | None, Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((part.name, _encoder(hints[part.name]), part.default) for part in dataclasses.fields(cls))


@functools.cache
def _decoders(cls: Any) -> Mapping[str, Translate | None]:
    hints = typing.get_type_hints(cls)
    return {part.name: _decoder(hints[part.name]) for part in dataclasses.fields(cls)}


def _encoder(hint: Any) -> Translate | None:
    """How a field of this type becomes plain; None: it is plain already."""
    if (item := _item_of(hint)) is not None:
        encode = _encoder(item)
        return list if encode is None else lambda parts: [encode(part) for part in parts]
    kind = _bare(hint)
    if dataclasses.is_dataclass(kind):
        return to_plain
    if kind is datetime:
        return time_text
    if issubclass(kind, enum.Enum):
        return lambda part: part.value
    return None


def _decoder(hint: Any) -> Translate | None:
    if (item := _item_of(hint)) is not None:
        decode = _decoder(item)
        return tuple if decode is None else lambda parts: tuple([decode(part) for part in parts])
    kind = _bare(hint)
    if dataclasses.is_dataclass(kind):
        return functools.partial(from_plain, kind)
    if kind is datetime:
        return time_of
    if issubclass(kind, enum.Enum) or kind is float:
        return typing.cast("Translate", kind)
    return None


def _item_of(hint: Any) -> Any | None:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None


def _bare(hint: Any) -> type[Any]:
    """`datetime` for `datetime | None`; other types as they are."""
    if isinstance(hint, types.UnionType):
        return _bare(next(part for part in typing.get_args(hint) if part is not types.NoneType))
    kind: type[Any] = hint
    return kind


def time_text(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that equal times are equal texts and texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)
