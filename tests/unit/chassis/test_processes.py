"""A whole process: it serves, tells about itself, drains on SIGTERM and says in a sentence what is wrong."""

import asyncio
import json
import os
import signal
import sys
import urllib.request

import pytest

from chassis import health, server, tracing
from chassis.client import Client, channel
from chassis.config import Settings
from chassis.embedded import free_port
from chassis.health import NOT_SERVING, SERVING
from chassis.telemetry import Telemetry
from tests.unit.chassis.echo import Echo, EchoServiceStub, Word, registration


async def started(**settings):
    environ = {f"SPOTLIGHT_SERVED_{name.upper()}": str(value) for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.chassis.served", env=os.environ | environ, stderr=asyncio.subprocess.PIPE
    )


async def test_a_process_serves_drains_and_exits_0():
    process = await started(port=0, telemetry_port=0, local="true")
    line = json.loads(await asyncio.wait_for(process.stderr.readline(), 30))
    assert line["event"] == "serving"
    metrics = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{line['telemetry_port']}/metrics").read()
    )
    assert b"spotlight_process_info" in metrics
    found = channel(f"127.0.0.1:{line['port']}", Settings(local=True))
    held = asyncio.create_task(Client(EchoServiceStub, found, timeout_s=5).call("SetWord", Word(text="hi")))
    await asyncio.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert (await held).text == "hi"
    assert await asyncio.wait_for(process.wait(), 30) == 0
    await found.close()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"port": "x"}, "SPOTLIGHT_SERVED_PORT"),
        ({"local": "false"}, "Plaintext is for loopback"),
    ],
)
async def test_what_is_wrong_with_the_settings_is_a_sentence(settings, sentence):
    process = await started(**settings)
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == server.EX_CONFIG
    assert sentence in said.decode()
    assert "Traceback" not in said.decode()


async def serving(stop, **options):
    settings = Settings(local=True, drain_s=0.1, **options)
    await server.serve(name="t", settings=settings, registrations=[registration(Echo())], stop=stop)


async def test_a_busy_metrics_port_is_a_sentence():
    taken = Telemetry().start(0)
    with pytest.raises(server.PortBusy, match="for /metrics"):
        await serving(asyncio.Event(), telemetry_port=taken.port)
    taken.close()


async def test_serve_stops_when_told():
    stop = asyncio.Event()
    running = asyncio.create_task(serving(stop))
    await asyncio.sleep(0.3)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 30)


async def test_background_work_that_fails_is_begun_again_and_ends_with_the_block(monkeypatch):
    monkeypatch.setattr(server, "RESTART_MIN_S", 0.01)
    runs, telemetry = [], Telemetry()

    async def work():
        runs.append(1)
        if runs.count(1) < 3:
            raise ValueError
        await asyncio.sleep(60)

    async def once():
        runs.append(9)

    async with server.running_tasks(work, once, telemetry=telemetry):
        async with asyncio.timeout(30):
            while runs.count(1) < 3:
                await asyncio.sleep(0.01)
    assert runs.count(9) == 1
    name = work.__qualname__
    assert telemetry.registry.get_sample_value("spotlight_background_failures_total", {"work": name}) == 2


async def test_the_loops_lag_is_measured(monkeypatch):
    monkeypatch.setattr(server, "LOOP_LAG_EVERY_S", 0.01)
    telemetry = Telemetry()
    async with server.running_tasks(lambda: server.watch_loop(telemetry), telemetry=telemetry):
        await asyncio.sleep(0.05)
    assert telemetry.registry.get_sample_value("spotlight_event_loop_lag_seconds") >= 0


async def test_health_follows_its_checks_until_the_drain(monkeypatch):
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.02)
    mood = {"act": lambda: None}

    async def check():
        if (found := mood["act"]()) is not None:
            await found

    state = health.Health({"mongo": check}, ["s"], telemetry=Telemetry(), every_s=0.01)
    async with server.running_tasks(state.watch, telemetry=Telemetry()):
        await asyncio.sleep(0.05)
        assert state.is_serving
        mood["act"] = lambda: asyncio.sleep(9)
        await asyncio.sleep(0.1)
        assert not state.is_serving
        mood["act"] = lambda: None
        await asyncio.sleep(0.1)
        assert state.servicer._server_status == {"": SERVING, "s": SERVING, "mongo": SERVING}
        await state.drain()
        await asyncio.sleep(0.05)
    assert set(state.servicer._server_status.values()) == {NOT_SERVING}


def test_traces_are_off_without_an_endpoint_and_on_with_one():
    assert tracing.configure("t", Settings()) is tracing.NO_TRACING
    found = tracing.configure("t", Settings(otlp_endpoint=f"http://127.0.0.1:{free_port()}"))
    assert isinstance(found, tracing.OtlpTracing)
    found.close()
    tracing.NO_TRACING.close()
