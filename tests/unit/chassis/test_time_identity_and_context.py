from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import context, ids
from chassis.clock import FakeClock, SystemClock


def test_ids_sort_by_time_and_never_repeat():
    found = [ids.new_id() for _ in range(2000)]
    assert len(set(found)) == 2000
    assert all(len(each) == 26 and set(each) <= set(ids.ALPHABET) for each in found)
    assert [each[:9] for each in found] == sorted(each[:9] for each in found)


@given(st.lists(st.text(max_size=5), max_size=3))
def test_derived_ids_depend_on_their_parts_alone(parts):
    assert ids.derived_id(*parts) == ids.derived_id(*parts)
    assert ids.derived_id(*parts) != ids.derived_id(*parts, "x")


def test_sequential_ids_count():
    new_id = ids.SequentialIds("T")
    assert [new_id()[-2:], new_id()[-2:]] == ["01", "02"]
    assert len(new_id()) == 26


def test_a_fake_clock_moves_by_hand_only():
    clock = FakeClock()
    before = clock.now()
    clock.advance(1.5)
    assert (clock.now() - before, clock.monotonic()) == (timedelta(seconds=1.5), 1.5)
    with pytest.raises(AssertionError):
        clock.advance(-1)


def test_the_systems_clock_is_aware():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_a_scope_sets_and_gives_back():
    who = context.Principal.of("ann", ["reviewer"])
    with context.scope(request_id="r1", remaining_s=9, principal=who):
        assert context.outgoing() == (
            ("x-request-id", "r1"),
            ("x-spotlight-subject", "ann"),
            ("x-spotlight-scopes", "reviewer"),
        )
        with context.scope(remaining_s=1):
            assert context.request_id() == "r1"
            assert context.remaining_s() <= 1
        assert context.remaining_s() > 8
    assert (context.request_id(), context.remaining_s(), context.principal()) == ("", None, context.NOBODY)
    assert context.outgoing() == ()


@pytest.mark.parametrize(
    "metadata", [{}, {"x-spotlight-subject": b"ann"}, {"x-spotlight-subject": "a", "x-spotlight-scopes": b"x"}]
)
def test_a_peer_that_names_nobody_speaks_for_nobody(metadata):
    assert context.peer_principal(metadata) == context.NOBODY
