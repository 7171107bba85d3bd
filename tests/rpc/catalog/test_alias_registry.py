"""The alias registry over a real channel: defaults, edits, pins, and their place in the change feed."""

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis import status
from chassis.errors import SpotlightError
from protos.catalog.v1 import catalog_pb2 as pb


async def refusal(call: Any) -> SpotlightError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status.from_rpc_error(caught.value)


async def create(catalog: Any, title_id: str, title: str, **given: Any) -> None:
    made = pb.Title(id=title_id, media_type=pb.MEDIA_TYPE_MOVIE, title=title, **given)
    await catalog.stub.CreateTitle(pb.CreateTitleRequest(title=made))
    await catalog.settled()


def an_alias(**given: Any) -> pb.Alias:
    return pb.Alias(**{"title_id": "movie:1", "name": "Dune", "kind": pb.ALIAS_KIND_TITLE, "prior": 0.5, **given})


async def aliases(catalog: Any, **asked: Any) -> list[pb.Alias]:
    return list((await catalog.stub.ListAliases(pb.ListAliasesRequest(**asked))).aliases)


async def test_a_titles_names_have_defaults_of_every_kind(catalog) -> None:
    await create(
        catalog,
        "movie:1",
        "Zxqwv",
        alternative_titles=[pb.AlternativeTitle(title="Zxq Two")],
        hashtags=[pb.Hashtag(name="ZxqMovie")],
        belongs_to_collection=pb.Collection(name="Zxq Saga"),
        credits=pb.Credits(cast=[pb.CastMember(name="Ann", character="Captain Zxq")]),
        characters=["Doctor Zxq"],
    )
    await create(catalog, "movie:2", "Zxqwv")
    await create(catalog, "movie:3", "The")
    found = {each.name: each for each in await aliases(catalog, title_id="movie:1")}
    assert {name: each.kind for name, each in found.items()} == {
        "Zxqwv": pb.ALIAS_KIND_TITLE,
        "Zxq Two": pb.ALIAS_KIND_ALTERNATIVE,
        "ZxqMovie": pb.ALIAS_KIND_HASHTAG,
        "Zxq Saga": pb.ALIAS_KIND_FRANCHISE,
        "Captain Zxq": pb.ALIAS_KIND_CHARACTER,
        "Doctor Zxq": pb.ALIAS_KIND_CHARACTER,
    }
    assert all(each.source == pb.ALIAS_SOURCE_DERIVED for each in found.values())
    assert (found["Zxqwv"].ambiguity_class, found["Zxqwv"].shared_count) == (pb.AMBIGUITY_CLASS_HOMONYM, 2)
    assert found["Zxq Two"].ambiguity_class == pb.AMBIGUITY_CLASS_UNIQUE
    (common,) = await aliases(catalog, title_id="movie:3")
    assert common.ambiguity_class == pb.AMBIGUITY_CLASS_COMMON_WORD
    assert common.prior < 0.001


async def test_an_edit_stands_over_the_default_and_deleting_it_brings_the_default_back(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv")
    (default,) = await aliases(catalog, title_id="movie:1")
    alias = an_alias(name="ZXQWV", prior=0.25, pinned=True, ambiguity_class=pb.AMBIGUITY_CLASS_COMMON_WORD)
    edited = await catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=alias, actor="ann"))
    assert edited.source == pb.ALIAS_SOURCE_EDITED
    assert await aliases(catalog, title_id="movie:1") == [edited]
    assert await aliases(catalog, title_id="movie:1", only_stored=True) == [edited]
    deleted = await catalog.stub.DeleteAlias(
        pb.DeleteAliasRequest(title_id="movie:1", name="zxqwv", kind=pb.ALIAS_KIND_TITLE)
    )
    assert deleted.alias == default
    assert await aliases(catalog, title_id="movie:1", only_stored=True) == []


async def test_a_mask_changes_one_field_of_the_default(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv")
    (default,) = await aliases(catalog, title_id="movie:1")
    edited = await catalog.stub.UpdateAlias(
        pb.UpdateAliasRequest(alias=an_alias(name="Zxqwv", prior=0), update_mask=FieldMask(paths=["prior"]))
    )
    assert (edited.prior, edited.ambiguity_class) == (0, default.ambiguity_class)
    wrong = pb.UpdateAliasRequest(alias=an_alias(), update_mask=FieldMask(paths=["name"]))
    assert (await refusal(catalog.stub.UpdateAlias(wrong))).reason == "UPDATE_MASK_INVALID"


async def test_a_new_name_is_added_and_goes_away_again(catalog) -> None:
    await create(catalog, "movie:1", "House of the Dragon")
    alias = an_alias(name="HOTD", kind=pb.ALIAS_KIND_ABBREVIATION, prior=0.95)
    added = await catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=alias))
    assert added.ambiguity_class == pb.AMBIGUITY_CLASS_UNIQUE
    assert [each.name for each in await aliases(catalog, title_id="movie:1")] == ["House of the Dragon", "HOTD"]
    assert await aliases(catalog, name="hotd") == [added]
    request = pb.DeleteAliasRequest(title_id="movie:1", name="HOTD", kind=pb.ALIAS_KIND_ABBREVIATION)
    assert not (await catalog.stub.DeleteAlias(request)).HasField("alias")
    assert (await refusal(catalog.stub.DeleteAlias(request))).reason == "ALIAS_NOT_FOUND"


