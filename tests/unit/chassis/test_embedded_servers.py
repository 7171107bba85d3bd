import sys

import pytest

from chassis import embedded


def test_a_server_that_dies_says_why(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no room')"]
    with pytest.raises(embedded.ServerDied, match="did not start: no room"):
        embedded.start(command, embedded.free_port(), tmp_path / "log")
    with pytest.raises(embedded.ServerDied, match="it printed nothing"):
        embedded.start([sys.executable, "-c", ""], embedded.free_port(), tmp_path / "other")


def test_a_server_that_never_listens_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "START_TIMEOUT_S", 0.2)
    monkeypatch.setattr(embedded, "STOP_TIMEOUT_S", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    with pytest.raises(embedded.ServerDied):
        embedded.start([sys.executable, "-c", deaf], embedded.free_port(), tmp_path / "log")


def test_a_missing_binary_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(embedded.shutil, "which", lambda name: None)
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(embedded.ServerMissing, match="MONGO_URL"):
        embedded.mongo_command(1, tmp_path)
    with pytest.raises(embedded.ServerMissing, match="REDIS_URL"):
        embedded.redis_command(1, tmp_path)
    monkeypatch.setattr(embedded.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert embedded.redis_command(1, tmp_path)[0] == "/usr/bin/valkey-server"
    assert embedded.mongo_command(1, tmp_path)[0] == "/usr/bin/secantusd-py"
