"""The API's documentation as a page that needs nothing from elsewhere."""

from typing import Any

from gateway.http.message import Response
from gateway.web.site import Visit

BODY = "Body"
PARAMETERS = "Parameters"
ANSWER = "Answer"


async def show(visit: Visit) -> Response:
    """Every operation, grouped by service."""
    document = visit.site.document
    return visit.page("docs.html", document=document, groups=operation_groups(document))


def operation_groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations of a document by service, as the template shows them."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            groups.setdefault(operation["tags"][0], []).append(
                {
                    "path": path,
                    "verb": verb,
                    "summary": operation["summary"],
                    "description": operation["description"],
                    "scopes": operation["x-scopes"],
                    "parts": _parts(operation, document["components"]["schemas"]),
                }
            )
    return [{"name": name, "operations": operations} for name, operations in groups.items()]


def _parts(operation: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    parameters = [
        {"name": each["name"], "type": _type(each["schema"]), "description": each.get("description", "")}
        for each in operation["parameters"]
    ]
    parts = [{"name": PARAMETERS, "fields": parameters}]
    if "requestBody" in operation:
        parts.append({"name": BODY, "fields": _fields(operation["requestBody"]["content"], schemas)})
    parts.append({"name": ANSWER, "fields": _fields(operation["responses"]["200"]["content"], schemas)})
    return [part for part in parts if part["fields"]]


def _fields(content: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, str]]:
    (media,) = content.values()
    schema = media["schema"]
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    return [
        {"name": name, "type": _type(field), "description": field.get("description", "")}
        for name, field in schema.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit(".", 1)[-1]
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return " | ".join(schema["enum"])
    return str(schema.get("format") or schema.get("type") or "any")
