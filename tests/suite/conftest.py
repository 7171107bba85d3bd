"""The house of the suite tests, started once with the sample data, and a client for each role."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from tests.house import DOWN_S, House, free_port_base


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    found = House(folder=tmp_path_factory.mktemp("house"), port_base=free_port_base())
    started = found.up()
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield replace(found, said=started.stdout)
    finally:
        found.run("down", timeout_s=DOWN_S)
        found.kill_everything()


@pytest.fixture
def app(house: House) -> Iterator[httpx.Client]:
    with house.client("app") as client:
        yield client


@pytest.fixture
def admin(house: House) -> Iterator[httpx.Client]:
    with house.client("admin") as client:
        yield client
