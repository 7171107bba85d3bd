"""What a hub is made of: offers in their windows, languages, hidden titles, missing panels."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from gateway.compose import compose
from gateway.domain import (
    FanVideo,
    HubCampaign,
    HubKey,
    Offer,
    Panel,
    Panels,
    Release,
    TitleEmbargoed,
    TitleFacts,
    TitleNotFound,
    TitleState,
    TitleWithdrawn,
    Translation,
)
from gateway.locales import language_of, primary_language, region_of, region_of_language
from gateway.offers import is_open, shown_offers

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOTHING = Panels(fan_videos=None, counts=None, campaigns=None)
ALL = Panels(fan_videos=(), counts=None, campaigns=())


def a_title(**fields: object) -> TitleFacts:
    return replace(TitleFacts(id="t", media_type=1, title="Dune"), **fields)


def an_offer(region: str = "US", **fields: object) -> Offer:
    base = Offer(id=f"{region}-1", provider_id="p", provider_name="P", offer_type=1, region=region)
    return replace(base, **fields)


def a_hub(title: TitleFacts, region: str = "US", language: str = "en", at: datetime = NOW, panels: Panels = NOTHING):
    key = HubKey(title_id="t", region=region, language=language)
    return compose(key=key, title=title, panels=panels, at=at, now=NOW)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"state": TitleState.DELETED}, TitleNotFound),
        ({"state": TitleState.WITHDRAWN}, TitleWithdrawn),
        ({"embargo_lift_time": NOW + timedelta(seconds=1)}, TitleEmbargoed),
    ],
)
def test_a_hidden_title_has_no_hub(fields, error) -> None:
    with pytest.raises(error):
        a_hub(a_title(**fields))


def test_an_embargo_cannot_be_looked_around_by_asking_for_another_time() -> None:
    title = a_title(embargo_lift_time=NOW + timedelta(days=1))
    with pytest.raises(TitleEmbargoed):
        a_hub(title, at=NOW + timedelta(days=2))
    with pytest.raises(TitleEmbargoed):
        a_hub(a_title(embargo_lift_time=NOW - timedelta(days=1)), at=NOW - timedelta(days=2))


def test_a_window_contains_its_start_and_not_its_end() -> None:
    offer = an_offer(start_time=NOW, end_time=NOW + timedelta(hours=1))
    assert is_open(offer, NOW)
    assert not is_open(offer, NOW - timedelta(microseconds=1))
    assert not is_open(offer, NOW + timedelta(hours=1))


MOMENTS = st.none() | st.integers(-5, 5).map(lambda hours: NOW + timedelta(hours=hours))
OFFERS = st.lists(
    st.builds(
        Offer,
        id=st.text("ab", max_size=2),
        provider_id=st.sampled_from("pq"),
        provider_name=st.just("P"),
        offer_type=st.integers(0, 7),
        region=st.sampled_from(["", "US", "DE", "AT", "JP"]),
        start_time=MOMENTS,
        end_time=MOMENTS,
        display_priority=st.integers(0, 3),
    ),
    max_size=12,
)


@given(offers=OFFERS, region=st.sampled_from(["US", "AT", "FR"]))
def test_no_offer_is_shown_outside_its_window_or_of_an_unsaid_region(offers: list[Offer], region: str) -> None:
    shown = shown_offers(offers, region=region, at=NOW)
    regions = {offer.region for offer in shown.offers}
    assert regions <= {shown.fallback_region or region}
    assert shown.fallback_region != region
    assert all(not offer.region for offer in shown.unstated)
    assert all(is_open(offer, NOW) for offer in (*shown.offers, *shown.unstated))
    own = [offer for offer in offers if offer.region == region and is_open(offer, NOW)]
    assert bool(own) <= (shown.fallback_region == "")
    placed = [offer for offer in offers if offer.region and is_open(offer, NOW)]
    assert bool(shown.offers) == bool(placed)
    assert shown.valid_until is None or shown.valid_until > NOW


@given(offers=OFFERS)
def test_until_the_next_edge_the_same_offers_are_shown(offers: list[Offer]) -> None:
    shown = shown_offers(offers, region="US", at=NOW)
    if shown.valid_until is not None:
        later = shown_offers(offers, region="US", at=shown.valid_until - timedelta(microseconds=1))
        assert later.offers == shown.offers


def test_a_neighbour_comes_before_the_largest_catalogue() -> None:
    offers = [an_offer("US"), an_offer("DE")]
    assert shown_offers(offers, region="AT", at=NOW).fallback_region == "DE"
    assert shown_offers(offers, region="BR", at=NOW).fallback_region == "US"
    assert shown_offers([an_offer("PL")], region="BR", at=NOW).fallback_region == "PL"


def test_subscriptions_come_first_and_the_same_offer_once() -> None:
    rent, stream = an_offer(offer_type=4, id="r"), an_offer(offer_type=1, id="s")
    twice = replace(stream, id="again")
    assert [offer.id for offer in shown_offers([rent, stream, twice], region="US", at=NOW).offers] == ["again", "r"]


def test_texts_come_in_the_nearest_translation_and_each_falls_back_by_itself() -> None:
    def text(region: str, title: str, overview: str = "") -> Translation:
        return Translation(language="pt", region=region, title=title, overview=overview, tagline="")

    title = a_title(overview="Sand.", translations=(text("PT", "Duna PT"), text("BR", "Duna BR", "Areia.")))
    assert a_hub(title, region="BR", language="pt").title.title == "Duna BR"
    assert a_hub(title, region="US", language="pt-PT").title.title == "Duna PT"
    portuguese = a_hub(title, region="PT", language="pt")
    assert (portuguese.title.title, portuguese.title.overview, portuguese.language) == ("Duna PT", "Sand.", "pt")
    assert (a_hub(title, language="fi").title.title, a_hub(title, language="fi").language) == ("Dune", "en")


def test_releases_and_ratings_are_the_regions_own() -> None:
    releases = (
        Release(region="DE", date="2021-10-01", certification=""),
        Release(region="DE", date="2021-09-16", certification="12"),
    )
    title = a_title(releases=releases, certifications=(Release(region="US", date="", certification="PG-13"),))
    german, american = a_hub(title, region="DE").title, a_hub(title, region="US").title
    assert (german.regional_release_date, german.certification) == ("2021-09-16", "12")
    assert (american.regional_release_date, american.certification) == ("", "PG-13")


def test_missing_panels_are_named_and_a_copy_lives_to_the_next_edge_only() -> None:
    hub = a_hub(a_title(offers=(an_offer(end_time=NOW + timedelta(hours=2)),)))
    assert hub.unreachable == (Panel.FAN_VIDEOS, Panel.COUNTS, Panel.CAMPAIGNS)
    assert hub.valid_until == NOW + timedelta(hours=2)
    campaign = HubCampaign(
        campaign_id="c", title="", description="", rewards=(), start_time=None, end_time=NOW + timedelta(hours=1)
    )
    video = FanVideo(
        video_id="v",
        creator_id="",
        creator_username="",
        is_creator_verified=False,
        video_description="",
        duration=0,
        view_count=1,
        like_count=0,
        create_time=None,
    )
    full = a_hub(a_title(), panels=replace(ALL, campaigns=(campaign,), fan_videos=(video,)))
    assert full.unreachable == (Panel.COUNTS,)
    assert full.valid_until == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("tag", "normal"),
    [("", "en"), ("DE", "de"), ("pt-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("fil", "fil"), ("es-419", "es-419")],
)
def test_language_tags_are_normalised(tag: str, normal: str) -> None:
    assert language_of(tag) == normal


@pytest.mark.parametrize("tag", ["qq", "english", "e", "de_DE", "de-", "de-DE-x", "<script>"])
def test_what_is_no_language_is_refused(tag: str) -> None:
    with pytest.raises(InvalidArgument):
        language_of(tag)


def test_regions_exist_or_are_refused() -> None:
    assert (region_of(""), region_of("DE")) == ("US", "DE")
    for code in ("de", "QQ", "USA", "🇩🇪"):
        with pytest.raises(InvalidArgument):
            region_of(code)
    assert primary_language("zh-Hant-TW") == "zh"
    assert (region_of_language("zh-Hant-TW"), region_of_language("de"), region_of_language("es-419")) == ("TW", "", "")
