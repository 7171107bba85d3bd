"""Remembers processes across runs, and knows them again: a pid alone may by now belong to somebody else."""

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A process: its number, and when it began, as the system says it."""

    pid: int
    begun: str


def mark_of(pid: int) -> Mark | None:
    """The mark of a living process; None when there is none, or only its remains."""
    begun = _begun(pid)
    return None if begun is None else Mark(pid=pid, begun=begun)


def _begun(pid: int) -> str | None:
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The command's name may hold anything, brackets too: count from its last one.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        state, begun = fields[0], fields[19]
        return None if state == "Z" else begun
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def write(path: Path, mark: Mark) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(asdict(mark)))
    whole.replace(path)


def read(path: Path) -> Mark | None:
    """The process a file names, if it is alive and still the same."""
    try:
        stored = json.loads(path.read_text())
        mark = Mark(pid=int(stored["pid"]), begun=str(stored["begun"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return mark if is_alive(mark) else None


def is_alive(mark: Mark) -> bool:
    return mark_of(mark.pid) == mark


def stop(mark: Mark, *, patience_s: float) -> None:
    """Asks, waits, and then insists; touches nothing but that very process."""
    if not is_alive(mark):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(mark.pid, signal.SIGTERM)
    give_up = time.monotonic() + patience_s
    while is_alive(mark) and time.monotonic() < give_up:
        time.sleep(POLL_S)
    if is_alive(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(mark.pid, signal.SIGKILL)
        while is_alive(mark):
            time.sleep(POLL_S)
