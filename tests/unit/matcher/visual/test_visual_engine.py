"""What the engine answers as references come, go, repeat themselves and are switched off."""

import random

import pytest

from services.matcher.visual.calibration import PART_PENALTY
from services.matcher.visual.engine import FINGERPRINTS_PER_FRAME_MAX, FRAMES_MAX, VisualEngine
from services.matcher.visual.signals import Region, SignalRefused, SignalSource


def a_bank(build, titles: int = 4, each: int = 3):
    return [
        build.reference(
            f"r{title}-{n}", f"t{title}", build.print(100 * title + n, embedding=build.embedding(100 * title + n))
        )
        for title in range(titles)
        for n in range(each)
    ]


def test_frames_of_a_title_are_matched_with_reference_distance_and_segment(build):
    bank = a_bank(build)
    frames = [build.frame(*bank[n].fingerprints, t_ms=1000 * n) for n in range(3)]
    match, *rest = VisualEngine.build(bank).match(frames)
    assert rest == []
    assert match.title_id == "t0"
    assert match.probability > 0.99
    assert not match.is_borderline
    assert [one.reference_id for one in match.evidence] == ["r0-0", "r0-1", "r0-2"]
    assert match.evidence[1].start_ms <= 1000 <= match.evidence[1].end_ms
    assert all(one.distance == pytest.approx(0, abs=0.01) for one in match.evidence)


def test_contributions_sum_to_the_match_exactly(build):
    bank = a_bank(build)
    engine = VisualEngine.build(bank)
    for count in (1, 2, 3):
        (match,) = engine.match([build.frame(*bank[n].fingerprints, t_ms=n) for n in range(count)])
        assert match.contribution == pytest.approx(sum(one.contribution for one in match.evidence), abs=1e-12)


