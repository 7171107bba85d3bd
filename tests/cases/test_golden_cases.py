"""The hand-written cases as a gate: `pytest tests/cases --update` records what the engine now answers.

A case is a line `what is right <TAB> text` in the file of its phenomenon; `-` means no title.  The
gate holds what was once right: a case may not be lost, and no false anchor may appear.
"""

import json
from pathlib import Path

import pytest

from services.matcher.text.engine import TextEngine
from services.matcher.text.index import TextIndex
from services.matcher.text.posts import Post
from tools.cli.catalogs import read_titles

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "golden.json"
LIKELY = 0.5  # the reviewers' band begins about here
APPROVED = 0.9
CASES_MIN = 300

PHENOMENA = sorted(p.stem for p in FOLDER.glob("*.tsv"))


@pytest.fixture(scope="session")
def engine() -> TextEngine:
    return TextEngine(TextIndex.build(read_titles(FOLDER / "titles.jsonl")))


def cases(phenomenon: str) -> list[tuple[frozenset[str], str]]:
    lines = (FOLDER / f"{phenomenon}.tsv").read_text("utf-8").splitlines()
    split = [line.split("\t") for line in lines]
    return [(frozenset() if right == "-" else frozenset(right.split(",")), text) for right, text in split]


def outcome(engine: TextEngine, phenomenon: str) -> dict[str, list[str]]:
    """Texts answered right, and texts with a false anchor."""
    found = cases(phenomenon)
    answers = engine.probabilities([Post(caption=text) for _, text in found])
    right, false = [], []
    for (wanted, text), told in zip(found, answers, strict=True):
        if {t for t, p in told.items() if p >= LIKELY} == wanted:
            right.append(text)
        if {t for t, p in told.items() if p >= APPROVED} - wanted:
            false.append(text)
    return {"right": right, "false_anchor": false}


@pytest.mark.parametrize("phenomenon", PHENOMENA)
def test_what_was_right_stays_right(engine: TextEngine, phenomenon: str, request: pytest.FixtureRequest) -> None:
    now = outcome(engine, phenomenon)
    golden = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {}
    if request.config.getoption("--update"):
        GOLDEN.write_text(
            json.dumps(dict(sorted({**golden, phenomenon: now}.items())), ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
        return
    was = golden[phenomenon]
    assert not set(was["right"]) - set(now["right"]), "cases lost"
    assert not set(now["false_anchor"]) - set(was["false_anchor"]), "new false anchors"


def test_there_are_enough_cases() -> None:
    assert sum(len(cases(p)) for p in PHENOMENA) >= CASES_MIN


@pytest.mark.parametrize("phenomenon", PHENOMENA)
def test_a_post_alone_is_answered_as_in_a_batch(engine: TextEngine, phenomenon: str) -> None:
    posts = [Post(caption=text) for _, text in cases(phenomenon)]
    for post, answer in zip(posts, engine.probabilities(posts), strict=True):
        (alone,) = engine.probabilities([post])
        assert alone == pytest.approx(answer, abs=1e-6), post.caption
