"""Settings: one frozen object a process, read once from its environment, every problem reported together."""

import ipaddress
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

# Names that the world gave, read without our prefix.
UNPREFIXED: Mapping[str, str] = {
    "mongo_url": "MONGO_URL",
    "redis_url": "REDIS_URL",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}
_SEQUENCES = (tuple, list, frozenset, set)

S = TypeVar("S", bound="Settings")


class ConfigError(Exception):
    """The settings of this process cannot be used; each line of the text is one problem."""


class Settings(BaseSettings):
    """What every process is told; a service adds its own fields and gives the prefix."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    prefix: ClassVar[str] = "SPOTLIGHT_"

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=0, ge=0, le=65535, description="The gRPC port; 0 takes a free one.")
    telemetry_port: int = Field(default=0, ge=0, le=65535, description="Where /metrics is served; 0: a free port.")
    mongo_url: str = Field(default="mongodb://127.0.0.1:27017", description="The MongoDB to use.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What is logged.")
    deadline_default_s: float = Field(default=5.0, gt=0, le=60, description="For unary calls that bring none.")
    deadline_max_s: float = Field(default=60.0, gt=0, le=600, description="The longest a unary call may take.")
    drain_s: float = Field(default=8.0, ge=0, le=60, description="How long calls under way may take at the end.")
    calls_max: int = Field(default=256, ge=1, description="Unary calls at once; the next ones are shed.")
    streams_max: int = Field(default=256, ge=1, description="Streams at once; the next ones are shed.")
    message_bytes_max: int = Field(default=4 * 2**20, ge=1024, description="The largest message taken or sent.")
    reuse_port: bool = Field(default=False, description="Several processes share the port (SO_REUSEPORT).")
    local: bool = Field(default=False, description="All on this machine: plaintext on loopback is allowed.")
    tls_cert_file: Path | None = Field(default=None, description="This process's certificate chain, PEM.")
    tls_key_file: Path | None = Field(default=None, description="Its private key, PEM.")
    tls_ca_file: Path | None = Field(default=None, description="Who signs the certificates of peers, PEM.")
    tls_peer_names: tuple[str, ...] = Field(default=(), description="Certificate names that may call; empty: all.")
    page_token_key_file: Path | None = Field(default=None, description="The key that signs page tokens.")
    otlp_endpoint: str = Field(default="", description="Where traces go; empty: no traces.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only `load` reads the environment: an object made in a test holds what the test gave."""
        return (init_settings,)

    @model_validator(mode="after")
    def _tls_is_all_or_nothing(self) -> Self:
        given = [self.tls_cert_file, self.tls_key_file, self.tls_ca_file]
        if any(given) and not all(given):
            msg = "tls_cert_file, tls_key_file and tls_ca_file go together"
            raise ValueError(msg)
        return self

    @property
    def uses_tls(self) -> bool:
        return self.tls_cert_file is not None

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def load(settings_class: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Reads the settings, or raises one ConfigError that names every problem."""
    env = os.environ if environ is None else environ
    names = {field: env_name(settings_class, field) for field in settings_class.model_fields}
    problems = [
        f"{name}: no such setting" for name in sorted(env) if name.startswith(settings_class.prefix)
        and name not in names.values()
    ]  # fmt: skip
    given = {
        field: _parsed(settings_class.model_fields[field].annotation, env[name])
        for field, name in names.items()
        if name in env
    }
    try:
        settings = settings_class.model_validate(given)
    except ValidationError as error:
        problems += [_sentence(names, found) for found in error.errors(include_url=False, include_context=False)]
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def env_name(settings_class: type[Settings], field: str) -> str:
    """The environment variable a field is read from."""
    return UNPREFIXED.get(field) or settings_class.prefix + field.upper()


def read_secret(path: Path) -> bytes:
    """A secret's bytes; the file's last line break is not part of it."""
    try:
        secret = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        msg = f"{path}: the secret cannot be read ({error.strerror})"
        raise ConfigError(msg) from error
    if not secret:
        msg = f"{path}: the secret is empty"
        raise ConfigError(msg)
    return secret


def _parsed(annotation: Any, text: str) -> object:
    """Lists are given with commas; an empty optional value means none."""
    if typing.get_origin(annotation) in _SEQUENCES:
        return [part.strip() for part in text.split(",") if part.strip()]
    optional = isinstance(annotation, types.UnionType) and types.NoneType in typing.get_args(annotation)
    return None if optional and not text else text


def _sentence(names: Mapping[str, str], found: Any) -> str:
    location = found["loc"]
    name = names.get(str(location[0]), str(location[0])) if location else "settings"
    # The value is not repeated: it may be a secret.
    return f"{name}: {found['msg']}"
