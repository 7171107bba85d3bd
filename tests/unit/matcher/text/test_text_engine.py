"""The engine's answers: what they sum to, where they point, and how long they may take."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.text.engine import TextEngine
from services.matcher.text.matches import SignalType, TextMatch
from services.matcher.text.posts import Field, Post

BOUND_S = 20.0  # generous: the machine may be busy; what is guarded against takes minutes


def best(engine: TextEngine, post: Post) -> TextMatch:
    return engine.match_batch([post])[0][0]


def test_contributions_sum_to_the_logit(engine: TextEngine) -> None:
    posts = [
        Post(caption=c) for c in ("#StrangerThings season 4", "Barbie and Oppenheimer movies", "Dune (1984) review")
    ]
    for matches in engine.match_batch(posts):
        assert matches
        for match in matches:
            assert sum(e.contribution for e in match.evidence) == pytest.approx(match.logit, abs=1e-4)


def test_evidence_shows_the_posts_own_words(engine: TextEngine) -> None:
    caption = "i loved #StrangerThings so much"
    found = best(engine, Post(caption=caption)).evidence[0]
    assert (found.signal_type, found.field) == (SignalType.HASHTAG, Field.CAPTION)
    assert caption[found.start : found.end] == found.value == "StrangerThings"


@pytest.mark.parametrize(
    ("post", "field", "signal"),
    [
        (Post(hashtags=("breakingbad",)), Field.HASHTAGS, SignalType.HASHTAG),
        (Post(mentions=("breakingbad",)), Field.MENTIONS, SignalType.MENTION),
        (Post(speech="we watched Breaking Bad season 2"), Field.SPEECH, SignalType.SPEECH),
        (Post(ocr=("lunch", "Breaking Bad season 2")), Field.OCR, SignalType.OCR),
    ],
)
def test_every_field_is_read(engine: TextEngine, post: Post, field: Field, signal: SignalType) -> None:
    match = best(engine, post)
    assert match.title_id == "tv:breaking-bad"
    assert (match.evidence[0].field, match.evidence[0].signal_type) == (field, signal)
    assert match.evidence[0].value.lower().replace(" ", "") == "breakingbad"


def test_a_tag_of_the_caption_counts_once(engine: TextEngine) -> None:
    alone = engine.match_batch([Post(caption="#breakingbad")])
    assert engine.match_batch([Post(caption="#breakingbad", hashtags=("BreakingBad",))]) == alone


def test_a_year_tells_homonyms_apart_and_names_the_runner_up(engine: TextEngine) -> None:
    match = best(engine, Post(caption="Dune (1984) is so weird"))
    assert match.title_id == "movie:dune-1984"
    assert "movie:dune-2021" in {r.title_id for r in match.runner_ups}
    assert match.margin > 0
    assert any(r.separated_by for r in match.runner_ups)


def test_a_longer_name_leaves_nothing_to_its_pieces(engine: TextEngine) -> None:
    found = engine.probabilities([Post(caption="Guardians of the Galaxy Vol. 2 baby groot dance")])[0]
    assert found.get("movie:guardians", 0) < 0.2 < found["movie:guardians-2"]


def test_bulk_answers_are_the_explained_ones(engine: TextEngine) -> None:
    posts = [Post(caption=c) for c in ("Up (2009)", "#narutoedit #onepiece", "hello", "it was up to us", "")] * 300
    explained = [{m.title_id: m.probability for m in matches} for matches in engine.match_batch(posts)]
    assert engine.probabilities(posts) == [pytest.approx(e) for e in explained]


@settings(max_examples=40)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_an_answer_does_not_depend_on_its_neighbours(engine: TextEngine, captions: list[str]) -> None:
    posts = [Post(caption=c) for c in (*captions, "Breaking Bad season 2 finale")]
    together = engine.probabilities(posts)
    apart = [engine.probabilities([p])[0] for p in posts]
    assert together == [pytest.approx(a, abs=1e-4) for a in apart]


@pytest.mark.parametrize(
    "post",
    [
        Post(caption="dune " * 200_000),
        Post(caption=" ".join(f"#dune{i}" for i in range(10_000))),
        Post(hashtags=tuple(f"dunemovie{i}" for i in range(10_000))),
        Post(caption="e" + "\u0301" * 500_000),
        Post(caption="(" * 100_000 + "a?" * 100_000),
        Post(caption="#" + "thethethe" * 20_000),
        Post(caption="\u202e\u200d\ud800 dune " * 1000),
        Post(caption="up it us you " * 5_000),
    ],
    ids=["one word", "tags", "listed tags", "marks", "regex bait", "one tag", "surrogates", "names only"],
)
def test_hostile_text_takes_bounded_time(engine: TextEngine, post: Post) -> None:
    started = time.monotonic()
    engine.match_batch([post])
    assert time.monotonic() - started < BOUND_S


def test_posts_without_words_match_nothing(engine: TextEngine) -> None:
    assert engine.match_batch([Post(), Post(caption="🔥🔥"), Post(caption="...")]) == [[], [], []]
    assert engine.match_batch([]) == []
