"""Runs the README's shell session against a running house: what a newcomer pastes must work."""

import re
import subprocess
from pathlib import Path

from tests.house import House

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"<!-- runs in tests/suite/test_readme\.py -->\n```sh\n(.*?)```", re.DOTALL)


def test_the_readmes_session_works_when_pasted(house: House):
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    assert blocks
    for block in blocks:
        script = block.replace("var/tokens.json", str(house.folder / "tokens.json"))
        script = script.replace("127.0.0.1:8080", f"127.0.0.1:{house.port_base}").replace("curl -s", "curl -sS --fail")
        done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "movie:tt1060277" in done.stdout
