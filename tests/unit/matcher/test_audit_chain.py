"""The audit chain: any change, gap or exchange of links is found at its place."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher import audit
from services.matcher.errors import AuditBroken

NOW = datetime(2026, 1, 1, tzinfo=UTC)
entries = st.lists(
    st.builds(
        lambda actor, act, note: audit.entry(actor, act, "task:x", NOW, note=note),
        st.text(max_size=5),
        st.sampled_from(["task.lease", "task.decide"]),
        st.text(max_size=10),
    ),
    min_size=1,
    max_size=8,
)


@given(entries, entries)
def test_a_chain_verifies_and_goes_on_where_it_ended(first, second):
    links = audit.chained(first, 0, audit.GENESIS)
    more = audit.chained(second, links[-1].sequence, links[-1].hash)
    end = audit.verify([*links, *more], 0, audit.GENESIS)
    assert end == (len(first) + len(second), more[-1].hash)


@given(entries, st.data())
def test_a_changed_link_is_found(found, data):
    links = list(audit.chained(found, 0, audit.GENESIS))
    at = data.draw(st.integers(0, len(links) - 1))
    change = data.draw(st.sampled_from([{"actor": "mallory?"}, {"detail_json": "{1}"}, {"hash": "0" * 64}]))
    links[at] = replace(links[at], **change)
    with pytest.raises(AuditBroken) as raised:
        audit.verify(links, 0, audit.GENESIS)
    assert raised.value.metadata["sequence"] == str(at + 1)


@given(entries)
def test_a_missing_link_is_found(found):
    links = audit.chained([*found, *found], 0, audit.GENESIS)
    with pytest.raises(AuditBroken):
        audit.verify(links[1:], 0, audit.GENESIS)
