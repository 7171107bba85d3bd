"""All candidates of all labelled posts as one table, extracted by the engine's own code."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.weights import Weights
from services.matcher.text.choices import Choices
from services.matcher.text.context import left_end
from services.matcher.text.extraction import Candidates, extract
from services.matcher.text.features import Named
from services.matcher.text.hashing import Ints
from services.matcher.text.index import TextIndex
from services.matcher.text.posts import Post
from services.matcher.text.spans import Spans
from services.matcher.text.words import Words
from tools.cli.training.gold import NEITHER, RIGHT, WRONG, Gold, Row

POSTS_PER_STEP = 1000


@dataclass(slots=True)
class Table:
    """Spans and choices of every post, end to end.  `post` counts through all posts."""

    spans: Spans
    span_post: Ints
    choices: Choices
    label: npt.NDArray[np.int8]  # of each choice
    by_span: Named
    by_choice: Named
    word_key: npt.NDArray[np.uint64]
    pair_key: npt.NDArray[np.uint64]  # of each word with the next
    word_text: Ints  # numbered through all posts
    text_post: Ints  # the post of each text
    left_end: Ints  # of each span, see context.left_end

    @property
    def post(self) -> Ints:
        return self.span_post[self.choices.span]


def as_post(row: Row) -> Post:
    return Post(caption=row["text"], hashtags=tuple(row["hashtags"]))


def extract_table(posts: list[Row], index: TextIndex, weights: Weights, equivalents: Any, scorer: ModuleType) -> Table:
    parts: list[dict[str, Any]] = []
    spans = words = chars = texts = 0
    for begin in range(0, len(posts), POSTS_PER_STEP):
        rows = posts[begin : begin + POSTS_PER_STEP]
        found = extract([as_post(r) for r in rows], index, weights)
        labels = _labels(found, rows, index, equivalents, scorer)
        parts.append(
            {
                "spans": _moved(found.spans, words, chars),
                "span_post": found.span_post + begin,
                "label": labels,
                "choices": _renumbered(found.choices, spans),
                "by_span": found.by_span,
                "by_choice": found.by_choice,
                "left_end": _left_end(found) + words,
                "text_post": found.texts.post + begin,
                "word_key": found.words.key,
                "pair_key": _pair_keys(found.words),
                "word_text": found.words.text.astype(np.int64) + texts,
            }
        )
        spans += len(found.spans)
        words += len(found.words)
        chars += len(found.words.chars) + 1
        texts += len(found.texts.content)
    return _joined(parts)


def _left_end(found: Candidates) -> Ints:
    first = found.spans.first.astype(np.int64)
    return left_end(found.words, first, found.forms.text_first[found.words.text[first]])


def _pair_keys(words: Words) -> npt.NDArray[np.uint64]:
    here = np.arange(len(words))
    return words.span_keys(here, np.minimum(here + 1, len(words) - 1))


def _moved(spans: Spans, words: int, chars: int) -> Spans:
    return Spans(
        spans.alias,
        spans.first.astype(np.int64) + words,
        spans.last.astype(np.int64) + words,
        spans.start + chars,
        spans.end + chars,
        spans.suffix,
        spans.prefix,
    )


def _renumbered(choices: Choices, spans: int) -> Choices:
    return Choices(choices.span + spans, *(getattr(choices, n) for n in Choices.__slots__[1:]))


def _joined(parts: list[dict[str, Any]]) -> Table:
    def whole(get: Any) -> Any:
        return np.concatenate([get(p) for p in parts])

    by_span = {n: whole(lambda p, n=n: p["by_span"][n]) for n in parts[0]["by_span"]}
    return Table(
        spans=Spans(*(whole(lambda p, n=n: getattr(p["spans"], n)) for n in Spans.__slots__)),
        span_post=whole(lambda p: p["span_post"]),
        choices=Choices(*(whole(lambda p, n=n: getattr(p["choices"], n)) for n in Choices.__slots__)),
        label=whole(lambda p: p["label"]),
        by_span=by_span,
        by_choice={n: whole(lambda p, n=n: p["by_choice"][n]) for n in parts[0]["by_choice"]},
        word_key=whole(lambda p: p["word_key"]),
        pair_key=whole(lambda p: p["pair_key"]),
        word_text=whole(lambda p: p["word_text"]),
        left_end=whole(lambda p: p["left_end"]),
        text_post=whole(lambda p: p["text_post"]),
    )


def _labels(
    found: Candidates, rows: list[Row], index: TextIndex, equivalents: Any, scorer: ModuleType
) -> npt.NDArray[np.int8]:
    """Labels of the choices; of two titles that fit one mention by one span only the better known is right."""
    words, spans, choices = found.words, found.spans, found.choices
    text = words.text[spans.first]
    start = (words.char_place[spans.start] - words.text_place[text]).tolist()
    end = (words.char_place[spans.end - 1] + 1 - words.text_place[text]).tolist()
    in_caption = (found.texts.field[text] == 0).tolist()
    golds = [Gold(r, equivalents, scorer) for r in rows]
    labels = np.empty(len(choices), dtype=np.int8)
    taken: set[tuple[int, str]] = set()
    for choice, (span, title) in enumerate(zip(choices.span.tolist(), choices.title.tolist(), strict=True)):
        gold = golds[int(found.span_post[span])]
        place = (start[span], end[span]) if in_caption[span] else (0, 1 << 30)
        title_id = index.title_id(title)
        label, wanted = gold.label(title_id, *place)
        if label == RIGHT and (span, wanted) in taken:
            label = NEITHER if title_id == wanted else WRONG
        elif label == RIGHT:
            taken.add((span, wanted))
        labels[choice] = label
    return labels
