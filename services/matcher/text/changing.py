"""Taking changed titles into the columns of an index without building it anew.

New titles, names and people go to the ends of the arrays.  A name whose titles change gets a new row
with all its titles, and its key leads there; the old row is left behind.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from services.matcher.text.hashing import Ints, KeyTable, mark_keys

Arrays = dict[str, npt.NDArray[Any]]

_TITLE = ("title_popularity", "title_year", "title_day", "title_type", "title_topics")
_ALIAS = (
    "alias_words",
    "alias_chars",
    "alias_zipf_min",
    "alias_zipf_mean",
    "alias_zipf_max",
    "alias_zipf_other",
    "alias_pair_min",
    "alias_pair_mean",
    "alias_place",
    "alias_phrase",
    "alias_entry",
    "alias_song",
    "alias_person",
    "alias_prior",
    "alias_shape",
)
NO_PRIOR = 255


def apply_changes(old: Arrays, new: Arrays, gone: Ints) -> Arrays:
    """`new` are the columns of the changed titles alone; `gone` the numbers of titles that leave or change."""
    result = dict(old)
    shift = len(old["title_year"])
    for name in _TITLE:
        result[name] = np.concatenate((old[name], new[name]))
    result["title_id"], result["title_id_at"] = _text_joined(old, new, "title_id")
    kept = ~np.isin(old["title_number"], gone)
    keys, numbers = old["title_key"][kept], old["title_number"][kept]
    place = np.searchsorted(keys, new["title_key"])  # both are sorted: to sort them anew takes half of all this
    result["title_key"] = np.insert(keys, place, new["title_key"])
    result["title_number"] = np.insert(numbers, place, new["title_number"] + shift).astype(np.uint32)
    _change_aliases(result, old, new, gone, shift)
    _change_people(result, old, new, gone, shift)
    result["stem_filter"] = old["stem_filter"].copy()
    mark_keys(result["stem_filter"], new["stem_key"])
    return result


def _text_joined(old: Arrays, new: Arrays, name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    at = old[f"{name}_at"]
    return np.concatenate((old[name], new[name])), np.concatenate((at, new[f"{name}_at"][1:] + at[-1]))


def _change_aliases(result: Arrays, old: Arrays, new: Arrays, gone: Ints, shift: int) -> None:
    table = KeyTable(old["alias_key"], old["alias_slots"], old["alias_filter"])
    fresh = KeyTable(new["alias_key"], new["alias_slots"], new["alias_filter"])
    touched = _touched(old, "alias_posting", "posting_title", gone)
    touched = touched[table.find(old["alias_key"][touched]) == touched]  # rows left behind stay behind
    keys = np.union1d(old["alias_key"][touched], new["alias_key"])
    in_old, in_new = table.find(keys), fresh.find(keys)
    for name in _ALIAS:
        result[name] = np.concatenate((old[name], _either(old[name], new[name], in_old, in_new)))
    pinned = _either(old["alias_prior"], new["alias_prior"], in_old, in_new)
    told = (
        (in_new >= 0) & (new["alias_prior"][np.maximum(in_new, 0)] != NO_PRIOR)
        if len(new["alias_prior"])
        else in_new < -1
    )
    result["alias_prior"][len(old["alias_prior"]) :] = np.where(
        told, new["alias_prior"][np.maximum(in_new, 0)] if len(new["alias_prior"]) else NO_PRIOR, pinned
    )
    postings = [
        _postings(old, new, int(a), int(b), gone, shift, result["title_popularity"])
        for a, b in zip(in_old, in_new, strict=True)
    ]
    ends = np.cumsum([len(t) for t, _ in postings]) if postings else np.empty(0, dtype=np.int64)
    result["alias_posting"] = np.concatenate((old["alias_posting"], old["alias_posting"][-1] + ends)).astype(np.uint32)
    result["posting_title"] = np.concatenate((old["posting_title"], *(t for t, _ in postings))).astype(np.uint32)
    result["posting_kind"] = np.concatenate((old["posting_kind"], *(k for _, k in postings))).astype(np.uint8)
    popularity = result["title_popularity"].astype(np.float64)
    weight = [float(np.power(10.0, popularity[t]).sum()) or 1.0 for t, _ in postings]
    result["alias_weight"] = np.concatenate((old["alias_weight"], np.array(weight, dtype=np.float32)))
    texts = [_text(new, int(b)) if b >= 0 else _text(old, int(a)) for a, b in zip(in_old, in_new, strict=True)]
    ends = np.cumsum([len(t) for t in texts]) if texts else np.empty(0, dtype=np.int64)
    result["alias_text"] = np.concatenate((old["alias_text"], *texts))
    result["alias_text_at"] = np.concatenate((old["alias_text_at"], old["alias_text_at"][-1] + ends)).astype(np.uint32)
    grown = table.with_keys(keys)
    result["alias_key"], result["alias_slots"], result["alias_filter"] = grown.keys, grown.slots, grown.filter


def _touched(old: Arrays, starts: str, titles: str, gone: Ints) -> Ints:
    """The rows with a posting of a title that is gone."""
    at = np.flatnonzero(np.isin(old[titles], gone))
    return np.unique(np.searchsorted(old[starts], at, side="right") - 1)


def _either(old: npt.NDArray[Any], new: npt.NDArray[Any], in_old: Ints, in_new: Ints) -> npt.NDArray[Any]:
    """The old row's value where there is an old row, else the new one's."""
    result = np.empty(len(in_old), dtype=old.dtype)
    has_old = in_old >= 0
    result[has_old] = old[in_old[has_old]]
    result[~has_old] = new[in_new[~has_old]]
    return result


def _postings(
    old: Arrays, new: Arrays, in_old: int, in_new: int, gone: Ints, shift: int, popularity: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Titles and kinds of one name, best known first, without those that are gone."""
    titles, kinds = [], []
    if in_old >= 0:
        row = slice(int(old["alias_posting"][in_old]), int(old["alias_posting"][in_old + 1]))
        stay = ~np.isin(old["posting_title"][row], gone)
        titles.append(old["posting_title"][row][stay].astype(np.int64))
        kinds.append(old["posting_kind"][row][stay])
    if in_new >= 0:
        row = slice(int(new["alias_posting"][in_new]), int(new["alias_posting"][in_new + 1]))
        titles.append(new["posting_title"][row].astype(np.int64) + shift)
        kinds.append(new["posting_kind"][row])
    title, kind = np.concatenate(titles), np.concatenate(kinds)
    order = np.lexsort((title, -popularity[title]))
    return title[order], kind[order]


