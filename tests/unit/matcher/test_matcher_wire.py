"""Between the wire and the domain: what goes in comes out, and enums have the wire's numbers."""

import math
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from chassis.timestamps import moment_of, timestamp
from protos.catalog.v1 import catalog_pb2
from protos.matcher.v1 import matcher_pb2, policy_pb2, review_pb2
from services.matcher import domain, lifecycle, policy, reviewing
from services.matcher.anchors import SwitchScope
from services.matcher.domain import TitleState, standing_of
from services.matcher.store.documents import MatchDocuments, match_document, match_of, video_document, video_of
from services.matcher.store.task_documents import task_document, task_of
from services.matcher.text.matches import SignalType
from services.matcher.text.titles import MediaType, NameKind
from services.matcher.wire import catalog as catalog_wire
from services.matcher.wire import matches as matches_wire
from services.matcher.wire import policy as policy_wire
from services.matcher.wire import review as review_wire
from services.matcher.wire import videos as videos_wire
from services.matcher.wire.times import seconds_of

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)
COUNT = st.integers(0, 10**12)
PLACE = st.integers(0, 10**6)
IDS = st.from_regex(r"[A-Za-z0-9:_.-]{1,20}", fullmatch=True)
TIMES = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - given a zone below
    lambda time: time.replace(tzinfo=UTC, microsecond=time.microsecond // 1000 * 1000)
)
P = st.floats(0, 1)

vectors = st.builds(
    matcher_pb2.Embedding,
    model=IDS,
    dim=st.just(8),
    dtype=st.just("float32"),
    values=st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8),
    t_ms=st.integers(0, 1_000),
)
frames = st.builds(
    matcher_pb2.FrameSignal,
    t_ms=st.integers(0, 1_000),
    pdq=st.sampled_from(["", "0" * 64]),
    pdq_quality=st.integers(0, 100),
    embeddings=st.lists(vectors, max_size=1),
    labels=st.lists(TEXT, max_size=2),
    mirrored=st.booleans(),
)
videos = st.builds(
    matcher_pb2.Video,
    id=IDS,
    creator=st.builds(
        matcher_pb2.Creator,
        id=IDS,
        username=TEXT,
        follower_count=COUNT,
        is_verified=st.booleans(),
        region_code=st.sampled_from(["", "US"]),
        strike_score=st.floats(0, 100),
        account_type=st.integers(0, 4),
    ),
    create_time=st.integers(0, 10**10),
    region_code=st.sampled_from(["", "DE"]),
    video_description=TEXT,
    duration=st.floats(0, 100),
    hashtag_names=st.lists(TEXT, max_size=2),
    video_mention_list=st.lists(TEXT, max_size=2),
    music_id=TEXT,
    sound=st.builds(matcher_pb2.Sound, title=TEXT, author=TEXT),
    effect_ids=st.lists(TEXT, max_size=2),
    voice_to_text=TEXT,
    ocr_text=st.lists(TEXT, max_size=2),
    view_count=COUNT,
    like_count=COUNT,
    comment_count=COUNT,
    share_count=COUNT,
    video_label=TEXT,
    is_aigc=st.booleans(),
    made_for_kids=st.booleans(),
    content_claimed=st.booleans(),
    language=TEXT,
    frame_hashes=st.lists(
        st.builds(matcher_pb2.FrameHash, signal_type=st.just("pdq"), signal=st.just("0" * 64)), max_size=1
    ),
    embeddings=st.lists(vectors, max_size=1),
    frames=st.lists(frames, max_size=2),
    images=st.lists(st.binary(min_size=1, max_size=3), max_size=1),
)


@given(videos)
def test_a_video_survives_being_kept_but_for_its_pixels(message):
    video = videos_wire.video_of(message)
    kept = videos_wire.kept_video_of(video.body, video.digest)
    assert kept == video._replace(images=(), clip=b"")
    for name in ("id", "video_description", "duration", "view_count", "made_for_kids", "language"):
        assert getattr(video, name) == getattr(message, name)
    assert video.hashtag_names == tuple(message.hashtag_names)
    assert video.images == tuple(message.images)
    assert [frame.pdq for frame in video.frames] == [frame.pdq for frame in message.frames]


