"""The rules of the house, executed: who may import whom, and how our code reads."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parent.parent
CODE = ("chassis", "services", "gateway", "deploy", "tools", "benchmarks")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "base", "impl"}
# Who beside the named files of a service may see a package; each is a door of its own kind.
DOORS = {
    "protos": re.compile(
        r"(services/\w+/(rpc|wire|__main__|importer/__main__)\b.*"
        r"|gateway/(backends|wire|rpc|__main__|http|transcode|openapi|owners|render)\b.*"
        r"|deploy/local/.*|tools/.*|benchmarks/.*)"
    ),
    "motor": re.compile(r"(services/\w+/store\b.*|chassis/mongo\.py)"),
    "pymongo": re.compile(r"(services/\w+/store\b.*|chassis/mongo\.py)"),
    "redis": re.compile(r"(gateway/cache\b.*|chassis/redis\.py)"),
    "grpc": re.compile(r"(services/\w+/(rpc|__main__)\b.*|gateway/.*|chassis/.*|deploy/.*|tools/.*|benchmarks/.*)"),
}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_pb2" not in path.name:
                yield path.relative_to(ROOT)


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_imports_point_inward(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize("package", DOORS)
def test_a_package_is_seen_only_through_its_doors(package):
    strangers = [
        str(path)
        for path in sources("chassis", "services", "gateway", "deploy", "tools")
        if package in imported(tree_of(path)) and not DOORS[package].fullmatch(str(path))
    ]
    assert strangers == []


def test_no_file_outgrows_the_limit():
    long = {str(path): (ROOT / path).read_text().count("\n") for path in sources(*CODE)}
    assert {path: lines for path, lines in long.items() if lines > FILE_LINES_MAX} == {}


def test_no_function_outgrows_the_limit():
    long = {
        f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in sources(*CODE)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES_MAX} == {}


def test_every_file_says_first_what_it_owns():
    silent = [str(path) for path in sources(*CODE) if not (ast.get_docstring(tree_of(path)) or "").strip()]
    assert silent == []


def test_no_file_has_a_name_that_says_nothing():
    assert [str(path) for path in sources(*CODE, "tests") if VAGUE_NAMES & set(re.split(r"[_/.]", str(path)))] == []


def test_services_translate_by_hand():
    words = re.compile(r"\b(json_format|MessageToDict|ParseDict|MessageToJson)\b")
    assert [str(path) for path in sources("services") if words.search((ROOT / path).read_text())] == []


def test_every_package_has_its_paragraph():
    folders = {path.parent for path in sources(*CODE)} - {Path("benchmarks")}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []
