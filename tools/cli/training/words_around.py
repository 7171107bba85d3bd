"""Fitting the weights of words around a span: a sparse logistic regression over general words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import wordfreq
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from services.matcher.scoring.weights import ContextWeights
from services.matcher.text.choices import Choices
from services.matcher.text.context import BESIDE, PLACES, WINDOW
from services.matcher.text.hashing import Ints, KeyTable, UInt64s
from services.matcher.text.words import split_words
from tools.cli.training.table import Table

LISTED_WORDS = 20_000  # only words of this public list may have a weight
POSTS_MIN = 15
PAIR_POSTS_MIN = 20
SOURCES_MIN = 3  # a word known from one source alone would teach its style
INVERSE_REGULARISATION = 300.0  # the weights of all candidates sum up to about 1,500

Floats = npt.NDArray[np.float64]
Pairs = tuple[Ints, Ints]


@dataclass(frozen=True, slots=True)
class Design:
    """One row a choice: one-hot words by place, then the words of the window, then all of the text."""

    rows: sparse.csr_matrix
    table: KeyTable

    @property
    def block(self) -> int:
        return len(self.table.keys) + 2  # unlisted, the words, the text's edge


def vocabulary(table: Table, source: npt.NDArray[np.int64]) -> KeyTable:
    """Words of the public list, and pairs of them, met in enough posts and sources."""
    listed = wordfreq.top_n_list("en", LISTED_WORDS)
    words = split_words(listed)
    alone = np.bincount(words.text, minlength=len(listed))[words.text] == 1
    keys = np.unique(words.key[alone])
    post = table.text_post[table.word_text]
    known = KeyTable.build(keys).find(table.word_key) >= 0
    singles = _common(table.word_key[known], post[known], source, POSTS_MIN)
    both = known[:-1] & known[1:] & (table.word_text[1:] == table.word_text[:-1])
    doubles = _common(table.pair_key[:-1][both], post[:-1][both], source, PAIR_POSTS_MIN)
    return KeyTable.build(np.union1d(singles, doubles))


def _common(keys: UInt64s, post: Ints, source: npt.NDArray[np.int64], posts_min: int) -> UInt64s:
    distinct, number = np.unique(keys, return_inverse=True)
    pairs = np.unique(number.astype(np.int64) << 32 | post)
    posts = np.bincount(pairs >> 32, minlength=len(distinct))
    pairs = np.unique(pairs >> 32 << 8 | source[pairs & 0xFFFFFFFF])
    sources = np.bincount(pairs >> 8, minlength=len(distinct))
    return distinct[(posts >= posts_min) & (sources >= SOURCES_MIN)]


def design(table: Table, choices: Choices, words: KeyTable) -> Design:
    first, last = table.spans.first[choices.span], table.spans.last[choices.span]
    text, block = table.word_text, len(words.keys) + 2
    row = words.find(table.word_key) + 1
    pair = words.find(table.pair_key) + 1
    pair[:-1][text[1:] != text[:-1]] = 0
    begin, end = np.searchsorted(text, text[first]), np.searchsorted(text, text[first], side="right")
    left = table.left_end[choices.span]
    cells: list[Pairs] = []
    for place, step in enumerate(BESIDE):
        at = left + step if step < 0 else last + step
        inside = (at >= begin) & (at < end)
        found = row[np.clip(at, 0, len(text) - 1)]
        cells.append((np.arange(len(first)), place * block + np.where(inside, found, block - 1)))
    cells.append(_if_listed(np.where(left - 2 >= begin, pair[np.maximum(left - 2, 0)], 0), 4 * block))
    after = np.minimum(last + 1, len(text) - 1)
    cells.append(_if_listed(np.where(last + 2 < end, pair[after], 0), 5 * block))
    low, high = np.maximum(first - WINDOW, begin), np.minimum(last + WINDOW + 1, end)
    cells.append(_bag(row, first, last, low, high, PLACES * block, 0))
    cells.append(_bag(row, first, last, begin, end, (PLACES + 1) * block, 0))
    cells.append(_bag(pair, first, last, begin, end, (PLACES + 1) * block, 1))
    where = (np.concatenate([c[0] for c in cells]), np.concatenate([c[1] for c in cells]))
    shape = (len(first), (PLACES + 2) * block)
    return Design(sparse.csr_matrix((np.ones(len(where[0]), dtype=np.float32), where), shape=shape), words)


def _if_listed(found: Ints, offset: int) -> Pairs:
    rows = np.flatnonzero(found)
    return rows, offset + found[rows]


def _bag(row: Ints, first: Ints, last: Ints, begin: Ints, end: Ints, offset: int, before: int) -> Pairs:
    """Listed words from begin to end outside the span; a pair may not begin just before it either."""
    count = end - begin
    owner = np.repeat(np.arange(len(first)), count)
    at = begin[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    around = ((at < first[owner] - before) | (at > last[owner])) & (row[at] > 0)
    return owner[around], offset + row[at[around]]


def fit_words(made: Design, base: Floats, label: npt.NDArray[np.int8], weight: Floats, rows: Ints) -> Floats:
    """Weights beside what is known without words (`base`, a logit).

    In one thread: sums that several share are rounded by how many they are, and the steps that follow go elsewhere.
    """
    with_base = sparse.hstack([sparse.csr_matrix(base[rows, None].astype(np.float32)), made.rows[rows]]).tocsr()
    model = LogisticRegression(C=INVERSE_REGULARISATION, solver="liblinear", max_iter=60)
    with threadpool_limits(1):
        model.fit(with_base, label[rows], sample_weight=weight[rows])
    return np.asarray(model.coef_[0][1:], dtype=np.float64)


def context_columns(made: Design, weights: Floats, rows: Ints) -> dict[str, Floats]:
    """The engine's context features, from training's own matrix."""
    place = np.repeat(np.arange(PLACES + 2), made.block)
    part = made.rows[rows]
    names = {"context_before": (0, 1, 4), "context_after": (2, 3, 5), "context_window": (6,), "context_anywhere": (7,)}
    return {name: part @ np.where(np.isin(place, places), weights, 0.0) for name, places in names.items()}


def as_context(made: Design, weights: Floats) -> ContextWeights:
    grid = weights.reshape(PLACES + 2, made.block).astype(np.float32)
    table = made.table
    near = np.ascontiguousarray(grid[:PLACES, :-1].T)
    near[0, len(BESIDE) :] = 0
    around = np.ascontiguousarray(grid[PLACES:, :-1].T)
    around[0] = 0
    return ContextWeights(
        key=table.keys,
        slots=table.slots,
        filter=table.filter,
        near=near,
        edge=grid[:PLACES, -1],
        around=around,
    )
