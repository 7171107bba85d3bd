from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from chassis.config import ConfigError, Settings, env_name, load, read_secret


class Own(Settings):
    prefix: ClassVar[str] = "SPOTLIGHT_OWN_"
    limit: int = 3
    names: tuple[str, ...] = ()
    redis_url: str = "redis://x"
    ratio: float | None = None


def test_settings_are_read_by_prefix_and_the_worlds_names_without():
    found = load(
        Own, {"SPOTLIGHT_OWN_LIMIT": "7", "SPOTLIGHT_OWN_NAMES": "a, b,", "MONGO_URL": "mongodb://m", "HOME": "/"}
    )
    assert (found.limit, found.names, found.mongo_url, found.redis_url) == (7, ("a", "b"), "mongodb://m", "redis://x")
    assert load(Own, {"SPOTLIGHT_OWN_RATIO": ""}).ratio is None
    assert load(Own, {"SPOTLIGHT_OWN_RATIO": "0.5"}).ratio == 0.5


def test_every_problem_is_told_at_once_without_its_value():
    environ = {
        "SPOTLIGHT_OWN_LIMITS": "7",
        "SPOTLIGHT_OWN_LIMIT": "secret-7",
        "SPOTLIGHT_OWN_PORT": "70000",
        "SPOTLIGHT_OWN_DRAIN_S": "nan",
        "SPOTLIGHT_OWN_MONGO_URL": "mongodb://m",
    }
    with pytest.raises(ConfigError) as caught:
        load(Own, environ)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "SPOTLIGHT_OWN_LIMITS",
        "SPOTLIGHT_OWN_MONGO_URL",
        "SPOTLIGHT_OWN_PORT",
        "SPOTLIGHT_OWN_DRAIN_S",
        "SPOTLIGHT_OWN_LIMIT",
    ]
    assert "secret-7" not in str(caught.value)


def test_tls_files_go_together():
    with pytest.raises(ConfigError, match="go together"):
        load(Own, {"SPOTLIGHT_OWN_TLS_CERT_FILE": "/a"})
    assert Own(tls_cert_file=Path("a"), tls_key_file=Path("b"), tls_ca_file=Path("c")).uses_tls


def test_settings_made_in_code_do_not_read_the_environment(monkeypatch):
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("SPOTLIGHT_OWN_PORT", "2")
    assert Own().port == 0
    assert load(Own).port == 2


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Own().port = 1


def test_the_environment_name_of_a_field():
    assert env_name(Own, "limit") == "SPOTLIGHT_OWN_LIMIT"
    assert env_name(Own, "redis_url") == "REDIS_URL"


def test_secrets_come_from_files(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"s3cret\r\n")
    assert read_secret(path) == b"s3cret"
    path.write_bytes(b"\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_secret(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(tmp_path / "missing")
