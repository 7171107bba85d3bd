"""JSON into messages, by fillers compiled once per message type.

A filler notes what is wrong with the path of the field and goes on, so that one answer names
everything. The oracle of its tests is google.protobuf.json_format.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.transcode.names import is_map, map_key_field, map_value_field, shown
from gateway.transcode.refusal import MalformedRequest, Path, Refusal, Refusals
from gateway.transcode.scalars import scalar_taker
from gateway.transcode.wellknown import FILLS, WRAPPERS, Fill

JSON_DEPTH_MAX = 32

FillMessage = Callable[[Any, Any, Path, Refusals], None]
"""(message, JSON value, path of the message, notes)"""
_FillField = Callable[[Any, Any, Path, Refusals], None]


class Decoder:
    """Fills messages from JSON values; compiled lazily, one filler per message type."""

    def __init__(
        self,
        *,
        depth_max: int = JSON_DEPTH_MAX,
        aliases: Mapping[str, Mapping[str, str]] | None = None,
        judged_later: Collection[str] = (),
    ) -> None:
        """Aliases are other names that are taken for fields, by full name of the message.

        Of messages that are judged later, one by one, unknown enum values are passed on: one must not cost the others.
        """
        self._depth_max = depth_max
        self._judged_later = frozenset(judged_later)
        self._aliases = aliases or {}
        self._fillers: dict[str, FillMessage] = {}

    def fill(self, message: Any, value: Any, refusals: Refusals, path: Path = None) -> None:
        """Fill a message from a parsed JSON value, noting what is wrong."""
        if _depth(value, self._depth_max) > self._depth_max:
            refusals.add(path, f"must not be nested deeper than {self._depth_max}")
            return
        self._filler(message.DESCRIPTOR)(message, value, path, refusals)

    def _filler(self, descriptor: Descriptor) -> FillMessage:
        known = self._fillers.get(descriptor.full_name)
        if known is None:
            known = self._fillers[descriptor.full_name] = self._compile(descriptor)
        return known

    def _compile(self, descriptor: Descriptor) -> FillMessage:
        single = _single_value_filler(descriptor)
        if single is not None:
            return single
        fields: dict[str, _FillField] = {}
        name_of_message = descriptor.name
        exclusive = {
            field.name: field.containing_oneof.name
            for field in descriptor.fields
            if field.containing_oneof is not None and len(field.containing_oneof.fields) > 1
        }

        def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
            if type(value) is not dict:
                refusals.add(path, "must be an object")
                return
            chosen: dict[str, str] = {}
            for name, item in value.items():
                fill_field = fields.get(name)
                if fill_field is None:
                    refusals.add((path, shown(name)), f"is not a field of {name_of_message}")
                elif item is not None:
                    group = exclusive.get(name)
                    if group is not None and chosen.setdefault(group, name) != name:
                        refusals.add((path, name), f"cannot be given together with {chosen[group]}")
                    else:
                        fill_field(message, item, (path, name), refusals)

        # Registered before its fields are compiled: a message may contain itself.
        self._fillers[descriptor.full_name] = fill
        is_open = descriptor.full_name in self._judged_later
        fields.update({field.name: self._field(field, is_open=is_open) for field in descriptor.fields})
        fields.update({alias: fields[name] for alias, name in self._aliases.get(descriptor.full_name, {}).items()})
        return fill

    def _field(self, field: FieldDescriptor, *, is_open: bool) -> _FillField:
        if is_map(field):
            return self._map_field(field)
        if field.message_type is not None:
            filler = self._filler(field.message_type)
            return _repeated_message(field.name, filler) if field.is_repeated else _single_message(field.name, filler)
        take = scalar_taker(field, is_open=is_open)
        return _repeated_scalar(field.name, take) if field.is_repeated else _single_scalar(field.name, take)

    def _map_field(self, field: FieldDescriptor) -> _FillField:
        name = field.name
        take_key = scalar_taker(map_key_field(field))
        value_field = map_value_field(field)
        filler = self._filler(value_field.message_type) if value_field.message_type else None
        take = None if filler else scalar_taker(value_field)

        def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
            if type(value) is not dict:
                refusals.add(path, "must be an object")
                return
            target = getattr(message, name)
            for key, item in value.items():
                try:
                    taken = take_key({"true": True, "false": False}.get(key, key))
                    if filler is not None:
                        filler(target[taken], item, (path, shown(key)), refusals)
                    elif take is not None:
                        target[taken] = take(item)
                except Refusal as refusal:
                    refusals.add((path, shown(key)), str(refusal))

        return fill


def _single_value_filler(descriptor: Descriptor) -> FillMessage | None:
    fill_value = FILLS.get(descriptor.full_name)
    if descriptor.full_name in WRAPPERS:
        take = scalar_taker(descriptor.fields_by_name["value"])

        def fill_value(message: Any, value: Any) -> None:
            message.value = take(value)
            message.SetInParent()

    return None if fill_value is None else _noting(fill_value)


def _noting(fill_value: Fill) -> FillMessage:
    def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
        try:
            fill_value(message, value)
        except Refusal as refusal:
            refusals.add(path, str(refusal))

    return fill


def _single_message(name: str, filler: FillMessage) -> _FillField:
    def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
        part = getattr(message, name)
        part.SetInParent()
        filler(part, value, path, refusals)

    return fill


def _repeated_message(name: str, filler: FillMessage) -> _FillField:
    def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
        if type(value) is not list:
            refusals.add(path, "must be a list")
            return
        add = getattr(message, name).add
        for index, item in enumerate(value):
            filler(add(), item, (path, index), refusals)

    return fill


def _single_scalar(name: str, take: Callable[[Any], Any]) -> _FillField:
    def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
        try:
            setattr(message, name, take(value))
        except Refusal as refusal:
            refusals.add(path, str(refusal))

    return fill


def _repeated_scalar(name: str, take: Callable[[Any], Any]) -> _FillField:
    def fill(message: Any, value: Any, path: Path, refusals: Refusals) -> None:
        if type(value) is not list:
            refusals.add(path, "must be a list")
            return
        append = getattr(message, name).append
        for index, item in enumerate(value):
            try:
                append(take(item))
            except Refusal as refusal:
                refusals.add((path, index), str(refusal))

    return fill


def parse_json(body: bytes) -> Any:
    """A JSON document; NaN, infinities and lone surrogates are no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        refusals = Refusals()
        refusals.add((None, "body"), f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}")
        refusals.raise_if_any()
        raise MalformedRequest from error


def _depth(value: Any, limit: int) -> int:
    """How deep a JSON value is nested; stops counting just past the limit."""
    level, depth = [value], 0
    while level and depth <= limit:
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        level, depth = [item for item in below if type(item) in (dict, list)], depth + 1
    return depth
