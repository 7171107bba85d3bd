"""What the words around a span say for and against its being a title."""

import functools

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.weights import ContextWeights
from services.matcher.text.forms import WordForms
from services.matcher.text.hashing import Ints, KeyTable
from services.matcher.text.spans import Spans
from services.matcher.text.words import Words, split_words

BESIDE = (-2, -1, 1, 2)  # places beside the span with weights of their own; two more are the pairs
PLACES = len(BESIDE) + 2
WINDOW = 6  # words to either side that count as near

Named = dict[str, npt.NDArray[np.generic]]


def listed_rows(table: KeyTable, words: Words) -> tuple[Ints, Ints]:
    """Each word's row in the weights, and the row of the pair it begins; 0 for what is not listed."""
    row = table.find(words.key) + 1
    pair = np.zeros(len(words), dtype=np.int64)
    if len(words) > 1:
        here = np.flatnonzero(words.text[1:] == words.text[:-1])
        pair[here] = table.find(words.span_keys(here, here + 1)) + 1
    return row, pair


def left_end(words: Words, first: Ints, begin: Ints) -> Ints:
    """The first word of each span, or the article right before it: "song The Alibi" is beside "song"."""
    before = np.maximum(first - 1, 0)
    article = (first > begin) & (_articles().find(words.key[before]) >= 0)
    return first - article


@functools.cache
def _articles() -> KeyTable:
    return KeyTable.build(np.unique(split_words(("the", "a", "an")).key))


def context_features(weights: ContextWeights, words: Words, forms: WordForms, spans: Spans) -> Named:
    """Summed weights, one entry a span."""
    row, pair = listed_rows(KeyTable(weights.key, weights.slots, weights.filter), words)
    first, last = spans.first.astype(np.int64), spans.last.astype(np.int64)
    text = words.text[first]
    begin, end = forms.text_first[text], forms.text_first[text + 1]
    most = max(len(words) - 1, 0)
    left = left_end(words, first, begin)
    beside = np.zeros((len(spans), PLACES), dtype=np.float32)
    for column, step in enumerate(BESIDE):
        at = left + step if step < 0 else last + step
        inside = (at >= begin) & (at < end)
        found = row[np.clip(at, 0, most)]
        beside[:, column] = np.where(inside, weights.near[found, column], weights.edge[column])
    two_before, one_after = left - 2, last + 1
    beside[:, 4] = np.where(two_before >= begin, weights.near[pair[np.clip(two_before, 0, most)], 4], 0)
    beside[:, 5] = np.where(one_after + 1 < end, weights.near[pair[np.clip(one_after, 0, most)], 5], 0)
    near = _outside(
        weights.around[:, 0],
        row,
        None,
        first,
        last,
        np.maximum(first - WINDOW, begin),
        np.minimum(last + WINDOW + 1, end),
    )
    return {
        "context_before": beside[:, 0] + beside[:, 1] + beside[:, 4],
        "context_after": beside[:, 2] + beside[:, 3] + beside[:, 5],
        "context_window": near,
        "context_anywhere": _outside(weights.around[:, 1], row, pair, first, last, begin, end),
    }


def _outside(
    weights: npt.NDArray[np.float32], row: Ints, pair: Ints | None, first: Ints, last: Ints, begin: Ints, end: Ints
) -> npt.NDArray[np.float64]:
    """Summed weights of the words, and pairs, from begin to end that do not touch the span."""
    running = np.zeros(len(row) + 1, dtype=np.float64)
    np.cumsum(weights[row], out=running[1:])
    total = running[end] - running[begin] - (running[last + 1] - running[first])
    if pair is None:
        return total
    np.cumsum(weights[pair], out=running[1:])
    touching = running[last + 1] - running[np.maximum(first - 1, begin)]
    return total + running[end] - running[begin] - touching
