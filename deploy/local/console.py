"""What the person at the terminal reads: progress while things start, then where everything is."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local import pids, readiness
from deploy.local.plan import Plan
from deploy.local.preflight import NotReady
from deploy.local.supervisor import OURS, tail

READY_S = 120.0

console = Console(highlight=False)


def say(text: str) -> None:
    """One line, never wrapped: it may be pasted."""
    console.print(text, markup=False, soft_wrap=True)


def progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


async def until_serving(plan: Plan, shown: Progress) -> None:
    """Returns when every process serves, or says which do not."""
    task = shown.add_task("starting", total=len(plan.processes))
    give_up = time.monotonic() + READY_S
    left = plan
    while True:
        states = await readiness.states(left)
        waiting = [name for name, serves in states.items() if not serves]
        done = len(plan.processes) - len(waiting)
        shown.update(task, completed=done, description=f"starting {', '.join(waiting)}"[:60])
        # Only the missing ones are asked again: asking costs what starting needs.
        left = replace(plan, processes=tuple(process for process in plan.processes if process.name in waiting))
        if not waiting:
            return
        if time.monotonic() > give_up:
            reasons = [f"{name} does not serve after {READY_S:.0f} s: {tail(plan, name)}" for name in waiting]
            raise NotReady("\n".join(reasons))
        await asyncio.sleep(readiness.POLL_S)


def show_house(plan: Plan, tokens: Mapping[str, str], curls: Sequence[str]) -> None:
    """The URLs, a token for each role, and what to try."""
    say("")
    say(f"Spotlight is up: {plan.base_url}   (documentation {plan.base_url}/docs, API {plan.base_url}/openapi.json)")
    pages = ("studio", "review")
    say("Pages:   " + "   ".join(f"{plan.base_url}/{page}" for page in pages))
    addresses = {process.name: process.grpc_port for process in plan.processes if process.grpc_port}
    say("gRPC:    " + "   ".join(f"{name} 127.0.0.1:{port}" for name, port in addresses.items()))
    metrics = {process.name: process.ports["telemetry"] for process in plan.processes if "telemetry" in process.ports}
    say("Metrics: " + "   ".join(f"{name} :{port}/metrics" for name, port in metrics.items()))
    say(f"State:   {plan.folder}   (logs {plan.log_folder}, tokens {plan.folder / 'tokens.json'})")
    say("")
    for role, token in tokens.items():
        say(f"{role} token: {token}")
    say("")
    say("Try:")
    for curl in curls:
        say(f"  {curl}")
    say("")


def show_status(plan: Plan, marks: Mapping[str, pids.Mark], states: Mapping[str, bool]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "pid", "state", "ports"):
        table.add_column(heading)
    supervisor = marks.get(OURS)
    table.add_row(OURS, str(supervisor.pid) if supervisor else "-", "running" if supervisor else "gone", "")
    for process in plan.processes:
        mark = marks.get(process.name)
        state = "serving" if mark and states[process.name] else "starting" if mark else "down"
        ports = " ".join(f"{kind} {port}" for kind, port in process.ports.items())
        table.add_row(process.name, str(mark.pid) if mark else "-", state, ports)
    console.print(table)
