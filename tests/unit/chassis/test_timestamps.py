"""Moments on the wire: there and back, and unset stays unset."""

from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from chassis.timestamps import moment_in, moment_of, timestamp
from protos.metrics.v1 import event_pb2


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_survives_the_wire(moment):
    message = timestamp(moment)
    assert moment_of(Timestamp.FromString(message.SerializeToString())) == moment
    assert moment_in(event_pb2.Event(time=message), "time") == moment


def test_what_is_not_set_is_none():
    assert timestamp(None) is None
    assert moment_in(event_pb2.Event(), "time") is None
