"""One table that says, for each code point, how it is compared and what class of character it is.

Folding is NFKD, without combining marks, case-folded: the same text the scorer and the catalog's
search compare.  It is done a character at a time so that every folded character knows its offset in
the original, and so that numpy can fold a whole batch with one lookup.
"""

import enum
import functools
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TABLED = 0x20000  # above these planes: rare ideographs and tags; none of them fold
CODE_POINTS = TABLED + 1  # the last row stands for all of them
EXPANSION_MAX = 5


class CharClass(enum.IntEnum):
    """What a character does to the words around it."""

    SPACE = 0  # parts words
    PUNCTUATION = 1  # parts words; a span across it is suspicious
    BREAK = 2  # parts sentences: full stop, line break, emoji
    LETTER = 3
    DIGIT = 4
    GLYPH = 5  # a word by itself: ideographs, kana, Thai and others written without spaces
    IGNORED = 6  # apostrophes, accents, joiners: as if not there
    HASH = 7
    AT = 8


_APOSTROPHES = "'\u2019\u2018`\u00b4\u02bc\u2032"
_MARKS_WITHOUT_MEANING = "\u2122\u00ae\u00a9\u2120"
_BREAKS = ".!?\n\r\u3002\uff01\uff1f\u2026"
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FFF),  # radicals
    (0x3005, 0x3007),
    (0x3041, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
)
# Letters of other scripts that stand for a Latin one inside an otherwise Latin word.
_LOOKALIKES = (
    "\u0430a \u0432b \u0441c \u0435e \u0455s \u0456i \u0458j \u043ak \u043cm \u043dh \u043eo \u0440p \u0442t "
    "\u0443y \u0445x \u0501d \u04bbh \u04cfl \u051bq \u051dw \u03b1a \u03b5e \u03bfo \u03bdv \u03b9i \u03bak \u03c1p "
    "\u03c4t \u03c5u \u03c7x \u03c9w \u0431b \u0433r"
)


@dataclass(frozen=True, slots=True)
class FoldTable:
    """Arrays indexed by code point, cut at TABLED."""

    folded: npt.NDArray[np.uint32]
    char_class: npt.NDArray[np.uint8]
    is_upper: npt.NDArray[np.bool_]
    script: npt.NDArray[np.uint8]  # 1 Latin, 2 Cyrillic or Greek, 0 other
    lookalike: npt.NDArray[np.uint32]  # the Latin twin of a Cyrillic or Greek letter, else itself
    expansion: dict[int, str]  # code points that fold to more than one character
    expands: npt.NDArray[np.uint8]  # their lengths; 1 elsewhere


def fold_text(text: str) -> str:
    """The obvious twin of the table: fold a string without keeping offsets."""
    text = unicodedata.normalize("NFKD", text.replace("&", " and "))
    return "".join(c for c in text.casefold() if not unicodedata.combining(c) and c not in _APOSTROPHES)


@functools.cache
def fold_table() -> FoldTable:
    """Build the table once a process (about 0.2 s)."""
    folded = np.arange(CODE_POINTS, dtype=np.uint32)
    char_class = np.full(CODE_POINTS, CharClass.BREAK, dtype=np.uint8)
    is_upper = np.zeros(CODE_POINTS, dtype=np.bool_)
    script = np.zeros(CODE_POINTS, dtype=np.uint8)
    expansion: dict[int, str] = {}
    for point in range(TABLED):
        char = chr(point)
        category = unicodedata.category(char)
        char_class[point] = _class_of(char, category)
        is_upper[point] = category in {"Lu", "Lt"}
        if category in {"Cn", "Co", "Cs", "Cc"}:
            continue
        result = _folded_char(char)
        if len(result) == 1:
            folded[point] = ord(result)
        elif len(result) > 1 and len(result) <= EXPANSION_MAX and category[0] in "LN":
            expansion[point] = result
    expansion[ord("&")] = " and "
    for low, high in _UNSPACED:
        letters = char_class[low : high + 1]
        letters[letters == CharClass.LETTER] = CharClass.GLYPH
    char_class[TABLED] = CharClass.GLYPH
    _mark_scripts(folded, script)
    expands = np.ones(CODE_POINTS, dtype=np.uint8)
    for point, result in expansion.items():
        expands[point] = len(result)
    return FoldTable(folded, char_class, is_upper, script, _lookalikes(folded), expansion, expands)


def _folded_char(char: str) -> str:
    decomposed = unicodedata.normalize("NFKD", char)
    if "\uac00" <= char <= "\ud7a3":
        return char  # Hangul syllables stay whole
    return "".join(c for c in decomposed.casefold() if not unicodedata.combining(c)) or char


def _class_of(char: str, category: str) -> int:  # noqa: PLR0911 - a table of classes reads best flat
    if char in {"#", "\uff03"}:
        return CharClass.HASH
    if char in {"@", "\uff20"}:
        return CharClass.AT
    if char in _APOSTROPHES or char in _MARKS_WITHOUT_MEANING:
        return CharClass.IGNORED
    if char in _BREAKS:
        return CharClass.BREAK
    major = category[0]
    if major == "M" or category == "Cf":
        return CharClass.IGNORED
    if category == "Nd":
        return CharClass.DIGIT
    if major in "LN":
        return CharClass.LETTER
    if major == "Z" or char in "_\t\x00":
        return CharClass.SPACE
    if major == "P" or category in {"Sm", "Sc", "Sk"}:
        return CharClass.PUNCTUATION
    return CharClass.BREAK


def _mark_scripts(folded: npt.NDArray[np.uint32], script: npt.NDArray[np.uint8]) -> None:
    plain = folded.astype(np.int64)
    script[((plain >= ord("a")) & (plain <= ord("z"))) | ((plain >= 0xC0) & (plain <= 0x24F))] = 1
    script[(plain >= 0x370) & (plain <= 0x52F)] = 2


def _lookalikes(folded: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    twins = folded.copy()
    for pair in _LOOKALIKES.split():
        other, latin = pair[0], pair[1]
        twins[folded == ord(other)] = ord(latin)
    return twins
