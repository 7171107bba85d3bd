"""Which method a path means and how its parameters become a request."""

from typing import Any

import pytest

from chassis.errors import SpotlightError
from gateway.transcode.decode import Decoder
from gateway.transcode.refusal import MalformedRequest
from gateway.transcode.requests import RequestBuilder
from gateway.transcode.routes import MethodNotAllowed, PathNotFound, Routes
from gateway.transcode.template import parse
from protos.catalog.v1 import catalog_pb2
from protos.matcher.v1 import matcher_pb2

SERVICES = [
    catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    matcher_pb2.DESCRIPTOR.services_by_name["MatcherService"],
]
routes = Routes(SERVICES)
builder = RequestBuilder(Decoder())


def build(http_method: str, path: str, query: str = "", body: bytes = b"") -> Any:
    route, variables = routes.find(http_method, path)
    return builder.build(route, variables, query, body)


def refused(http_method: str, path: str, query: str = "", body: bytes = b"") -> dict[str, str]:
    with pytest.raises(MalformedRequest) as caught:
        build(http_method, path, query, body)
    return {violation.field: violation.description for violation in caught.value.violations}


@pytest.mark.parametrize(
    ("http_method", "path", "name", "variables"),
    [
        ("GET", "/v1/titles/movie:603", "GetTitle", {"id": "movie:603"}),
        ("HEAD", "/v1/titles/movie:603", "GetTitle", {"id": "movie:603"}),
        ("GET", "/v1/titles/a b", "GetTitle", {"id": "a b"}),
        ("GET", "/v1/titles:batchGet", "BatchGetTitles", {}),
        ("POST", "/v1/titles/movie:603:undelete", "UndeleteTitle", {"id": "movie:603"}),
        ("PATCH", "/v1/titles/movie:603", "UpdateTitle", {"title.id": "movie:603"}),
        ("GET", "/v1/aliases", "ListAliases", {}),
        ("GET", "/v1/titles/x/aliases", "ListAliases", {"title_id": "x"}),
        ("POST", "/v1/videos:match", "MatchVideo", {}),
    ],
)
def test_a_path_finds_its_method(http_method: str, path: str, name: str, variables: dict[str, str]) -> None:
    route, found = routes.find(http_method, path)
    assert (route.method.name, found) == (name, variables)


def test_an_unknown_path_and_a_known_one_with_another_method_are_told_apart() -> None:
    with pytest.raises(PathNotFound):
        routes.find("GET", "/v1/nothing")
    with pytest.raises(MethodNotAllowed) as caught:
        routes.find("PUT", "/v1/titles/x")
    assert caught.value.metadata["allow"] == "DELETE, GET, PATCH"


def test_a_service_given_first_wins_a_path_that_two_claim() -> None:
    both = Routes([*SERVICES, *SERVICES])
    assert len(both.all) == len(routes.all)


def test_templates_know_wildcards() -> None:
    template = parse("/v1/{name=studios/*}/files/{path=**}:open")
    assert template.match("/v1/studios/a/files/b/c.txt:open") == {"name": "studios/a", "path": "b/c.txt"}
    assert template.match("/v1/studios/a/b/files/c:open") is None


def test_query_parameters_become_fields_of_every_kind() -> None:
    request = build("GET", "/v1/titles:batchGet", "ids=a&ids=b%3A1")
    assert request == catalog_pb2.BatchGetTitlesRequest(ids=["a", "b:1"])
    listed = build("GET", "/v1/titles/t/aliases", "only_stored=true&page_size=7&name=")
    assert listed == catalog_pb2.ListAliasesRequest(title_id="t", only_stored=True, page_size=7)
    videos = build("GET", "/v1/titles/t/videos", "state=in_review&viewer_region=DE")
    assert videos.state == matcher_pb2.MATCH_STATE_IN_REVIEW
    assert build("GET", "/v1/titles/t/videos", "state=2") == matcher_pb2.ListTitleVideosRequest(
        title_id="t", state=matcher_pb2.MATCH_STATE_IN_REVIEW
    )


def test_a_body_field_takes_the_body_and_the_query_the_rest() -> None:
    request = build("PATCH", "/v1/titles/movie:1", "update_mask=title,year&request_id=r", b'{"title": "Dune"}')
    assert request.title == catalog_pb2.Title(id="movie:1", title="Dune")
    assert list(request.update_mask.paths) == ["title", "year"]
    assert request.request_id == "r"


def test_a_nested_parameter_is_dotted() -> None:
    request = build("PATCH", "/v1/titles/movie:1", "title.year=1999&title.embargo_lift_time=2030-01-01T00:00:00Z")
    assert request.title.year == 1999
    assert request.title.embargo_lift_time.seconds == 1893456000


@pytest.mark.parametrize(
    ("call", "field", "description"),
    [
        (("GET", "/v1/titles", "page=2"), "page", "is not a parameter of ListTitlesRequest"),
        (("GET", "/v1/titles", "page_size=x"), "page_size", "must be an integer"),
        (("GET", "/v1/titles", "page_size=1&page_size=2"), "page_size", "is given twice"),
        (("GET", "/v1/titles", "filter=%00"), "filter", "must not contain control characters"),
        (("GET", "/v1/titles", "filter=%ff"), "query", "must be UTF-8"),
        (("GET", "/v1/titles", "filter[$gt]="), "filter[$gt]", "is not a parameter of ListTitlesRequest"),
        (("GET", "/v1/titles", "&".join(["a=1"] * 2300)), "query", "must have at most 2200 parameters"),
        (("GET", "/v1/titles/t/aliases", "only_stored=1"), "only_stored", "must be true or false"),
        (("GET", "/v1/titles/t/aliases", "title_id=u"), "title_id", "differs between path and body or query"),
        (("GET", "/v1/titles", "", b"{}"), "body", "this method takes no body"),
        (("POST", "/v1/titles/t:undelete", "etag=x"), "etag", "belongs into the body of this method, not into its query"),
        (("POST", "/v1/titles/t:undelete", "", b"[]"), "body", "must be an object"),
        (("POST", "/v1/titles/t:undelete", "", b'{"id": "u"}'), "id", "differs between path and body or query"),
        (("PATCH", "/v1/titles/t", "title=x"), "title", "is not a parameter of UpdateTitleRequest"),
        (("PATCH", "/v1/titles/t", "title.credits.cast.name=x"), "title.credits.cast.name", "is not a parameter of Credits"),
        (("PATCH", "/v1/titles/t", "title.external_ids.others=x"), "title.external_ids.others", "is not a parameter of ExternalIds"),
        (("PATCH", "/v1/titles/t", "title.year=2", b'{"year": 1}'), "title.year", "is given in the body already"),
        (("PATCH", "/v1/titles/t", "title.credits.cast=2", b'{"credits": 1}'), "title.credits.cast", "is not a parameter of Title"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(call: tuple[Any, ...], field: str, description: str) -> None:
    assert refused(*call)[field] == description


def test_every_annotated_method_has_a_template_that_can_be_read() -> None:
    for route in routes.all:
        path = route.template.text.replace("{", "").replace("}", "").replace("=", "")
        try:
            found, _ = routes.find(route.http_method, path)
        except SpotlightError as error:  # pragma: no cover - the message is what matters
            pytest.fail(f"{route.template.text}: {error}")
        assert found.http_method == route.http_method
