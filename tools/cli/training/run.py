"""The training run, start to end: posts and catalog in, weights and the cross-validated scores out."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.additive import AdditiveModel
from services.matcher.scoring.weights import Calibration, ContextWeights, Weights
from services.matcher.text.choices import Choices
from services.matcher.text.context import PLACES
from services.matcher.text.hashing import Ints, KeyTable
from services.matcher.text.index import TextIndex
from services.matcher.text.rivals import beside_longer, claim_features, rival_features, span_strength
from tools.cli.training.fitting import GOLD_MIN, Boosting, calibrate, fold_of, grow, grow_forest
from tools.cli.training.gold import Gold, Row
from tools.cli.training.table import Table, extract_table
from tools.cli.training.words_around import as_context, context_columns, design, fit_words, vocabulary

STATIC = (
    "alias_words",
    "alias_chars",
    "zipf_min",
    "zipf_mean",
    "zipf_max",
    "zipf_other",
    "pair_min",
    "pair_mean",
    "place",
    "phrase",
    "entry",
    "song",
    "person",
    "alias_weight",
    "homonyms",
    "best_popularity",
    "best_kind",
    "words_more",
    "in_tag",
    "capitals",
    "first_capital",
    "all_capital",
    "function_start",
    "function_end",
    "next_year",
    "suffix",
    "prefix",
    "tag_share",
    "mark_before",
    "mark_after",
    "punctuation_inside",
    "breaks_inside",
    "digits_only",
    "glyphs",
    "run_before",
    "run_after",
)
RIVALS = (
    "rival_longer",
    "rival_inside",
    "rival_crossing",
    "rival_apart",
    "likely_apart",
    "rival_title",
    "title_spans",
)
CONTEXT = ("context_before", "context_after", "context_window", "context_anywhere")
# No data to learn from, or made later.
LEFT_OUT = frozenset(("field", "alias_prior", "age", "promise", *RIVALS, *CONTEXT))

PROMISE_LOST = 0.006  # the weighted share of right candidates the first cut may lose
FIRST_LOST = 0.006  # and the second
PROMISE = partial(grow, how=Boosting(rounds=150, depth=1, leaves=2, learning_rate=0.15))
BASE = partial(grow_forest, hows=(Boosting(rounds=80, depth=7, leaves=24, learning_rate=0.1),))
FIRST = partial(grow, how=Boosting(rounds=300, depth=2, leaves=4, learning_rate=0.1))
DEEP = Boosting(
    rounds=300, depth=7, leaves=24, learning_rate=0.08, sampled=0.25, leaf_rows=20, leaf_hessian=1.0, shrink=1.0
)
FINAL = partial(grow_forest, hows=tuple(replace(DEEP, seed=seed) for seed in (7, 8)))

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Trained:
    """What a run gives: the weights, and each candidate's cross-validated logit."""

    weights: Weights
    post: Ints
    title: Ints
    logit: Floats


def nothing_learned() -> Weights:
    """Weights that keep every candidate and know no words."""
    flat = AdditiveModel(("zipf_min",), 0.0, (np.empty(0, np.float32),), (np.zeros(1, np.float32),), ())
    none = KeyTable.build(np.empty(0, dtype=np.uint64))
    line = Calibration(np.array([0, 1], dtype=np.float32), np.array([0, 1], dtype=np.float32))
    context = ContextWeights(
        key=none.keys,
        slots=none.slots,
        filter=none.filter,
        near=np.zeros((1, PLACES), np.float32),
        edge=np.zeros(PLACES, np.float32),
        around=np.zeros((1, 2), np.float32),
    )
    forest: Any = None  # nothing is judged with these
    return Weights("none", flat, -1.0, flat, -99.0, forest, line, context)


def source_weights(posts: list[Row], equivalents: Any, scorer: ModuleType) -> tuple[Floats, Floats]:
    """Each source has the same say, as in the scorer; what we made has the say it names, and another in the forests."""
    gold: Counter[str] = Counter()
    for post in posts:
        gold[post["source"]] += len(Gold(post, equivalents, scorer).required)
    size = np.array([max(gold[p["source"]], GOLD_MIN) for p in posts])
    weight, final = (np.array([p.get(say, 1.0) for p in posts]) / size for say in ("say", "final_say"))
    return weight, final


