"""The JSON codec against google.protobuf.json_format on random messages, and what it refuses."""

import math
import string
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from google.protobuf import descriptor_pool, json_format, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.transcode.decode import Decoder, parse_json
from gateway.transcode.encode import Encoder
from gateway.transcode.names import is_map
from gateway.transcode.refusal import MalformedRequest, Refusals
from protos.catalog.v1 import catalog_pb2
from protos.matcher.v1 import matcher_pb2
from protos.metrics.v1 import event_pb2

decoder, encoder = Decoder(), Encoder()

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
}


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type in _INTEGERS:
        return _INTEGERS[field.type]
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        FieldDescriptor.TYPE_STRING: _TEXT,
        FieldDescriptor.TYPE_BOOL: st.booleans(),
        FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
        FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
        FieldDescriptor.TYPE_FLOAT: st.floats(allow_nan=False, allow_infinity=False, width=32),
    }[field.type]


def _value(draw: st.DrawFn, field: FieldDescriptor, depth: int) -> Any:
    if field.message_type is None:
        return draw(_scalars(field))
    return draw(messages(field.message_type, depth - 1))


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 3) -> Any:
    message = GetMessageClass(descriptor)()
    if descriptor.full_name == "google.protobuf.Timestamp":
        message.seconds = draw(st.integers(-62135596800, 253402300799))
        message.nanos = draw(st.sampled_from([0, 1, 120_000, 500_000_000, 999_999_999]))
        return message
    fields = [field for field in descriptor.fields if field.message_type is None or depth > 0]
    for field in draw(st.lists(st.sampled_from(fields), max_size=6, unique_by=lambda field: field.name)):
        if is_map(field):
            getattr(message, field.name).update(draw(st.dictionaries(_TEXT, _TEXT, max_size=2)))
        elif field.is_repeated:
            getattr(message, field.name).extend([_value(draw, field, depth) for _ in range(draw(st.integers(0, 2)))])
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(_value(draw, field, depth))
        else:
            setattr(message, field.name, _value(draw, field, depth))
    return message


def decoded(message_class: Any, value: Any, decoder: Decoder = decoder) -> Any:
    message, refusals = message_class(), Refusals()
    decoder.fill(message, value, refusals)
    refusals.raise_if_any()
    return message


def refused(message_class: Any, value: Any) -> dict[str, str]:
    with pytest.raises(MalformedRequest) as caught:
        decoded(message_class, value)
    return {violation.field: violation.description for violation in caught.value.violations}


TYPES = [catalog_pb2.Title, matcher_pb2.Video, matcher_pb2.Match, matcher_pb2.VideoStats]


