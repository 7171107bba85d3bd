"""How pages write numbers, times, links, evidence and charts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from chassis.clock import FakeClock
from gateway.transcode.comments import parse_comments
from gateway.web import templates
from gateway.web.assets import Assets
from gateway.web.charts import chart_columns, chart_table, spike_bands
from gateway.web.evidence import Marked, Shown, jpeg_address, marked_text, texts_of, visual_pairs
from gateway.web.hub import offer_groups, spoken_list

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (9999, "9,999"),
        (12_345, "12.3K"),
        (20_000, "20K"),
        (3_400_000, "3.4M"),
        (2e9, "2B"),
        (1.5, "1.5"),
    ],
)
def test_large_numbers_are_short(number: float, text: str) -> None:
    assert templates.compact(number) == text


def test_times_are_said_in_one_unit() -> None:
    for text, said in (
        ("2026-11-25T11:59:40Z", "just now"),
        ("2026-11-25T11:50:00Z", "10\u202fmin ago"),
        ("2026-11-25T09:00:00Z", "3\u202fh ago"),
        ("2026-11-20T12:00:00Z", "5\u202fd ago"),
        ("2024-11-20T12:00:00Z", "2\u202fy ago"),
        ("2026-11-25T11:59:10Z", "50\u202fs ago"),
    ):
        assert templates.ago(text, NOW) == said
    assert templates.until("2026-11-25T14:00:00Z", NOW) == "in 2\u202fh"
    assert templates.until("2026-11-25T11:00:00Z", NOW) == "now"
    assert templates.day("2026-11-05") == "5 November 2026"
    assert templates.day("") == ""
    assert templates.clock_time(0) == "1 Jan, 00:00"


@pytest.mark.parametrize(
    ("change", "before", "said"),
    [
        (0.123, 5, "▲ +12\u202f%"),
        (-0.005001, 5, "▼ \u22121\u202f%"),
        (0.004, 5, "unchanged"),
        (-0.004, 5, "unchanged"),
        (0.0, 0, "nothing before"),
    ],
)
def test_a_change_points_up_or_down_where_the_number_does(change: float, before: int, said: str) -> None:
    parts = templates.Templates(Assets(), FakeClock())._environment.get_template("parts.html").module
    assert said in str(parts.change_text(change, before))


def test_words_and_shares() -> None:
    assert templates.minutes(45) == "45 min"
    assert templates.minutes(120) == "2\u202fh"
    assert templates.percent(0.1234) == "12.3\u202f%"
    assert templates.signed_percent(-0.1) == "\u221210\u202f%"
    assert templates.words("in_review") == "In review"
    assert (templates.initials("Dakota Mayi Johnson"), templates.initials("Prince"), templates.initials("")) == (
        "DJ",
        "P",
        "",
    )
    assert templates.pretty_json('{"a":1}') == '{\n  "a": 1\n}'
    assert templates.pretty_json("{broken") == "{broken"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "data:text/html,x", "myapp://open", ""])
def test_only_links_of_the_web_are_followed(url: str) -> None:
    assert templates.safe_url(url) == ""


def test_links_of_the_web_stay_as_they_are() -> None:
    assert templates.safe_url("https://example.com/a") == "https://example.com/a"


MARKS = st.lists(
    st.builds(
        Marked,
        start=st.integers(-2, 20),
        end=st.integers(-2, 20),
        contribution=st.floats(-5, 5),
        name=st.text('<>"&x', max_size=3),
    ),
    max_size=6,
)


@given(text=st.text("ab<>&\"'é漢", max_size=15), marks=MARKS)
def test_marking_never_loses_or_adds_a_letter_and_always_escapes(text: str, marks: list[Marked]) -> None:
    marked = marked_text(text, marks)
    assert marked.striptags() == escape(text).striptags() or "<" in text or "&" in text
    bare = marked
    while "<mark" in bare:
        start = bare.index("<mark")
        bare = bare[:start] + bare[bare.index(">", start) + 1 :].replace("</mark>", "", 1)
    assert bare == escape(text)


def test_the_stronger_of_two_overlapping_marks_wins() -> None:
    marks = [
        Marked(start=0, end=4, contribution=1, name="weak"),
        Marked(start=2, end=6, contribution=-3, name="strong"),
    ]
    assert marked_text("abcdefgh", marks) == 'ab<mark class="against" title="strong, -3.00">cdef</mark>gh'


def test_texts_without_content_are_left_out_and_a_sound_is_named() -> None:
    video = {"video_description": "", "hashtag_names": ["a", ""], "sound": {"title": "Song", "author": ""}}
    evidence = [{"span": {"field": "hashtag_names", "index": 0, "start": 0, "end": 1}, "contribution": 1.0}]
    texts = texts_of(video, evidence)
    assert [(text["field"], len(text["entries"])) for text in texts] == [("hashtag_names", 1), ("sound", 1)]
    assert texts_of({}, []) == []


def test_frames_are_paired_with_the_images_they_resemble() -> None:
    sight = {"signal_type": "visual", "value": "pdq full", "reference_id": "r", "distance": 0.2, "contribution": 1.0}
    evidence = [sight, {"signal_type": "title"}]
    (pair,) = visual_pairs(evidence, Shown(references=[{"id": "r", "uri": "u"}]))
    assert (pair["reference"], pair["at_ms"]) == ({"id": "r", "uri": "u"}, 0)
    bare = visual_pairs(evidence, Shown())[0]
    assert (bare["reference"], bare["frame_picture"], bare["reference_picture"]) == (None, "", "")


def test_a_pair_has_both_pictures_and_the_details_that_agree() -> None:
    sight = {
        "signal_type": "visual",
        "value": "pdq full",
        "reference_id": "r",
        "distance": 60.0,
        "contribution": 1.0,
        "segment": {"start_ms": 40, "end_ms": 540},
    }
    check = {**sight, "value": "geometry full", "distance": 1 / 31, "contribution": 6.0}
    elsewhere = {**check, "reference_id": "another", "distance": 1 / 3}
    shown = Shown(reference_pictures={"r": "data:b"}, frame_pictures={40: "data:a", 50: "data:c"})
    (pair,) = visual_pairs([sight, check, elsewhere], shown)
    assert (pair["frame_picture"], pair["reference_picture"], pair["details"]) == ("data:a", "data:b", 30)
    assert jpeg_address("QUJD") == "data:image/jpeg;base64,QUJD"


def test_words_the_matcher_read_are_marked_behind_those_that_were_sent() -> None:
    video = {"ocr_text": ["sent"], "screen_text": ["Dune"]}
    span = {"field": "ocr_text", "index": 1, "start": 0, "end": 4}
    (text,) = texts_of(video, [{"signal_type": "ocr", "span": span, "contribution": 2.0}])
    assert [str(entry) for entry in text["entries"]] == ["sent", '<mark title="ocr, +2.00">Dune</mark>']


def test_chart_columns_keep_gaps_where_numbers_are_hidden() -> None:
    def row(hour: int, kind: str, count: int, *, hidden: bool = False) -> dict:
        return {
            "start_time": f"2026-11-25T{hour:02}:00:00Z",
            "event_type": kind,
            "event_count": count,
            "is_suppressed": hidden,
        }

    columns = chart_columns([row(2, "video_view", 5), row(1, "video_view", 3, hidden=True), row(2, "hub_view", 1)])
    assert [each["values"] for each in columns["series"]] == [[None, 5], [0, 1], [0, 0]]
    assert [line[1] for line in chart_table(columns, rows_max=1)] == [5]
    assert chart_table(chart_columns([])) == []
    assert (
        spike_bands([{"start_time": "2026-11-25T01:00:00Z", "end_time": "2026-11-25T02:00:00Z"}, {}])[0]["name"]
        == "unexplained"
    )


def test_offers_are_grouped_by_how_they_are_paid() -> None:
    offers = [{"offer_type": kind} for kind in ("rent", "ads", "flatrate")]
    assert [name for name, _ in offer_groups(offers)] == ["Stream", "Free", "Rent"]
    assert spoken_list([]) == ""
    assert spoken_list(["numbers"]) == "Numbers"
    assert spoken_list(["numbers", "campaigns", "cast"]) == "Numbers, campaigns and cast"


def test_comments_of_a_proto_are_found_by_full_name() -> None:
    found = parse_comments("""
package a.v1;
// The service.
service S {
  // Does it.
  // Twice.
  rpc Do(DoRequest) returns (Thing) { option (x) = {get: "/v1/{id}"}; }
}
// A thing.
message Thing {
  // Its id.
  string id = 1 [(r).pattern = "^{1,2}$"];
  oneof choice {
    // The one.
    string one = 2;
  }
  repeated Thing many = 3;
  // Inner.
  message Inner { map<string, string> m = 1; }
}
// A kind.
enum Kind {
  // Not said.
  KIND_UNSPECIFIED = 0;
}
""")
    assert found == {
        "a.v1.S": "The service.",
        "a.v1.S.Do": "Does it. Twice.",
        "a.v1.Thing": "A thing.",
        "a.v1.Thing.id": "Its id.",
        "a.v1.Thing.one": "The one.",
        "a.v1.Thing.Inner": "Inner.",
        "a.v1.Kind": "A kind.",
        "a.v1.Kind.KIND_UNSPECIFIED": "Not said.",
    }
