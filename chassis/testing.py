"""Fixtures for tests against the real servers: started once a run, on ephemeral ports, gone afterwards.

It is a pytest plugin (tests/conftest.py names it). Nothing of ours is imported at the top, so that coverage sees
the rest of the chassis being imported.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

if TYPE_CHECKING:
    from chassis import context, embedded, health, interceptors, mongo, server, telemetry
    from chassis.config import Settings

# Memory, where there is enough: syncing every commit costs nothing there, and kill -9 still loses nothing.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
SHARED_MEMORY_BYTES_MIN = 2 * 2**30
START_TRIES = 3
READY_S = 10.0
PATIENT_S = 60.0


@pytest.fixture(scope="session", autouse=True)
def quiet_logs() -> None:
    """Errors only, one JSON line each."""
    from chassis import logging  # noqa: PLC0415 - see the file's first lines

    logging.configure("error")


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    roomy = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > SHARED_MEMORY_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="spotlight-", dir=SHARED_MEMORY if roomy else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mongo_url(server_folder: Path) -> Iterator[str]:
    """A MongoDB for the run (each xdist worker has its own), or the one SPOTLIGHT_TEST_MONGO_URL names."""
    from chassis import embedded  # noqa: PLC0415

    if given := os.environ.get("SPOTLIGHT_TEST_MONGO_URL"):
        yield given
        return
    running = _start(embedded.mongo_command, server_folder / "mongo")
    yield f"mongodb://127.0.0.1:{running.port}"
    running.stop()


@pytest.fixture(scope="session")
def redis_url(server_folder: Path) -> Iterator[str]:
    """A Redis for the run, or the one SPOTLIGHT_TEST_REDIS_URL names."""
    from chassis import embedded  # noqa: PLC0415

    if given := os.environ.get("SPOTLIGHT_TEST_REDIS_URL"):
        yield given
        return
    running = _start(embedded.redis_command, server_folder / "redis")
    yield f"redis://127.0.0.1:{running.port}/0"
    running.stop()


def _start(command: Callable[[int, Path], list[str]], folder: Path) -> "embedded.Running":
    """Starts a server on a free port; somebody else may take the port first, so more than one try."""
    from chassis import embedded  # noqa: PLC0415

    folder.mkdir()
    for left in range(START_TRIES - 1, -1, -1):
        port = embedded.free_port()
        try:
            return embedded.start(command(port, folder), port, folder / "server.log")
        except embedded.ServerDied:
            if not left:
                raise
    raise AssertionError


@pytest.fixture
async def database(mongo_url: str) -> "AsyncIterator[mongo.Database]":
    """A database of this test's own, dropped afterwards."""
    from chassis import ids, mongo  # noqa: PLC0415

    found = mongo.connect(mongo_url, f"test_{ids.new_id().lower()}")
    yield found
    await found.client.drop_database(found.name)
    mongo.close(found)


@asynccontextmanager
async def running_server(
    registrations: "Sequence[server.Registration]",
    *,
    settings: "Settings | None" = None,
    checks: "dict[str, health.Check] | None" = None,
    telemetry: "telemetry.Telemetry | None" = None,
    identify: "interceptors.Identify | None" = None,
    principal: "context.Principal | None" = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A real server with the fused interceptor on an ephemeral port, and a channel to it.

    Calls that bring no deadline may take long, unless the settings say otherwise: the machine may be busy.
    """
    from chassis import client, context, server  # noqa: PLC0415
    from chassis.config import Settings  # noqa: PLC0415
    from chassis.telemetry import Telemetry  # noqa: PLC0415

    settings = settings or Settings(local=True)
    if "deadline_default_s" not in settings.model_fields_set:
        settings = settings.model_copy(update={"deadline_default_s": PATIENT_S})
    options: dict[str, Any] = {"checks": checks, "telemetry": telemetry or Telemetry()}
    options["identify"] = identify or (context.peer_principal if principal is None else lambda _: principal)
    built = server.build_server(settings, registrations, **options)
    await built.health.check()
    await built.server.start()
    channel = client.channel(f"127.0.0.1:{built.port}", settings)
    try:
        # The core begins to listen on a thread of its own: a busy machine may still refuse a first call.
        await asyncio.wait_for(channel.channel_ready(), READY_S)
        yield channel
    finally:
        await channel.close()
        await server.drain(built, 0)
