"""The short form of the load on a whole house; `make stress`, `make soak` and `make fuzz` are the long ones."""

import pytest

from tests.house import House
from tools import load


def target(house: House, role: str = "app") -> load.Target:
    return load.Target(port_base=house.port_base, token=house.tokens[role])


def test_rising_load_is_answered_or_shed_but_never_failed(house: House):
    assert load.stress(target(house), 4) == 0


def test_steady_load_leaves_no_memory_behind(house: House):
    assert load.soak(target(house), 5) == 0


def test_what_nobody_meant_is_refused_as_documented(house: House):
    assert load.fuzz(target(house, "admin"), 8) == 0


@pytest.mark.stress
@pytest.mark.timeout(900)
def test_rising_load_for_a_minute_is_answered_or_shed_but_never_failed(house: House):
    assert load.stress(target(house), load.STRESS_S) == 0
    assert load.soak(target(house), load.STRESS_S) == 0
