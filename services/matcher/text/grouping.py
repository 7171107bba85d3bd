"""Runs of equal values in a sorted column: where each begins, and the place of each entry in its run."""

from typing import Any

import numpy as np
import numpy.typing as npt


def run_heads(grouped: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """The first of each run of equal values."""
    heads = np.ones(len(grouped), dtype=np.bool_)
    heads[1:] = grouped[1:] != grouped[:-1]
    return heads


def places_in_run(heads: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """0, 1, 2, ... within each run."""
    places = np.arange(len(heads))
    return places - np.maximum.accumulate(np.where(heads, places, 0)) if len(heads) else places