def test_agreeing_frames_beat_one(build):
    bank = [build.reference(f"r{n}", "t", build.print(n)) for n in range(3)]
    engine = VisualEngine.build(bank)

    def near(seed):  # 58 bits away
        value = bytearray(build.pdq(seed))
        for place in range(58):
            value[place % 32] ^= 1 << (place // 32)
        return build.print(0, pdq=bytes(value))

    one = engine.match([build.frame(near(0))])[0]
    two = engine.match([build.frame(near(0)), build.frame(near(1), t_ms=900)])[0]
    assert one.is_borderline
    assert one.probability < 0.95 < two.probability


def test_copies_of_one_frame_say_no_more_than_one(build):
    bank = a_bank(build)
    engine = VisualEngine.build(bank)
    (one,) = engine.match([build.frame(*bank[0].fingerprints)])
    (many,) = engine.match([build.frame(*bank[0].fingerprints, t_ms=100 * n) for n in range(20)])
    assert many.contribution == one.contribution
    assert (many.evidence[0].start_ms, many.evidence[0].end_ms) == (0, 2400)


def test_a_stranger_matches_nothing(build):
    engine = VisualEngine.build(a_bank(build))
    assert engine.match([build.frame(build.print(9_999, embedding=build.embedding(9_999)))]) == ()
    assert engine.match([]) == ()
    assert VisualEngine().match([build.frame(build.print(1))]) == ()


def test_vectors_of_two_models_are_never_compared(build):
    same = build.embedding(1)
    engine = VisualEngine.build([build.reference("r", "t", build.print(0, pdq=None, embedding=same))])
    other_model = build.embedding(1, model="another")
    other_dim = build.embedding(1, dim=32)
    assert engine.match([build.frame(build.print(0, pdq=None, embedding=same))])[0].title_id == "t"
    assert engine.match([build.frame(build.print(0, pdq=None, embedding=other_model))]) == ()
    assert engine.match([build.frame(build.print(0, pdq=None, embedding=other_dim))]) == ()
    assert [(rows.model, rows.dim, rows.rows) for rows in engine.info().models] == [("m", 64, 1)]


def test_a_switched_off_bank_matches_nothing_until_it_is_on_again(build):
    bank = a_bank(build)
    engine = VisualEngine.build(bank, disabled_titles=["t1"])
    frames = [build.frame(*bank[3].fingerprints)]
    assert engine.match(frames) == ()
    assert engine.info().disabled_titles == ("t1",)
    engine.update(added=[build.reference("late", "t1", build.print(7))])
    assert engine.match([build.frame(build.print(7))]) == ()
    engine.update(bank_states={"t1": True})
    assert engine.match(frames)[0].evidence[0].reference_id == "r1-0"
    assert engine.match([build.frame(build.print(7))])[0].evidence[0].reference_id == "late"
    engine.update(bank_states={"t1": True})
    assert engine.info().disabled_titles == ()


def test_a_disabled_reference_waits_outside_the_index(build):
    engine = VisualEngine.build([build.reference("r", "t", build.print(1), enabled=False)])
    assert engine.match([build.frame(build.print(1))]) == ()
    engine.update(added=[build.reference("r", "t", build.print(1))])
    assert engine.match([build.frame(build.print(1))])[0].title_id == "t"
    assert engine.info().reference_count == 1


def test_a_reference_of_the_same_id_replaces_the_first(build):
    engine = VisualEngine.build([build.reference("r", "t", build.print(1))])
    engine.update(added=[build.reference("r", "u", build.print(2))])
    assert engine.match([build.frame(build.print(1))]) == ()
    assert engine.match([build.frame(build.print(2))])[0].title_id == "u"
    assert engine.info().title_count == 1


def test_removed_references_are_gone_and_strange_ids_are_no_error(build):
    bank = a_bank(build)
    engine = VisualEngine.build(bank)
    engine.update(removed_ids=["r0-0", "r0-1", "r0-2", "never seen"])
    assert engine.match([build.frame(*bank[0].fingerprints)]) == ()
    assert engine.info().reference_count == 9
    assert engine.info().pdq_rows == 9


def test_any_order_of_changes_ends_in_the_same_answers(build):
    """Built at once and grown step by step, the index says the same."""
    chance = random.Random(4)
    bank = a_bank(build, titles=6)
    grown = VisualEngine()
    for reference in chance.sample(bank, len(bank)):
        grown.update(added=[reference])
        if chance.random() < 0.4:
            grown.update(removed_ids=[reference.id])
            grown.update(added=[reference])
        if chance.random() < 0.3:
            grown.update(bank_states={reference.title_id: False})
            grown.update(bank_states={reference.title_id: True})
    built = VisualEngine.build(bank)
    for reference in bank:
        frames = [build.frame(*reference.fingerprints)]
        assert grown.match(frames) == built.match(frames)


def test_a_picture_of_many_titles_is_refused_with_those_before_it(build):
    ident = build.print(777)
    engine = VisualEngine.build(a_bank(build))
    refusals = [engine.update(added=[build.reference(f"i{n}", f"x{n}", ident)]) for n in range(5)]
    assert refusals[:3] == [(), (), ()]
    assert [one.reason for one in refusals[3]] == ["resembles_many_titles"]
    assert {one.reference_id for one in engine.info().refused} == {"i0", "i1", "i2", "i3", "i4"}
    assert engine.match([build.frame(ident)]) == ()
    engine.update(removed_ids=["i0", "i1", "i2", "i3"])
    assert [one.reference_id for one in engine.info().refused] == ["i4"]


def test_one_title_may_repeat_its_own_picture(build):
    engine = VisualEngine.build([build.reference(f"r{n}", "t", build.print(1)) for n in range(9)])
    assert engine.info().refused == ()
    assert engine.match([build.frame(build.print(1))])[0].title_id == "t"


def test_a_flat_reference_is_refused(build):
    engine = VisualEngine()
    (refusal,) = engine.update(added=[build.reference("r", "t", build.print(1, pdq_quality=3))])
    assert (refusal.reference_id, refusal.title_id, refusal.reason) == ("r", "t", "flat")
    assert engine.info().pdq_rows == 0
    engine.update(removed_ids=["r"])
    assert engine.info().refused == ()


def test_a_flat_hash_does_not_take_the_vector_with_it(build):
    vector = build.embedding(1)
    engine = VisualEngine.build([build.reference("r", "t", build.print(1, pdq_quality=3, embedding=vector))])
    assert engine.info().pdq_rows == 0
    (match,) = engine.match([build.frame(build.print(2, pdq_quality=1, embedding=vector))])
    assert match.evidence[0].source is SignalSource.EMBEDDING


def test_two_titles_with_one_picture_cancel_each_other(build):
    engine = VisualEngine.build([build.reference("a", "t", build.print(1)), build.reference("b", "u", build.print(1))])
    assert engine.match([build.frame(build.print(1))]) == ()


def test_evidence_names_the_window_it_was_seen_in(build):
    engine = VisualEngine.build([build.reference("r", "t", build.print(1))])
    frame = build.frame(build.print(8), build.print(1, region=Region.INSET))
    assert engine.match([frame])[0].evidence[0].region is Region.INSET


def test_too_many_frames_or_fingerprints_are_refused(build):
    engine = VisualEngine()
    with pytest.raises(SignalRefused) as refusal:
        engine.match([build.frame(t_ms=n) for n in range(FRAMES_MAX + 1)])
    assert refusal.value.violations[0].field == "frames"
    with pytest.raises(SignalRefused) as refusal:
        engine.match([build.frame(), build.frame(*[build.print(1)] * (FINGERPRINTS_PER_FRAME_MAX + 1))])
    assert refusal.value.violations[0].field == "frames[1].fingerprints"


def test_the_answer_does_not_depend_on_the_order_of_frames(build):
    bank = a_bank(build)
    engine = VisualEngine.build(bank)
    frames = [build.frame(*one.fingerprints, t_ms=100 * n) for n, one in enumerate(bank)]
    assert engine.match(frames) == engine.match(random.Random(1).sample(frames, len(frames)))


def test_mirrored_hashes_of_a_frame_find_the_reference(hasher, scene, build):
    from services.matcher.visual.signals import ReferenceKind
    from services.matcher.visual.videos import Moment

    picture = scene(3)
    engine = VisualEngine.build([build.reference("r", "t", *hasher.of_reference(picture, ReferenceKind.POSTER))])
    (frame,) = hasher.of_video([Moment(t_ms=0, picture=picture[:, ::-1].copy())])
    assert engine.match([frame])[0].title_id == "t"


def test_a_likeness_in_a_part_is_worth_less_than_in_the_whole(build):
    engine = VisualEngine.build([build.reference("r", "t", build.print(1))])
    (whole,) = engine.match([build.frame(build.print(1))])
    (part,) = engine.match([build.frame(build.print(1, region=Region.SPLIT_SECOND))])
    assert part.contribution == pytest.approx(whole.contribution - PART_PENALTY)
