"""A whole house for tests: started, killed and stopped as its user does, on ports of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
# The local runner uses offsets up to 21 above its base.
PORTS = 22
UP_S, DOWN_S, SETTLE_S = 240, 60, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running suite: where it is and whom it knows."""

    folder: Path
    port_base: int
    said: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port_base}"

    @property
    def tokens(self) -> dict[str, str]:
        return json.loads((self.folder / "tokens.json").read_text())

    def client(self, role: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=15)

    def run(self, act: str, *more: str, timeout_s: float = UP_S) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy.local", act, "--var", str(self.folder), *more]
        env = {name: value for name, value in os.environ.items() if name not in ("MONGO_URL", "REDIS_URL")}
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--detach", "--port-base", str(self.port_base))

    def processes(self) -> list[int]:
        """Every process that has this house's folder on its command line or in its environment."""
        mark = str(self.folder).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def kill_everything(self) -> None:
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def free_port_base() -> int:
    """A base whose ports are all free just now."""
    for base in range(21_000 + (os.getpid() % 400) * 25, 60_000, 25):
        if all(_is_free(base + offset) for offset in range(PORTS)):
            return base
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def eventually(look: Callable[[], Any], *, within_s: float = SETTLE_S) -> Any:
    """What `look` gives as soon as it is true: followers are quick, not instant."""
    give_up = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < give_up, f"still {seen!r} after {within_s} s"
        time.sleep(0.1)
    return seen
