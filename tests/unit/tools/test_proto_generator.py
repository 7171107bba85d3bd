import subprocess

import pytest

from tools import protos

GOOD = """syntax = "proto3";
// Words.
package spotlight.{name}.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
// Gives words.
service WordService {{
  // Gets one.
  rpc GetWord(GetWordRequest) returns (Word) {{ option (google.api.http) = {{get: "/v1/words/{{id}}"}}; }}
}}
// Asks for a word.
message GetWordRequest {{ string id = 1 [(buf.validate.field).string.min_len = 1]; }}
// A word.
message Word {{ string id = 1; {more} }}
"""


def put(root, name, text=None, more=""):
    path = root / "protos" / name / "v1" / f"{name}.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GOOD.format(name=name, more=more) if text is None else text)
    return path


@pytest.fixture
def git(tmp_path):
    def run(*arguments):
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True
        )

    run("init", "-q", "-b", "main")
    return run


def test_a_broken_api_never_stops_the_others(tmp_path):
    put(tmp_path, "good")
    put(tmp_path, "broken", "syntax = ")
    problems = protos.generate(tmp_path)
    assert len(problems) == 1
    assert problems[0].startswith("protos/broken/v1 cannot be generated:")
    made = {path.name for path in (tmp_path / "protos" / "good" / "v1").iterdir()}
    assert made == {"good.proto", "good_pb2.py", "good_pb2.pyi", "good_pb2_grpc.py", "good_pb2_grpc.pyi"}
    code = (tmp_path / "protos" / "good" / "v1" / "good_pb2.py").read_text()
    assert "from protos.buf.validate import validate_pb2" in code


def test_check_passes_when_fresh_and_names_what_is_not(tmp_path, git):
    path = put(tmp_path, "good")
    assert protos.generate(tmp_path) == []
    assert protos.check(tmp_path) == []
    path.write_text(GOOD.format(name="good", more="string text = 2;"))
    (problem,) = protos.check(tmp_path)
    assert "run `make protos`" in problem
    assert "good_pb2.py" in problem


def test_what_has_no_proto_any_more_is_taken_away(tmp_path):
    put(tmp_path, "good")
    path = put(tmp_path, "gone")
    protos.generate(tmp_path)
    path.unlink()
    protos.generate(tmp_path)
    assert list(path.parent.glob("*_pb2*")) == []


def test_buf_lint_speaks_up(tmp_path):
    put(tmp_path, "good", GOOD.format(name="good", more="string Wrong_Name = 2;"))
    (problem,) = protos.lint(tmp_path)
    assert problem.startswith("buf lint:")
    assert "Wrong_Name" in problem


def test_what_breaks_callers_of_main_is_refused(tmp_path, git):
    path = put(tmp_path, "good", more="string text = 2;")
    assert protos.breaking(tmp_path) == []
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert protos.breaking(tmp_path) == []
    path.write_text(GOOD.format(name="good", more="int64 text = 2;"))
    (problem,) = protos.breaking(tmp_path)
    assert "against the last commit on main" in problem


def test_nothing_on_main_is_nothing_broken(tmp_path, git):
    put(tmp_path, "good")
    (tmp_path / "readme").write_text("")
    git("add", "readme")
    git("commit", "-q", "-m", "one")
    assert protos.breaking(tmp_path) == []


def test_the_house_s_own_protos_are_fresh_and_linted():
    assert protos.check(protos.ROOT) == []
