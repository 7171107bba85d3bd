"""From pixels to fingerprints to the right title, with a model the test builds and without one."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from services.matcher.visual.engine import VisualEngine
from services.matcher.visual.fingerprint import Fingerprinter, pdq_of
from services.matcher.visual.frame_model import FrameModel, FrameModelUnusable
from services.matcher.visual.generic import generic_pictures
from services.matcher.visual.quality import is_flat, texture_of
from services.matcher.visual.shots import bits_between
from services.matcher.visual.signals import ReferenceKind, Region
from services.matcher.visual.videos import Moment


def a_bank(fingerprinter, scene, build, titles: int = 6):
    return [
        build.reference(f"r{n}", f"t{n}", *fingerprinter.of_reference(scene(n), ReferenceKind.STILL))
        for n in range(titles)
    ]


def test_a_still_is_kept_whole_and_in_three_upright_pieces(fingerprinter, scene):
    prints = fingerprinter.of_reference(scene(1), ReferenceKind.STILL)
    assert [one.region for one in prints] == [Region.FULL, Region.CROP_LEFT, Region.CROP_MIDDLE, Region.CROP_RIGHT]
    assert all(one.pdq is not None and one.embedding is not None and not one.mirrored for one in prints)
    assert {one.embedding.model for one in prints} == {"tiny"}


def test_posters_and_upright_stills_are_kept_whole_only(fingerprinter, scene):
    assert len(fingerprinter.of_reference(scene(1), ReferenceKind.POSTER)) == 1
    assert len(fingerprinter.of_reference(scene(1, 240, 426), ReferenceKind.STILL)) == 1


def test_a_flat_reference_has_no_fingerprint(fingerprinter):
    assert fingerprinter.of_reference(np.full((240, 426, 3), 20, np.uint8), ReferenceKind.STILL) == ()


def test_a_reference_like_a_generic_picture_gets_no_vector(tiny_model, scene):
    """Under a bound of -1 every picture is like one; under a bound of 1.01 none is."""
    for bound, has_vector in ((-1.0, False), (1.01, True)):
        some = Fingerprinter(FrameModel(tiny_model), generic_cosine_max=bound)
        prints = some.of_reference(scene(1), ReferenceKind.STILL)
        assert [one.embedding is not None for one in prints] == [has_vector] * 4
        assert all(one.pdq is not None for one in prints)


def test_generic_pictures_are_the_same_each_time():
    assert len(generic_pictures()) == 32
    assert all((one == other).all() for one, other in zip(generic_pictures(), generic_pictures(), strict=True))


def test_a_fan_video_with_bars_finds_its_film(fingerprinter, scene, build):
    engine = VisualEngine.build(a_bank(fingerprinter, scene, build))
    moments = []
    for t_ms, shift in ((0, 0), (1000, 4)):
        canvas = np.zeros((640, 360, 3), np.uint8)
        canvas[218:421] = cv2.resize(np.roll(scene(3), shift, axis=1), (360, 203))
        moments.append(Moment(t_ms=t_ms, picture=canvas))
    frames = fingerprinter.of_video(moments)
    match, *_ = engine.match(frames)
    assert match.title_id == "t3"
    assert match.probability > 0.9
    assert frames[0].picture is not None
    assert max(frames[0].picture.shape) == 320


def test_without_a_model_hashes_alone_find_it(hasher, scene, build):
    engine = VisualEngine.build(a_bank(hasher, scene, build))
    frames = hasher.of_video([Moment(t_ms=0, picture=cv2.resize(scene(4), (300, 170)))])
    assert engine.match(frames)[0].title_id == "t4"
    assert all(one.embedding is None for frame in frames for one in frame.fingerprints)


def test_no_moments_make_no_frames(fingerprinter):
    assert fingerprinter.of_video([]) == ()


def test_vectors_are_computed_for_as_many_windows_as_the_budget_allows(tiny_model, scene):
    thrifty = Fingerprinter(FrameModel(tiny_model), embeddings_max=2)
    frames = thrifty.of_video([Moment(t_ms=n, picture=scene(n)) for n in range(5)])
    vectors = [one for frame in frames for one in frame.fingerprints if one.embedding is not None]
    assert len(vectors) == 2
    assert all(frame.fingerprints for frame in frames)


def test_the_mirrored_hash_is_the_hash_of_the_mirror_image(hasher, scene):
    picture = scene(5)
    (frame,) = hasher.of_video([Moment(t_ms=0, picture=picture)])
    mirrored = next(one for one in frame.fingerprints if one.mirrored and one.region is Region.FULL)
    turned, _ = pdq_of(cv2.resize(picture[:, ::-1].copy(), (256, 144), interpolation=cv2.INTER_AREA))
    assert mirrored.pdq is not None
    assert bits_between(mirrored.pdq, turned) <= 16


def test_hashes_survive_encoding(scene):
    picture = scene(6)
    again = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)
    assert bits_between(pdq_of(picture)[0], pdq_of(again)[0]) <= 31


def test_the_same_pixels_give_the_same_vector_in_any_batch(tiny_model, scene):
    model = FrameModel(tiny_model, "named")
    pictures = [scene(n) for n in range(6)]
    together = model.embed(pictures)
    assert [model.embed([picture])[0] for picture in pictures] == list(together)
    assert {one.model for one in together} == {"named"}
    assert all(np.linalg.norm(one.vector()) == pytest.approx(1, abs=1e-5) for one in together)
    assert len(model.digest) == 64


def test_a_picture_of_one_colour_still_gets_a_unit_vector(tiny_model):
    (vector,) = FrameModel(tiny_model).embed([np.full((64, 64, 3), 9, np.uint8)])
    assert np.linalg.norm(vector.vector()) == pytest.approx(1)


def written(path: Path, shape: list, kind: int = TensorProto.UINT8, output: list | None = None) -> Path:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output or shape)],
    )
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    )
    return path


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (["n", 3, 8, 8], TensorProto.FLOAT),
        (["n", 8, 8, 4], TensorProto.UINT8),
        (["n", 8, 8], TensorProto.UINT8),
        (["n", 4096, 4096, 3], TensorProto.UINT8),
        (["n", 8, 8, 3], TensorProto.UINT8),  # its output is no vector
    ],
)
def test_a_file_that_is_no_frame_model_is_refused(tmp_path, shape, kind):
    with pytest.raises(FrameModelUnusable):
        FrameModel(written(tmp_path / "m.onnx", shape, kind))


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    with pytest.raises(FrameModelUnusable, match="bad.onnx"):
        FrameModel(bad)
    with pytest.raises(FrameModelUnusable):
        FrameModel(tmp_path / "absent.onnx")


def test_a_model_of_free_size_gets_the_size_it_is_given(tmp_path):
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["y"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    path = tmp_path / "free.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    model = FrameModel(path, picture_px=32)
    assert model.dim == 3
    assert model.name == "free"


def test_walls_and_words_on_black_are_flat_and_scenes_are_not(scene):
    words = np.zeros((240, 426, 3), np.uint8)
    cv2.putText(words, "Coming soon", (120, 120), cv2.FONT_HERSHEY_DUPLEX, 0.8, (255, 255, 255), 1)
    assert is_flat(words)
    assert is_flat(np.full((100, 100), 30, np.uint8))
    assert not any(is_flat(scene(seed)) for seed in range(8))
    assert texture_of(words).ground_share > 0.9
