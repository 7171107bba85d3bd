import grpc
import pytest
from google.rpc import code_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis import errors, status
from chassis.errors import Kind, SpotlightError, Violation

TEXT = st.text(max_size=40)
ERRORS = st.builds(
    lambda kind, message, reason, violations, metadata, retry: errors.OF_KIND[kind](
        message, reason=reason, violations=violations, metadata=metadata, retry_after_s=retry
    ),
    st.sampled_from(Kind),
    st.text(min_size=1, max_size=100),
    st.from_regex(r"[A-Z_]{1,30}", fullmatch=True),
    st.lists(st.builds(Violation, TEXT, TEXT), max_size=5),
    st.dictionaries(st.text(min_size=1, max_size=20), TEXT, max_size=4),
    st.none() | st.integers(min_value=0, max_value=1000).map(float),
)


@given(ERRORS)
def test_an_error_comes_back_from_its_status_as_it_was(error):
    back = status.from_status(status_pb2.Status.FromString(status.to_status(error).SerializeToString()))
    for name in ("kind", "message", "reason", "violations", "metadata", "retry_after_s"):
        assert getattr(back, name) == getattr(error, name)


@given(ERRORS.map(lambda e: type(e)("漢" * 999, violations=[Violation("f" * 999, "漢" * 999)] * 99)))
def test_details_always_fit_into_metadata(error):
    assert status.to_status(error).ByteSize() < 5_000


def test_every_kind_has_a_code_an_http_status_and_a_class():
    for kind in Kind:
        assert status.kind_of(status.code_of(kind)) is kind
        assert 400 <= status.http_of(kind) < 600
        assert errors.OF_KIND[kind].kind is kind


def test_an_unmapped_code_is_a_bug():
    assert status.kind_of(grpc.StatusCode.UNKNOWN) is Kind.INTERNAL
    assert status.from_status(status_pb2.Status(code=999)).kind is Kind.INTERNAL
    assert status.from_status(status_pb2.Status(code=code_pb2.UNKNOWN, message="x")).message == "x"


def test_a_docstring_is_the_message():
    class LongOne(errors.NotFound):
        """It is
        not there.

        More for readers of the code.
        """

    class Silent(LongOne):
        reason = "SILENT"

    assert str(LongOne()) == "It is not there."
    assert Silent().message == "It is not there."
    assert repr(Silent()) == "Silent('It is not there.', reason='SILENT')"
    assert SpotlightError("said").message == "said"


@pytest.mark.parametrize(
    ("code", "name"), [(5, "NOT_FOUND"), (grpc.StatusCode.OK, "OK"), (77, "UNKNOWN"), (None, "UNKNOWN")]
)
def test_codes_have_names(code, name):
    assert status.name_of(code) == name
