"""The HTTP routes of gRPC services, read from the `google.api.http` options of their methods."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from chassis.errors import NotFound, SpotlightError, Unimplemented
from gateway.transcode.template import Template, most_literal_first, parse

_VERBS = ("get", "put", "post", "delete", "patch")


class PathNotFound(NotFound):
    """Nothing is served at this path."""

    reason = "PATH_NOT_FOUND"


class MethodNotAllowed(Unimplemented):
    """This path does not take this HTTP method."""

    reason = "METHOD_NOT_ALLOWED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One HTTP form of one gRPC method."""

    http_method: str
    template: Template
    method: MethodDescriptor
    body: str
    response_body: str

    @property
    def name(self) -> str:
        """The full name of the gRPC method, `spotlight.hub.v1.HubService.GetHub`."""
        return str(self.method.full_name)


class Routes:
    """All routes; the services given first win where two claim the same method and path."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        routes: dict[tuple[str, str], Route] = {}
        for service in services:
            for route in service_routes(service):
                routes.setdefault((route.http_method, _shape(route.template)), route)
        self.all = tuple(routes.values())
        self._by_depth = _by_depth(self.all)
        self._by_name = {f"{route.method.containing_service.name}.{route.method.name}": route for route in self.all}

    def named(self, name: str) -> Route:
        """The route of a method, such as `HubService.GetHub`."""
        return self._by_name[name]

    def find(self, http_method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of a request and its path variables."""
        wanted = "GET" if http_method == "HEAD" else http_method
        others: set[str] = set()
        for routes in (self._by_depth.get(path.count("/"), ()), self._by_depth.get(-1, ())):
            for route in routes:
                variables = route.template.match(path)
                if variables is None:
                    continue
                if route.http_method == wanted:
                    return route, variables
                others.add(route.http_method)
        raise _missed(others)


def _missed(others: set[str]) -> SpotlightError:
    if not others:
        return PathNotFound()
    return MethodNotAllowed(metadata={"allow": ", ".join(sorted(others))})


def service_routes(service: ServiceDescriptor) -> list[Route]:
    """The routes of one service, in the order of its proto."""
    return [
        Route(
            http_method=verb.upper(),
            template=parse(path),
            method=method,
            body=rule.body,
            response_body=rule.response_body,
        )
        for method in service.methods
        for rule in _rules(method)
        for verb, path in _pattern(rule)
    ]


def _rules(method: MethodDescriptor) -> list[http_pb2.HttpRule]:
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return []
    rule = options.Extensions[annotations_pb2.http]
    return [rule, *rule.additional_bindings]


def _pattern(rule: http_pb2.HttpRule) -> list[tuple[str, str]]:
    verb = rule.WhichOneof("pattern")
    if verb in _VERBS:
        return [(verb, getattr(rule, verb))]
    assert verb == "custom", f"an http rule without a path: {rule}"
    return [(rule.custom.kind, rule.custom.path)]


def _shape(template: Template) -> str:
    """Templates that differ in the names of their variables only are the same path."""
    return template.pattern.pattern


def _by_depth(routes: Iterable[Route]) -> Mapping[int, tuple[Route, ...]]:
    """Routes by their number of slashes; -1 holds those whose variables may contain slashes."""
    grouped: dict[int, dict[str, list[Route]]] = {}
    for route in routes:
        depth = -1 if ".+" in route.template.pattern.pattern else route.template.depth
        grouped.setdefault(depth, {}).setdefault(route.template.text, []).append(route)
    return {
        depth: tuple(
            route
            for template in most_literal_first(group[0].template for group in by_text.values())
            for route in by_text[template.text]
        )
        for depth, by_text in grouped.items()
    }
