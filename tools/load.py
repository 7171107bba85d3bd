"""Load on a running house (`make run`): stress rises until it hurts, soak holds steady, fuzz tries what nobody meant.

Only ever against this machine, bounded in time, and it stops by itself. `python -m tools.load stress --seconds 30`.
"""

import argparse
import asyncio
import itertools
import json
import math
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.local import samples
from deploy.local.plan import HOST, PORT_BASE, TELEMETRY

STAGES = (1, 2, 4, 8, 16, 32, 64)
STRESS_S, SOAK_S = 60.0, 600.0
SOAK_CALLERS = 4
SOAK_PAUSE_S = 0.05
TIMEOUT_S = 5.0
# Memory may settle during the first fifth; after it this much growth is a leak.
WARM_SHARE = 0.2
GROWTH_SHARE_MAX, GROWTH_BYTES_MIN = 0.25, 48 * 2**20
FAILURES_SHARE_MAX = 0.001
FUZZ_EXAMPLES = 25
FUZZ_GRACE_S = 60.0  # what was begun in time is finished
FUZZ_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
RESIDENT = re.compile(r"^process_resident_memory_bytes (\S+)$", re.MULTILINE)
SERVER_ERROR = 500


@dataclass(slots=True)
class Tally:
    """What came back."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        return sum(count for status, count in self.statuses.items() if status == 0 or status >= SERVER_ERROR)

    def line(self, elapsed_s: float) -> str:
        ordered = sorted(self.seconds) or [0.0]
        p50, p99 = (ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.99))
        rate = len(self.seconds) / elapsed_s
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(self.statuses.items()))
        return f"{rate:8.0f}/s   p50 {p50:6.1f} ms   p99 {p99:7.1f} ms   {statuses}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The house under load."""

    port_base: int
    token: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port_base}"


def requests(target: Target, chance: random.Random) -> Iterator[httpx.Request]:
    """What a feed asks for: mostly anchors and hubs, some searches, some events."""
    headers = {"Authorization": f"Bearer {target.token}"}
    video_ids = [video.id for video in samples.videos()]
    for number in itertools.count():
        draw = chance.random()
        if draw < 0.45:  # noqa: PLR2004 - shares of a feed
            body = {"video_ids": chance.sample(video_ids, 20), "viewer_region": chance.choice(("US", "DE", "JP"))}
            yield httpx.Request("POST", f"{target.url}/v1/anchors:batchGet", json=body, headers=headers)
        elif draw < 0.85:  # noqa: PLR2004
            query = f"region={chance.choice(('US', 'GB', 'FR'))}&language=en"
            yield httpx.Request("GET", f"{target.url}/v1/hubs/{samples.TITLE_ID}?{query}", headers=headers)
        elif draw < 0.95:  # noqa: PLR2004
            word = chance.choice(("interstellar", "twilght", "dune", "breaking bad", "the office"))
            yield httpx.Request("GET", f"{target.url}/v1/titles:search", params={"q": word}, headers=headers)
        else:
            event = {
                "id": f"load-{time.time_ns()}-{number}",
                "type": "hub_view",
                "title_id": samples.TITLE_ID,
                "viewer_region": "US",
                "viewer_id_hash": f"load-{chance.randrange(5000)}",
            }
            yield httpx.Request("POST", f"{target.url}/v1/events:record", json={"events": [event]}, headers=headers)


async def load(target: Target, callers: int, seconds: float, *, pause_s: float = 0.0) -> Tally:
    """So many callers, each with one request at a time."""
    tally = Tally()
    ends = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits) as client:

        async def caller(seed: int) -> None:
            for request in requests(target, random.Random(seed)):  # noqa: S311 - the same load each time
                if time.monotonic() > ends:
                    return
                begun = time.perf_counter()
                try:
                    status = (await client.send(request)).status_code
                except httpx.HTTPError:
                    status = 0
                tally.seconds.append(time.perf_counter() - begun)
                tally.statuses[status] += 1
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(caller(seed) for seed in range(callers)))
    return tally


def stress(target: Target, seconds: float) -> int:
    """Twice the callers each time; a house that is full says 429, it never fails."""
    each_s = seconds / len(STAGES)
    failed = 0
    for callers in STAGES:
        tally = asyncio.run(load(target, callers, each_s))
        failed += tally.failures
        print(f"{callers:3d} callers {tally.line(each_s)}", flush=True)
    print("no failures" if not failed else f"{failed} requests failed")
    return 1 if failed else 0


def soak(target: Target, seconds: float) -> int:
    """Steady load: nothing fails, and nobody's memory grows."""
    asyncio.run(load(target, SOAK_CALLERS, seconds * WARM_SHARE, pause_s=SOAK_PAUSE_S))
    before = resident(target)
    tally = asyncio.run(load(target, SOAK_CALLERS, seconds * (1 - WARM_SHARE), pause_s=SOAK_PAUSE_S))
    after = resident(target)
    print(tally.line(seconds * (1 - WARM_SHARE)))
    leaking = []
    for name, size in after.items():
        print(f"{name:12} {before[name] / 2**20:7.1f} MB → {size / 2**20:7.1f} MB")
        if size - before[name] > max(GROWTH_BYTES_MIN, GROWTH_SHARE_MAX * before[name]):
            leaking.append(name)
    failing = tally.failures > FAILURES_SHARE_MAX * len(tally.seconds)
    print("; ".join(filter(None, ["requests failed" * failing, f"memory grew: {leaking}" * bool(leaking)])) or "steady")
    return 1 if failing or leaking else 0


def resident(target: Target) -> dict[str, float]:
    """The memory of each process, as it tells itself."""
    found = {}
    for name, offset in TELEMETRY.items():
        address = f"http://{HOST}:{target.port_base + offset}/metrics"
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            match = RESIDENT.search(answer.read().decode())
        assert match is not None, "every process tells its memory"
        found[name] = float(match[1])
    return found


def fuzz(target: Target, seconds: float) -> int:
    """Schemathesis over the OpenAPI document: no 5xx, and answers as documented."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "run", f"{target.url}/openapi.json",
        "--header", f"Authorization: Bearer {target.token}", "--checks", FUZZ_CHECKS, "--continue-on-failure",
        "--phases", "coverage,fuzzing", "--max-examples", str(FUZZ_EXAMPLES), "--max-time", str(math.ceil(seconds)),
        "--request-timeout", str(TIMEOUT_S), "--seed", "1", "--workers", "1",  # two of its threads quarrel
    ]  # fmt: skip
    return subprocess.run(command, check=False, timeout=seconds + FUZZ_GRACE_S).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.load", description=__doc__)
    parser.add_argument("act", choices=["stress", "soak", "fuzz"])
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument("--port-base", type=int, default=PORT_BASE)
    options = parser.parse_args()
    try:
        tokens = json.loads((options.var / "tokens.json").read_text())
    except OSError:
        print(f"no house was started over {options.var}: `make run` first", file=sys.stderr)
        return 1
    role = "admin" if options.act == "fuzz" else "app"
    target = Target(port_base=options.port_base, token=tokens[role])
    acts = {"stress": (stress, STRESS_S), "soak": (soak, SOAK_S), "fuzz": (fuzz, SOAK_S)}
    act, default_s = acts[options.act]
    return act(target, options.seconds or default_s)


if __name__ == "__main__":
    sys.exit(main())
