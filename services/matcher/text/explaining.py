"""From judged candidates to matches: evidence that sums to the logit, runner-ups, spans in the post."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from services.matcher.scoring.additive import Floats
from services.matcher.scoring.weights import Weights
from services.matcher.text.extraction import Candidates
from services.matcher.text.hashing import Ints
from services.matcher.text.index import TextIndex
from services.matcher.text.matches import Evidence, RunnerUp, SignalType, TextMatch
from services.matcher.text.posts import Field
from services.matcher.text.titles import NameKind

RUNNER_UPS_MAX = 5
_TITLE_KINDS = frozenset((NameKind.TITLE, NameKind.ORIGINAL, NameKind.HEADLESS))
_SIGNAL_OF_FIELD = {
    Field.HASHTAGS: SignalType.HASHTAG, Field.MENTIONS: SignalType.MENTION, Field.SPEECH: SignalType.SPEECH,
    Field.OCR: SignalType.OCR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """All candidates' logits, and the features of those that are told."""

    candidates: Candidates
    features: Floats
    alone: Floats  # calibrated, before longer spans are considered
    logit: Floats
    told: Ints


def explain(
    judged: Judged, parts: Floats, index: TextIndex, weights: Weights, factor_of: Mapping[str, str]
) -> Iterator[tuple[int, TextMatch]]:
    """Each told candidate as a match, with the post it belongs to."""
    candidates = judged.candidates
    factors = sorted(set(factor_of.values()))
    row_of = {f: i for i, f in enumerate(factors)}
    sums = np.zeros((len(factors), len(judged.told)))
    for row, name in enumerate(weights.final.names):
        sums[row_of[factor_of[name]]] += parts[row]
    for column, choice in enumerate(judged.told.tolist()):
        shares = dict(zip(factors, sums[:, column].tolist(), strict=True))
        post = int(candidates.span_post[candidates.choices.span[choice]])
        yield post, _match(candidates, judged, choice, shares, index, weights)


def _match(
    candidates: Candidates, judged: Judged, choice: int, shares: dict[str, float], index: TextIndex, weights: Weights
) -> TextMatch:
    logit = float(judged.logit[choice])
    probability = _probability(logit)
    runner_ups = _runner_ups(candidates, judged, choice, index)
    margin = probability - runner_ups[0].probability if runner_ups else probability
    return TextMatch(
        title_id=index.title_id(int(candidates.choices.title[choice])),
        probability=probability,
        logit=logit,
        evidence=_evidence(candidates, choice, shares, index, weights.final.expected, (float(judged.alone[choice]), logit)),
        runner_ups=runner_ups,
        margin=margin,
    )


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _evidence(
    candidates: Candidates, choice: int, shares: dict[str, float], index: TextIndex, bias: float, logits: tuple[float, float]
) -> tuple[Evidence, ...]:
    span = int(candidates.choices.span[choice])
    words, spans = candidates.words, candidates.spans
    text = int(words.text[spans.first[span]])
    offset = int(words.text_place[text])
    start = int(words.char_place[spans.start[span]]) - offset
    end = int(words.char_place[spans.end[span] - 1]) + 1 - offset
    field, segment = Field(int(candidates.texts.field[text])), int(candidates.texts.segment[text])
    alias = index.alias_text(int(spans.alias[span]))
    value = candidates.texts.content[text][start:end]
    if field in {Field.HASHTAGS, Field.MENTIONS}:
        start, end = start - 1, end - 1  # the sign was ours
    signal = _signal(candidates, choice, span, field)
    result = [
        Evidence(
            signal_type=signal, factor="name", contribution=shares.pop("name"), value=value, field=field,
            segment=segment, start=start, end=end, reference_id=alias,
        ),
    ]
    people = shares.pop("people")
    result.append(Evidence(signal_type=SignalType.CAST, factor="people", contribution=people))
    result += [
        Evidence(signal_type=signal if factor in {"form", "tag", "place", "context"} else SignalType.PRIOR,
                 factor=factor, contribution=share, field=field, segment=segment)
        for factor, share in shares.items()
    ]
    result.append(Evidence(signal_type=SignalType.PRIOR, factor="bias", contribution=bias))
    alone, logit = logits
    rest = alone - sum(e.contribution for e in result)
    result.append(Evidence(signal_type=SignalType.PRIOR, factor="calibration", contribution=rest))
    result.append(Evidence(signal_type=SignalType.PRIOR, factor="longest_match", contribution=logit - alone))
    return tuple(e for e in result if e.contribution or e.factor == "name")


def _signal(candidates: Candidates, choice: int, span: int, field: Field) -> SignalType:
    if field in _SIGNAL_OF_FIELD:
        return _SIGNAL_OF_FIELD[field]
    first = int(candidates.spans.first[span])
    if candidates.words.in_tag[first]:
        return SignalType.HASHTAG
    if candidates.words.in_mention[first]:
        return SignalType.MENTION
    return SignalType.TITLE if candidates.choices.kind[choice] in _TITLE_KINDS else SignalType.ALIAS


def _runner_ups(candidates: Candidates, judged: Judged, choice: int, index: TextIndex) -> tuple[RunnerUp, ...]:
    """Other titles of the same words, and of words that overlap them."""
    choices, spans = candidates.choices, candidates.spans
    span = int(choices.span[choice])
    post = candidates.span_post[span]
    low, high = np.searchsorted(choices.span, (span, span + 1))
    best: dict[int, float] = defaultdict(float)
    for other in range(int(low), int(high)):
        title = int(choices.title[other])
        if title != choices.title[choice]:
            best[title] = max(best[title], _probability(float(judged.logit[other])))
    del post, spans
    ranked = sorted(best.items(), key=lambda item: -item[1])[:RUNNER_UPS_MAX]
    return tuple(RunnerUp(title_id=index.title_id(t), probability=p) for t, p in ranked)
