"""`python -m deploy.local` as a newcomer meets it: what it prints, refuses, restarts and clears away."""

import json
import os
import signal
import subprocess
import time
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import pids, supervisor
from deploy.local.plan import SERVICES, TELEMETRY, plan
from tests.house import DOWN_S, House, eventually, free_port_base

RESTART_S = 60.0


def marks(house: House):
    return supervisor.marks(plan(house.folder.resolve(), house.port_base, {}))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A house without data, to be treated badly."""
    found = House(folder=tmp_path_factory.mktemp("bare"), port_base=free_port_base())
    try:
        started = found.run("up", "--detach", "--no-seed", "--port-base", str(found.port_base))
        assert started.returncode == 0, started.stdout + started.stderr
        yield found
    finally:
        found.run("down", timeout_s=DOWN_S)
        found.kill_everything()


def test_up_says_where_everything_is_and_its_lines_work_when_pasted(house):
    said = house.said
    for wanted in (house.url, f"{house.url}/docs", "app token: ", "admin token: "):
        assert wanted in said
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 3
    answers = [subprocess.run(line, shell=True, capture_output=True, timeout=20, check=True).stdout for line in lines]
    search, hub, found = (json.loads(answer) for answer in answers)
    assert "Interstellar" in json.dumps(search)
    assert hub["title"]["id"] in lines[1]
    assert {anchor["title_id"] for anchor in found["anchors"]} == {hub["title"]["id"]}


def test_every_process_tells_its_health_and_its_metrics(house):
    for offset in (*SERVICES.values(), 1):
        with grpc.insecure_channel(f"127.0.0.1:{house.port_base + offset}") as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    for offset in TELEMETRY.values():
        address = f"http://127.0.0.1:{house.port_base + offset}/metrics"
        text = urllib.request.urlopen(address, timeout=5).read().decode()
        assert "spotlight_process_info" in {family.name for family in text_string_to_metric_families(text)}


def test_the_studio_sees_two_weeks_of_traffic_and_the_creator_a_campaign(house):
    with house.client("studio") as studio:
        report = studio.get("/v1/titles/movie:tt0816692/report")
        assert report.status_code == 200, report.text
    with house.client("creator") as creator:
        found = creator.get("/v1/campaigns:active", params={"title_id": "movie:tt0816692", "region": "US"})
        assert "Ten years among the stars" in found.text


def test_a_second_up_over_the_same_folder_is_refused_with_what_to_do(bare):
    done = bare.up()
    assert done.returncode == 1
    assert "running already" in done.stderr
    assert "down" in done.stderr


def test_busy_ports_are_told_before_anything_starts(bare, tmp_path):
    done = House(folder=tmp_path, port_base=bare.port_base).up()
    assert done.returncode == 1
    assert f"port {bare.port_base} (gateway) is taken" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--port-base", "70000"], "leaves no room"), (["--var", "/proc/nothing"], "choose another with --var")],
)
def test_what_cannot_work_is_one_sentence(tmp_path, options, sentence):
    done = House(folder=tmp_path, port_base=0).run("up", "--detach", *options)
    assert (done.returncode, sentence in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_a_killed_service_comes_back_by_itself(bare):
    before = marks(bare)["catalog"]
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: marks(bare).get("catalog", before) != before, within_s=RESTART_S)
    eventually(lambda: bare.run("status").returncode == 0, within_s=RESTART_S)


def test_leftovers_of_a_dead_supervisor_are_cleared_away(bare):
    before = marks(bare)
    os.kill(before[supervisor.OURS].pid, signal.SIGKILL)
    time.sleep(0.3)
    done = bare.run("up", "--detach", "--no-seed", "--port-base", str(bare.port_base))
    assert done.returncode == 0, done.stderr
    assert "was left over from an earlier run" in done.stdout
    assert not any(pids.is_alive(mark) for mark in before.values())


def test_ctrl_c_stops_everything_and_leaves_no_process(bare):
    found = marks(bare)
    os.kill(found[supervisor.OURS].pid, signal.SIGINT)
    eventually(lambda: not any(pids.is_alive(mark) for mark in found.values()), within_s=30)
    assert eventually(lambda: not bare.processes())
    assert "nothing is running" in bare.run("down").stdout