@given(videos)
def test_a_stored_video_is_shown_as_sent_but_for_its_frames(message):
    video = videos_wire.video_of(message)
    stored = domain.StoredVideo(id=video.id, standing=standing_of(video, 1.0), body=video.body)
    shown = videos_wire.video_message(video_of(video_document(stored, MatchDocuments())))
    for name in ("frames", "frame_hashes", "embeddings", "images"):
        message.ClearField(name)
    assert shown == message


@given(videos, videos)
def test_digests_are_equal_exactly_for_equal_videos(one, other):
    same = one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    assert (videos_wire.video_of(one).digest == videos_wire.video_of(other).digest) == same


evidence = st.builds(
    domain.Evidence,
    signal_type=st.sampled_from(SignalType),
    value=TEXT,
    contribution=st.floats(-9, 9),
    span=st.none() | st.builds(domain.Span, field=TEXT, index=PLACE, start=PLACE, end=PLACE),
    segment=st.none() | st.builds(domain.Segment, start_ms=COUNT, end_ms=COUNT),
    reference_id=TEXT,
    distance=st.floats(0, 9),
)
matches = st.builds(
    domain.Match,
    video_id=IDS,
    candidate=st.builds(
        domain.Candidate,
        title_id=IDS,
        probability=P,
        evidence=st.lists(evidence, max_size=3).map(tuple),
        runner_ups=st.lists(
            st.builds(domain.RunnerUp, title_id=IDS, probability=P, separated_by=st.lists(TEXT, max_size=2).map(tuple)),
            max_size=2,
        ).map(tuple),
        margin=P,
        is_contradicted=st.booleans(),
    ),
    state=st.sampled_from(domain.MatchState),
    decided_by=st.sampled_from(domain.DecidedBy),
    create_time=TIMES,
    update_time=TIMES,
    model_version=TEXT,
    calibration_version=TEXT,
    policy_version=TEXT,
    catalog_revision=COUNT,
    verdict=st.none() | st.sampled_from(domain.MatchState),
    verdict_by=st.sampled_from(domain.DecidedBy),
    held=st.integers(0, 2**16),
    passed=st.integers(0, 2**16),
    record=st.binary(max_size=8),
)


@given(matches)
def test_a_match_survives_the_store(match):
    assert match_of(match.video_id, match_document(match)) == match


@given(matches)
def test_a_match_on_the_wire_says_what_the_domain_says(match):
    message = matches_wire.match_message(match)
    assert (message.id, message.title_id, message.state) == (match.id, match.title_id, match.state)
    assert message.probability == match.candidate.probability
    assert [each.contribution for each in message.evidence] == [each.contribution for each in match.candidate.evidence]
    assert [each.HasField("span") for each in message.evidence] == [
        each.span is not None for each in match.candidate.evidence
    ]
    assert moment_of(message.update_time) == match.update_time


votes = st.builds(
    reviewing.Vote,
    reviewer_id=IDS,
    verdict=st.sampled_from(reviewing.Verdict),
    vote_time=TIMES,
    token=COUNT,
    reason_code=st.sampled_from(reviewing.ReasonCode),
    right_title_id=TEXT,
    note=TEXT,
)
tasks = st.builds(
    reviewing.Task,
    id=IDS,
    video_id=IDS,
    title_id=IDS,
    state=st.sampled_from(lifecycle.TaskState),
    create_time=TIMES,
    sla_deadline_time=st.just(datetime(2101, 1, 1, tzinfo=UTC)),
    value=st.floats(1, 1e9),
    probability=P,
    kind=st.sampled_from(reviewing.TaskKind),
    required_votes=st.integers(1, 3),
    votes=st.lists(votes, max_size=3).map(tuple),
    lease=st.none() | st.builds(reviewing.Lease, holder=IDS, token=COUNT, expire_time=TIMES, request_id=TEXT),
    token=COUNT,
    seen_by=st.lists(IDS, max_size=2).map(tuple),
    expected=st.none() | st.sampled_from(reviewing.Verdict),
    outcome=st.none() | votes,
    decide_time=st.none() | TIMES,
)


@given(tasks)
def test_a_task_survives_the_store(task):
    assert task_of(task_document(task)) == task


