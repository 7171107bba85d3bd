"""Checks a message against the protovalidate rules of its proto and names the fields that break them."""

from collections.abc import Iterable
from typing import Any

import protovalidate
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from chassis.errors import InvalidArgument, Violation


class Malformed:
    """What a request is that could not be parsed; it carries no field."""


MALFORMED = Malformed()


class Rules:
    """The compiled rules of the messages seen so far."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def check(self, message: Message | Malformed) -> None:
        """Raises InvalidArgument that names every field that is wrong."""
        if isinstance(message, Malformed):
            raise InvalidArgument(message="The request is not a valid protocol buffer message of its type.")
        found = self._validator.collect_violations(message)
        if found:
            raise invalid(Violation(path_of(each.proto.field), each.proto.message) for each in found)

    def compile(self, service_name: str) -> None:
        """Compiles the rules of a service's requests, so that a wrong rule stops the start, not a call."""
        service = descriptor_pool.Default().FindServiceByName(service_name)
        for method in service.methods:
            self._validator.collect_violations(message_factory.GetMessageClass(method.input_type)())


def invalid(violations: Iterable[Violation]) -> InvalidArgument:
    """One error that says in its message what is wrong with the first fields; its details list all."""
    held = tuple(violations)
    said = "; ".join(f"{each.field or 'request'}: {each.description}" for each in held[:3])
    return InvalidArgument(f"The request is not valid: {said}", violations=held)


def path_of(path: Any) -> str:
    """A violation's place as a reader writes it: `titles[3].links["web"].url`."""
    text = ""
    for element in path.elements if path is not None else ():
        text += f".{element.field_name}" if text else element.field_name
        subscript = element.subscript
        if subscript is not None:
            text += f'["{subscript.value}"]' if isinstance(subscript.value, str) else f"[{subscript.value}]"
    return text
