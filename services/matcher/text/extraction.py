"""From posts to candidates with features: the whole of the engine but the last sum."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.matcher.scoring.weights import Weights
from services.matcher.text.choices import Choices, choose, without_repeats
from services.matcher.text.context import context_features
from services.matcher.text.cues import cue_bits, cue_features
from services.matcher.text.features import Named, alias_features, choice_features, matrix
from services.matcher.text.forms import Floats, WordForms, form_features, word_forms
from services.matcher.text.hashing import Ints
from services.matcher.text.index import TextIndex
from services.matcher.text.people import People, find_people, inside_name
from services.matcher.text.posts import Field, Post
from services.matcher.text.rivals import claim_features, rival_features, span_strength, strongest
from services.matcher.text.spans import Spans, find_spans
from services.matcher.text.words import Words, split_words

TEXT_CHARS_MAX = 65_536
TEXTS_PER_POST_MAX = 400


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a batch of posts, one after another: where each came from."""

    content: list[str]
    post: Ints
    field: npt.NDArray[np.uint8]
    segment: Ints  # which entry, where the field is a list


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of a batch with all that is known of them."""

    texts: Texts
    words: Words
    forms: WordForms
    people: People
    spans: Spans
    choices: Choices
    by_span: Named
    by_choice: Named
    span_post: Ints  # the post of each span

    def keep(self, kept: npt.NDArray[np.bool_]) -> "Candidates":
        """These choices alone; spans stay, so that rivals are still seen."""
        by_choice = {name: column[kept] for name, column in self.by_choice.items()}
        return replace(self, choices=self.choices.take(kept), by_choice=by_choice)

    def matrix(self, names: tuple[str, ...]) -> Floats:
        return matrix(names, self.by_span, self.by_choice, self.choices.span)


def gather_texts(posts: Sequence[Post]) -> Texts:
    """The captions, then all other texts; a tag or mention that stands in the caption is not repeated."""
    content = [post.caption[:TEXT_CHARS_MAX] for post in posts]
    owner, field, segment = list(range(len(posts))), [int(Field.CAPTION)] * len(posts), [0] * len(posts)
    for number, post in enumerate(posts):
        if post.hashtags or post.mentions or post.speech or post.ocr:
            for kind, place, text in _further_texts(post, content[number])[:TEXTS_PER_POST_MAX]:
                content.append(text[:TEXT_CHARS_MAX])
                owner.append(number)
                field.append(kind)
                segment.append(place)
    return Texts(
        content, np.array(owner, dtype=np.int64), np.array(field, dtype=np.uint8), np.array(segment, dtype=np.int64)
    )


def _further_texts(post: Post, caption: str) -> list[tuple[Field, int, str]]:
    result = _signed(post.hashtags, "#", Field.HASHTAGS, caption) if post.hashtags else []
    if post.mentions:
        result += _signed(post.mentions, "@", Field.MENTIONS, caption)
    if post.speech:
        result.append((Field.SPEECH, 0, post.speech))
    if post.ocr:
        result += [(Field.OCR, i, text) for i, text in enumerate(post.ocr)]
    return result


def _signed(names: Sequence[str], sign: str, field: Field, caption: str) -> list[tuple[Field, int, str]]:
    """The names that are not in the caption, with their sign."""
    signed = [(place, sign + name.lstrip(sign)) for place, name in enumerate(names)]
    missing = [(place, name) for place, name in signed if name not in caption]
    if not missing:
        return []
    folded = caption.casefold()
    return [(field, place, name) for place, name in missing if name.casefold() not in folded]


def extract(posts: Sequence[Post], index: TextIndex, weights: Weights) -> Candidates:
    """Candidates worth judging, and their features but those of competition."""
    texts = gather_texts(posts)
    columns = index.base
    words = split_words(texts.content)
    forms = word_forms(words, len(texts.content))
    spans = find_spans(words, columns.aliases(), columns.stem_filter)
    spans = spans.take(columns.alias_posting[spans.alias + 1] > columns.alias_posting[spans.alias])
    by_span: Named = {**alias_features(columns, spans), **form_features(words, forms, spans)}
    by_span["words_more"] = np.clip(by_span["words"].astype(np.int64) - by_span["alias_words"], -3, 3)
    by_span["field"] = texts.field[words.text[spans.first]]
    every = np.arange(len(spans))
    promise = weights.promise.logits(matrix(weights.promise.names, by_span, {}, every))
    post = texts.post[words.text[spans.first]]
    kept = np.flatnonzero(promise >= weights.promise_min)
    kept = kept[strongest(promise[kept], post[kept])]
    spans, post = spans.take(kept), post[kept]
    by_span = {name: column[kept] for name, column in by_span.items()}
    by_span["promise"] = promise[kept]
    by_span.update(context_features(weights.context, words, forms, spans))
    bits = cue_bits(words)
    by_span.update(cue_features(bits, words, forms, spans))
    by_span["tv_words"], by_span["movie_words"] = by_span["tv_around"], by_span["movie_around"]
    people = find_people(columns, words, texts.post)
    choices = choose(columns, words, forms, spans, people, texts.post, len(posts), bits)
    choices = without_repeats(choices, spans, post)
    by_span["inside_name"] = inside_name(people, spans)
    day = np.array([p.create_time // 86_400 for p in posts], dtype=np.int64)
    by_choice = choice_features(columns, spans, choices, day[post[choices.span]])
    return Candidates(texts, words, forms, people, spans, choices, by_span, by_choice, post)


def compete(candidates: Candidates, first_logits: Floats) -> None:
    """Add the features of competition, once each candidate has been judged by itself."""
    spans, choices = candidates.spans, candidates.choices
    strength = span_strength(choices, first_logits, len(spans))
    candidates.by_span.update(rival_features(spans, strength, candidates.span_post))
    candidates.by_choice.update(claim_features(choices, first_logits, candidates.span_post[choices.span]))
