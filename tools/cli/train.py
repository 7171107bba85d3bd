"""`train`: the matcher's weights anew from the labelled posts, with their cross-validated scores."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from services.matcher.scoring.weights import DEFAULT_PATH
from services.matcher.text.index import TextIndex
from tools.cli.catalogs import read_titles

VERSION = "text-2026.11.6"
PROBABILITY_MIN = 0.003
APPROVE = 0.9


def train(
    data: Annotated[Path, typer.Option(help="The shared folder with data/ and eval/.")] = Path("../shared"),
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = DEFAULT_PATH,
    index: Annotated[Path | None, typer.Option(help="A saved index of the same catalog, to save building it.")] = None,
    by_source: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--by-source", help="Hold whole sources out instead of documents; writes no weights.")
    ] = False,
) -> None:
    """Train on the labelled posts, print the scores of models that had not seen them, write the weights."""
    try:
        from tools.cli.training.run import Run, data_folder  # noqa: PLC0415 - needs what only training installs
    except ModuleNotFoundError as missing:
        raise typer.BadParameter(f"{missing.name} is not installed: install requirements/train.txt") from missing
    try:
        paths, catalog, equivalents_path = data_folder(data)
    except FileNotFoundError as missing:
        raise typer.BadParameter(f"the labelled data is not here: {missing} is missing (give --data)") from missing
    from tools.cli.training.gold import load_scorer, read_posts  # noqa: PLC0415
    from tools.cli.training.rewriting import rewritten  # noqa: PLC0415
    from tools.cli.training.written import written  # noqa: PLC0415

    started = time.monotonic()
    scorer = load_scorer(data)
    equivalents = scorer.Equivalents.load(equivalents_path)
    posts = read_posts(paths)
    names = TextIndex.load(index) if index else TextIndex.build(read_titles(catalog))
    ours = written(catalog)
    known = scorer.Equivalents.from_catalog(catalog, [*posts, *ours])
    everything = [*posts, *rewritten(posts, catalog), *ours]
    trained = Run(everything, names, known, scorer, by_source=by_source).train(VERSION)
    typer.echo(_report(posts, trained, names, equivalents, scorer))
    if not by_source:
        trained.weights.save(out)
        typer.echo(f"{out}: {out.stat().st_size} bytes, after {time.monotonic() - started:.0f} s")


def _report(posts: list[dict[str, Any]], trained: Any, names: TextIndex, equivalents: Any, scorer: Any) -> str:
    """The scorer's own table."""
    from tools.cli.training.gold import SOCIAL_SOURCES  # noqa: PLC0415

    predictions: dict[str, dict[str, float]] = {}
    probability = 1 / (1 + np.exp(-trained.logit))
    for row in np.flatnonzero((probability > PROBABILITY_MIN) & (trained.post < len(posts))).tolist():
        kept = predictions.setdefault(posts[int(trained.post[row])]["id"], {})
        title = names.title_id(int(trained.title[row]))
        kept[title] = max(float(probability[row]), kept.get(title, 0.0))
    result, judged = scorer.score(posts, predictions, equivalents, {"social": SOCIAL_SOURCES})
    return f"{scorer.table(result)}\n{_at_approval(posts, judged)}"


def _at_approval(posts: list[dict[str, Any]], judged: Any) -> str:
    """What would be anchored wrongly, pooled by plain counts and by source weights, at the approve threshold."""
    none = {p["id"]: p["source"] for p in posts if p.get("exhaustive", True) and not p["mentions"]}
    sizes = Counter(none.values())
    wrong = Counter(none[j.post] for j in judged if j.probability >= APPROVE and not j.right and j.post in none)
    total = 1000 * sum(wrong.values()) / max(1, len(none))
    told = ", ".join(f"{s} {n}/{sizes[s]}" for s, n in sorted(wrong.items()))
    return f"false anchors at {APPROVE}: {total:.2f} per 1,000 of {len(none)} posts without a title ({told})"