@given(tasks)
def test_an_open_task_shows_a_reader_only_his_own_votes(task):
    message = review_wire.task_message(task, datetime(2101, 1, 1, tzinfo=UTC), "nobody-of-them")
    if task.state in {lifecycle.TaskState.OPEN, lifecycle.TaskState.LEASED}:
        assert list(message.votes) == []
        assert message.kind == review_pb2.REVIEW_TASK_KIND_FIRST_READ
    else:
        assert len(message.votes) == len(task.votes)


policies = st.builds(
    policy.Policy,
    version=IDS,
    approve_threshold=P,
    follower_count_min=COUNT,
    account_types=st.sets(st.sampled_from(domain.AccountType)).map(tuple),
    creator_regions=st.sets(st.sampled_from(["US", "DE"])).map(tuple),
    viewer_regions=st.sets(st.sampled_from(["US", "DE"])).map(tuple),
    blocked_viewer_regions=st.sets(st.sampled_from(["US", "DE"])).map(tuple),
    allow_made_for_kids=st.booleans(),
    titles_per_video_max=st.integers(1, 9),
    description=TEXT,
    author=TEXT,
)


@given(policies)
def test_a_policy_survives_the_wire(each):
    message = policy_wire.policy_message(each, each.version)
    assert policy_wire.policy_of(message) == each
    assert message.is_active


@pytest.mark.parametrize(
    ("ours", "wire", "prefix"),
    [
        (domain.MatchState, matcher_pb2.MatchState, "MATCH_STATE_"),
        (domain.Cause, matcher_pb2.MatchChangeCause, "MATCH_CHANGE_CAUSE_"),
        (policy.GateCode, matcher_pb2.GateCode, "GATE_CODE_"),
        (lifecycle.RematchState, matcher_pb2.RematchState, "REMATCH_STATE_"),
        (lifecycle.TaskState, review_pb2.ReviewTaskState, "REVIEW_TASK_STATE_"),
        (lifecycle.AppealState, review_pb2.AppealState, "APPEAL_STATE_"),
        (reviewing.TaskKind, review_pb2.ReviewTaskKind, "REVIEW_TASK_KIND_"),
        (reviewing.Verdict, review_pb2.Verdict, "VERDICT_"),
        (reviewing.ReasonCode, review_pb2.ReasonCode, "REASON_CODE_"),
        (SwitchScope, policy_pb2.KillSwitchScope, "KILL_SWITCH_SCOPE_"),
        (domain.AccountType, matcher_pb2.AccountType, "ACCOUNT_TYPE_"),
        (TitleState, catalog_pb2.TitleState, "TITLE_STATE_"),
    ],
)
def test_our_numbers_are_the_wires(ours, wire, prefix):
    wires = {name.removeprefix(prefix): number for name, number in wire.items() if number}
    assert {each.name: each.value for each in ours if each.value} == wires
    assert set(matches_wire.SIGNALS) == set(SignalType)


def test_times_outside_the_calendar_are_refused_by_name():
    assert seconds_of(Timestamp(seconds=5, nanos=500_000_000), "x") == 5.5
    with pytest.raises(InvalidArgument) as raised:
        seconds_of(Timestamp(seconds=-1), "stats[0].observe_time")
    assert raised.value.violations[0].field == "stats[0].observe_time"
    assert timestamp(None) is None


def a_catalog_title(**fields) -> catalog_pb2.Title:
    given = {"id": "movie:tt1", "media_type": catalog_pb2.MEDIA_TYPE_MOVIE, "title": "Dune", "state": 1}
    return catalog_pb2.Title(**{**given, **fields})


