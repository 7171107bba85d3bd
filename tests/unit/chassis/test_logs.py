import json
import logging as stdlib

import pytest
import structlog

from chassis import context, logging


@pytest.fixture
def lines(capsys):
    def read():
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    logging.configure("error")
    structlog.contextvars.clear_contextvars()


def test_a_line_is_json_with_the_requests_id_and_the_process(lines):
    logging.configure("info", process="catalog")
    with context.scope(request_id="r-1"):
        structlog.get_logger("x").info("hello", n=1)
        structlog.get_logger("x").debug("too much")
    (line,) = lines()
    assert (line["event"], line["request_id"], line["process"], line["n"], line["level"]) == (
        "hello",
        "r-1",
        "catalog",
        1,
        "info",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("authorization", "Bearer abc"),
        ("text", "sent Bearer abc.def to it"),
        ("text", "token eyJhbGciOi.eyJzdWIi.c2ln was seen"),
        ("url", "mongodb://user:hunter2@host/db"),
        ("key", "spk_ab_cdef"),
        ("nested", {"deep": [{"api_key": "abc.def"}]}),
    ],
)
def test_secrets_never_reach_the_log(lines, key, value):
    logging.configure()
    structlog.get_logger().info("seen", **{key: value})
    (line,) = lines()
    text = json.dumps(line)
    assert logging.HIDDEN in text
    assert not any(secret in text for secret in ("abc", "eyJ", "hunter2", "cdef"))


def test_libraries_write_the_same_lines(lines):
    logging.configure("debug")
    stdlib.getLogger("pymongo").warning("server %s is away", "mongodb://u:hunter2@h")
    (line,) = lines()
    assert line["level"] == "warning"
    assert "hunter2" not in line["event"]


def test_an_exception_is_one_line(lines):
    logging.configure()
    try:
        raise ValueError("secret eyJa.eyJb.c")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "eyJa" not in line["exception"]
