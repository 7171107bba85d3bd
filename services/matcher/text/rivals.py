"""Competition: spans of the same post that overlap a span, and titles that claim the same span."""

import numpy as np
import numpy.typing as npt

from services.matcher.text.choices import Choices
from services.matcher.text.forms import Floats
from services.matcher.text.grouping import places_in_run, run_heads
from services.matcher.text.hashing import Ints
from services.matcher.text.spans import Spans

SPANS_PER_POST_MAX = 64  # more are cut by promise: pairs grow with the square
NONE = -12.0  # the logit of a rival that is not there

Named = dict[str, npt.NDArray[np.generic]]


def strongest(promise: Floats, post: Ints, most: int = SPANS_PER_POST_MAX) -> Ints:
    """The spans to keep: at most `most` a post, the most promising ones, in their old order."""
    if len(post) <= most:
        return np.arange(len(post))
    order = np.lexsort((-promise, post))
    rank = places_in_run(run_heads(post[order]))
    return np.sort(order[rank < most])


def span_strength(choices: Choices, logits: Floats, spans: int) -> Floats:
    """The logit of each span's best title."""
    best = np.full(spans, NONE, dtype=np.float32)
    np.maximum.at(best, choices.span, logits)
    return best


def rival_features(spans: Spans, strength: Floats, post: Ints) -> Named:
    """The strongest span that contains, lies inside, crosses or stands apart from each span."""
    left, right = _same_post(post)
    overlap = (spans.start[left] < spans.end[right]) & (spans.start[right] < spans.end[left])
    holds = overlap & (spans.start[right] <= spans.start[left]) & (spans.end[right] >= spans.end[left])
    held = overlap & (spans.start[right] >= spans.start[left]) & (spans.end[right] <= spans.end[left])
    same = holds & held
    apart = ~overlap
    columns = {
        "rival_longer": holds & ~same,
        "rival_inside": held & ~same,
        "rival_crossing": overlap & ~holds & ~held,
        "rival_apart": apart,
    }
    result: Named = {name: _best(left[pair], strength[right[pair]], len(spans)) for name, pair in columns.items()}
    likely = apart & (strength[right] > 0)
    result["likely_apart"] = np.minimum(np.bincount(left[likely], minlength=len(spans)), 8)
    return result


def claim_features(choices: Choices, logits: Floats, post: Ints) -> Named:
    """The best other title of the same span; and in how many spans of the post the title is seen."""
    order = np.lexsort((-logits, choices.span))
    rank = places_in_run(run_heads(choices.span[order]))
    first, second = order[rank == 0], order[rank == 1]
    spans = int(choices.span.max(initial=-1)) + 1
    best, other = np.full((2, spans), NONE, dtype=np.float32)
    best[choices.span[first]] = logits[first]
    other[choices.span[second]] = logits[second]
    mate = best[choices.span]
    mate[first] = other[choices.span[first]]
    _, number = np.unique(post << 32 | choices.title, return_inverse=True)
    pairs = np.unique(number.astype(np.int64) * max(spans, 1) + choices.span)
    seen = np.bincount(pairs // max(spans, 1))
    return {"rival_title": mate, "title_spans": np.minimum(seen[number], 5)}


def beside_longer(spans: Spans, span_post: Ints, span: Ints, logit: Floats) -> Floats:
    """Longest match: what lies inside a longer span, or crosses a likelier one, is a title only if that is none.

    So its probability is its own times the chance that the other is no title.
    """
    used, number = np.unique(span, return_inverse=True)
    post, strength = span_post[used], np.full(len(used), NONE, dtype=np.float32)
    np.maximum.at(strength, number, logit)
    left, right = _same_post(post)
    start, end = spans.start[used], spans.end[used]
    overlap = (start[left] < end[right]) & (start[right] < end[left])
    size = end - start
    inside = overlap & (start[right] <= start[left]) & (end[right] >= end[left]) & (size[right] > size[left])
    crossed = overlap & ~inside & (size[right] >= size[left]) & (strength[right] > strength[left])
    wins = inside | crossed
    against = _best(left[wins], strength[right[wins]], len(used))[number]
    chance = 1 / (1 + np.exp(-logit.astype(np.float64))) / (1 + np.exp(against.astype(np.float64)))
    chance = np.clip(chance, 1e-9, 1 - 1e-9)
    return np.where(against > NONE, np.log(chance / (1 - chance)), logit).astype(np.float32)


def _best(owner: Ints, strength: Floats, count: int) -> Floats:
    best = np.full(count, NONE, dtype=np.float32)
    np.maximum.at(best, owner, strength)
    return best


def _same_post(post: Ints) -> tuple[Ints, Ints]:
    """All ordered pairs of different spans in one post."""
    order = np.argsort(post, kind="stable")
    counts = np.bincount(post)
    firsts = np.cumsum(counts) - counts
    repeat = counts[post[order]]
    left = np.repeat(np.arange(len(post)), repeat)
    within = np.arange(len(left)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    right = firsts[post[order]][left] + within
    other = left != right
    return order[left[other]], order[right[other]]
