"""How a span is written: its case, its marks, its place in the text, years beside it."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matcher.text.hashing import Ints, KeyTable
from services.matcher.text.spans import Spans
from services.matcher.text.words import Bools, Words, split_words

YEAR_MIN, YEAR_MAX = 1900, 2040
_DATE_MARKS = np.array([ord(c) for c in "/.-"], dtype=np.uint32)  # 11/09/2017 says no film's year

Floats = npt.NDArray[np.float32]

# Classes of the character beside a span.
EDGE, SPACE, QUOTE, OPEN, CLOSE, COLON, DASH, COMMA, STOP, SIGN, WORD, OTHER = range(12)
_MARKS = {
    QUOTE: "\"'\u201c\u201d\u2018\u2019\u00ab\u00bb\u300c\u300d\u300e\u300f*_",
    OPEN: "([{<\uff08",
    CLOSE: ")]}>\uff09",
    COLON: ":;\uff1a",
    DASH: "-\u2013\u2014|/~\u2022",
    COMMA: ",\u3001\uff0c",
    STOP: ".!?\u2026\u3002\uff01\uff1f",
    SIGN: "#@\uff03\uff20",
    EDGE: "\n\r",
    SPACE: " \t\u00a0",
}
_TABLED = 0x10000


def _mark_table() -> npt.NDArray[np.uint8]:
    table = np.full(_TABLED + 1, OTHER, dtype=np.uint8)
    table[ord("0") : ord("9") + 1] = WORD
    table[ord("A") : ord("Z") + 1] = WORD
    table[ord("a") : ord("z") + 1] = WORD
    table[0xC0:0x2000] = WORD
    table[0x3041:0xFF00] = WORD
    for code, marks in _MARKS.items():
        for mark in marks:
            table[ord(mark)] = code
    return table


_MARK = _mark_table()


@dataclass(frozen=True, slots=True)
class WordForms:
    """Columns with one entry a word, and running counts of them (one longer) for any stretch."""

    capital: Bools
    all_capital: Bools
    digits: Bools
    year: npt.NDArray[np.int16]  # the year a word says; 0 for none
    text_first: Ints  # the first word of each text; one longer
    capitals: Ints
    running_all_capital: Ints
    run_first: Ints  # the first and the last word of the run of capitalised words a word stands in
    run_last: Ints


def word_forms(words: Words, texts: int) -> WordForms:
    """Look at each word once."""
    size = words.end - words.start
    capital = words.char_upper[words.start]
    uppers = _running(words.char_upper)
    digits_run = _running(words.char_digit)
    all_capital = ((uppers[words.end] - uppers[words.start]) == size) & (size > 1)
    digits = (digits_run[words.end] - digits_run[words.start]) == size
    year = np.zeros(len(words), dtype=np.int16)
    at = np.flatnonzero(digits & (size == 4))
    if len(at):
        begin = words.start[at]
        said = sum((words.chars[begin + i].astype(np.int64) - ord("0")) * 10 ** (3 - i) for i in range(4))
        mark = words.points[np.maximum(words.char_place[begin] - 1, 0)]
        in_date = (words.char_place[begin] > 0) & np.isin(mark, _DATE_MARKS)
        year[at] = np.where((said >= YEAR_MIN) & (said <= YEAR_MAX) & ~in_date, said, 0)
    text_first = np.searchsorted(words.text, np.arange(texts + 1))
    run_first, run_last = _runs(words, _phrase(words, capital | digits))
    return WordForms(
        capital, all_capital, digits, year, text_first, _running(capital), _running(all_capital), run_first, run_last
    )


def _phrase(words: Words, capital: Bools) -> Bools:
    """Capitalised words, and the small words that join two of them ("Love, Speed and Thrills")."""
    joined = capital.copy()
    small = np.flatnonzero(_joining().find(words.key) >= 0)
    small = small[(small > 0) & (small < len(words) - 1)]
    joined[small] |= capital[small - 1] & capital[small + 1]
    return joined


@functools.cache
def _joining() -> KeyTable:
    return KeyTable.build(
        np.unique(
            split_words(
                [
                    "of",
                    "and",
                    "the",
                    "de",
                    "la",
                    "le",
                    "du",
                    "in",
                    "to",
                    "a",
                    "an",
                    "for",
                    "with",
                    "at",
                    "on",
                    "von",
                    "der",
                    "und",
                    "et",
                    "y",
                    "e",
                    "à",
                ]
            ).key
        )
    )


@functools.cache
def _numbers() -> KeyTable:
    """What numbers a sequel, where it is no digit."""
    forms = "ii iii iv vi vii viii ix two three four five six seven eight nine ten part chapter volume vol episode"
    return KeyTable.build(np.unique(split_words(forms.split()).key))


def _runs(words: Words, capital: Bools) -> tuple[Ints, Ints]:
    """Stretches of capitalised words that no mark parts."""
    joined = np.zeros(len(words), dtype=np.bool_)
    joined[1:] = capital[1:] & capital[:-1] & (words.segment[1:] == words.segment[:-1])
    joined[1:] &= (words.punctuated[1:] == words.punctuated[:-1]) & (words.broken[1:] == words.broken[:-1])
    places = np.arange(len(words))
    first = np.maximum.accumulate(np.where(joined, 0, places)) if len(words) else places
    ends = np.append(~joined[1:], True)[: len(words)]
    last = np.minimum.accumulate(np.where(ends, places, len(words))[::-1])[::-1]
    return first, last


def _running(flags: Bools) -> Ints:
    counts = np.zeros(len(flags) + 1, dtype=np.int64)
    np.cumsum(flags, out=counts[1:])
    return counts


def form_features(words: Words, forms: WordForms, spans: Spans) -> dict[str, npt.NDArray[np.generic]]:
    """Named columns with one entry a span."""
    first, last = spans.first.astype(np.int64), spans.last.astype(np.int64)
    text = words.text[first]
    begin, end = forms.text_first[text], forms.text_first[text + 1]
    count, length = last - first + 1, end - begin
    inside = forms.capitals[last + 1] - forms.capitals[first]
    outside = forms.capitals[end] - forms.capitals[begin] - inside
    before, after = _marks_beside(words, spans)
    previous = np.maximum(first - 1, 0)
    following = np.minimum(last + 1, len(words) - 1)
    has_previous, has_following = first > begin, last + 1 < end
    tag_chars = words.end[last] - words.start[first]
    return {
        "words": count,
        "capitals": inside / count,
        "all_capital": forms.running_all_capital[last + 1] - forms.running_all_capital[first] == count,
        "first_capital": forms.capital[first],
        "case": _case(inside, outside, count, length),
        "in_tag": words.in_tag[first],
        "in_mention": words.in_mention[first],
        "suffix": spans.suffix,
        "prefix": spans.prefix,
        "tag_share": (spans.end - spans.start) / np.maximum(tag_chars, 1),
        "mark_before": before,
        "mark_after": after,
        "punctuation_inside": words.punctuated[last] - words.punctuated[first],
        "breaks_inside": words.broken[last] - words.broken[first],
        "previous_capital": np.where(has_previous, forms.capital[previous], 2),
        "next_capital": np.where(has_following, forms.capital[following], 2),
        "next_digits": has_following & forms.digits[following] & (forms.year[following] == 0),
        "next_number": has_following & (_numbers().find(words.key[following]) >= 0),
        "next_year": np.where(has_following, forms.year[following], 0) > 0,
        "run_before": np.minimum(first - forms.run_first[first], 6),
        "run_after": np.minimum(forms.run_last[last] - last, 6),
        "previous_digits": has_previous & forms.digits[previous],
    }


def _case(inside: Ints, outside: Ints, count: Ints, length: Ints) -> Ints:
    """What capitals say of a span: 1 against a name (others have some), 2 for one (most others have none), else 0.

    Where nobody writes capitals, and where all words have them, they say nothing.
    """
    against = (inside == 0) & (outside > 0)
    told = (inside == count) & (2 * outside < length - count)
    return np.select([against, told], [1, 2], 0)


def _marks_beside(words: Words, spans: Spans) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The class of the mark before and after each span, looking past one space."""
    points = words.points
    before = words.char_place[spans.start] - 1
    after = words.char_place[spans.end - 1] + 1
    left, further_left = _mark_at(points, before), _mark_at(points, before - 1)
    right, further_right = _mark_at(points, after), _mark_at(points, after + 1)
    left = np.where((left == SPACE) & (further_left != WORD), further_left, left)
    right = np.where((right == SPACE) & (further_right != WORD), further_right, right)
    return left.astype(np.uint8), right.astype(np.uint8)


def _mark_at(points: npt.NDArray[np.uint32], at: Ints) -> npt.NDArray[np.uint8]:
    inside = (at >= 0) & (at < len(points))
    found = points[np.clip(at, 0, max(len(points) - 1, 0))]
    return np.where(inside, _MARK[np.minimum(found, _TABLED)], EDGE)


def years_near(words: Words, forms: WordForms, spans: Spans) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """The year said right after each span (0 for none), and the first year anywhere in its text."""
    last = spans.last.astype(np.int64)
    text = words.text[last]
    beside = np.zeros(len(last), dtype=np.int16)
    for step in (3, 2, 1):  # the nearest is written last and wins
        at = np.minimum(last + step, len(words) - 1)
        said = np.where((words.text[at] == text) & (at > last), forms.year[at], 0)
        beside = np.where(said > 0, said, beside)
    anywhere = np.zeros(len(forms.text_first) - 1, dtype=np.int16)
    at = np.flatnonzero(forms.year)[::-1]
    anywhere[words.text[at]] = forms.year[at]
    return beside, anywhere[text]
