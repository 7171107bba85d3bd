"""Every title, alias and image survives the way over the wire and through plain values."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from chassis.errors import InvalidArgument
from protos.catalog.v1 import catalog_pb2 as pb
from services.catalog import title as ours
from services.catalog.domain import (
    Alias,
    AliasKind,
    AliasSource,
    Change,
    ChangePage,
    ChangeType,
    EmbeddingDtype,
    FieldChange,
    ReferenceBank,
    ReferenceEmbedding,
    ReferenceImage,
    ReferenceImageKind,
    ReferenceState,
)
from services.catalog.plain import from_plain, to_plain
from services.catalog.title import Title
from services.catalog.wire import registry, requests, responses
from services.catalog.wire.title import present_fields, title_from, title_to

# Surrogates are no text; protobuf refuses them.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
times = st.none() | st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - made aware by timezones
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
st.register_type_strategy(str, texts)
st.register_type_strategy(datetime, times.filter(bool))
numbers = st.integers(0, 2**31 - 1)
reals = st.floats(0, 1e12)


def built(cls: type) -> st.SearchStrategy:
    return st.builds(cls, **{each.name: _field(each.type) for each in fields(cls)})


def _field(hint: object) -> st.SearchStrategy:
    if hint is int:
        return numbers
    if hint is float:
        return reals
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        return built(hint)
    if getattr(hint, "__origin__", None) is tuple:
        item = hint.__args__[0]
        return st.lists(_field(item), max_size=2).map(tuple)
    return times if hint == datetime | None else st.from_type(hint)


def _one_id_each(title: Title) -> Title:
    others = {each.registry: each for each in title.external_ids.others}
    in_order = tuple(others[key] for key in sorted(others))
    return replace(title, external_ids=replace(title.external_ids, others=in_order))


titles = built(Title).map(_one_id_each)
no_health = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=60)


@no_health
@given(titles)
def test_a_title_survives_the_wire(title: Title) -> None:
    read = pb.Title.FromString(title_to(title).SerializeToString())
    assert title_from(read) == title


@no_health
@given(titles)
def test_a_title_survives_plain_values(title: Title) -> None:
    assert from_plain(Title, to_plain(title)) == title


def test_the_proto_and_the_value_have_the_same_fields() -> None:
    assert {each.name for each in fields(Title)} == set(pb.Title.DESCRIPTOR.fields_by_name)
    for part in ("WatchOffer", "Translation", "CastMember", "CrewMember", "Hashtag", "Image", "ExternalIds"):
        assert {each.name for each in fields(getattr(ours, part))} == set(
            getattr(pb, part).DESCRIPTOR.fields_by_name
        ), part


aliases = st.builds(
    Alias,
    title_id=texts,
    name=texts,
    kind=st.sampled_from(AliasKind),
    ambiguity_class=st.sampled_from(ours.AmbiguityClass),
    prior=st.floats(0, 1),
    pinned=st.booleans(),
    source=st.sampled_from(AliasSource),
    update_time=times,
    shared_count=numbers,
)
images = st.builds(
    ReferenceImage,
    id=texts,
    title_id=texts,
    kind=st.sampled_from(ReferenceImageKind),
    uri=texts,
    pdq=st.lists(texts, max_size=2).map(tuple),
    pdq_quality=numbers,
    embeddings=st.lists(
        st.builds(
            ReferenceEmbedding,
            model=texts,
            dim=numbers,
            dtype=st.sampled_from(EmbeddingDtype),
            values=st.lists(st.floats(width=32, allow_nan=False), max_size=3).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    state=st.sampled_from(ReferenceState),
    source=texts,
    create_time=times,
)


@given(aliases)
def test_an_alias_survives_wire_and_plain(alias: Alias) -> None:
    assert registry.alias_from(registry.alias_to(alias)) == alias
    assert from_plain(Alias, to_plain(alias)) == alias


@given(images)
def test_a_reference_image_survives_wire_and_plain(image: ReferenceImage) -> None:
    assert registry.image_from(registry.image_to(image)) == image
    assert from_plain(ReferenceImage, to_plain(image)) == image


def test_a_bank_goes_out_with_all_its_fields() -> None:
    bank = ReferenceBank(title_id="movie:1", state=ReferenceState.DISABLED, image_count=3)
    assert registry.bank_to(bank) == pb.ReferenceBank(
        title_id="movie:1", state=pb.REFERENCE_STATE_DISABLED, image_count=3
    )


def test_present_fields_are_those_the_sender_set() -> None:
    assert present_fields(pb.Title(id="a", year=3)) == {"id", "year"}


def test_equal_requests_have_equal_hashes_and_others_do_not() -> None:
    one = pb.CreateTitleRequest(title=pb.Title(title="a"), request_id="r")
    assert requests.write_of(one) == requests.write_of(pb.CreateTitleRequest.FromString(one.SerializeToString()))
    other = pb.CreateTitleRequest(title=pb.Title(title="b"), request_id="r")
    assert requests.write_of(one).body_hash != requests.write_of(other).body_hash
    kind = pb.DeleteTitleRequest(id="a", request_id="r"), pb.UndeleteTitleRequest(id="a", request_id="r")
    assert requests.write_of(kind[0]).body_hash != requests.write_of(kind[1]).body_hash


def test_images_of_another_title_are_refused() -> None:
    request = pb.AddReferenceImagesRequest(title_id="a", images=[pb.ReferenceImage(title_id="b")])
    with pytest.raises(InvalidArgument) as caught:
        requests.given_images(request)
    assert caught.value.violations[0].field == "images[0].title_id"


def test_a_page_of_changes_ends_before_it_is_too_large() -> None:
    change = Change(
        revision=1,
        title_id="a",
        change_type=ChangeType.UPDATED,
        field_changes=(FieldChange(path="overview", old_json="x" * 300_000, new_json="y"),),
        change_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    page = ChangePage(changes=(change,) * 5, latest_revision=5)
    assert len(responses.change_page_to(page).changes) == 3
    huge = replace(change, field_changes=(FieldChange(path="overview", old_json="x" * 2_000_000),))
    assert len(responses.change_page_to(ChangePage(changes=(huge, huge), latest_revision=2)).changes) == 1
