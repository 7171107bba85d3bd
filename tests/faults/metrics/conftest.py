"""The long form of the durability proof runs with `-m stress`; everything else skips it."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stress: the long form of a proof (minutes); run with -m stress")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "stress" in (config.getoption("markexpr") or ""):
        return
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("stress"):
            item.add_marker(pytest.mark.skip(reason="the long form: pytest -m stress"))
