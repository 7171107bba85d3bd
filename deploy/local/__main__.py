"""`python -m deploy.local up | status | down`: the house on this machine."""

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from chassis.embedded import ServerMissing
from deploy.local import console, pids, preflight, readiness, samples, secrets, seed, supervisor, traffic
from deploy.local.console import say
from deploy.local.plan import PORT_BASE, Plan, plan
from deploy.local.preflight import NotReady

DOWN_S = 30.0
NOT_ALL_SERVING = 3


def main() -> int:
    options = _parser().parse_args()
    try:
        house = _house(options)
        return int(asyncio.run({"up": up, "status": status, "down": down}[options.act](house, options)))
    except (NotReady, ServerMissing) as error:
        for line in str(error).splitlines():
            print(f"spotlight: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    for name, text in (("up", "start everything"), ("status", "tell what runs"), ("down", "stop everything")):
        act = acts.add_parser(name, help=text)
        act.add_argument("--var", type=Path, default=Path("var"), help="where all state lives (./var)")
        act.add_argument("--port-base", type=int, default=None, help=f"the first port ({PORT_BASE})")
        if name == "up":
            act.add_argument("--detach", action="store_true", help="return when everything serves")
            act.add_argument("--no-seed", action="store_true", help="without the sample data")
    return parser


def _house(options: argparse.Namespace) -> Plan:
    """The plan; `status` and `down` use the ports of the last `up` over the folder."""
    folder = options.var.resolve()
    kept = folder / "run" / "ports.json"
    base = options.port_base
    if base is None and options.act != "up" and kept.exists():
        base = json.loads(kept.read_text())["port_base"]
    base = PORT_BASE if base is None else base
    preflight.check_port_base(base)
    return plan(folder, base)


async def up(house: Plan, options: argparse.Namespace) -> int:
    preflight.check_folder(house.folder)
    if options.detach:
        return await _up_detached(house, options)
    stop = asyncio.Event()
    with supervisor.sole(house):
        _make_ready(house)
        overseer = supervisor.Supervisor(house, say)
        _stop_on_signals(stop, overseer)
        async with _overseen(overseer, stop), _watched(house):
            settling = asyncio.create_task(_settle(house, seeded=not options.no_seed))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([settling, stopped], return_when=asyncio.FIRST_COMPLETED)
            if settling.done():
                settling.result()
                say("Ctrl-C stops everything.")
            else:
                settling.cancel()
                await asyncio.gather(settling, return_exceptions=True)
            await stopped
            say("stopping")
        if overseer.fatal:
            raise NotReady(overseer.fatal)
    say("stopped")
    return 0


def _make_ready(house: Plan) -> None:
    supervisor.stop_leftovers(house, say)
    preflight.check_ports(house)
    secrets.ensure_keys(house)
    (house.run_folder / "ports.json").write_text(json.dumps({"port_base": house.port_base}))


@asynccontextmanager
async def _overseen(overseer: supervisor.Supervisor, stop: asyncio.Event) -> AsyncIterator[None]:
    running = asyncio.create_task(overseer.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


@asynccontextmanager
async def _watched(house: Plan) -> AsyncIterator[None]:
    """While it runs, a seeded house has viewers."""
    viewers = asyncio.create_task(traffic.keep_watching(house))
    try:
        yield
    finally:
        viewers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await viewers


def _stop_on_signals(stop: asyncio.Event, overseer: supervisor.Supervisor) -> None:
    def stopping() -> None:
        if stop.is_set():
            overseer.hurry()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping)


async def _settle(house: Plan, *, seeded: bool) -> None:
    """Waits for all, seeds, and tells where everything is."""
    with console.progress() as shown:
        await console.until_serving(house, shown)
        examples = await seed.seed(house, shown) if seeded else samples.SHOWN
    tokens = _tokens(house)
    console.show_house(house, tokens, samples.curls(house.base_url, tokens, examples))


def _tokens(house: Plan) -> Mapping[str, str]:
    return secrets.write_tokens(
        house, now=datetime.now(UTC), studio_id=samples.STUDIO_ID, creator_id=samples.CREATOR_ID
    )


async def _up_detached(house: Plan, options: argparse.Namespace) -> int:
    """Starts a supervisor that outlives this command; everything a person should read is said here."""
    with supervisor.sole(house):
        _make_ready(house)
    house.log_folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "deploy.local", "up", "--no-seed"]
    command += ["--var", str(house.folder), "--port-base", str(house.port_base)]
    with (house.log_folder / f"{supervisor.OURS}.log").open("wb") as log:
        started = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
            command, cwd=supervisor.ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    settling = asyncio.create_task(_settle(house, seeded=not options.no_seed))
    while not settling.done():
        if started.poll() is not None:
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)
            raise NotReady(supervisor.tail(house, supervisor.OURS).removeprefix("spotlight: "))
        await asyncio.wait([settling], timeout=0.2)
    try:
        settling.result()
    except BaseException:
        with contextlib.suppress(NotReady):
            await down(house, options)
        raise
    return 0


async def status(house: Plan, _: argparse.Namespace) -> int:
    marks = supervisor.marks(house)
    states = await readiness.states(house)
    console.show_status(house, marks, states)
    running = all(name in marks for name in (supervisor.OURS, *states))
    return 0 if running and all(states.values()) else NOT_ALL_SERVING


async def down(house: Plan, _: argparse.Namespace) -> int:
    found = supervisor.marks(house)
    if not found:
        say("nothing is running")
        return 0
    if supervisor.OURS in found:
        await asyncio.to_thread(pids.stop, found[supervisor.OURS], patience_s=DOWN_S)
    supervisor.stop_leftovers(house, say)
    supervisor.mark_file(house, supervisor.OURS).unlink(missing_ok=True)
    say("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
