"""Which processes there are, on which ports, with which settings. Pure: nothing is started here."""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chassis import embedded
from chassis.config import Settings, env_name

HOST = embedded.LOOPBACK
PORT_BASE = 8080
# Offsets from the port base; /metrics is ten above the order of the processes.
GATEWAY_HTTP, GATEWAY_GRPC = 0, 1
SERVICES: Mapping[str, int] = {"catalog": 2, "matcher": 3, "incentives": 4, "metrics": 5}
TELEMETRY: Mapping[str, int] = {"gateway": 10, "catalog": 12, "matcher": 13, "incentives": 14, "metrics": 15}
MONGO, REDIS = 20, 21
PORT_BASE_MAX = 65535 - REDIS
SETTINGS: Mapping[str, tuple[str, str]] = {
    "catalog": ("services.catalog.config", "CatalogSettings"),
    "matcher": ("services.matcher.config", "MatcherSettings"),
    "incentives": ("services.incentives.config", "IncentivesSettings"),
    "metrics": ("services.metrics.config", "MetricsSettings"),
    "gateway": ("gateway.config", "GatewaySettings"),
}
TOKEN_KEY = "token.key"  # noqa: S105 - the file's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to keep up."""

    name: str
    command: tuple[str, ...]
    ports: Mapping[str, int]
    env: Mapping[str, str] = field(default_factory=dict)
    # Stores begin first and end last.
    is_store: bool = False

    @property
    def grpc_port(self) -> int | None:
        return self.ports.get("grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All processes of one local house."""

    folder: Path
    port_base: int
    mongo_url: str
    redis_url: str
    processes: tuple[Process, ...]

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port_base + GATEWAY_HTTP}"

    def address(self, service: str) -> str:
        return f"{HOST}:{self.port_base + SERVICES[service]}"

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def log_folder(self) -> Path:
        return self.folder / "log"

    @property
    def secrets_folder(self) -> Path:
        return self.folder / "secrets"


def plan(folder: Path, port_base: int = PORT_BASE, environ: Mapping[str, str] | None = None) -> Plan:
    """The house below `folder`; MONGO_URL and REDIS_URL replace the embedded servers."""
    env = os.environ if environ is None else environ
    mongo_url = env.get("MONGO_URL") or f"mongodb://{HOST}:{port_base + MONGO}"
    redis_url = env.get("REDIS_URL") or f"redis://{HOST}:{port_base + REDIS}/0"
    processes = []
    if not env.get("MONGO_URL"):
        processes.append(_store("mongo", embedded.mongo_command, port_base + MONGO, folder))
    if not env.get("REDIS_URL"):
        processes.append(_store("redis", embedded.redis_command, port_base + REDIS, folder))
    urls = {"mongo_url": mongo_url, "redis_url": redis_url}
    processes += [_service(name, folder, port_base, urls) for name in (*SERVICES, "gateway")]
    return Plan(
        folder=folder, port_base=port_base, mongo_url=mongo_url, redis_url=redis_url, processes=tuple(processes)
    )


def _store(name: str, command: embedded.Command, port: int, folder: Path) -> Process:
    data = folder / "data" / name
    return Process(name=name, command=tuple(command(port, data)), ports={name: port}, is_store=True)


def _service(name: str, folder: Path, port_base: int, urls: Mapping[str, str]) -> Process:
    ports = {"telemetry": port_base + TELEMETRY[name]}
    if name == "gateway":
        ports |= {"http": port_base + GATEWAY_HTTP, "grpc": port_base + GATEWAY_GRPC}
    else:
        ports |= {"grpc": port_base + SERVICES[name]}
    given = {
        "host": HOST,
        "local": "true",
        "port": str(ports["grpc"]),
        "http_port": str(ports.get("http", "")),
        "telemetry_port": str(ports["telemetry"]),
        "index_folder": str((folder / "data" / f"{name}-index").resolve()),
        "insights_every_s": "15",  # a new house has something to tell at once
        **{f"{service}_address": f"{HOST}:{port_base + offset}" for service, offset in SERVICES.items()},
        **urls,
    }
    settings = settings_of(name)
    env = {env_name(settings, key): value for key, value in given.items() if key in settings.model_fields and value}
    for key in secret_fields(settings):
        env[env_name(settings, key)] = str(folder / "secrets" / secret_name(name, key))
    for key in settings.model_fields:
        if key.endswith("_key_files"):
            # A ring of keys, in a form the process knows: a local one makes the first itself.
            env[env_name(settings, key)] = str(folder / "secrets" / f"{name}.{key.removesuffix('_files')}.ring")
    module = "gateway" if name == "gateway" else f"services.{name}"
    return Process(name=name, command=(sys.executable, "-m", module), ports=ports, env=env)


def settings_of(name: str) -> type[Settings]:
    module, attribute = SETTINGS[name]
    found: type[Settings] = getattr(importlib.import_module(module), attribute)
    return found


def secret_fields(settings: type[Settings]) -> list[str]:
    """The settings that name a file with a key of ours, not a certificate or somebody else's key."""
    return [
        key for key in settings.model_fields if key.endswith(("_key_file", "_secret_file")) and key != "tls_key_file"
    ]


def secret_name(process: str, key: str) -> str:
    """Tokens are signed by the runner and checked by the gateway; every other key is its process's own."""
    return TOKEN_KEY if key == "jwt_secret_file" else f"{process}.{key.removesuffix('_file')}.key"
