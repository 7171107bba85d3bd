"""`match-frames` from index files to predictions."""

import base64
import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from services.matcher.visual.engine import VisualEngine
from services.matcher.visual.fingerprint import Fingerprinter, pdq_of
from services.matcher.visual.signals import Fingerprint
from services.matcher.visual.thumbnail import REFERENCE_BYTES_MAX
from tools.cli.__main__ import app_for
from tools.cli.fingerprint_references import batches
from tools.cli.match_frames import prediction, rows


def write_index(path, rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n", encoding="utf-8")


@pytest.fixture
def indexes(tmp_path, files, scene):
    """Five titles with a still each; edited stills, a video, a stranger and broken files to score."""
    known = []
    for n in range(5):
        (tmp_path / f"r{n}.png").write_bytes(files.png(scene(n)))
        known.append({"file": f"r{n}.png", "id": f"movie:{n}", "kind": "still", "title": f"Film {n}"})
    (tmp_path / "flat.png").write_bytes(files.png(scene(0) * 0))
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    known += [
        {"file": "flat.png", "id": "movie:0", "kind": "title_card"},
        {"file": "page.jpg", "id": "movie:1", "kind": "poster"},
        {"file": "r0.png", "id": None, "kind": "still", "role": "distractor"},
        {"file": "absent.png", "id": "movie:2", "kind": "unheard of"},
    ]
    write_index(tmp_path / "references.jsonl", known)
    (tmp_path / "small.jpg").write_bytes(files.jpeg(cv2.resize(scene(1), (300, 170)), quality=25))
    (tmp_path / "clip.mp4").write_bytes(files.mp4([scene(2), scene(3)]))
    (tmp_path / "stranger.jpg").write_bytes(files.jpeg(scene(99)))
    asked = [{"file": name} for name in ("small.jpg", "clip.mp4", "stranger.jpg", "page.jpg", "absent.jpg")]
    write_index(tmp_path / "queries.jsonl", asked)
    return tmp_path


def run(folder, *more: str, references: str = "references.jsonl", queries: str = "queries.jsonl"):
    arguments = ["match-frames", "--references", str(folder / references), "--queries", str(folder / queries)]
    arguments += ["--out", str(folder / "out.jsonl"), *more]
    return CliRunner().invoke(app_for(arguments), arguments)


def predictions(folder) -> dict[str, dict]:
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["file"]: row for row in map(json.loads, lines)}


@pytest.mark.parametrize("options", [(), ("--no-verify",)])
def test_each_query_gets_its_title_or_the_reason_why_not(indexes, options):
    result = run(indexes, *options)
    assert result.exit_code == 0, result.output
    said = predictions(indexes)
    assert said["small.jpg"]["title_id"] == "movie:1"
    assert said["small.jpg"]["probability"] > 0.9
    assert said["small.jpg"]["matches"][0]["evidence"][0]["reference"] == "r1.png"
    assert {match["title_id"] for match in said["clip.mp4"]["matches"]} == {"movie:2", "movie:3"}
    assert said["stranger.jpg"] == {"file": "stranger.jpg", "title_id": None, "probability": 0.0, "matches": []}
    assert "JPEG" in said["page.jpg"]["error"]
    assert "No such file" in said["absent.jpg"]["error"]


def test_a_faint_likeness_is_listed_but_not_named(indexes, scene, files, build):
    far = Fingerprint(pdq=flipped(pdq_of(scene(1))[0], 68))
    engine = VisualEngine.build([build.reference("r", "movie:1", far)])
    row = next(rows(indexes / "queries.jsonl"))
    said = prediction(row, engine, Fingerprinter())
    assert said["title_id"] is None
    assert said["matches"][0]["title_id"] == "movie:1"
    assert 0.0 < said["probability"] == said["matches"][0]["probability"] < 0.5


def flipped(pdq: bytes, bits: int) -> bytes:
    changed = np.unpackbits(np.frombuffer(pdq, np.uint8))
    changed[np.linspace(0, 255, bits, dtype=int)] ^= 1
    return np.packbits(changed).tobytes()


def test_a_frame_model_adds_its_vectors(indexes, tiny_model):
    result = run(indexes, "--frame-model", str(tiny_model))
    assert result.exit_code == 0, result.output
    assert predictions(indexes)["small.jpg"]["title_id"] == "movie:1"


def fingerprinted(folder, *more: str) -> tuple[list[dict], str]:
    arguments = ["fingerprint-references", "--references", str(folder / "references.jsonl")]
    arguments += ["--out", str(folder / "requests.jsonl"), *more]
    result = CliRunner().invoke(app_for(arguments), arguments)
    assert result.exit_code == 0, result.output
    lines = (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines], result.output


def test_references_become_requests_that_the_catalog_takes(indexes, tiny_model):
    requests, said = fingerprinted(indexes, "--frame-model", str(tiny_model), "--source", "tests")
    assert [request["title_id"] for request in requests] == [f"movie:{n}" for n in range(5)]
    assert "flat.png: flat" in said
    assert "page.jpg" in said
    assert "absent.png" in said
    (image,) = requests[0]["images"]
    assert (image["kind"], image["source"]) == ("still", "tests")
    assert all(len(each) == 64 for each in image["pdq"])
    assert {each["model"] for each in image["embeddings"]} == {"tiny"}
    picture = base64.b64decode(image["picture"])
    assert picture.startswith(b"\xff\xd8\xff")
    assert len(picture) <= REFERENCE_BYTES_MAX
    again, _ = fingerprinted(indexes, "--frame-model", str(tiny_model), "--source", "tests")
    assert again == requests
    bare, _ = fingerprinted(indexes)
    assert bare[0]["images"][0]["embeddings"] == []


def test_requests_are_neither_too_many_images_nor_too_large():
    small = [{"id": str(n)} for n in range(250)]
    assert [len(batch) for batch in batches(small)] == [100, 100, 50]
    large = [{"picture": "x" * 400_000} for _ in range(5)]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
    assert list(batches([])) == []


@pytest.mark.parametrize("line", ['{"id": "movie:1"}', "[1, 2]", "not json", '{"file": 7}', '"file"'])
def test_an_index_that_is_none_is_refused_with_its_line(indexes, line):
    (indexes / "bad.jsonl").write_text('{"file": "r0.png"}\n' + line + "\n", encoding="utf-8")
    result = run(indexes, queries="bad.jsonl")
    assert result.exit_code == 2
    assert "line 2" in result.output


def test_a_missing_index_or_model_is_said(indexes):
    assert run(indexes, references="nowhere.jsonl").exit_code == 2
    result = run(indexes, "--frame-model", str(indexes / "small.jpg"))
    assert result.exit_code == 2
    assert "small.jpg" in result.output
