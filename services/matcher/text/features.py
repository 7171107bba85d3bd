"""The columns a candidate is judged by, in one matrix, in the order the weights were trained in."""

import numpy as np
import numpy.typing as npt

from services.matcher.text.building import Shape
from services.matcher.text.choices import Choices
from services.matcher.text.forms import Floats
from services.matcher.text.index import Columns
from services.matcher.text.spans import Spans

Named = dict[str, npt.NDArray[np.generic]]


def alias_features(columns: Columns, spans: Spans) -> Named:
    """What the index knows of each span's name."""
    alias = spans.alias
    shape = columns.alias_shape[alias]
    first = columns.alias_posting[alias].astype(np.int64)
    homonyms = columns.alias_posting[alias + 1].astype(np.int64) - first
    return {
        "alias_words": columns.alias_words[alias],
        "alias_chars": columns.alias_chars[alias],
        "zipf_min": columns.alias_zipf_min[alias],
        "zipf_mean": columns.alias_zipf_mean[alias],
        "zipf_max": columns.alias_zipf_max[alias],
        "zipf_other": columns.alias_zipf_other[alias],
        "pair_min": columns.alias_pair_min[alias],
        "pair_mean": columns.alias_pair_mean[alias],
        "place": columns.alias_place[alias],
        "phrase": columns.alias_phrase[alias],
        "entry": columns.alias_entry[alias],
        "song": columns.alias_song[alias],
        "person": columns.alias_person[alias],
        "alias_prior": columns.alias_prior[alias],
        "breaks": (shape & Shape.BREAKS) > 0,
        "digits_only": (shape & Shape.DIGITS) > 0,
        "glyphs": (shape & Shape.GLYPHS) > 0,
        "function_start": (shape & Shape.FUNCTION_START) > 0,
        "function_end": (shape & Shape.FUNCTION_END) > 0,
        "alias_weight": np.log10(columns.alias_weight[alias]),
        "homonyms": np.minimum(homonyms, 40),
        "best_popularity": columns.title_popularity[columns.posting_title[first]],
        "best_kind": columns.posting_kind[first],
    }


def choice_features(columns: Columns, spans: Spans, choices: Choices, day: npt.NDArray[np.int64]) -> Named:
    """What sets one candidate title of a span apart.  `day` is the post's date, 0 when not known."""
    title = choices.title
    popularity = columns.title_popularity[title]
    year = columns.title_year[title].astype(np.int64)
    total = np.log10(columns.alias_weight[spans.alias[choices.span]])
    shared = np.minimum(np.bitwise_count(choices.topics & columns.title_topics[title]), 4).astype(np.int64)
    age = np.where((day > 0) & (columns.title_day[title] != 0), (day - columns.title_day[title]) / 365.25, -99.0)
    return {
        "popularity": popularity,
        "share": popularity - total,
        "rank": choices.rank,
        "gap": np.clip(choices.gap, -9.0, 9.0),
        "kind": choices.kind,
        "type": columns.title_type[title],
        "year": np.where(year > 0, year, 1850),
        "year_beside": _agreement(year, choices.year_beside),
        "year_anywhere": _agreement(year, choices.year_anywhere),
        "cast_hits": np.minimum(choices.cast_hits, 4),
        "character_hits": np.minimum(choices.character_hits, 4),
        "topics_shared": shared,
        "topics_gap": shared - _of_mate(choices.span, shared),
        "age": np.clip(age, -99.0, 60.0),
    }


def _of_mate(span: npt.NDArray[np.int64], value: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The value of the other choice of the same span, which stands beside it; its own where there is none."""
    mate = np.arange(len(span))
    same = np.flatnonzero(span[1:] == span[:-1])
    mate[same], mate[same + 1] = same + 1, same
    return value[mate]


def _agreement(year: npt.NDArray[np.int64], said: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """0 no year said, 1 far from the title's, 2 within two, 3 within one, 4 the same, 5 title without a year."""
    distance = np.abs(year - said)
    told = np.select([year == 0, distance == 0, distance == 1, distance == 2], [5, 4, 3, 2], 1)
    return np.where(said > 0, told, 0)


def matrix(names: tuple[str, ...], by_span: Named, by_choice: Named, span: npt.NDArray[np.int64]) -> Floats:
    """Columns in the order of `names`; span columns are repeated for each of the span's choices."""
    result = np.empty((len(names), len(span)), dtype=np.float32)
    for row, name in enumerate(names):
        result[row] = by_choice[name] if name in by_choice else by_span[name][span]
    return result