@pytest.mark.parametrize("message_class", TYPES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_written_reads_back_the_same(message_class: Any, data: st.DataObject) -> None:
    message = data.draw(messages(message_class.DESCRIPTOR))
    assert decoded(message_class, parse_json(encoder.to_json(message))) == message


@pytest.mark.parametrize("message_class", TYPES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_reference_codec_reads_what_we_write_and_we_read_what_it_writes(
    message_class: Any, data: st.DataObject
) -> None:
    message = data.draw(messages(message_class.DESCRIPTOR))
    reference = json_format.MessageToDict(message, preserving_proto_field_name=True)
    assert decoded(message_class, reference) == message
    ours = _with_full_enum_names(message_class.DESCRIPTOR, encoder.to_value(message))
    assert json_format.ParseDict(ours, message_class()) == message


def _with_full_enum_names(descriptor: Descriptor, value: Any) -> Any:
    """Our JSON with enum names as the reference codec knows them."""
    if not isinstance(value, dict):
        return value
    return {name: _long_value(descriptor.fields_by_name[name], item) for name, item in value.items()}


def _long_value(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, list):
        return [_long_value(field, item) for item in value]
    if field.enum_type is not None:
        return next(
            known.name
            for known in field.enum_type.values
            if known.name.lower() == value or known.name.lower().endswith("_" + value)
        )
    if field.message_type is not None and not is_map(field):
        return _with_full_enum_names(field.message_type, value)
    return value


def test_enums_are_short_and_lower_case_and_the_full_name_is_taken_too() -> None:
    movie = catalog_pb2.Title(media_type=catalog_pb2.MEDIA_TYPE_MOVIE)
    assert encoder.to_value(movie)["media_type"] == "movie"
    for spelling in ("movie", "MEDIA_TYPE_MOVIE", 1):
        assert decoded(catalog_pb2.Title, {"media_type": spelling}) == movie


def test_an_unknown_enum_value_of_what_is_judged_later_is_passed_on_as_no_members_number() -> None:
    lenient, refusals, message = Decoder(judged_later={"spotlight.metrics.v1.Event"}), Refusals(), event_pb2.Event()
    lenient.fill(message, {"type": "teleport", "device": "fridge", "source": 77, "id": "e1"}, refusals)
    refusals.raise_if_any()
    assert message.type not in event_pb2.EventType.values()
    assert message.device not in event_pb2.DeviceKind.values()
    assert (message.source, message.id) == (77, "e1")
    for wrong in ({"type": 2**40}, {"type": []}, {"type": 1.5}):
        refusals = Refusals()
        lenient.fill(event_pb2.Event(), wrong, refusals)
        with pytest.raises(MalformedRequest):
            refusals.raise_if_any()


def test_large_integers_are_numbers() -> None:
    assert encoder.to_value(matcher_pb2.Video(view_count=2**53 + 1))["view_count"] == 2**53 + 1
    assert decoded(matcher_pb2.Video, {"view_count": "9007199254740993"}).view_count == 2**53 + 1


def test_fields_without_presence_are_always_there_and_unset_messages_never() -> None:
    value = encoder.to_value(catalog_pb2.Title())
    assert value["id"] == ""
    assert value["genres"] == []
    assert "embargo_lift_time" not in value
    assert "media_type" not in value


def test_times_are_rfc_3339() -> None:
    moment = datetime(2026, 11, 25, 21, 30, tzinfo=UTC)
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(moment)
    title = catalog_pb2.Title(embargo_lift_time=stamp)
    assert encoder.to_value(title)["embargo_lift_time"] == "2026-11-25T21:30:00Z"
    for spelling in ("2026-11-25T21:30:00Z", "2026-11-25T22:30:00+01:00", "2026-11-25t21:30:00.000z"):
        assert decoded(catalog_pb2.Title, {"embargo_lift_time": spelling}) == title


REFUSALS = [
    ({"nonsense": 1}, "nonsense", "is not a field of Title"),
    ({"credits": {"cast": [{}, {"nme": "x"}]}}, "credits.cast[1].nme", "is not a field of CastMember"),
    ({"id": {"$gt": ""}}, "id", "must be a string"),
    ({"id": 5}, "id", "must be a string"),
    ({"title": "a\u0000b"}, "title", "must not contain control characters"),
    ({"title": "a\u009bb"}, "title", "must not contain control characters"),
    ({"runtime": 1.5}, "runtime", "must be an integer"),
    ({"runtime": True}, "runtime", "must be an integer"),
    ({"runtime": 2**31}, "runtime", "must be between -2147483648 and 2147483647"),
    ({"popularity": "NaN"}, "popularity", "must be a finite number"),
    ({"popularity": math.inf}, "popularity", "must be a finite number"),
    ({"popularity": True}, "popularity", "must be a finite number"),
    ({"media_type": "film"}, "media_type", "must be one of: episode, event, movie, season, tv, unspecified"),
    ({"media_type": 99}, "media_type", "must be one of: episode, event, movie, season, tv, unspecified"),
    ({"media_type": [1]}, "media_type", "must be one of: episode, event, movie, season, tv, unspecified"),
    ({"genres": "Drama"}, "genres", "must be a list"),
    ({"genres": ["Drama", None]}, "genres[1]", "must be a string"),
    ({"credits": []}, "credits", "must be an object"),
    ({"credits": {"cast": {}}}, "credits.cast", "must be a list"),
    ({"external_ids": {"others": []}}, "external_ids.others", "must be an object"),
    ({"external_ids": {"others": {"x": 1}}}, "external_ids.others.x", "must be a string"),
    ({"official_accounts": [{"is_verified": "yes"}]}, "official_accounts[0].is_verified", "must be true or false"),
    ({"embargo_lift_time": "tomorrow"}, "embargo_lift_time", "must be a time such as 2026-01-31T18:00:00Z"),
    ({"embargo_lift_time": 5}, "embargo_lift_time", "must be a time such as 2026-01-31T18:00:00Z"),
    ({"embargo_lift_time": "2026-02-30T00:00:00Z"}, "embargo_lift_time", "must be a time that exists"),
    ({"embargo_lift_time": "0001-01-01T00:00:00+14:00"}, "embargo_lift_time", "must be a time that exists"),
    ([], "", "must be an object"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "field", "description"), REFUSALS)
def test_what_the_descriptor_does_not_say_is_refused_with_its_path(value: Any, field: str, description: str) -> None:
    assert refused(catalog_pb2.Title, value) == {field: description}


def test_bytes_are_base64_of_either_alphabet() -> None:
    video = matcher_pb2.Video(video=b"\xfb\xff\xfe")
    assert encoder.to_value(video)["video"] == "+//+"
    assert decoded(matcher_pb2.Video, {"video": "-__-"}) == video
    for broken in ("+//", 7, "ä", "a"):
        if broken != "+//":
            assert refused(matcher_pb2.Video, {"video": broken}) == {"video": "must be a base64 string"}


def test_every_wrong_field_is_named_in_one_answer_up_to_a_limit() -> None:
    wrong = {f"wrong_{index}": index for index in range(50)}
    assert len(refused(catalog_pb2.Title, wrong)) == 20


def test_null_leaves_a_field_unset() -> None:
    assert decoded(catalog_pb2.Title, {"id": None, "credits": None}) == catalog_pb2.Title()


def test_a_document_nested_too_deep_is_refused() -> None:
    value: Any = {}
    for _ in range(40):
        value = {"credits": value}
    assert "must not be nested deeper than 32" in refused(catalog_pb2.Title, value).values()


@pytest.mark.parametrize("body", [b"{", b'{"a": NaN}', b'{"a": 1e999}', b'"\\ud800"', b"\xff", b"[" * 5000])
def test_what_is_not_json_is_refused_as_the_body(body: bytes) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse_json(body)
    assert caught.value.violations[0].field == "body"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "credits", "cast", "genres", "external_ids", "others", "order", "x"]), inner, max_size=4
    ),
    max_leaves=10,
))  # fmt: skip
def test_no_json_value_makes_the_decoder_fail_otherwise_than_by_refusing(value: Any) -> None:
    try:
        decoded(catalog_pb2.Title, value)
    except MalformedRequest as error:
        assert error.violations


