"""The text engine: a batch of posts in, for each post its matches with their evidence out."""

from collections.abc import Sequence

import numpy as np

from services.matcher.scoring.additive import Floats
from services.matcher.scoring.factors import FACTOR_OF
from services.matcher.scoring.weights import Weights, load_weights
from services.matcher.text.explaining import Judged, explain
from services.matcher.text.extraction import Candidates, compete, extract
from services.matcher.text.grouping import run_heads
from services.matcher.text.hashing import Ints
from services.matcher.text.index import TextIndex
from services.matcher.text.matches import TextMatch
from services.matcher.text.posts import Post
from services.matcher.text.rivals import beside_longer

PROBABILITY_MIN = 0.03  # less is no match worth telling
POSTS_PER_STEP = 1000  # columns of so many posts stay in the processor's caches


class TextEngine:
    """Matches posts against one index.  Replacing the index is one assignment: no call waits for it."""

    def __init__(
        self, index: TextIndex, weights: Weights | None = None, *, probability_min: float = PROBABILITY_MIN
    ) -> None:
        self.index = index
        self.probability_min = probability_min  # explaining costs far more than judging
        self.weights = weights or load_weights()

    @property
    def model_version(self) -> str:
        return self.weights.version

    def match_batch(self, posts: Sequence[Post]) -> list[list[TextMatch]]:
        """The matches of each post, the likeliest first; a post without any has an empty list."""
        index = self.index  # one index for the whole batch, whatever happens meanwhile
        result: list[list[TextMatch]] = []
        for begin in range(0, len(posts), POSTS_PER_STEP):
            result += self._match(posts[begin : begin + POSTS_PER_STEP], index)
        return result

    def probabilities(self, posts: Sequence[Post]) -> list[dict[str, float]]:
        """Title ids and probabilities alone, for bulk work: the same answers without their reasons."""
        index, result = self.index, []
        for begin in range(0, len(posts), POSTS_PER_STEP):
            step = posts[begin : begin + POSTS_PER_STEP]
            found: list[dict[str, float]] = [{} for _ in step]
            candidates = extract(step, index, self.weights)
            if len(candidates.choices):
                judged = judge(candidates, self.weights, self.probability_min)
                probability = 1 / (1 + np.exp(-judged.logit[judged.told].astype(np.float64)))
                candidates, choices = judged.candidates, judged.candidates.choices
                post, title = candidates.span_post[choices.span[judged.told]], choices.title[judged.told]
                for row, number, value in zip(post.tolist(), title.tolist(), probability.tolist(), strict=True):
                    found[row][index.title_id(number)] = value
            result += found
        return result

    def _match(self, posts: Sequence[Post], index: TextIndex) -> list[list[TextMatch]]:
        matches: list[list[TextMatch]] = [[] for _ in posts]
        candidates = extract(posts, index, self.weights)
        if not len(candidates.choices):
            return matches
        judged = judge(candidates, self.weights, self.probability_min)
        for post, match in explain(judged, index, self.weights, FACTOR_OF):
            matches[post].append(match)
        return matches


def judge(candidates: Candidates, weights: Weights, probability_min: float = PROBABILITY_MIN) -> Judged:
    """Probabilities of the candidates worth it, and which to tell: the best title of each span."""
    first = weights.first.logits(candidates.matrix(weights.first.names))
    compete(candidates, first)
    candidates = candidates.keep(first >= weights.first_min)
    features = candidates.matrix(weights.final.names)
    raw = weights.final.logits(features)
    alone = weights.calibration(raw)
    logit = beside_longer(candidates.spans, candidates.span_post, candidates.choices.span, alone)
    told = _told(candidates, logit, probability_min)
    return Judged(candidates=candidates, features=features, alone=alone, logit=logit, told=told)


def _told(candidates: Candidates, logit: Floats, probability_min: float) -> Ints:
    """The best title of each span, each title of a post once; likeliest first within a post."""
    choices = candidates.choices
    order = np.lexsort((-logit, choices.span))
    best = order[run_heads(choices.span[order])]
    told = best[logit[best] >= np.log(probability_min / (1 - probability_min))]
    owner = candidates.span_post[choices.span[told]] << 32 | choices.title[told]
    order = np.lexsort((-logit[told], owner))
    told = told[order[run_heads(owner[order])]]
    return told[np.lexsort((-logit[told], candidates.span_post[choices.span[told]]))]
