import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import paging
from chassis.config import ConfigError, Settings
from chassis.errors import Violation

KEY = b"k" * 32
POSITIONS = st.lists(st.none() | st.text(max_size=20) | st.integers(-(2**60), 2**60), max_size=4)


@given(POSITIONS)
def test_a_token_gives_its_position_back(position):
    assert paging.decode(KEY, "q", paging.encode(KEY, "q", position)) == position


@given(st.text(max_size=60))
def test_what_we_did_not_make_is_refused(text):
    if text:
        with pytest.raises(paging.InvalidPageToken) as caught:
            paging.decode(KEY, "q", text)
        assert caught.value.violations == (Violation("page_token", "is not a token we gave for this query"),)
    else:
        assert paging.decode(KEY, "q", text) == []


def test_a_token_is_good_for_its_query_and_key_only():
    token = paging.encode(KEY, "q", ["a"])
    for key, query, forged in (
        (KEY, "p", token),
        (b"z" * 32, "q", token),
        (KEY, "q", token[:-2] + "AA"),
        (KEY, "q", "A" * 3000),
    ):
        with pytest.raises(paging.InvalidPageToken):
            paging.decode(key, query, forged)


def test_sizes_and_hashes():
    assert [paging.size(n) for n in (0, -1, 7, 999)] == [50, 50, 7, 200]
    assert paging.query_hash("a", "b") != paging.query_hash("ab")


def test_the_key_is_a_file_except_in_local_mode(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"abc")
    assert paging.token_key(Settings(page_token_key_file=path)) == b"abc"
    assert len(paging.token_key(Settings(local=True))) == 32
    with pytest.raises(ConfigError):
        paging.token_key(Settings())
