"""The files of deploy/ say what the code knows: settings, metrics, runbooks; and the tools that read them agree."""

import ast
import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml

from chassis.config import env_name, load
from deploy import certificates
from deploy.local.plan import SETTINGS, settings_of
from deploy.observability import dashboards

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
OBSERVABILITY = ROOT / "deploy" / "observability"
SUFFIXES = {"Histogram": ("_bucket", "_sum", "_count"), "Counter": ("",), "Gauge": ("",)}
# What prometheus-client and Prometheus itself tell.
GIVEN = {
    "up": {"job", "instance"},
    "process_resident_memory_bytes": set(),
    "process_cpu_seconds_total": set(),
}
SCRAPED = {"job", "instance", "le"}


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


@functools.cache
def exported():
    """Each metric our code makes, with its labels: every `.counter("name", text, labels)` and its kin."""
    found = dict(GIVEN)
    for folder in ("chassis", "services", "gateway"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                kind = {"counter": "Counter", "gauge": "Gauge", "histogram": "Histogram"}.get(node.func.attr)
                if kind and len(node.args) >= 2 and isinstance(node.args[0], ast.Constant):
                    name = f"spotlight_{node.args[0].value.removeprefix('spotlight_')}"
                    labels = set(ast.literal_eval(node.args[2])) if len(node.args) > 2 else set()
                    for suffix in SUFFIXES[kind]:
                        found[name + suffix] = labels
    return found


def recorded():
    rules = yaml.safe_load((OBSERVABILITY / "rules" / "recording.yml").read_text())
    return {rule["record"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def alerts():
    rules = yaml.safe_load((OBSERVABILITY / "rules" / "alerts.yml").read_text())
    return {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def expressions():
    yield from recorded().items()
    yield from alerts().items()
    for dashboard in dashboards.DASHBOARDS:
        for panel in dashboard.panels:
            for expression, _ in panel.lines:
                yield f"{dashboard.uid}: {panel.title}", expression


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_is_valid_and_names_what_is_exported(where, expression):
    promql_parser.parse(expression)
    known = exported() | {name: {"job", "method"} for name in recorded()}
    used = set(re.findall(r"(?<![\w:.\"])(?:spotlight[_:][\w:]+|process_\w+|up)(?=[\s{\[)]|$)", expression))
    assert used
    assert used - known.keys() == set()
    labels = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression))
    for group in re.findall(r"by \(([^)]*)\)", expression):
        labels |= {label.strip() for label in group.split(",")}
    assert labels - SCRAPED - set().union(*(known[name] for name in used)) == set()


def test_every_alert_has_its_runbook_and_every_runbook_its_alert():
    headings = re.findall(r"^## (\w+)$", (OBSERVABILITY / "runbooks.md").read_text(), re.MULTILINE)
    assert headings == list(alerts())


def test_the_dashboards_are_fresh():
    for dashboard in dashboards.DASHBOARDS:
        assert (dashboards.FOLDER / f"{dashboard.uid}.json").read_text() == dashboards.rendered(dashboard)
        json.loads(dashboards.rendered(dashboard))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="install promtool (Debian: apt-get install prometheus)")
def test_prometheus_accepts_its_files_and_the_alerts_do_what_they_say():
    for command in (
        ("promtool", "check", "config", str(OBSERVABILITY / "prometheus.yml")),
        ("promtool", "test", "rules", str(OBSERVABILITY / "rules" / "tests.yml")),
    ):
        status, said = run(*command)
        assert status == 0, said


def test_every_process_is_scraped():
    jobs = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"] for job in jobs} == set(SETTINGS)


def test_the_linters_accept_the_dockerfile_and_the_compose_file():
    for command in (
        (BIN / "hadolint", "deploy/Dockerfile"),
        (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"),
    ):
        status, said = run(*command)
        assert status == 0, said


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    status, said = run(BIN / "kubectl", "kustomize", "deploy/k8s")
    assert status == 0, said
    path = tmp_path_factory.mktemp("k8s") / "all.yaml"
    path.write_text(said)
    return path


def test_kubernetes_accepts_the_manifests_without_a_warning(manifests):
    status, said = run(BIN / "kubernetes-validate", "--strict", str(manifests))
    assert (status, re.findall(r"^(?:WARN|ERROR).*$", said, re.MULTILINE)) == (0, [])


def deployed(manifests):
    """The environment of each process, on Kubernetes and in containers."""
    for document in yaml.safe_load_all(manifests.read_text()):
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            env = {each["name"]: each.get("value", "mongodb://x") for each in container["env"]}
            yield container["name"], container["args"], env
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    for name in SETTINGS:
        yield name, services[name]["command"], services[name]["environment"]


def test_every_process_is_deployed_with_settings_it_takes(manifests):
    found = list(deployed(manifests))
    assert sorted(name for name, _, _ in found) == sorted([*SETTINGS, *SETTINGS])
    for name, module, env in found:
        settings = load(settings_of(name), env)
        assert settings.uses_tls
        assert not settings.local
        assert module == ["gateway" if name == "gateway" else f"services.{name}"]
        addresses = {key for key in type(settings).model_fields if key.endswith("_address")}
        assert {env_name(type(settings), key) for key in addresses} <= set(env)


def test_every_peer_is_on_the_list_of_those_it_calls(manifests):
    found = {name: load(settings_of(name), env) for name, _, env in deployed(manifests)}
    for caller, settings in found.items():
        for key in type(settings).model_fields:
            if key.endswith("_address"):
                assert caller in found[key.removesuffix("_address")].tls_peer_names


def test_certificates_are_made_for_every_process(tmp_path):
    certificates.write_all(tmp_path / "tls")
    assert {path.name for path in (tmp_path / "tls").iterdir()} == {
        "ca.pem",
        *(f"{name}.{kind}" for name in SETTINGS for kind in ("pem", "key")),
    }
    assert (tmp_path / "tls" / "catalog.key").stat().st_mode & 0o077 == 0


def test_the_image_holds_what_every_process_imports():
    copied = set(re.findall(r"^COPY (\w+) \w+$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE))
    assert copied == {"protos", "chassis", "services", "gateway"}
