"""What every test may use, and the gate on covered branches."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

pytest_plugins = ["chassis.testing"]

# A busy machine is no counter-example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

REPORT = Path("build/coverage.json")
_SAID = pytest.StashKey[str]()
SUITE = "tests/suite/"


class ByHouse(LoadFileScheduling):
    """A worker takes a whole file, and one worker all that share a house: two houses are more than two cores bear."""

    def _split_scope(self, nodeid: str) -> str:
        return SUITE if nodeid.startswith(SUITE) else super()._split_scope(nodeid)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="record what goldens now say instead of comparing")
    parser.addoption("--branches-min", type=float, default=0.0, help=f"percent of branches {REPORT} must show")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stress: the long form of a proof (minutes); `make stress` runs them")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    return ByHouse(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long forms run only when they are asked for."""
    if "stress" in (config.getoption("markexpr") or ""):
        return
    long = [item for item in items if item.get_closest_marker("stress")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker("stress")]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Coverage's own gate counts lines and branches together; ours is about branches alone."""
    result = yield
    least = session.config.getoption("--branches-min")
    if least and not hasattr(session.config, "workerinput"):
        totals = json.loads(REPORT.read_text())["totals"]
        share = 100 * totals["covered_branches"] / max(1, totals["num_branches"])
        session.config.stash[_SAID] = (
            f"{share:.1f} % of {totals['num_branches']} branches are covered, {least:.0f} % must"
        )
        if share < least:
            session.testsfailed += 1
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if said := config.stash.get(_SAID, ""):
        terminalreporter.write_line(said)
