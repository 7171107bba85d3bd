"""From judged candidates to matches: evidence that sums to the logit, runner-ups, spans in the post."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from services.matcher.scoring.additive import Floats
from services.matcher.scoring.shares import FactorShares, factor_shares
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
_SIGNAL_OF_FIELD: dict[int, SignalType] = {
    Field.HASHTAGS: SignalType.HASHTAG,
    Field.MENTIONS: SignalType.MENTION,
    Field.SPEECH: SignalType.SPEECH,
    Field.OCR: SignalType.OCR,
}
_SIGNED = frozenset((Field.HASHTAGS, Field.MENTIONS))
_FIELDS = tuple(Field)
_OF_THE_SPAN = frozenset(("form", "context"))

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
    """What explaining one batch needs at hand: columns as lists, for single values of arrays cost ten times as much."""

    index: TextIndex
    title: list[int]  # of each choice, as are the next three
    alone: list[float]
    logit: list[float]
    probability: list[float]
    bias: float
    shares: Mapping[int, Shares]  # of the told and of their best runner-ups, by choice
    mates: Mapping[int, list[int]]  # a told choice -> other titles of its span, likeliest first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The post's own words that were read as a name of a title."""

    post: int
    signal_type: SignalType
    field: Field
    segment: int
    value: str
    start: int
    end: int
    alias: int


def explain(
    judged: Judged, index: TextIndex, weights: Weights, factor_of: Mapping[str, str]
) -> Iterator[tuple[int, TextMatch]]:
    """Each told candidate as a match, with the post it belongs to."""
    logit = judged.logit.astype(np.float64)
    logits = logit.tolist()
    mates = _mates(judged, logits)
    wanted = sorted({*judged.told.tolist(), *(m[0] for m in mates.values() if m)})
    shares = _shares(judged, np.array(wanted, dtype=np.int64), weights, factor_of)
    explained = _Explained(
        index=index,
        title=judged.candidates.choices.title.tolist(),
        alone=judged.alone.tolist(),
        logit=logits,
        probability=(1 / (1 + np.exp(-logit))).tolist(),
        bias=weights.final.expected,
        shares=dict(zip(wanted, shares, strict=True)),
        mates=mates,
    )
    for choice, place in zip(judged.told.tolist(), _places(judged), strict=True):
        yield place.post, _match(explained, choice, place)


def _mates(judged: Judged, logit: list[float]) -> dict[int, list[int]]:
    choices = judged.candidates.choices
    low = np.searchsorted(choices.span, choices.span[judged.told])
    high = np.searchsorted(choices.span, choices.span[judged.told], side="right")
    return {
        choice: sorted((o for o in range(a, b) if o != choice), key=logit.__getitem__, reverse=True)[:RUNNER_UPS_MAX]
        for choice, a, b in zip(judged.told.tolist(), low.tolist(), high.tolist(), strict=True)
    }


def _shares(judged: Judged, wanted: Ints, weights: Weights, factor_of: Mapping[str, str]) -> list[Shares]:
    """Parts of the logits by factor, the largest groups of features a reviewer can read."""
    factors, tables = shares_by_factor(weights, factor_of)
    sums = tables.sums(weights.final.bins(judged.features[:, wanted]))
    return [dict(zip(factors, column, strict=True)) for column in sums.T.tolist()]


def shares_by_factor(weights: Weights, factor_of: Mapping[str, str]) -> tuple[list[str], FactorShares]:
    """The factors and their tables, which take a second of work the first time."""
    factors = sorted(set(factor_of.values()))
    return factors, factor_shares(weights.final, tuple(factors.index(factor_of[name]) for name in weights.final.names))


def _places(judged: Judged) -> Iterator[_Place]:
    """Where each told candidate was read."""
    candidates = judged.candidates
    words, spans, texts, choices = candidates.words, candidates.spans, candidates.texts, candidates.choices
    span = choices.span[judged.told]
    first = spans.first[span]
    text = words.text[first]
    offset = words.text_place[text]
    columns = (
        candidates.span_post[span],
        text,
        texts.field[text],
        texts.segment[text],
        words.char_place[spans.start[span]] - offset,
        words.char_place[spans.end[span] - 1] + 1 - offset,
        words.in_tag[first],
        words.in_mention[first],
        choices.kind[judged.told],
        spans.alias[span],
    )
    for post, number, field, segment, start, end, in_tag, in_mention, kind, alias in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        sign = 1 if field in _SIGNED else 0  # the sign before it was ours
        yield _Place(
            post=post,
            signal_type=_signal(field, in_tag=in_tag, in_mention=in_mention, kind=kind),
            field=_FIELDS[field],
            segment=segment,
            value=texts.content[number][start:end],
            start=start - sign,
            end=end - sign,
            alias=alias,
        )


def _signal(field: int, *, in_tag: bool, in_mention: bool, kind: int) -> SignalType:
    if field in _SIGNAL_OF_FIELD:
        return _SIGNAL_OF_FIELD[field]
    if in_tag:
        return SignalType.HASHTAG
    if in_mention:
        return SignalType.MENTION
    return SignalType.TITLE if kind in _TITLE_KINDS else SignalType.ALIAS


def _match(explained: _Explained, choice: int, place: _Place) -> TextMatch:
    probability = explained.probability[choice]
    runner_ups = tuple([_runner_up(explained, choice, mate) for mate in explained.mates[choice]])
    return TextMatch(
        title_id=explained.index.title_id(explained.title[choice]),
        probability=probability,
        logit=explained.logit[choice],
        evidence=_evidence(explained, choice, place),
        runner_ups=runner_ups,
        margin=probability - runner_ups[0].probability if runner_ups else probability,
    )


def _runner_up(explained: _Explained, choice: int, mate: int) -> RunnerUp:
    separated: tuple[str, ...] = ()
    if mate in explained.shares:
        ours, theirs = explained.shares[choice], explained.shares[mate]
        ahead = sorted(ours, key=lambda factor: theirs[factor] - ours[factor])[:SEPARATORS_MAX]
        separated = tuple([f for f in ahead if ours[f] - theirs[f] > SEPARATES_MIN])
    return RunnerUp(
        title_id=explained.index.title_id(explained.title[mate]),
        probability=explained.probability[mate],
        separated_by=separated,
    )


def _evidence(explained: _Explained, choice: int, place: _Place) -> tuple[Evidence, ...]:
    """The name first, then the other factors, then what makes the sum whole."""
    shares = dict(explained.shares[choice])
    alone, logit, bias = explained.alone[choice], explained.logit[choice], explained.bias
    closing = {"bias": bias, "calibration": alone - bias - sum(shares.values()), "longest_match": logit - alone}
    name = Evidence(
        signal_type=place.signal_type,
        factor="name",
        contribution=shares.pop("name"),
        value=place.value,
        field=place.field,
        segment=place.segment,
        start=place.start,
        end=place.end,
        reference_id=explained.index.alias_text(place.alias),
    )
    result = [name]
    if people := shares.pop("people"):
        result.append(Evidence(signal_type=SignalType.CAST, factor="people", contribution=people))
    result += [
        # By place: a dozen a match, and names of arguments double what one costs.
        Evidence(
            place.signal_type if factor in _OF_THE_SPAN else SignalType.PRIOR,
            factor,
            share,
            "",
            place.field,
            place.segment,
        )
        for factor, share in shares.items()
        if share
    ]
    result += [Evidence(SignalType.PRIOR, factor, share) for factor, share in closing.items() if share]
    return tuple(result)