async def test_learning_does_not_touch_what_an_editor_pinned(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv")
    await create(catalog, "movie:2", "Abc Def")
    pinned = await catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=an_alias(name="Zxqwv", prior=0.2, pinned=True)))
    learned = an_alias(name="Zxqwv", prior=0.9, source=pb.ALIAS_SOURCE_LEARNED)
    assert (await refusal(catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=learned)))).reason == "ALIAS_PINNED"
    other = an_alias(title_id="movie:2", name="Abc Def", prior=0.7, source=pb.ALIAS_SOURCE_LEARNED)
    batch = await catalog.stub.BatchUpdateAliases(pb.BatchUpdateAliasesRequest(aliases=[learned, other]))
    assert (batch.updated_count, batch.unchanged_count, batch.pinned_count) == (1, 0, 1)
    assert (await aliases(catalog, title_id="movie:1"))[0].prior == pinned.prior
    again = await catalog.stub.BatchUpdateAliases(pb.BatchUpdateAliasesRequest(aliases=[other]))
    assert (again.updated_count, again.unchanged_count) == (0, 1)


async def test_edits_are_told_in_the_feed(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv")
    await catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=an_alias(name="Zxqwv"), actor="ann"))
    await catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=an_alias(name="Zxqwv"), actor="ann"))
    page = await catalog.stub.ListChanges(pb.ListChangesRequest(after_revision=1))
    (change,) = page.changes
    assert (change.change_type, change.title_id, change.actor) == (pb.CHANGE_TYPE_ALIASES, "movie:1", "ann")
    assert "aliases[title:zxqwv]" in change.field_changes[0].path


async def test_all_stored_entries_are_paged_for_those_who_start(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv")
    many = [an_alias(name=f"Name {n}", kind=pb.ALIAS_KIND_ALTERNATIVE) for n in range(30)]
    await catalog.stub.BatchUpdateAliases(pb.BatchUpdateAliasesRequest(aliases=many))
    await catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=an_alias(name="Zxqwv")))
    found: list[str] = []
    token = ""
    while True:
        page = await catalog.stub.ListAliases(pb.ListAliasesRequest(page_size=7, page_token=token))
        found += [each.name for each in page.aliases]
        token = page.next_page_token
        if not token:
            break
    assert sorted(found) == sorted([f"Name {n}" for n in range(30)] + ["Zxqwv"])
    first = await catalog.stub.ListAliases(pb.ListAliasesRequest(title_id="movie:1", page_size=20))
    rest = await catalog.stub.ListAliases(
        pb.ListAliasesRequest(title_id="movie:1", page_size=20, page_token=first.next_page_token)
    )
    assert (len(first.aliases), len(rest.aliases), rest.next_page_token) == (20, 11, "")


async def test_a_name_is_looked_up_over_all_titles(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv", popularity=1)
    await create(catalog, "movie:2", "ZXQWV", popularity=9)
    found = await aliases(catalog, name="zxqwv")
    assert [each.title_id for each in found] == ["movie:2", "movie:1"]
    assert found[0].prior > found[1].prior
    assert [each.title_id for each in await aliases(catalog, name="zxqwv", title_id="movie:1")] == ["movie:1"]
    assert await aliases(catalog, name="zxqwv", only_stored=True) == []


async def test_repeated_writes_and_unknown_titles(catalog) -> None:
    await create(catalog, "movie:1", "Zxqwv")
    request = pb.UpdateAliasRequest(alias=an_alias(name="Zxqwv"), request_id="r")
    assert await catalog.stub.UpdateAlias(request) == await catalog.stub.UpdateAlias(request)
    stranger = an_alias(title_id="movie:none")
    for call in (
        catalog.stub.UpdateAlias(pb.UpdateAliasRequest(alias=stranger)),
        catalog.stub.BatchUpdateAliases(pb.BatchUpdateAliasesRequest(aliases=[stranger])),
        catalog.stub.ListAliases(pb.ListAliasesRequest(title_id="movie:none")),
    ):
        assert (await refusal(call)).reason == "TITLE_NOT_FOUND"
    twice = pb.BatchUpdateAliasesRequest(aliases=[an_alias(), an_alias(name="DUNE")])
    assert (await refusal(catalog.stub.BatchUpdateAliases(twice))).violations[0].field == "aliases"
