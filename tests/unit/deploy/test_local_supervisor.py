"""The supervisor over small children: order, restarts, patience, leftovers."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from chassis.embedded import free_port
from deploy.local import pids, preflight, supervisor
from deploy.local.plan import Plan, Process
from deploy.local.preflight import NotReady

LISTENS = (
    "import socket, time; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
    "s.bind(('127.0.0.1', {port})); s.listen(); time.sleep(60)"
)


def a_plan(folder, *processes):
    return Plan(folder=folder, port_base=9000, mongo_url="", redis_url="", processes=processes)


def a_process(name, code, *, port=None, is_store=False):
    ports = {"x": port} if port else {}
    return Process(name=name, command=(sys.executable, "-c", code), ports=ports, is_store=is_store)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(supervisor, "RESTART_MIN_S", 0.05)


async def until(condition, seconds=30):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


class Running:
    def __init__(self, plan):
        self.said = []
        self.stop = asyncio.Event()
        self.overseer = supervisor.Supervisor(plan, self.said.append)

    async def __aenter__(self):
        self.task = asyncio.create_task(self.overseer.run(self.stop))
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        await asyncio.wait_for(self.task, 30)


async def test_services_begin_when_the_stores_listen_and_all_end(tmp_path, quick):
    port = free_port()
    store = a_process("mongo", "import time; time.sleep(.3);" + LISTENS.format(port=port), port=port, is_store=True)
    asks = f"import socket, time; socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"
    plan = a_plan(tmp_path, store, a_process("catalog", asks))
    async with Running(plan) as running:
        await until(lambda: {"mongo", "catalog"} <= set(supervisor.marks(plan)))
        await asyncio.sleep(0.3)
        found = supervisor.marks(plan)
        assert running.said == []
    assert not any(pids.is_alive(mark) for mark in found.values())
    assert supervisor.marks(plan) == {}


async def test_what_falls_is_started_again_later_each_time(tmp_path, quick):
    plan = a_plan(tmp_path, a_process("catalog", "raise SystemExit(3)"))
    async with Running(plan) as running:
        await until(lambda: len(running.said) >= 3)
    assert running.said[:2] == [
        "catalog ended (exit code 3); it is started again in 0.05 s",
        "catalog ended (exit code 3); it is started again in 0.1 s",
    ]


async def test_a_killed_child_comes_back_as_another_process(tmp_path, quick):
    plan = a_plan(tmp_path, a_process("catalog", "import time; time.sleep(60)"))
    async with Running(plan) as running:
        await until(lambda: "catalog" in supervisor.marks(plan))
        first = supervisor.marks(plan)["catalog"]
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: supervisor.marks(plan).get("catalog", first) != first)
    assert "catalog ended (SIGKILL)" in running.said[0]


async def test_settings_that_cannot_work_stop_everything_with_their_sentence(tmp_path):
    plan = a_plan(tmp_path, a_process("catalog", "import sys; print('catalog: X: no such setting'); sys.exit(78)"))
    running = Running(plan)
    await asyncio.wait_for(running.overseer.run(running.stop), 30)
    assert running.overseer.fatal == "catalog cannot run: catalog: X: no such setting"


async def test_a_child_that_will_not_end_is_killed_at_once_when_hurried(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    plan = a_plan(tmp_path, a_process("catalog", deaf))
    async with Running(plan) as running:
        await until(lambda: supervisor.tail(plan, "catalog") == "on")
        begun = time.monotonic()
        running.overseer.hurry()
    assert time.monotonic() - begun < 10


async def test_children_see_only_our_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SPOTLIGHT_CATALOG_PORT", "1")
    code = "import os, time; print([k for k in os.environ if k.startswith('SPOTLIGHT_')], flush=True); time.sleep(60)"
    process = Process(name="catalog", command=(sys.executable, "-c", code), ports={}, env={"SPOTLIGHT_X": "1"})
    plan = a_plan(tmp_path, process)
    async with Running(plan):
        await until(lambda: supervisor.tail(plan, "catalog").startswith("["))
    assert supervisor.tail(plan, "catalog") == "['SPOTLIGHT_X']"


def test_only_one_supervisor_holds_a_folder(tmp_path):
    plan = a_plan(tmp_path)
    with supervisor.sole(plan):
        assert supervisor.marks(plan)[supervisor.OURS].pid == os.getpid()
        with pytest.raises(NotReady, match="running already"), supervisor.sole(plan):
            pass
    with supervisor.sole(plan):
        pass


def test_leftovers_are_stopped_and_strangers_with_their_number_are_not(tmp_path):
    plan = a_plan(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pids.write(supervisor.mark_file(plan, "mongo"), pids.mark_of(child.pid))
    pids.write(supervisor.mark_file(plan, "catalog"), pids.Mark(pid=stranger.pid, begun="1"))
    supervisor.mark_file(plan, "matcher").write_text("not json")
    said = []
    supervisor.stop_leftovers(plan, said.append)
    assert said == [f"mongo (pid {child.pid}) was left over from an earlier run; it is stopped"]
    assert child.wait(5) == -signal.SIGTERM
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_process_that_does_not_listen_to_reason_is_killed():
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    child.stdout.readline()
    mark = pids.mark_of(child.pid)
    pids.stop(mark, patience_s=0.1)
    assert child.wait(5) == -signal.SIGKILL
    assert pids.mark_of(child.pid) is None
    pids.stop(mark, patience_s=0.1)


def test_a_grown_log_is_put_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "LOG_BYTES_MAX", 3)
    plan = a_plan(tmp_path)
    plan.log_folder.mkdir()
    (plan.log_folder / "x.log").write_text("long")
    assert not supervisor._log(plan, "x").exists()
    assert (plan.log_folder / "x.log.1").read_text() == "long"
    assert supervisor.tail(plan, "x").startswith("it wrote nothing")


def test_a_signal_without_a_name_is_told_by_its_number():
    assert (supervisor._how(-99), supervisor._how(-9)) == ("signal 99", "SIGKILL")


def test_busy_ports_are_named_with_what_to_do(tmp_path):
    port = free_port()
    child = subprocess.Popen([sys.executable, "-c", LISTENS.format(port=port)])
    try:
        give_up = time.monotonic() + 5
        while not preflight.is_taken(port) and time.monotonic() < give_up:
            time.sleep(0.02)
        with pytest.raises(NotReady, match=rf"port {port} \(catalog\) is taken: .*--port-base"):
            preflight.check_ports(a_plan(tmp_path, a_process("catalog", "", port=port)))
    finally:
        child.kill()
        child.wait()
    preflight.check_ports(a_plan(tmp_path, a_process("catalog", "", port=free_port())))


def test_a_folder_that_will_not_do_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="cannot be made"):
        preflight.check_folder(tmp_path / "file" / "var")
    monkeypatch.setattr(preflight.os, "access", lambda *_: False)
    with pytest.raises(NotReady, match="cannot be written"):
        preflight.check_folder(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(preflight, "FREE_BYTES_MIN", 2**60)
    with pytest.raises(NotReady, match="make room"):
        preflight.check_folder(tmp_path)


@pytest.mark.parametrize("base", [0, 80, 65530, 99999])
def test_a_port_base_must_leave_room(base):
    with pytest.raises(NotReady, match="leaves no room"):
        preflight.check_port_base(base)
