"""Pictures and sound beside words, the saved index, and the filter of seen videos."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher import index as indexes
from services.matcher.calibration import logit_of, probability_of
from services.matcher.domain import (
    Candidate,
    Evidence,
    FrameHash,
    FrameSignal,
    FrameVector,
    TitleCard,
    TitleState,
    Video,
)
from services.matcher.index import Saved, load, save
from services.matcher.seeing import frames_of, fused, has_frames
from services.matcher.seen import SeenVideos
from services.matcher.text.index import TextIndex
from services.matcher.text.matches import SignalType
from services.matcher.text.titles import MediaType, Name, TitleNames
from services.matcher.visual.signals import Region, SignalRefused, SignalSource, VisualEvidence, VisualMatch
from services.matcher.visual.sound import SoundEvidence

PDQ = "ab" * 32
UNIT = np.array([1.0] + [0.0] * 7, dtype="<f4").tobytes()


def read(title_id: str, probability: float) -> Candidate:
    evidence = Evidence(signal_type=SignalType.TITLE, value="name", contribution=logit_of(probability))
    return Candidate(title_id=title_id, probability=probability, evidence=(evidence,))


def seen(title_id: str, contribution: float) -> VisualMatch:
    evidence = VisualEvidence(
        reference_id="r",
        source=SignalSource.PDQ,
        model="",
        distance=3.0,
        start_ms=0,
        end_ms=500,
        region=Region.FULL,
        contribution=contribution,
    )
    return VisualMatch(
        title_id=title_id,
        contribution=contribution,
        prior_logit=-7.0,
        probability=probability_of(contribution - 7.0),
        is_borderline=False,
        evidence=(evidence,),
    )


titles = st.sampled_from(["a", "b", "c"])


@given(
    st.dictionaries(titles, st.floats(0.01, 0.99), max_size=3),
    st.dictionaries(titles, st.floats(0, 12), max_size=3),
    st.dictionaries(titles, st.floats(0, 2.5), max_size=3),
)
def test_whatever_is_fused_its_evidence_sums_to_the_logit(words, pictures, sounds):
    candidates = [read(title_id, p) for title_id, p in words.items()]
    sights = [seen(title_id, worth) for title_id, worth in pictures.items()]
    heard = [SoundEvidence(title_id=title_id, value="song", contribution=worth) for title_id, worth in sounds.items()]
    for each in fused(candidates, sights, heard):
        total = math.fsum(one.contribution for one in each.evidence)
        assert each.probability == pytest.approx(probability_of(total), abs=1e-9)
    assert {each.title_id for each in fused(candidates, sights, heard)} == words.keys() | pictures.keys()


def test_a_picture_against_the_words_contradicts_both():
    both = {each.title_id: each for each in fused([read("a", 0.95)], [seen("b", 12.0)], ())}
    assert both["a"].is_contradicted
    assert both["b"].is_contradicted
    assert both["a"].probability == pytest.approx(0.5)


def test_a_sound_adds_to_a_title_that_words_name():
    (after,) = fused([read("a", 0.6)], (), [SoundEvidence(title_id="a", value="Theme", contribution=1.0)])
    assert after.probability > 0.6
    assert after.evidence[-1].signal_type is SignalType.SOUND


def test_all_fingerprints_of_a_moment_make_one_frame():
    video = Video(
        id="v",
        frames=(
            FrameSignal(t_ms=0, pdq=PDQ, pdq_quality=80, vectors=(FrameVector(model="m", values=UNIT),)),
            FrameSignal(t_ms=9),
        ),
        frame_hashes=(FrameHash(signal_type="pdq", signal=PDQ), FrameHash(signal_type="md5", signal="00" * 8)),
        vectors=(FrameVector(model="m", values=UNIT, t_ms=5),),
    )
    frames = frames_of(video, "videos[0]")
    assert [(frame.t_ms, len(frame.fingerprints)) for frame in frames] == [(0, 3), (5, 1)]
    assert has_frames(video)
    assert not has_frames(Video(id="v"))


def test_a_bad_vector_is_refused_by_its_place():
    zeros = FrameVector(model="m", values=np.zeros(8, dtype="<f4").tobytes())
    video = Video(id="v", frames=(FrameSignal(t_ms=0, vectors=(zeros,)),))
    with pytest.raises(SignalRefused) as raised:
        frames_of(video, "videos[3]")
    assert raised.value.violations[0].field.startswith("videos[3].frames[0].embeddings[0]")


def a_saved(revision: int = 7) -> Saved:
    names = TitleNames(title_id="t1", media_type=MediaType.MOVIE, names=(Name(text="Dune"),))
    return Saved(
        text=TextIndex.build([names]),
        revision=revision,
        cards={"t1": TitleCard("Dune", TitleState.ACTIVE, "movie", "s1", 5.0)},
        soundtracks={"t1": ("Theme",)},
    )


def test_a_saved_index_is_loaded_as_it_was(tmp_path):
    save(a_saved(7), tmp_path)
    save(a_saved(8), tmp_path)
    found = load(tmp_path, TextIndex)
    assert (found.revision, len(found.text)) == (8, 1)
    assert found.cards == a_saved().cards
    assert found.soundtracks == a_saved().soundtracks
    assert len(list(tmp_path.glob("*.names.index"))) == 1, "the old file is gone"


@pytest.mark.parametrize("damage", ["missing", "cut", "short", "format", "text"])
def test_a_saved_index_that_cannot_be_read_is_none(tmp_path, damage):
    save(a_saved(), tmp_path)
    cards = tmp_path / indexes.CARDS_FILE
    match damage:
        case "missing":
            cards.unlink()
        case "cut":
            cards.write_text(cards.read_text()[:20])
        case "short":
            cards.write_text(cards.read_text().splitlines()[0])
        case "format":
            cards.write_text(cards.read_text().replace(f'"format":{indexes.FORMAT}', '"format":0'))
        case "text":
            next(tmp_path.glob("*.names.index")).write_bytes(b"nonsense")
    assert load(tmp_path, TextIndex) is None


@given(st.lists(st.text(max_size=6), max_size=20), st.text(max_size=6))
def test_the_filter_never_denies_a_video_it_was_told_of(known, other):
    filter_ = SeenVideos()
    assert filter_.may_hold_any(["anything"]), "before it knows all it says maybe"
    filter_.add(known)
    filter_.complete()
    assert all(filter_.may_hold_any([video_id]) for video_id in known)
    if other not in known:
        assert not filter_.may_hold_any([other])