class Run:
    """The state of a run: the candidates kept, their labels and weights, and their columns, seen in two ways.

    What is learned of words, and of rivals by way of it, is told to each candidate by a model that has not seen its
    document (the familiar view) and by one that has not seen its source (the strange view).  The forests learn from
    both, so that they know how far words can be trusted in texts of a kind nobody labelled.
    """

    def __init__(
        self, posts: list[Row], index: TextIndex, equivalents: Any, scorer: ModuleType, *, by_source: bool = False
    ) -> None:
        self.posts = posts
        self.table: Table = extract_table(posts, index, nothing_learned(), equivalents, scorer)
        weight, final = (by_post[self.table.post] for by_post in source_weights(posts, equivalents, scorer))
        real = np.array(["say" not in p for p in posts])[self.table.post]
        self.promise, self.promise_min, kept = _promise(self.table, weight, real)
        self.choices = self.table.choices.take(kept)
        self.label, self.real, self.post = self.table.label[kept], real[kept], self.table.post[kept]
        self.weight, self.final_weight = weight[kept], final[kept]
        span = self.choices.span
        columns = {n: v[span].astype(np.float32) for n, v in self.table.by_span.items()}
        columns |= {n: v[kept].astype(np.float32) for n, v in self.table.by_choice.items()}
        folds = (_folds(posts, by_source=strange)[self.post] for strange in (by_source, not by_source))
        self.views = [View(dict(columns), fold) for fold in folds]
        self.alone = tuple(sorted(n for n in columns if n not in LEFT_OUT))

    @property
    def fold(self) -> Ints:
        """The folds the figures are told by: those of the first view."""
        return self.views[0].fold

    def train(self, version: str) -> Trained:
        context = self._fit_context()
        names = (*self.alone, *CONTEXT)
        first_logits = self._across(names, FIRST, self.views)
        first = FIRST(names, *self._data(names, self.views))
        self._add_rivals(first_logits)
        first_min = self._keep_promising(first_logits[0])
        final_names = (*names, *RIVALS)
        logit, calibration = self._calibrate(self._across(final_names, FINAL, self.views))
        weights = Weights(
            version=version,
            promise=self.promise,
            promise_min=self.promise_min,
            first=first,
            first_min=first_min,
            final=FINAL(final_names, *self._data(final_names, self.views)),
            calibration=calibration,
            context=context,
        )
        logit = beside_longer(self.table.spans, self.table.span_post, self.choices.span, logit).astype(np.float64)
        return Trained(weights, self.post, self.choices.title, np.where(self._best_of_span(logit), logit, -20.0))

    def _keep_promising(self, logit: Floats) -> float:
        """The second cut: the candidates a forest is not needed for leave; from here on the final weights count."""
        least = _least(logit, self.label, self.weight * self.real, FIRST_LOST)
        kept = logit >= least
        self.choices, self.post = self.choices.take(kept), self.post[kept]
        self.label, self.real, self.weight = self.label[kept], self.real[kept], self.final_weight[kept]
        self.views = [view.take(kept) for view in self.views]
        return least

    def _data(
        self, names: tuple[str, ...], views: "list[View]", rows: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Any, Any, Any]:
        """The rows (all, if not said) once for each view, which share their weight."""
        rows = np.ones(len(self.label), dtype=np.bool_) if rows is None else rows
        features = np.concatenate([view.matrix(names, rows) for view in views], axis=1)
        times = len(views)
        return features, np.tile(self.label[rows], times), np.tile(self.weight[rows] / times, times)

    def _across(self, names: tuple[str, ...], fit: Any, views: "list[View]") -> list[Floats]:
        """Each candidate's logit in each view by a model that has not seen its fold."""
        logits = [np.zeros(len(self.label)) for _ in views]
        fold = views[0].fold
        for number in np.unique(fold):
            rest = fold == number
            model = fit(names, *self._data(names, views, ~rest))
            for view, logit in zip(views, logits, strict=True):
                logit[rest] = model.logits(view.matrix(names, rest))
        return logits

    def _fit_context(self) -> ContextWeights:
        sources = sorted({p["source"] for p in self.posts})
        source = np.array([sources.index(p["source"]) for p in self.posts])
        made = design(self.table, self.choices, vocabulary(self.table, source))
        told = (self.label >= 0) & (self.choices.rank == 0)
        bases = [self._across(self.alone, BASE, [view])[0] for view in self.views]
        for view, base in zip(self.views, bases, strict=True):
            for name in CONTEXT:
                view.columns[name] = np.zeros(len(self.label), dtype=np.float32)
            for number in np.unique(view.fold):
                rest = np.flatnonzero(view.fold == number)
                weights = fit_words(made, base, self.label, self.weight, np.flatnonzero(told & (view.fold != number)))
                for name, column in context_columns(made, weights, rest).items():
                    view.columns[name][rest] = column
        return as_context(made, fit_words(made, bases[0], self.label, self.weight, np.flatnonzero(told)))

    def _add_rivals(self, logits: list[Floats]) -> None:
        used, span = np.unique(self.choices.span, return_inverse=True)
        spans, post = self.table.spans.take(used), self.table.span_post[used]
        choices = Choices(span, *(getattr(self.choices, n) for n in Choices.__slots__[1:]))
        for view, logit in zip(self.views, logits, strict=True):
            strength = span_strength(choices, logit.astype(np.float32), len(spans))
            for name, column in rival_features(spans, strength, post).items():
                view.columns[name] = column[span].astype(np.float32)
            for name, column in claim_features(choices, logit.astype(np.float32), self.post).items():
                view.columns[name] = column.astype(np.float32)

    def _best_of_span(self, logit: Floats) -> npt.NDArray[np.bool_]:
        order = np.lexsort((-logit, self.choices.span))
        span = self.choices.span[order]
        best = np.zeros(len(order), dtype=np.bool_)
        best[order[np.append(True, span[1:] != span[:-1])]] = True
        return best

    def _calibrate(self, raws: list[Floats]) -> tuple[Floats, Calibration]:
        """Cross-fitted for the report, on everything for the weights; only told candidates count, in both views."""
        told = [(self.label >= 0) & self.real & self._best_of_span(raw) for raw in raws]
        logit = np.zeros(len(self.label))
        for number in np.unique(self.fold):
            rest = self.fold == number
            logit[rest] = self._curve(raws, [t & ~rest for t in told])(raws[0][rest].astype(np.float32))
        return logit, self._curve(raws, told)

    def _curve(self, raws: list[Floats], rows: list[npt.NDArray[np.bool_]]) -> Calibration:
        raw = np.concatenate([raw[at] for raw, at in zip(raws, rows, strict=True)])
        label, weight = (np.concatenate([column[at] for at in rows]) for column in (self.label, self.weight))
        return calibrate(raw, label, weight / len(raws))


