"""Keeps the processes of a plan up: starts them in order, starts again what falls, stops all of them.

    stores ─listening→ services and gateway ─(stop)→ gateway and services end ─→ stores end

A child gets a session of its own, so that Ctrl-C in the terminal reaches only the supervisor, which stops the
children in order. Each child's mark is written down: after a kill -9 of everything the next run finds what is left.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chassis import embedded
from chassis.server import EX_CONFIG
from deploy.local import pids
from deploy.local.plan import Plan, Process
from deploy.local.preflight import NotReady

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = "supervisor"
# Back-off between restarts of a child: doubled each time, from the start again once it stood for a while.
RESTART_MIN_S = 0.5
RESTART_MAX_S = 15.0
STEADY_S = 20.0
# Services promise to end within 10 s of SIGTERM; stores write what they hold.
STOP_S = 11.0
LOG_BYTES_MAX = 20 * 2**20
TAIL_BYTES = 4_096

Say = Callable[[str], None]


@contextmanager
def sole(plan: Plan) -> Iterator[None]:
    """Holds the folder: two supervisors over the same data would ruin it."""
    plan.run_folder.mkdir(parents=True, exist_ok=True)
    with (plan.run_folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            msg = f"it is running already over {plan.folder}: `python -m deploy.local down` stops it"
            raise NotReady(msg) from error
        mine = pids.mark_of(os.getpid())
        assert mine is not None, "this process is alive"
        pids.write(mark_file(plan, OURS), mine)
        try:
            yield
        finally:
            mark_file(plan, OURS).unlink(missing_ok=True)


def mark_file(plan: Plan, name: str) -> Path:
    return plan.run_folder / f"{name}.pid"


def marks(plan: Plan) -> Mapping[str, pids.Mark]:
    """The living processes this folder knows of, the supervisor too."""
    found = {path.stem: pids.read(path) for path in sorted(plan.run_folder.glob("*.pid"))}
    return {name: mark for name, mark in found.items() if mark is not None}


def stop_leftovers(plan: Plan, say: Say) -> None:
    """Ends children that outlived their supervisor, stores last."""
    stores = {process.name for process in plan.processes if process.is_store} | {"mongo", "redis"}
    left = {name: mark for name, mark in marks(plan).items() if name != OURS}
    for name in sorted(left, key=lambda each: each in stores):
        say(f"{name} (pid {left[name].pid}) was left over from an earlier run; it is stopped")
        pids.stop(left[name], patience_s=STOP_S)
        mark_file(plan, name).unlink(missing_ok=True)


class Supervisor:
    """One run over one plan."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False
        self._hurry = asyncio.Event()
        self.fatal = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Keeps everything up until `stop`, then stops everything."""
        stores = [process for process in self._plan.processes if process.is_store]
        others = [process for process in self._plan.processes if not process.is_store]
        for folder in (self._plan.log_folder, self._plan.run_folder):
            folder.mkdir(parents=True, exist_ok=True)
        keepers: list[asyncio.Task[None]] = []
        try:
            keepers += [asyncio.create_task(self._keep(process, stop)) for process in stores]
            await self._listening(stores, stop)
            keepers += [asyncio.create_task(self._keep(process, stop)) for process in others]
            await stop.wait()
        finally:
            self._stopping = True
            await self._end([process.name for process in others])
            await self._end([process.name for process in stores])
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)

    def hurry(self) -> None:
        """Stops without patience: the second Ctrl-C."""
        self._hurry.set()

    async def _listening(self, stores: list[Process], stop: asyncio.Event) -> None:
        ports = [port for process in stores for port in process.ports.values()]
        while not stop.is_set() and not all(embedded.is_listening(port) for port in ports):  # noqa: ASYNC110
            await asyncio.sleep(embedded.POLL_S)

    async def _keep(self, process: Process, stop: asyncio.Event) -> None:
        pause_s = RESTART_MIN_S
        while not self._stopping:
            begun = time.monotonic()
            code = await self._once(process)
            if self._stopping:
                return
            if code == EX_CONFIG:
                self.fatal = f"{process.name} cannot run: {tail(self._plan, process.name)}"
                stop.set()
                return
            if time.monotonic() - begun > STEADY_S:
                pause_s = RESTART_MIN_S
            self._say(f"{process.name} ended ({_how(code)}); it is started again in {pause_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
            pause_s = min(RESTART_MAX_S, 2 * pause_s)

    async def _once(self, process: Process) -> int:
        for port_folder in (self._plan.folder / "data" / process.name,) if process.is_store else ():
            port_folder.mkdir(parents=True, exist_ok=True)
        with _log(self._plan, process.name).open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                *process.command,
                cwd=ROOT,
                env=_environment(process),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        mark = pids.mark_of(child.pid)
        if mark is not None:
            pids.write(mark_file(self._plan, process.name), mark)
        self._children[process.name] = child
        code = await child.wait()
        self._children.pop(process.name, None)
        mark_file(self._plan, process.name).unlink(missing_ok=True)
        return code

    async def _end(self, names: list[str]) -> None:
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            _signal(child, signal.SIGTERM)
        if not children:
            return
        ended = asyncio.create_task(_ended(children))
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({ended, hurried}, timeout=STOP_S, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for child in children:
            _signal(child, signal.SIGKILL)
        await ended


async def _ended(children: list[asyncio.subprocess.Process]) -> bool:
    await asyncio.gather(*(child.wait() for child in children))
    return True


def _signal(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


def _environment(process: Process) -> dict[str, str]:
    """Ours alone: a stray SPOTLIGHT_* variable of the shell would be refused, or worse, obeyed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(process.env)


def _log(plan: Plan, name: str) -> Path:
    """The process's log, after putting a grown one aside."""
    path = plan.log_folder / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
    return path


def tail(plan: Plan, name: str) -> str:
    """The last line a process wrote."""
    path = plan.log_folder / f"{name}.log"
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else f"it wrote nothing to {path}"


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
