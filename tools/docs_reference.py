"""Writes docs/reference/ from the code itself: RPCs, errors, settings and telemetry.

`python -m tools.docs_reference generate` writes the pages; `check` fails when one is not what the code says.
"""

import argparse
import ast
import importlib
import inspect
import pkgutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

import chassis
import gateway
import services
from chassis.config import Settings, env_name
from chassis.errors import SpotlightError
from chassis.telemetry import PREFIX
from tools import protos

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by `make docs` from the code; change the code, not this page. -->\n"
METRIC_KINDS = frozenset({"counter", "gauge", "histogram"})
T = TypeVar("T")
HTTP_VERBS = ("get", "post", "patch", "put", "delete")
# Numbers of the fields on the way to a comment in a file descriptor (descriptor.proto).
SERVICE_FIELD, METHOD_FIELD = 6, 2


def pages() -> Mapping[str, Callable[[], str]]:
    """Each page of the reference and what writes it."""
    return {
        "rpcs.md": rpcs_page,
        "errors.md": errors_page,
        "settings.md": settings_page,
        "telemetry.md": telemetry_page,
    }


def rpcs_page() -> str:
    lines = [
        NOTE,
        "# RPCs\n",
        "Every method of every service, its HTTP path where it has one, and its first sentence.",
    ]
    for file in descriptor_files():
        comments = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}
        for s, service in enumerate(file.service):
            lines += [
                f"\n## {file.package}.{service.name}\n",
                first_sentence(comments.get((SERVICE_FIELD, s), "")),
            ]
            lines += ["\n| method | HTTP | what it does |", "|---|---|---|"]
            for m, method in enumerate(service.method):
                comment = first_sentence(comments.get((SERVICE_FIELD, s, METHOD_FIELD, m), ""))
                lines.append(f"| `{method.name}`{streams(method)} | {'<br>'.join(bindings(method))} | {comment} |")
    return "\n".join(lines) + "\n"


def descriptor_files() -> list[descriptor_pb2.FileDescriptorProto]:
    """Our protos with their comments, by package and name."""
    with tempfile.TemporaryDirectory() as temp:
        image = Path(temp) / "image.binpb"
        protos.image(ROOT, image)
        files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    return sorted((f for f in files if f.package.startswith("spotlight.")), key=lambda f: (f.package, f.name))


def streams(method: descriptor_pb2.MethodDescriptorProto) -> str:
    sides = [side for side, on in (("in", method.client_streaming), ("out", method.server_streaming)) if on]
    return f" (stream {' and '.join(sides)})" if sides else ""


def bindings(method: descriptor_pb2.MethodDescriptorProto) -> Iterator[str]:
    if not method.options.HasExtension(annotations_pb2.http):
        return
    rule = method.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb in HTTP_VERBS:
            yield f"`{verb.upper()} {getattr(binding, verb)}`"


def first_sentence(comment: str) -> str:
    text = " ".join(comment.split())
    end = text.find(". ")
    return cell(text if end < 0 else text[: end + 1])


def cell(text: str) -> str:
    """Text that does not break a table of Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")


def errors_page() -> str:
    lines = [NOTE, "# Errors\n"]
    lines.append(
        "`reason` is the contract: it stands in `google.rpc.ErrorInfo` (domain `spotlight`) and in `reason`"
        " of a problem+json body. The kind decides the gRPC status and the HTTP status (`chassis/status.py`)."
    )
    lines += ["\n| reason | kind | message | defined in |", "|---|---|---|---|"]
    for error in sorted(subclasses(SpotlightError), key=lambda e: (e.reason, e.__module__)):
        text = first_sentence(inspect.getdoc(error) or "")
        lines.append(f"| `{error.reason}` | {error.kind.value} | {text} | `{source(error.__module__)}` |")
    return "\n".join(lines) + "\n"


def subclasses(base: type[T]) -> set[type[T]]:
    """Every subclass of ours, at any depth."""
    import_everything()
    found: set[type[T]] = set()
    waiting = [base]
    while waiting:
        for child in waiting.pop().__subclasses__():
            if child not in found:
                found.add(child)
                waiting.append(child)
    return {each for each in found if each.__module__.split(".")[0] in {"chassis", "services", "gateway"}}


def import_everything() -> None:
    for package in (chassis, services, gateway):
        for name in module_names(package):
            importlib.import_module(name)


def module_names(package: ModuleType) -> Iterator[str]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            yield module.name


def source(module: str) -> str:
    return module.replace(".", "/") + ".py"


def settings_page() -> str:
    lines = [NOTE, "# Settings\n"]
    lines.append(
        "Each process reads its environment once, at its start. An unknown variable with its prefix is an"
        " error; all problems are reported together. Secrets are paths of files."
    )
    shared = set(Settings.model_fields)
    lines += [
        "\n## Every process\n",
        "Shown with the prefix `SPOTLIGHT_<PROCESS>_`.\n",
        *settings_table(Settings, shared),
    ]
    for settings in sorted(subclasses(Settings), key=lambda s: s.prefix):
        own = {
            name
            for name, field in settings.model_fields.items()
            if name not in shared or field.default != Settings.model_fields[name].default
        }
        lines += [f"\n## {settings.prefix}…\n", first_sentence(inspect.getdoc(settings) or ""), ""]
        lines += settings_table(settings, own)
    return "\n".join(lines) + "\n"


def settings_table(settings: type[Settings], names: set[str]) -> Iterator[str]:
    yield "| variable | default | what it is |"
    yield "|---|---|---|"
    for name, field in settings.model_fields.items():
        if name in names:
            default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
            yield f"| `{env_name(settings, name)}` | {cell(default)} | {cell(field.description or '')} |"


def telemetry_page() -> str:
    lines = [
        NOTE,
        "# Telemetry\n",
        "What `/metrics` of each process exports, beside what Prometheus' client adds itself.",
    ]
    lines += ["\n| metric | kind | labels | what it counts | defined in |", "|---|---|---|---|---|"]
    lines += sorted(row for path in sorted(code_files()) for row in metric_rows(path))
    return "\n".join(lines) + "\n"


def code_files() -> Iterator[Path]:
    for package in ("chassis", "services", "gateway"):
        yield from (ROOT / package).rglob("*.py")


def metric_rows(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METRIC_KINDS):
            continue
        values = [constant(argument) for argument in node.args]
        if len(values) < 2 or not (isinstance(values[0], str) and isinstance(values[1], str)):  # noqa: PLR2004
            continue
        labels = next((constant(k.value) for k in node.keywords if k.arg == "labels"), values[2] if values[2:] else ())
        shown = ", ".join(f"`{label}`" for label in labels or ())
        where = path.relative_to(ROOT)
        yield f"| `{PREFIX}{values[0]}` | {node.func.attr} | {shown} | {cell(values[1])} | `{where}` |"


def constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def generate() -> list[str]:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, write in pages().items():
        (REFERENCE / name).write_text(write())
    print(f"{len(pages())} pages in {REFERENCE.relative_to(ROOT)}")
    return []


def check() -> list[str]:
    """A sentence for each page that is not what the code says."""
    return [
        f"docs/reference/{name} is not what the code says: run `make docs`"
        for name, write in pages().items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != write()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs_reference", description=__doc__)
    parser.add_argument("act", choices=["generate", "check"])
    problems = {"generate": generate, "check": check}[parser.parse_args().act]()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
