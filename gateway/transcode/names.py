"""How protobuf names appear in JSON: fields in snake_case, enum values short and lower case."""

import re

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

NAME_CHARACTERS_SHOWN_MAX = 64


def enum_prefix(enum: EnumDescriptor) -> str:
    """`MEDIA_TYPE_` for MediaType; empty when the values do not carry it."""
    prefix = _WORD_START.sub("_", enum.name).upper() + "_"
    return prefix if all(value.name.startswith(prefix) for value in enum.values) else ""


def short_names(enum: EnumDescriptor) -> dict[int, str]:
    """The JSON name of each number."""
    start = len(enum_prefix(enum))
    names: dict[int, str] = {}
    for value in enum.values:
        names.setdefault(value.number, value.name[start:].lower())
    return names


def accepted_names(enum: EnumDescriptor) -> dict[str, int]:
    """Every spelling that is taken: the short one and the full one."""
    start = len(enum_prefix(enum))
    names = {value.name: value.number for value in enum.values}
    names.update({value.name[start:].lower(): value.number for value in enum.values})
    return names


def shown(name: str) -> str:
    """A name that came from outside, fit to be quoted in an answer."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable[:NAME_CHARACTERS_SHOWN_MAX]


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a protobuf map."""
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def map_key_field(field: FieldDescriptor) -> FieldDescriptor:
    """The key of a protobuf map."""
    assert field.message_type is not None, "a map is a message underneath"
    return field.message_type.fields_by_name["key"]


def map_value_field(field: FieldDescriptor) -> FieldDescriptor:
    """The value of a protobuf map."""
    assert field.message_type is not None, "a map is a message underneath"
    return field.message_type.fields_by_name["value"]