def test_a_title_brings_all_its_names_to_the_index():
    message = a_catalog_title(
        original_title="Dune",
        year=2021,
        popularity=1_000.0,
        alternative_titles=[catalog_pb2.AlternativeTitle(title="沙丘", iso_639_1="zh")],
        translations=[catalog_pb2.Translation(title="Der Wüstenplanet", iso_639_1="de"), catalog_pb2.Translation()],
        hashtags=[catalog_pb2.Hashtag(name="dunemovie")],
        belongs_to_collection=catalog_pb2.Collection(name="Dune Collection"),
        credits=catalog_pb2.Credits(
            cast=[catalog_pb2.CastMember(name="Zendaya", character="Chani")],
            crew=[
                catalog_pb2.CrewMember(name="Denis Villeneuve", job="Director"),
                catalog_pb2.CrewMember(name="Somebody", job="Gaffer"),
            ],
        ),
        characters=["Chani", "Paul"],
    )
    alias = catalog_pb2.Alias(name="DN1", kind=catalog_pb2.ALIAS_KIND_ABBREVIATION, prior=0.7, pinned=True)
    title = catalog_wire.title_of(message, [alias])
    assert [(name.text, name.kind) for name in title.names.names] == [
        ("Dune", NameKind.TITLE),
        ("Dune", NameKind.ORIGINAL),
        ("沙丘", NameKind.ALTERNATIVE),
        ("Der Wüstenplanet", NameKind.ALTERNATIVE),
        ("DN1", NameKind.ABBREVIATION),
    ]
    assert title.names.popularity == pytest.approx(3.0)
    assert (title.names.media_type, title.names.franchise) == (MediaType.MOVIE, "Dune")
    assert title.names.crew == ("Denis Villeneuve",)
    assert [(person.name, person.character) for person in title.names.cast] == [("Zendaya", "Chani"), ("", "Paul")]
    assert title.names.alias_priors[0].pinned
    assert (title.card.name, title.card.media_type, title.is_matchable) == ("Dune", "movie", True)


def test_votes_stand_in_for_an_unknown_popularity():
    assert catalog_wire.title_of(a_catalog_title(vote_count=100)).names.popularity == pytest.approx(2.0)
    assert catalog_wire.title_of(a_catalog_title()).names.popularity == 0.0


@pytest.mark.parametrize(
    ("change_type", "paths", "touches"),
    [
        (catalog_pb2.CHANGE_TYPE_CREATED, [], {"names"}),
        (catalog_pb2.CHANGE_TYPE_UPDATED, ["overview"], set()),
        (catalog_pb2.CHANGE_TYPE_UPDATED, ["alternative_titles[0].title"], {"names"}),
        (catalog_pb2.CHANGE_TYPE_UPDATED, ["state"], {"state"}),
        (catalog_pb2.CHANGE_TYPE_DELETED, [], {"names", "state"}),
        (catalog_pb2.CHANGE_TYPE_ALIASES, [], {"aliases"}),
        (catalog_pb2.CHANGE_TYPE_REFERENCE_IMAGES, [], {"references"}),
    ],
)
def test_a_change_says_what_it_touches(change_type, paths, touches):
    message = catalog_pb2.Change(
        revision=7,
        change_type=change_type,
        title=a_catalog_title(),
        field_changes=[catalog_pb2.FieldChange(path=path) for path in paths],
    )
    change = catalog_wire.change_of(message)
    assert {
        what for what in ("names", "state", "aliases", "references") if getattr(change, f"touches_{what}")
    } == touches
    assert change.revision == 7


def test_an_embargo_and_a_withdrawal_reach_the_card():
    message = a_catalog_title(state=catalog_pb2.TITLE_STATE_WITHDRAWN)
    message.embargo_lift_time.FromSeconds(1_800_000_000)
    title = catalog_wire.title_of(message)
    assert (title.card.state, title.card.embargo_lift_s) == (TitleState.WITHDRAWN, 1_800_000_000)
    assert not title.is_matchable


def test_reference_images_become_fingerprints():
    image = catalog_pb2.ReferenceImage(
        id="r1",
        title_id="t1",
        kind=catalog_pb2.REFERENCE_IMAGE_KIND_POSTER,
        pdq=["ab" * 32],
        pdq_quality=90,
        embeddings=[
            catalog_pb2.ReferenceEmbedding(model="m", dim=2, values=[3.0, 4.0]),
            catalog_pb2.ReferenceEmbedding(model="m", dim=2, values=[0.0, 0.0]),
        ],
    )
    bare = catalog_pb2.ReferenceImage(id="r2", title_id="t1")
    bank = catalog_wire.bank_of("t1", [image, bare], catalog_pb2.REFERENCE_STATE_DISABLED)
    assert not bank.is_enabled
    (reference,) = bank.references
    assert len(reference.fingerprints) == 2
    vector = reference.fingerprints[1].embedding.vector()
    assert math.isclose(float((vector**2).sum()), 1.0, rel_tol=1e-6)
