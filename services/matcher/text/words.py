"""A batch of texts as columns: characters, then words, with their places in the original."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matcher.text.fold import TABLED, CharClass, FoldTable, fold_table
from services.matcher.text.hashing import Ints, UInt64s, prefix_sums, run_hashes

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_ESCAPES = {"&amp;": "&", "&quot;": '"', "&#39;": "'", "&apos;": "'", "&lt;": "<", "&gt;": ">"}
_NOTHING = 0x200B  # a space without width: as if not there


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch of texts, in order.

    Character columns (`chars`, `char_place`, `is_upper`) hold only what words are made of; `start`
    and `end` of a word are positions in them, `place_*` offsets in the joined original.
    """

    chars: npt.NDArray[np.uint32]
    char_place: Ints
    char_upper: Bools
    char_digit: Bools
    sums: UInt64s
    start: Ints
    end: Ints
    text: npt.NDArray[np.int32]  # which text a word belongs to
    segment: npt.NDArray[np.int32]  # a span never crosses from one segment to another
    in_tag: Bools
    in_mention: Bools
    punctuated: npt.NDArray[np.int32]  # running count of punctuation before the word
    broken: npt.NDArray[np.int32]  # running count of sentence breaks before the word
    key: UInt64s  # hash of the word alone
    text_place: Ints  # where each text starts in the joined original
    points: npt.NDArray[np.uint32]  # the joined original, as code points

    def __len__(self) -> int:
        return len(self.start)

    def span_keys(self, first: Ints, last: Ints) -> UInt64s:
        """Keys of the spans from word `first` to word `last`, both included."""
        return run_hashes(self.sums, self.start[first], self.end[last])


def split_words(texts: Sequence[str]) -> Words:
    """Fold and split all texts at once."""
    table = fold_table()
    joined = "\n".join(texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    read = _without_escapes(points)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    text_place = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths + 1, out=text_place[1:])
    place = np.arange(len(points))
    rows = np.minimum(read, TABLED)
    folded = np.where(rows == TABLED, read, table.folded[rows])
    expands = table.expands[rows]
    upper = table.is_upper[rows]
    if expands.max(initial=1) > 1:
        rows, folded, place = _expand(table, rows, folded, place, expands)
        upper = table.is_upper[rows] | upper[place]
    kind = table.char_class[rows]
    seen = kind != CharClass.IGNORED
    if not seen.all():
        rows, folded, place, kind, upper = rows[seen], folded[seen], place[seen], kind[seen], upper[seen]
    return _collect(table, folded, place, kind, upper, text_place, points)


def _without_escapes(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The characters meant by `&amp;` and the like, which some feeds leave in captions; places stay as they are."""
    signs = np.flatnonzero(points == ord("&"))
    if not len(signs):
        return points
    read = points.copy()
    for escape, meant in _ESCAPES.items():
        at = signs[signs + len(escape) <= len(points)]
        for step, char in enumerate(escape):
            at = at[points[at + step] == ord(char)]
        for step in range(1, len(escape)):
            read[at + step] = _NOTHING
        read[at] = ord(meant)
    return read


def _expand(
    table: FoldTable,
    rows: npt.NDArray[np.uint32],
    folded: npt.NDArray[np.uint32],
    place: Ints,
    expands: Bytes,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], Ints]:
    """Write out the few characters that fold to several."""
    source = np.repeat(place, expands)
    rows, folded = rows[source], folded[source]
    ends = np.cumsum(expands, dtype=np.int64)
    for at in np.flatnonzero(expands > 1):
        end, length = int(ends[at]), int(expands[at])
        result = np.array([ord(c) for c in table.expansion[int(rows[end - 1])]], dtype=np.uint32)
        folded[end - length : end] = result
        rows[end - length : end] = np.minimum(result, TABLED)
    return rows, folded, source


def _collect(
    table: FoldTable,
    folded: npt.NDArray[np.uint32],
    place: Ints,
    kind: Bytes,
    upper: Bools,
    text_place: Ints,
    points: npt.NDArray[np.uint32],
) -> Words:
    word = (kind >= CharClass.LETTER) & (kind <= CharClass.GLYPH)
    at = np.flatnonzero(word)
    begins = np.ones(len(at), dtype=np.bool_)
    begins[1:] = at[1:] != at[:-1] + 1
    kinds = kind[at]
    glyph = kinds == CharClass.GLYPH
    begins[1:] |= glyph[1:] | glyph[:-1]
    tagged, mentioned = _tags(kind, word, at, folded)
    if tagged.any():
        capital = upper[at]
        digit = kinds == CharClass.DIGIT
        hump = (capital[1:] & ~capital[:-1]) | (digit[1:] != digit[:-1])
        begins[1:] |= hump & tagged[1:] & tagged[:-1]
    start = np.flatnonzero(begins)
    end = np.append(start[1:], len(at))[: len(start)]
    chars = folded[at]
    chars = _latinised(table, chars, start)
    sums = prefix_sums(chars)
    char_place = place[at]
    text = (np.searchsorted(text_place, char_place[start], side="right") - 1).astype(np.int32)
    in_tag, in_mention = tagged[start], mentioned[start]
    before = at[start]
    punctuated = np.cumsum(kind == CharClass.PUNCTUATION, dtype=np.int32)[before]
    broken = np.cumsum((kind == CharClass.BREAK) | (kind >= CharClass.HASH), dtype=np.int32)[before]
    segment = _segments(text, tagged | mentioned, at, start, kind)
    return Words(
        chars,
        char_place,
        upper[at],
        kinds == CharClass.DIGIT,
        sums,
        start,
        end,
        text,
        segment,
        in_tag,
        in_mention,
        punctuated,
        broken,
        run_hashes(sums, start, end),
        text_place,
        points,
    )


def _tags(kind: Bytes, word: Bools, at: Ints, folded: npt.NDArray[np.uint32]) -> tuple[Bools, Bools]:
    """For each word character: is it in a hashtag, is it in a mention?"""
    signs = np.flatnonzero(kind >= CharClass.HASH)
    none = np.zeros(len(at), dtype=np.bool_)
    if not len(signs):
        return none, none
    parts = ~word & (folded != ord("_"))
    last = np.maximum.accumulate(np.where(parts, np.arange(len(kind)), 0))
    sign = kind[last[at]]
    return sign == CharClass.HASH, sign == CharClass.AT


def _latinised(table: FoldTable, chars: npt.NDArray[np.uint32], start: Ints) -> npt.NDArray[np.uint32]:
    """Replace Cyrillic and Greek look-alikes in words that also have Latin letters."""
    script = table.script[np.minimum(chars, TABLED)]
    if not (script == 2).any():
        return chars
    mixed = np.bitwise_or.reduceat(script, start) == 3
    inside = np.repeat(mixed, np.diff(np.append(start, len(chars))))
    return np.where(inside, table.lookalike[np.minimum(chars, TABLED)], chars)


def _segments(text: npt.NDArray[np.int32], fenced: Bools, at: Ints, start: Ints, kind: Bytes) -> npt.NDArray[np.int32]:
    """Number the stretches a span may lie in: a tag, a mention, or text between them."""
    inside = fenced[start]
    signs = np.cumsum(kind >= CharClass.HASH, dtype=np.int32)[at[start]]
    new = np.ones(len(start), dtype=np.bool_)
    new[1:] = (text[1:] != text[:-1]) | (inside[1:] != inside[:-1])
    new[1:] |= inside[1:] & (signs[1:] != signs[:-1])
    return np.cumsum(new, dtype=np.int32)