@dataclass(slots=True)
class View:
    """All candidates' columns as models that have not seen their fold told them."""

    columns: dict[str, npt.NDArray[np.float32]]
    fold: Ints

    def matrix(self, names: tuple[str, ...], rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        return np.stack([self.columns[name][rows] for name in names])

    def take(self, kept: npt.NDArray[np.bool_]) -> "View":
        return View({name: column[kept] for name, column in self.columns.items()}, self.fold[kept])


def _promise(table: Table, weight: Floats, real: npt.NDArray[np.bool_]) -> tuple[AdditiveModel, float, Ints]:
    """The first cut: a model of the span's name and form, its threshold, and the candidates it keeps."""
    features = np.stack([table.by_span[n].astype(np.float32) for n in STATIC])[:, table.choices.span]
    model = PROMISE(STATIC, features, table.label, weight)
    promise = model.logits(features)
    least = _least(promise, table.label, weight * real, PROMISE_LOST)
    return model, least, np.flatnonzero(promise >= least)


def _least(score: Any, label: Any, weight: Floats, lost: float) -> float:
    """The score below which lies this share of the weight of what is right."""
    right = np.flatnonzero(label == 1)
    right = right[np.argsort(score[right])]
    share = np.cumsum(weight[right]) / weight[right].sum()
    return float(score[right[np.searchsorted(share, lost)]])


def _folds(posts: list[Row], *, by_source: bool) -> Ints:
    """Documents share a fold; or each source is one.  What was rewritten goes with its lender, ours is one source."""
    if by_source:
        lenders = [str(p.get("lender", p["source"])) for p in posts]
        sources = sorted(set(lenders))
        return np.array([sources.index(name) for name in lenders])
    return np.array([fold_of(p["doc_id"]) for p in posts])


def data_folder(folder: Path) -> tuple[list[Path], Path, Path]:
    """The posts, the catalog and the equivalents in the shared folder; refuses when one is missing."""
    posts = sorted((folder / "data" / "posts").glob("*.jsonl.gz"))
    catalog = folder / "data" / "catalog" / "large.jsonl.gz"
    equivalents = folder / "eval" / "equivalents.dev.json"
    for path in (folder / "eval" / "score.py", catalog, equivalents):
        if not path.exists():
            raise FileNotFoundError(path)
    if not posts:
        raise FileNotFoundError(folder / "data" / "posts")
    return posts, catalog, equivalents


if __name__ == "__main__":
    import typer

    from tools.cli.train import train

    typer.run(train)
