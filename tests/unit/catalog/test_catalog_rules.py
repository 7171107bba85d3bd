"""The pure rules: lifecycle, validity, imports, alias defaults, settings."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import config
from chassis.errors import SpotlightError
from services.catalog import aliases, errors
from services.catalog.config import CatalogSettings
from services.catalog.domain import Alias, AliasKind, ImportMode, Stored
from services.catalog.errors import TitleDeleted, TitleInvalid, TitleNotDeleted
from services.catalog.importing import Outcome, is_settled_by_digest, merged
from services.catalog.lifecycle import TRANSITIONS, Act, after
from services.catalog.title import (
    AmbiguityClass,
    ExternalIds,
    MediaType,
    OfferType,
    Title,
    TitleState,
    WatchOffer,
    is_shown,
)
from services.catalog.validity import settled

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_title(**given: object) -> Title:
    return Title(**{"id": "movie:1", "title": "Dune", "media_type": MediaType.MOVIE, **given})


def an_offer(**given: object) -> WatchOffer:
    return WatchOffer(**{"provider_id": "n", "provider_name": "N", "offer_type": OfferType.RENT, **given})


@pytest.mark.parametrize("state", TitleState)
@pytest.mark.parametrize("act", Act)
def test_every_act_leads_somewhere_or_is_refused_with_a_reason(state: TitleState, act: Act) -> None:
    if (state, act) in TRANSITIONS:
        assert after(state, act) is TRANSITIONS[state, act]
        return
    with pytest.raises(TitleDeleted if state is TitleState.DELETED else TitleNotDeleted):
        after(state, act)


def test_undelete_leads_back_to_the_state_before() -> None:
    assert after(TitleState.DELETED, Act.UNDELETE, before_deletion=TitleState.WITHDRAWN) is TitleState.WITHDRAWN


def test_a_title_is_shown_while_active_and_lifted() -> None:
    assert is_shown(a_title(), NOW)
    assert is_shown(a_title(embargo_lift_time=NOW), NOW)
    assert not is_shown(a_title(embargo_lift_time=datetime(2027, 1, 1, tzinfo=UTC)), NOW)
    assert not is_shown(a_title(state=TitleState.WITHDRAWN), NOW)


def test_offers_get_ids_that_stay_the_same() -> None:
    (first,) = settled(a_title(watch_offers=(an_offer(),))).watch_offers
    (again,) = settled(a_title(watch_offers=(an_offer(price="3.99", currency="USD"),))).watch_offers
    (windowed,) = settled(a_title(watch_offers=(an_offer(availability_start_time=NOW),))).watch_offers
    assert first.id == again.id != windowed.id


def test_a_valid_title_is_left_as_it_is() -> None:
    title = a_title(release_date="2024-02-29")
    assert settled(title) is title


def test_every_fault_is_named() -> None:
    with pytest.raises(TitleInvalid) as caught:
        settled(Title(release_date="2023-02-29", parent_id="x", year=2, end_year=1))
    assert [each.field for each in caught.value.violations] == [
        "title.title", "title.media_type", "title.parent_id", "title.end_year", "title.release_date",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "known", "given_", "mode", "outcome"),
    [
        (TitleState.DELETED, "a", "b", ImportMode.MERGE, Outcome.SKIPPED),
        (TitleState.ACTIVE, "a", "b", ImportMode.CREATE_ONLY, Outcome.SKIPPED),
        (TitleState.ACTIVE, "a", "a", ImportMode.MERGE, Outcome.UNCHANGED),
        (TitleState.ACTIVE, "", "", ImportMode.MERGE, None),
        (TitleState.ACTIVE, "a", "a", ImportMode.REPLACE, None),
        (TitleState.WITHDRAWN, "a", "b", ImportMode.MERGE, None),
    ],
)
def test_what_needs_no_second_look(
    state: TitleState, known: str, given_: str, mode: ImportMode, outcome: Outcome | None
) -> None:
    assert is_settled_by_digest(state=state, known_digest=known, digest=given_, mode=mode) is outcome


def test_a_merge_lays_what_the_row_has_over_ours() -> None:
    ours = a_title(
        year=1,
        tagline="Fear",
        external_ids=ExternalIds(imdb_id="tt1"),
        state=TitleState.WITHDRAWN,
        revision=7,
        create_time=NOW,
    )
    row = a_title(year=2, external_ids=ExternalIds(tmdb_id="5"))
    both = merged(Stored(title=ours), row, ImportMode.MERGE)
    assert (both.year, both.tagline, both.external_ids) == (2, "Fear", ExternalIds(imdb_id="tt1", tmdb_id="5"))
    assert (both.state, both.revision, both.create_time) == (TitleState.WITHDRAWN, 7, NOW)
    whole = merged(Stored(title=ours), row, ImportMode.REPLACE)
    assert whole == replace(row, state=TitleState.WITHDRAWN, revision=7, create_time=NOW)


@given(st.integers(0, 50), st.floats(0, 1), st.floats(0, 8))
def test_a_derived_prior_is_a_probability(shared_count: int, share: float, zipf: float) -> None:
    (alias,) = aliases.derived(a_title(), lambda _: (shared_count, share), lambda _: zipf)
    assert 0 <= alias.prior <= aliases.PRIOR_MAX
    assert alias.shared_count >= 1


@pytest.mark.parametrize(
    ("shared_count", "zipf", "ambiguity"),
    [
        (1, 0.0, AmbiguityClass.UNIQUE),
        (0, 0.0, AmbiguityClass.UNIQUE),
        (2, 0.0, AmbiguityClass.HOMONYM),
        (2, 5.0, AmbiguityClass.COMMON_WORD),
        (1, 3.5, AmbiguityClass.COMMON_WORD),
    ],
)
def test_how_ambiguous_a_name_is(shared_count: int, zipf: float, ambiguity: AmbiguityClass) -> None:
    assert aliases.ambiguity_of(shared_count, zipf) is ambiguity


def test_stored_entries_stand_in_the_place_of_defaults_and_new_names_follow() -> None:
    default = [Alias(title_id="a", name="Dune", kind=AliasKind.TITLE, shared_count=3)]
    edited = Alias(title_id="a", name="DUNE", kind=AliasKind.TITLE, prior=0.1)
    added = Alias(title_id="a", name="Spice", kind=AliasKind.ABBREVIATION)
    assert aliases.overlaid(default, [added, edited]) == [edited, added]


def test_every_error_has_a_reason_of_its_own_and_a_message() -> None:
    found = [each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__]
    assert all(issubclass(each, SpotlightError) and each().message for each in found)
    assert len({each.reason for each in found}) == len(found)


def test_settings_have_working_defaults_and_refuse_a_bad_database_name() -> None:
    settings = config.load(CatalogSettings, {})
    assert (settings.port, settings.telemetry_port, settings.database) == (8082, 8092, "spotlight_catalog")
    with pytest.raises(config.ConfigError):
        config.load(CatalogSettings, {"SPOTLIGHT_CATALOG_DATABASE": "a/b"})
