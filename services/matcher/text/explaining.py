"""From judged candidates to matches: evidence that sums to the logit, runner-ups, spans in the post."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from services.matcher.scoring.additive import Floats
from services.matcher.scoring.shares import factor_shares
from services.matcher.scoring.weights import Weights
from services.matcher.text.extraction import Candidates
from services.matcher.text.hashing import Ints
from services.matcher.text.index import TextIndex
from services.matcher.text.matches import Evidence, RunnerUp, SignalType, TextMatch
from services.matcher.text.posts import Field
from services.matcher.text.titles import NameKind

RUNNER_UPS_MAX = 5
SEPARATORS_MAX = 3
SEPARATES_MIN = 0.05  # logits; less is no difference worth naming
_TITLE_KINDS = frozenset((NameKind.TITLE, NameKind.ORIGINAL, NameKind.HEADLESS))
_SIGNAL_OF_FIELD = {
    Field.HASHTAGS: SignalType.HASHTAG,
    Field.MENTIONS: SignalType.MENTION,
    Field.SPEECH: SignalType.SPEECH,
    Field.OCR: SignalType.OCR,
}
_OF_THE_SPAN = frozenset(("form", "tag", "place", "context"))

Shares = dict[str, float]  # factor -> its part of the logit


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The candidates a forest has judged, and which of them are told."""

    candidates: Candidates
    features: Floats
    alone: Floats  # calibrated, before longer spans are considered
    logit: Floats
    told: Ints


@dataclass(frozen=True, slots=True)
class _Explained:
    """What explaining one batch needs at hand."""

    judged: Judged
    index: TextIndex
    weights: Weights
    shares: Mapping[int, Shares]  # of the told and of their best runner-ups, by choice
    mates: Mapping[int, list[int]]  # a told choice -> other titles of its span, likeliest first


def explain(
    judged: Judged, index: TextIndex, weights: Weights, factor_of: Mapping[str, str]
) -> Iterator[tuple[int, TextMatch]]:
    """Each told candidate as a match, with the post it belongs to."""
    mates = _mates(judged)
    wanted = sorted({*judged.told.tolist(), *(m[0] for m in mates.values() if m)})
    shares = _shares(judged, np.array(wanted, dtype=np.int64), weights, factor_of)
    explained = _Explained(judged, index, weights, dict(zip(wanted, shares, strict=True)), mates)
    choices = judged.candidates.choices
    for choice in judged.told.tolist():
        yield int(judged.candidates.span_post[choices.span[choice]]), _match(explained, choice)


def _mates(judged: Judged) -> dict[int, list[int]]:
    choices = judged.candidates.choices
    low = np.searchsorted(choices.span, choices.span[judged.told])
    high = np.searchsorted(choices.span, choices.span[judged.told], side="right")
    return {
        choice: sorted((o for o in range(a, b) if o != choice), key=lambda o: -float(judged.logit[o]))[:RUNNER_UPS_MAX]
        for choice, a, b in zip(judged.told.tolist(), low.tolist(), high.tolist(), strict=True)
    }


def _shares(judged: Judged, wanted: Ints, weights: Weights, factor_of: Mapping[str, str]) -> list[Shares]:
    """Parts of the logits by factor, the largest groups of features a reviewer can read."""
    factors = sorted(set(factor_of.values()))
    owner = tuple(factors.index(factor_of[name]) for name in weights.final.names)
    sums = factor_shares(weights.final, owner).sums(weights.final.bins(judged.features[:, wanted]))
    return [dict(zip(factors, column, strict=True)) for column in sums.T.tolist()]


def _match(explained: _Explained, choice: int) -> TextMatch:
    judged = explained.judged
    logit = float(judged.logit[choice])
    probability = _probability(logit)
    runner_ups = tuple(_runner_up(explained, choice, mate) for mate in explained.mates[choice])
    return TextMatch(
        title_id=explained.index.title_id(int(judged.candidates.choices.title[choice])),
        probability=probability,
        logit=logit,
        evidence=_evidence(explained, choice),
        runner_ups=runner_ups,
        margin=probability - runner_ups[0].probability if runner_ups else probability,
    )


def _probability(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _runner_up(explained: _Explained, choice: int, mate: int) -> RunnerUp:
    judged = explained.judged
    separated: tuple[str, ...] = ()
    if mate in explained.shares:
        ours, theirs = explained.shares[choice], explained.shares[mate]
        ahead = sorted(ours, key=lambda factor: theirs[factor] - ours[factor])[:SEPARATORS_MAX]
        separated = tuple(f for f in ahead if ours[f] - theirs[f] > SEPARATES_MIN)
    return RunnerUp(
        title_id=explained.index.title_id(int(judged.candidates.choices.title[mate])),
        probability=_probability(float(judged.logit[mate])),
        separated_by=separated,
    )


def _evidence(explained: _Explained, choice: int) -> tuple[Evidence, ...]:
    """The name first, then the other factors, then what makes the sum whole."""
    judged = explained.judged
    shares = dict(explained.shares[choice])
    name = _named_span(explained, choice, shares.pop("name"))
    result = [name, Evidence(signal_type=SignalType.CAST, factor="people", contribution=shares.pop("people"))]
    result += [
        Evidence(
            signal_type=name.signal_type if factor in _OF_THE_SPAN else SignalType.PRIOR,
            factor=factor,
            contribution=share,
            field=name.field,
            segment=name.segment,
        )
        for factor, share in shares.items()
    ]
    alone, logit = float(judged.alone[choice]), float(judged.logit[choice])
    bias = explained.weights.final.expected
    calibration = alone - bias - sum(e.contribution for e in result)
    closing = {"bias": bias, "calibration": calibration, "longest_match": logit - alone}
    result += [Evidence(signal_type=SignalType.PRIOR, factor=f, contribution=c) for f, c in closing.items()]
    return tuple(e for e in result if e.contribution or e is name)


def _named_span(explained: _Explained, choice: int, share: float) -> Evidence:
    """The post's own words that were read as a name of the title."""
    candidates = explained.judged.candidates
    words, spans = candidates.words, candidates.spans
    span = int(candidates.choices.span[choice])
    text = int(words.text[spans.first[span]])
    offset = int(words.text_place[text])
    start = int(words.char_place[spans.start[span]]) - offset
    end = int(words.char_place[spans.end[span] - 1]) + 1 - offset
    field = Field(int(candidates.texts.field[text]))
    value = candidates.texts.content[text][start:end]
    if field in {Field.HASHTAGS, Field.MENTIONS}:
        start, end = start - 1, end - 1  # the sign before it was ours
    return Evidence(
        signal_type=_signal(candidates, choice, span, field),
        factor="name",
        contribution=share,
        value=value,
        field=field,
        segment=int(candidates.texts.segment[text]),
        start=start,
        end=end,
        reference_id=explained.index.alias_text(int(spans.alias[span])),
    )


def _signal(candidates: Candidates, choice: int, span: int, field: Field) -> SignalType:
    if field in _SIGNAL_OF_FIELD:
        return _SIGNAL_OF_FIELD[field]
    first = int(candidates.spans.first[span])
    if candidates.words.in_tag[first]:
        return SignalType.HASHTAG
    if candidates.words.in_mention[first]:
        return SignalType.MENTION
    return SignalType.TITLE if candidates.choices.kind[choice] in _TITLE_KINDS else SignalType.ALIAS
