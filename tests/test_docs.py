"""Holds the documents to the code: the reference is fresh, links lead somewhere, the words are in the glossary."""

import re
from pathlib import Path

from tools import docs_reference

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The four services and the gateway are each built of files with these names (design, section 3).
SHARED_NAMES = ("__init__", "__main__", "config", "domain", "service", "store", "wire", "rpc")


def test_the_reference_pages_are_what_the_code_says():
    assert docs_reference.check() == []


def test_every_link_of_every_page_leads_to_a_file():
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in LINK.findall(page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_error_reason_and_setting_has_a_sentence():
    for page in ("errors.md", "settings.md", "telemetry.md", "rpcs.md"):
        rows = [row for row in (ROOT / "docs/reference" / page).read_text().splitlines() if row.startswith("| `")]
        silent = [
            row for row in rows if not row.replace("\\|", "").split("|")[-3 if page == "errors.md" else -2].strip()
        ]
        assert rows
        assert silent == [], page


def test_every_service_has_the_files_of_a_service():
    for service in ("catalog", "matcher", "incentives", "metrics"):
        for name in SHARED_NAMES:
            folder = ROOT / "services" / service
            assert (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists(), f"{service}/{name}"


def test_every_package_opens_with_a_paragraph():
    for package in ("chassis", "services", "gateway"):
        for init in (ROOT / package).rglob("__init__.py"):
            assert init.read_text().lstrip().startswith('"""'), init
