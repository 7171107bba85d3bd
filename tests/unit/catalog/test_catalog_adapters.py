"""The adapters: what other people's JSON becomes, and that no JSON can break them."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.adapters import open_jsonl, tmdb
from services.catalog.adapters.providers import offer_at, offer_of
from services.catalog.adapters.reading import RowUnreadable, day, long_text, real, slug, text, url, whole
from services.catalog.importer.files import LINE_BYTES_MAX, import_id_of, rows_of
from services.catalog.title import (
    AlternativeTitle,
    Attribution,
    CastMember,
    Certification,
    Collection,
    CrewMember,
    Hashtag,
    MediaType,
    OfferType,
    OtherId,
    ReleaseType,
    Title,
)
from services.catalog.validity import settled

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "catalog" / "sample.jsonl.gz"
CATALOG_ROW = {
    "id": "tv:tt1", "kind": "tv", "title": "Stranger Days", "original_title": "Días", "year": 2016, "end_year": 2020,
    "release_date": "2016-07-15", "language": "Spanish", "network": "Netflix, La 1", "overview": "Line one.\nLine two.\x07",
    "genres": ["Drama", "Drama", 7, None], "keywords": ["80s"], "anime": True, "characters": ["Eleven"],
    "akas": [["Weird Days"], ["기묘한 날", "ko"], {"title": "Tage", "lang": "de"}, "Plain", [], None],
    "cast": [["Ann", "Joy"], ["Bob"], [], None], "directors": ["Cy"], "franchise": {"name": "Days", "tmdb_collection": 7},
    "ids": {"imdb": "tt1", "tmdb": 66732, "wikipedia": "Days"}, "social": [["x", "days"], ["tumblr", "days"], ["bad"]],
    "hashtags": ["strangerdays", "#two words"], "src": {"hashtags": "hashflags", "providers": "list"},
    "pop": {"imdb_votes": 10, "imdb_rating": 8.6}, "score": 3.0, "countries": ["US", "United States"],
    "site": "https://www.netflix.com/title/80057281", "providers": ["Netflix/US", "Netflix/global", "Hulu", "Nobody/US"],
    "netflix_top10": {"weeks": 4, "last": "2026-03-22"}, "poster": "/p.jpg",
    "source": "https://example.org/days", "licence": "CC BY-SA 4.0",
}  # fmt: skip
TMDB_MOVIE = {
    "id": 438631, "imdb_id": "tt1160419", "title": "Dune", "original_title": "Dune", "original_language": "en",
    "release_date": "2021-09-15", "status": "Released", "overview": "Paul.", "tagline": "It begins.", "runtime": 155,
    "genres": [{"id": 1, "name": "Adventure"}], "popularity": 55.5, "vote_count": 12000, "vote_average": 7.8,
    "belongs_to_collection": {"id": 726871, "name": "Dune Collection"}, "homepage": "https://dune.example",
    "production_companies": [{"name": "Legendary Pictures"}], "origin_country": ["US", "usa"], "poster_path": "/p.jpg",
    "credits": {
        "cast": [{"id": 2, "name": "B", "character": "Y", "order": 1}, {"id": 1, "name": "A", "character": "X", "order": 0}],
        "crew": [{"id": 3, "name": "D", "department": "Directing", "job": "Director"}, {"name": "G", "job": "Gaffer"}],
    },
    "alternative_titles": {"titles": [{"iso_3166_1": "DE", "title": "Der Wüstenplanet", "type": "x"}, {"title": ""}]},
    "release_dates": {"results": [{"iso_3166_1": "US", "release_dates": [
        {"type": 3, "release_date": "2021-10-22T00:00:00.000Z", "certification": "PG-13", "note": ""},
        {"type": 9, "release_date": "soon"},
    ]}]},
    "keywords": {"keywords": [{"name": "desert"}]},
    "translations": {"translations": [
        {"iso_3166_1": "FR", "iso_639_1": "fr", "data": {"title": "Dune", "overview": "o" * 400, "tagline": "t"}},
        {"iso_3166_1": "XX", "iso_639_1": "xx", "data": {}},
    ]},
    "external_ids": {"wikidata_id": "Q1", "facebook_id": None},
    "watch/providers": {"results": {
        "US": {"link": "https://w.example", "rent": [{"provider_id": 2, "provider_name": "Apple TV", "display_priority": 4}]},
        "usa": {"flatrate": [{"provider_id": 1, "provider_name": "X"}]},
        "GB": {"flatrate": [{"provider_name": "no id"}]},
    }},
    "images": {"posters": [{"file_path": "/p.jpg", "width": 10, "height": 20, "iso_639_1": "en"}, {"file_path": "/q.jpg"}]},
}  # fmt: skip
TMDB_SHOW = {
    "id": 66732, "name": "Days", "first_air_date": "2016-07-15", "last_air_date": "2020-01-01", "status": "Ended",
    "episode_run_time": [50], "networks": [{"name": "Netflix"}], "created_by": [{"id": 9, "name": "The Makers"}],
    "keywords": {"results": [{"name": "80s"}]}, "alternative_titles": {"results": [{"title": "Tage", "iso_3166_1": "DE"}]},
    "content_ratings": {"results": [{"iso_3166_1": "US", "rating": "TV-14"}, {"iso_3166_1": "usa", "rating": "x"}]},
}  # fmt: skip


def test_a_catalog_row_becomes_a_title_with_all_it_says() -> None:
    title = settled(open_jsonl.title_of(CATALOG_ROW))
    assert (title.id, title.media_type, title.title, title.original_title) == (
        "tv:tt1",
        MediaType.TV,
        "Stranger Days",
        "Días",
    )
    assert (title.year, title.end_year, title.original_language) == (2016, 2020, "es")
    assert title.overview == "Line one.\nLine two."
    assert (title.genres, title.keywords) == (("Drama", "7"), ("80s", "anime"))
    assert title.alternative_titles == (
        AlternativeTitle(title="Weird Days"),
        AlternativeTitle(title="기묘한 날", iso_639_1="ko"),
        AlternativeTitle(title="Tage", iso_639_1="de"),
        AlternativeTitle(title="Plain"),
    )
    assert title.credits.cast == (CastMember(name="Ann", character="Joy"), CastMember(name="Bob", order=1))
    assert title.credits.crew == (CrewMember(name="Cy", department="Directing", job="Director"),)
    assert title.belongs_to_collection == Collection(id="7", name="Days")
    assert (title.external_ids.imdb_id, title.external_ids.tmdb_id) == ("tt1", "66732")
    assert title.external_ids.others == (OtherId(registry="wikipedia", value="Days"),)
    assert [(each.platform, each.url) for each in title.official_accounts] == [
        ("x", "https://x.com/days"),
        ("tumblr", ""),
    ]
    assert title.hashtags == (Hashtag(name="strangerdays", official=True), Hashtag(name="twowords", official=True))
    assert (title.popularity, title.vote_count, title.vote_average) == (1000.0, 10, 8.6)
    assert (title.studio_id, title.networks) == ("network:netflix", ("Netflix", "La 1"))
    assert title.origin_countries == ("US",)
    assert title.attributions == (Attribution(url="https://example.org/days", licence="CC BY-SA 4.0"),)


def test_offers_say_no_more_than_the_source() -> None:
    offers = open_jsonl.title_of(CATALOG_ROW).watch_offers
    assert [(each.provider_id, each.iso_3166_1, each.offer_type) for each in offers] == [
        ("netflix", "US", OfferType.FLATRATE),
        ("netflix", "", OfferType.FLATRATE),
        ("hulu", "US", OfferType.FLATRATE),
    ]
    assert offers[1].links.web_url == "https://www.netflix.com/title/80057281"
    assert offers[1].as_of_time == datetime(2026, 3, 22, tzinfo=UTC)
    assert offers[1].source == open_jsonl.NETFLIX_TOP10_SOURCE
    assert offers[0].links.web_url == ""


def test_a_title_without_network_or_score_belongs_to_the_sample_and_counts_its_weeks() -> None:
    title = open_jsonl.title_of({"id": "movie:1", "kind": "movie", "title": "A", "netflix_top10": {"weeks": 3}})
    assert (title.studio_id, title.popularity, title.watch_offers) == (open_jsonl.SAMPLE_STUDIO_ID, 0.0, ())


def test_an_id_in_foreign_letters_is_written_in_ours_and_kept() -> None:
    title = open_jsonl.title_of({"id": "movie:t-utøya~2", "kind": "movie", "title": "A"})
    assert title.id == "movie:t-ut_c3b8ya_7e2"
    assert title.external_ids.others == (OtherId(registry="source_id", value="movie:t-utøya~2"),)


@pytest.mark.parametrize("row", [{}, {"id": "a"}, {"id": "a", "title": "b"}, {"id": "a", "title": "b", "kind": "song"}])
def test_rows_that_are_no_titles_are_unreadable(row: dict) -> None:
    with pytest.raises(RowUnreadable):
        open_jsonl.title_of(row)


def test_a_tmdb_movie_becomes_a_title() -> None:
    title = settled(tmdb.title_of(TMDB_MOVIE))
    assert (title.id, title.year, title.runtime, title.status) == ("movie:tt1160419", 2021, 155, "Released")
    assert [member.name for member in title.credits.cast] == ["A", "B"]
    assert [member.name for member in title.credits.crew] == ["D"]
    assert title.alternative_titles == (AlternativeTitle(iso_3166_1="DE", title="Der Wüstenplanet", type="x"),)
    assert title.certifications == (Certification(iso_3166_1="US", certification="PG-13"),)
    assert [(each.type, each.release_date) for each in title.release_dates] == [
        (ReleaseType.THEATRICAL, "2021-10-22"),
        (ReleaseType.UNSPECIFIED, ""),
    ]
    assert title.keywords == ("desert",)
    assert [(each.iso_639_1, len(each.overview)) for each in title.translations] == [("fr", 300)]
    (offer,) = title.watch_offers
    assert (offer.provider_id, offer.offer_type, offer.iso_3166_1, offer.display_priority) == (
        "tmdb:2",
        OfferType.RENT,
        "US",
        4,
    )
    assert offer.links.web_url == "https://w.example"
    assert [(each.file_path, each.width) for each in title.images.posters] == [("/p.jpg", 10), ("/q.jpg", 0)]
    assert (title.studio_id, title.origin_countries) == ("studio:legendary-pictures", ("US",))
    assert title.external_ids.wikidata_id == "Q1"


def test_a_tmdb_show_becomes_a_title() -> None:
    title = settled(tmdb.title_of(TMDB_SHOW))
    assert (title.id, title.media_type, title.end_year, title.runtime) == ("tv:tmdb66732", MediaType.TV, 2020, 50)
    assert (title.keywords, title.studio_id) == (("80s",), "network:netflix")
    assert title.alternative_titles[0].title == "Tage"
    assert title.certifications == (Certification(iso_3166_1="US", certification="TV-14"),)
    assert title.credits.crew[0].job == "Creator"


@pytest.mark.parametrize(
    "row", [{}, {"id": 1}, {"id": 1, "media_type": "person", "overview": ""}, {"title": "x"}, {"id": 1, "name": ""}]
)
def test_tmdb_objects_that_are_no_titles_are_unreadable(row: dict) -> None:
    with pytest.raises(RowUnreadable):
        tmdb.title_of(row)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(CATALOG_ROW)), any_json)
def test_no_value_breaks_the_catalog_adapter(name: str, value: object) -> None:
    try:
        assert isinstance(open_jsonl.title_of({**CATALOG_ROW, name: value}), Title)
    except RowUnreadable:
        assert name in ("id", "title", "kind")


@given(st.sampled_from(sorted({**TMDB_MOVIE, **TMDB_SHOW})), any_json)
def test_no_value_breaks_the_tmdb_adapter(name: str, value: object) -> None:
    for row in (TMDB_MOVIE, TMDB_SHOW):
        try:
            assert isinstance(tmdb.title_of({**row, name: value}), Title)
        except RowUnreadable:
            assert name in ("id", "title", "name", "release_date", "first_air_date", "media_type")


def test_every_row_of_the_sample_is_a_valid_title_with_its_source() -> None:
    titles = [row.title for row in rows_of(SAMPLE)]
    assert len(titles) == 5439
    assert all(settled(title) and title.attributions[0].licence for title in titles)
    assert len({title.id for title in titles}) == 5439


def test_pages_of_services_make_offers_and_other_pages_do_not() -> None:
    offer = offer_at("https://www.hulu.com/series/x", "s")
    assert offer is not None
    assert (offer.provider_id, offer.iso_3166_1) == ("hulu", "US")
    assert offer_at("https://www.nbc.com/x", "s") is None
    assert offer_at("https://www.netflix.com/", "s") is None
    assert offer_of("Nobody/US", "s") is None


@pytest.mark.parametrize("value", [None, True, [], {}, float("nan")])
def test_readers_take_nothing_for_what_is_not_theirs(value: object) -> None:
    assert (text(value), long_text(value), day(value), url(value)) == ("", "", "", "")
    assert whole(value) == 0
    assert real(value) == 0.0


def test_readers_bound_what_they_take() -> None:
    assert text("a\x00b" + "c" * 600) == "a b" + "c" * 497
    assert whole(10**30) == 2**31 - 1
    assert real(-1) == 0.0
    assert slug("BBC One!") == "bbc-one"
    assert slug("日本") == "unnamed"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_files_are_read_whatever_their_form(tmp_path: Path) -> None:
    row, movie = json.dumps(CATALOG_ROW).encode(), json.dumps(TMDB_MOVIE).encode()
    lines = row + b"\n\n" + movie + b"\n"
    found = {
        "jsonl": [(each.line, each.title.id) for each in rows_of(write(tmp_path / "a.jsonl", lines)) if each.title],
        "gz": [
            (each.line, each.title.id) for each in rows_of(write(tmp_path / "a.gz", gzip.compress(lines))) if each.title
        ],
    }
    assert found == {form: [(1, "tv:tt1"), (3, "movie:tt1160419")] for form in found}
    listed = write(tmp_path / "list.json", b"[" + row + b"," + movie + b"]")
    assert [each.line for each in rows_of(listed)] == [1, 2]
    pretty = write(tmp_path / "one.json", json.dumps(TMDB_MOVIE, indent=2).encode())
    assert [each.title.id for each in rows_of(pretty) if each.title] == ["movie:tt1160419"]
    assert [each.line for each in rows_of(tmp_path / "a.jsonl", after_line=1)] == [3]
    assert list(rows_of(write(tmp_path / "empty", b""))) == []


def test_lines_that_cannot_be_read_are_problems_with_their_number(tmp_path: Path) -> None:
    content = json.dumps(CATALOG_ROW).encode() + b'\nnot json\n[1]\n{"id": "a"}\n"x"\n'
    rows = list(rows_of(write(tmp_path / "a.jsonl", content)))
    assert [(each.line, bool(each.problem)) for each in rows] == [(1, False), *((line, True) for line in (2, 3, 4, 5))]
    first = list(rows_of(write(tmp_path / "b.jsonl", b"not json\n" + json.dumps(CATALOG_ROW).encode())))
    assert [bool(each.problem) for each in first] == [True, False]
    assert list(rows_of(tmp_path / "a.jsonl", format_name="tmdb"))[3].problem


def test_a_line_that_is_too_long_is_a_problem(tmp_path: Path) -> None:
    content = json.dumps(CATALOG_ROW).encode() + b"\n" + b'"' + b"x" * (LINE_BYTES_MAX + 10) + b'"\n'
    rows = list(rows_of(write(tmp_path / "a.jsonl", content)))
    assert "longer" in rows[1].problem


def test_an_import_id_stays_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"x")
    first = import_id_of(path)
    assert import_id_of(path) == first
    assert import_id_of(write(tmp_path / "a", b"xy")) != first
