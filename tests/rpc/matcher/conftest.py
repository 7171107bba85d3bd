"""A matcher world for each test."""

import pytest

from tests.matcher_world import a_title, a_world


@pytest.fixture
async def world(database, tmp_path):
    titles = (
        a_title("dune", "Dune", 0.95),
        a_title("up", "Up", 0.6),
        a_title("alien", "Alien", 0.3),
        a_title("it", "It", 0.1),
    )
    async with a_world(database, tmp_path, *titles) as world:
        yield world