def _text(arrays: Arrays, row: int) -> npt.NDArray[np.uint8]:
    at = arrays["alias_text_at"]
    return arrays["alias_text"][at[row] : at[row + 1]]


def _change_people(result: Arrays, old: Arrays, new: Arrays, gone: Ints, shift: int) -> None:
    """Old postings of a changed title are harmless (its number is never a candidate again)."""
    del gone
    table = KeyTable(old["person_key"], old["person_slots"], old["person_filter"])
    keys = new["person_key"]
    in_old = table.find(keys)
    titles, roles = [], []
    for row, before in enumerate(in_old.tolist()):
        added = slice(int(new["person_posting"][row]), int(new["person_posting"][row + 1]))
        title, role = new["person_title"][added].astype(np.int64) + shift, new["person_role"][added]
        if before >= 0:
            held = slice(int(old["person_posting"][before]), int(old["person_posting"][before + 1]))
            title = np.concatenate((title, old["person_title"][held].astype(np.int64)))
            role = np.concatenate((role, old["person_role"][held]))
        titles.append(title)
        roles.append(role)
    ends = np.cumsum([len(t) for t in titles]) if titles else np.empty(0, dtype=np.int64)
    result["person_posting"] = np.concatenate((old["person_posting"], old["person_posting"][-1] + ends)).astype(
        np.uint32
    )
    result["person_title"] = np.concatenate((old["person_title"], *titles)).astype(np.uint32)
    result["person_role"] = np.concatenate((old["person_role"], *roles)).astype(np.uint8)
    grown = table.with_keys(keys)
    result["person_key"], result["person_slots"], result["person_filter"] = grown.keys, grown.slots, grown.filter
