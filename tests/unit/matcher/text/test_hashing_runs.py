"""Keys of runs and the table of keys, beside Python's own dict."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.text.hashing import KeyTable, hash_text, prefix_sums, run_hashes

KEYS = st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=60)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_run_has_one_key_wherever_it_stands(before: str, run: str, after: str) -> None:
    chars = np.array([ord(c) for c in before + run + after], dtype=np.uint32)
    start, end = np.array([len(before)]), np.array([len(before) + len(run)])
    assert int(run_hashes(prefix_sums(chars), start, end)[0]) == hash_text(run)


@given(KEYS, KEYS)
def test_the_table_finds_what_a_dict_finds(held: list[int], asked: list[int]) -> None:
    table = KeyTable.build(np.array(held, dtype=np.uint64))
    numbers = {key: number for number, key in enumerate(held)}
    queries = held + asked
    found = table.find(np.array(queries, dtype=np.uint64)).tolist()
    assert found == [numbers.get(q, -1) for q in queries]


@given(KEYS, st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=200))
def test_a_grown_table_finds_the_newest_number(held: list[int], added: list[int]) -> None:
    added += held[::2]
    added = list(dict.fromkeys(added))
    table = KeyTable.build(np.array(held, dtype=np.uint64)).with_keys(np.array(added, dtype=np.uint64))
    numbers = {key: number for number, key in enumerate(held + added)}
    found = table.find(np.array(held + added, dtype=np.uint64)).tolist()
    assert found == [numbers[k] for k in held + added]
