"""One HTTP request into one request message: path variables, query parameters, body."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.transcode.decode import Decoder, parse_json
from gateway.transcode.names import is_map, shown
from gateway.transcode.refusal import Path, Refusals
from gateway.transcode.routes import Route
from gateway.transcode.wellknown import FILLS, WRAPPERS

QUERY_PARAMETERS_MAX = 2_200

_BOOLS = {"true": True, "false": False}


class RequestBuilder:
    """Builds request messages; holds the compiled decoder."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def build(self, route: Route, variables: dict[str, str], query: str, body: bytes) -> Any:
        """The request message, or MalformedRequest with every field that is wrong."""
        message = GetMessageClass(route.method.input_type)()
        refusals = Refusals()
        value = self._body_value(route, body, refusals)
        parameters = _Parameters(route.method.input_type, refusals)
        for name, text in query_pairs(query, refusals):
            if route.body == "*":
                refusals.add((None, shown(name)), "belongs into the body of this method, not into its query")
            else:
                parameters.put(value, name, text)
        for name, text in variables.items():
            parameters.put(value, name, text, from_path=True)
        self._decoder.fill(message, value, refusals)
        refusals.raise_if_any()
        return message

    def from_fields(self, route: Route, fields: Mapping[str, Any]) -> Any:
        """The request message with these fields, given as JSON values."""
        message = GetMessageClass(route.method.input_type)()
        refusals = Refusals()
        self._decoder.fill(message, dict(fields), refusals)
        refusals.raise_if_any()
        return message

    def _body_value(self, route: Route, body: bytes, refusals: Refusals) -> dict[str, Any]:
        if not route.body:
            if body.strip():
                refusals.add((None, "body"), "this method takes no body")
            return {}
        content = parse_json(body) if body.strip() else {}
        if route.body != "*":
            return {route.body: content}
        if not isinstance(content, dict):
            refusals.add((None, "body"), "must be an object")
            return {}
        return dict(content)


def query_pairs(query: str, refusals: Refusals) -> list[tuple[str, str]]:
    """The parameters of a query string, in order."""
    pieces = query.split("&") if query else []
    if len(pieces) > QUERY_PARAMETERS_MAX:
        refusals.add((None, "query"), f"must have at most {QUERY_PARAMETERS_MAX} parameters")
        return []
    pairs: list[tuple[str, str]] = []
    for piece in pieces:
        name, _, text = piece.partition("=")
        try:
            pairs.append((unquote_plus(name, errors="strict"), unquote_plus(text, errors="strict")))
        except UnicodeDecodeError:
            refusals.add((None, "query"), "must be UTF-8")
    return [pair for pair in pairs if pair[0]]


class _Parameters:
    """Puts texts from path and query into the JSON value that is then decoded as a whole."""

    def __init__(self, descriptor: Descriptor, refusals: Refusals) -> None:
        self._descriptor = descriptor
        self._refusals = refusals
        self._seen: set[str] = set()

    def put(self, value: dict[str, Any], name: str, text: str, *, from_path: bool = False) -> None:
        """Set one dotted field to what a text says."""
        field, parent = self._locate(value, name)
        if field is None or parent is None:
            return
        converted = _from_text(field, text)
        if field.is_repeated:
            items = parent.setdefault(field.name, [])
            if isinstance(items, list):
                items.append(converted)
        elif from_path:
            if parent.get(field.name, converted) != converted:
                self._refusals.add(_path(name), "differs between path and body or query")
            parent[field.name] = converted
        elif name in self._seen:
            self._refusals.add(_path(name), "is given twice")
        elif field.name in parent:
            self._refusals.add(_path(name), "is given in the body already")
        else:
            self._seen.add(name)
            parent[field.name] = converted

    def _locate(self, value: dict[str, Any], name: str) -> tuple[FieldDescriptor, dict[str, Any]] | tuple[None, None]:
        descriptor, parent = self._descriptor, value
        *outer, last = name.split(".")
        for part in outer:
            field = descriptor.fields_by_name.get(part)
            if field is None or field.is_repeated or field.message_type is None:
                return self._unknown(name, descriptor)
            inner = parent.setdefault(part, {})
            if not isinstance(inner, dict):
                return self._unknown(name, descriptor)
            descriptor, parent = field.message_type, inner
        field = descriptor.fields_by_name.get(last)
        if field is None or not _fits_in_text(field):
            return self._unknown(name, descriptor)
        return field, parent

    def _unknown(self, name: str, descriptor: Descriptor) -> tuple[None, None]:
        self._refusals.add(_path(shown(name)), f"is not a parameter of {descriptor.name}")
        return None, None


def _fits_in_text(field: FieldDescriptor) -> bool:
    if is_map(field):
        return False
    message = field.message_type
    return message is None or message.full_name in FILLS or message.full_name in WRAPPERS


def _from_text(field: FieldDescriptor, text: str) -> Any:
    """The JSON value a text stands for; what does not fit is left to the decoder to refuse."""
    kind = field
    if field.message_type is not None and field.message_type.full_name in WRAPPERS:
        kind = field.message_type.fields_by_name["value"]
    if kind.type == FieldDescriptor.TYPE_BOOL:
        return _BOOLS.get(text, text)
    if kind.type == FieldDescriptor.TYPE_ENUM and text.isdecimal() and len(text) < len("4294967296"):
        return int(text)
    return text


def _path(name: str) -> Path:
    return (None, name)
