"""A small index and its engine, made once for all tests of text matching."""

from pathlib import Path

import pytest

from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from tools.cli.catalogs import read_titles

TITLES = Path(__file__).parents[3] / "cases" / "titles.jsonl"


@pytest.fixture(scope="session")
def names() -> TextIndex:
    return TextIndex.build(read_titles(TITLES))


@pytest.fixture(scope="session")
def engine(names: TextIndex) -> TextEngine:
    return TextEngine(names)