def test_free_values_keep_their_shape_and_have_limits() -> None:
    value = {"a": [1.5, None, True, "x", {"b": []}]}
    assert encoder.to_value(decoded(struct_pb2.Struct, value)) == value
    deep: Any = 1.0
    for _ in range(20):
        deep = [deep]
    assert refused(struct_pb2.Struct, {"a": deep}) == {"": "must not be nested deeper than 16"}
    assert refused(struct_pb2.ListValue, {}) == {"": "must be a list"}
    assert refused(struct_pb2.Struct, []) == {"": "must be an object"}


def _known(name: str) -> Any:
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"google.protobuf.{name}"))


def test_durations_masks_and_wrappers() -> None:
    from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, wrappers_pb2

    for text, seconds, nanos in (("3.500s", 3, 500_000_000), ("-1.000001s", -1, -1000), ("0s", 0, 0)):
        duration = duration_pb2.Duration(seconds=seconds, nanos=nanos)
        assert encoder.to_value(duration) == text
        assert decoded(duration_pb2.Duration, text) == duration
    assert "" in refused(duration_pb2.Duration, "1 hour")
    mask = field_mask_pb2.FieldMask(paths=["title", "credits.cast"])
    assert decoded(field_mask_pb2.FieldMask, encoder.to_value(mask)) == mask
    assert decoded(field_mask_pb2.FieldMask, "") == field_mask_pb2.FieldMask()
    assert refused(field_mask_pb2.FieldMask, ["title"])
    assert refused(field_mask_pb2.FieldMask, "title,$where")
    assert encoder.to_value(decoded(wrappers_pb2.Int64Value, 7)) == 7
    assert refused(wrappers_pb2.Int64Value, "seven")
    packed = any_pb2.Any()
    packed.Pack(mask)
    assert encoder.to_value(packed) == {"@type": packed.type_url, "value": "title,credits.cast"}
    packed.Pack(catalog_pb2.GetTitleRequest(id="x"))
    assert encoder.to_value(packed) == {"@type": packed.type_url, "id": "x"}
    assert encoder.to_value(any_pb2.Any(type_url="t/unknown.Type")) == {"@type": "t/unknown.Type"}
    assert refused(any_pb2.Any, {"@type": "x"}) == {"": "cannot be given in JSON"}


def test_floats_are_written_as_people_write_them() -> None:
    vector = matcher_pb2.Embedding(values=[0.1, 1 / 3, 16777216.0])
    assert orjson.loads(encoder.to_json(vector))["values"] == [0.1, 0.33333334, 16777216.0]
