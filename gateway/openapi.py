"""The OpenAPI document of the HTTP side, written from the same descriptors that serve it.

What the protos say in words comes along as descriptions.
"""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway import access
from gateway.transcode.comments import comments_of
from gateway.transcode.names import is_map, map_value_field, short_names
from gateway.transcode.routes import Route, Routes
from gateway.transcode.scalars import is_integer
from gateway.transcode.wellknown import WRAPPERS

VERSION = "1.0.0"

_VARIABLE = re.compile(r"\{[^{}]*\}")
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field names, separated by commas."},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Any": {"type": "object"},
    "google.api.HttpBody": {"type": "string", "format": "binary"},
}
_SCALARS = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
}


def document(routes: Routes) -> dict[str, Any]:
    """The whole document."""
    comments = comments_of(route.method.containing_service.file for route in routes.all)
    schemas = _Schemas(comments)
    paths: dict[str, dict[str, Any]] = {}
    named: dict[str, tuple[str, tuple[str, ...]]] = {}
    counts: dict[str, int] = {}
    for route in routes.all:
        # Templates of one shape are one path to OpenAPI, whatever their variables are called.
        text, names = named.setdefault(_VARIABLE.sub("{}", route.template.text), _named(route))
        counts[route.name] = counts.get(route.name, 0) + 1
        paths.setdefault(text, {})[route.http_method.lower()] = _operation(
            route, schemas, names, nth=counts[route.name]
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spotlight",
            "version": VERSION,
            "description": "Hubs, anchors, matching, review, campaigns and metrics of fan videos.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas.done, "Problem": _PROBLEM},
            "responses": {
                "Problem": {
                    "description": "What went wrong: `reason` is what programs branch on.",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
        },
    }


def _named(route: Route) -> tuple[str, tuple[str, ...]]:
    """The path with the last part of each variable's name, and those names: `{title.id}` is `{id}` to a caller."""
    names = tuple(variable.rpartition(".")[2] for variable in route.template.variables)
    rest = iter(names)
    return _VARIABLE.sub(lambda _: f"{{{next(rest)}}}", route.template.text), names


class _Schemas:
    """Component schemas by message, made when first referred to."""

    def __init__(self, comments: dict[str, str]) -> None:
        self.comments = comments
        self.done: dict[str, Any] = {}

    def of(self, descriptor: Descriptor) -> dict[str, Any]:
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return known
        if descriptor.full_name in WRAPPERS:
            return self.field(descriptor.fields_by_name["value"])
        name = descriptor.full_name.removeprefix("spotlight.")
        if name not in self.done:
            schema: dict[str, Any] = {"type": "object", "additionalProperties": False}
            self.done[name] = schema
            schema["description"] = self.comments.get(descriptor.full_name, "")
            schema["properties"] = {field.name: self.described(field) for field in descriptor.fields}
        return {"$ref": f"#/components/schemas/{name}"}

    def described(self, field: FieldDescriptor) -> dict[str, Any]:
        comment = self.comments.get(field.full_name)
        return {**self.field(field), "description": comment} if comment else self.field(field)

    def field(self, field: FieldDescriptor) -> dict[str, Any]:
        if is_map(field):
            return {"type": "object", "additionalProperties": self.field(map_value_field(field))}
        if field.is_repeated and field.enum_type is not None:
            return {"type": "array", "items": _enum(field.enum_type, with_zero=True)}
        one = self._one(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _one(self, field: FieldDescriptor) -> dict[str, Any]:
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        if is_integer(field):
            return {"type": "integer"}
        return _SCALARS[field.type]


def _enum(enum: EnumDescriptor, *, with_zero: bool = False) -> dict[str, Any]:
    """A field that says nothing is left out; an entry of a list that says nothing says so."""
    return {"type": "string", "enum": [name for number, name in short_names(enum).items() if number or with_zero]}


def _operation(route: Route, schemas: _Schemas, names: tuple[str, ...], *, nth: int) -> dict[str, Any]:
    method = route.method
    service = method.containing_service.name
    scopes = sorted(access.rule_of(route.name).scopes)
    operation: dict[str, Any] = {
        "operationId": f"{service}_{method.name}" + (f"_{nth}" if nth > 1 else ""),
        "summary": _words(method.name),
        "description": schemas.comments.get(route.name, "") + f"\ngRPC: {route.name}",
        "x-scopes": scopes,
        "tags": [service],
        "parameters": _parameters(route, schemas, names),
        "responses": {"200": _answer(route, schemas), "default": {"$ref": "#/components/responses/Problem"}},
    }
    if route.body:
        whole = route.body == "*"
        schema = schemas.of(method.input_type) if whole else schemas.field(method.input_type.fields_by_name[route.body])
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _answer(route: Route, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas.of(route.method.output_type)
    media = "application/json"
    if route.method.server_streaming:
        media = "application/x-ndjson"
        if route.method.name.startswith("Watch"):
            media, schema = "text/event-stream", _event_of(schema)
        if route.method.output_type.full_name == "google.api.HttpBody":
            media = "text/csv"
    return {"description": "Done.", "content": {media: {"schema": schema}}}


def _event_of(schema: dict[str, Any]) -> dict[str, Any]:
    """One server-sent event, whose data is a message as JSON."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    return {"type": "object", "required": ["data"], "properties": {"data": data, "event": {"type": "string"}}}


def _parameters(route: Route, schemas: _Schemas, names: tuple[str, ...]) -> list[dict[str, Any]]:
    variables = set(route.template.variables)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    if route.body == "*":
        return parameters
    for field in route.method.input_type.fields:
        simple = field.message_type is None or field.message_type.full_name in _WELL_KNOWN
        if field.name in variables or field.name == route.body or is_map(field) or not simple:
            continue
        parameter = {"name": field.name, "in": "query", "schema": schemas.field(field)}
        parameters.append({**parameter, "description": schemas.comments.get(field.full_name, "")})
    return parameters


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip().capitalize()


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "request_id": {"type": "string"},
    },
}
