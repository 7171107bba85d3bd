"""What the protos say in words: their comments by full name, for the API's documentation.

Descriptors carry no comments at run time, but the .proto files lie beside the generated modules.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

ROOT = Path(__file__).resolve().parents[2]

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_SCOPE = re.compile(r"^(message|enum|service|oneof)\s+(\w+)\s*\{")
_RPC = re.compile(r"^rpc\s+(\w+)\s*\(")
_FIELD = re.compile(r"^(?:repeated\s+|optional\s+)?(?:map<[^>]*>|[\w.]+)\s+(\w+)\s*=\s*\d+")
_VALUE = re.compile(r"^(\w+)\s*=\s*\d+")
_PACKAGE = re.compile(r"^package\s+([\w.]+);")


def comments_of(files: Iterable[FileDescriptor]) -> dict[str, str]:
    """The comments of these files and of all they import from this repository."""
    found: dict[str, str] = {}
    waiting, seen = list(files), set()
    while waiting:
        file = waiting.pop()
        if file.name in seen or not file.name.startswith("protos/"):
            continue
        seen.add(file.name)
        waiting.extend(file.dependencies)
        path = ROOT / file.name
        if path.exists():
            found.update(parse_comments(path.read_text(encoding="utf-8")))
    return found


def parse_comments(text: str) -> dict[str, str]:
    """The comments of one file by the full name of what they stand above."""
    found: dict[str, str] = {}
    names: list[str] = []
    lines: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("//"):
            lines.append(line.removeprefix("//").strip())
            continue
        code = _STRING.sub('""', line).split("//")[0]
        package = _PACKAGE.match(code)
        if package:
            names = [package[1]]
        name, opens = _named(code)
        if name and lines:
            found[".".join(part for part in (*names, name) if part)] = _joined(lines)
        lines = []
        names.extend([name if opens else ""] * code.count("{"))
        for _ in range(min(code.count("}"), len(names) - 1)):
            names.pop()
    return found


def _named(code: str) -> tuple[str, bool]:
    """What a line declares, and whether what follows stands inside of it by name."""
    scope = _SCOPE.match(code)
    if scope:
        # A oneof is no part of the names of its fields.
        return (scope[2], True) if scope[1] != "oneof" else ("", False)
    rpc = _RPC.match(code)
    if rpc:
        return rpc[1], True
    field = _FIELD.match(code) or _VALUE.match(code)
    return (field[1], False) if field else ("", False)


def _joined(lines: list[str]) -> str:
    """Lines as paragraphs."""
    return "\n".join(" ".join(part.split()) for part in "\n".join(lines).split("\n\n"))
