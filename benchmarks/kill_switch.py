"""From setting a kill switch to the anchors being gone: in the matcher that was told, in another one, at the gateway.

    python -m benchmarks.kill_switch [--var var] [--rounds 10] [--json]

Runs against a running house (`make run`), beside which a second matcher process over the same store is started. A
video is sent that has an anchor; then a switch of each scope is set through the gateway and lifted again, and three
observers ask for the anchor every 10 ms. Times are in milliseconds from sending the request that sets the switch.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx

from benchmarks.match_rpc import ready
from chassis import embedded
from deploy.local.plan import Plan, plan
from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc

ROOT = Path(__file__).resolve().parent.parent
TITLE, REGION = "movie:tt0816692", "US"  # Interstellar, in the sample catalog
VIDEO = {
    "id": "kill_switch_benchmark",
    "creator": {"id": "c1", "username": "fan", "follower_count": 90_000, "region_code": "FR"},
    "create_time": 1_700_000_000,
    "video_description": "rewatched #Interstellar in imax, Matthew McConaughey broke me again #movie",
    "hashtag_names": ["Interstellar", "movie"],
    "view_count": 60_000,
    "language": "en",
}
SCOPES: Mapping[str, str] = {"global": "", "title": TITLE, "region": REGION}
POLL_S = 0.01
GIVE_UP_S = 20.0

Look = Callable[[], Awaitable[bool]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.var.resolve()
    base = json.loads((folder / "run" / "ports.json").read_text())["port_base"]
    found = asyncio.run(measured(plan(folder, base), arguments.rounds))
    for name, times in found.items():
        print(f"{name:>32} median {statistics.median(times):7.0f} ms   greatest {max(times):7.0f} ms")
    if arguments.json:
        print(json.dumps(found))


async def measured(house: Plan, rounds: int) -> dict[str, list[float]]:
    tokens = json.loads((house.folder / "tokens.json").read_text())
    admin, app = ({"Authorization": f"Bearer {tokens[role]}"} for role in ("admin", "app"))
    found: dict[str, list[float]] = {}
    async with (
        httpx.AsyncClient(base_url=house.base_url, headers=admin, timeout=20) as http,
        httpx.AsyncClient(base_url=house.base_url, headers=app, timeout=20) as feed,
        another_matcher(house) as other,
        grpc.aio.insecure_channel(house.address("matcher")) as channel,
    ):
        (await feed.post("/v1/videos:match", json={"video": VIDEO})).raise_for_status()
        looks: dict[str, Look] = {
            "matcher told": lambda: shown_by(matcher_pb2_grpc.MatcherServiceStub(channel)),
            "other matcher": lambda: shown_by(other),
            "gateway": lambda: shown_at(feed),
        }
        try:
            for scope, target in SCOPES.items():
                for _ in range(rounds):
                    await lifted(http)
                    await asyncio.gather(*(until(look, shown=True) for look in looks.values()))
                    for who, ms in zip(looks, await switched(http, scope, target, looks), strict=True):
                        found.setdefault(f"{scope}: {who}", []).append(ms)
        finally:
            await lifted(http)
    return found


@asynccontextmanager
async def another_matcher(house: Plan) -> AsyncIterator[Any]:
    """A second matcher over the house's store."""
    mine = next(each for each in house.processes if each.name == "matcher")
    port = embedded.free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SPOTLIGHT_")}
    environment = {
        **inherited,
        **mine.env,
        "SPOTLIGHT_MATCHER_PORT": str(port),
        "SPOTLIGHT_MATCHER_TELEMETRY_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.matcher", cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with grpc.aio.insecure_channel(f"{embedded.LOOPBACK}:{port}") as channel:
            stub = matcher_pb2_grpc.MatcherServiceStub(channel)
            await ready(stub)
            yield stub
    finally:
        process.terminate()
        await process.wait()


async def switched(http: httpx.AsyncClient, scope: str, target: str, looks: Mapping[str, Look]) -> list[float]:
    """Sets a switch; the milliseconds after which each observer saw the anchor gone."""
    began = time.perf_counter()
    gone = [asyncio.create_task(until(look, shown=False)) for look in looks.values()]
    await switch(http, scope, target, is_on=True)
    return [1e3 * (at - began) for at in await asyncio.gather(*gone)]


async def lifted(http: httpx.AsyncClient) -> None:
    """No switch of ours is on, also not one of a run that broke off."""
    for scope, target in SCOPES.items():
        await switch(http, scope, target, is_on=False)


async def switch(http: httpx.AsyncClient, scope: str, target: str, *, is_on: bool) -> None:
    body = {"scope": scope, "target": target, "is_on": is_on, "note": "benchmark"}
    (await http.post("/v1/killSwitches:set", json=body)).raise_for_status()


async def until(look: Look, *, shown: bool) -> float:
    """When the anchor was first seen to be shown, or gone."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            if await look() == shown:
                return time.perf_counter()
            await asyncio.sleep(POLL_S)


async def shown_by(stub: Any) -> bool:
    answer = await stub.BatchGetAnchors(pb.BatchGetAnchorsRequest(video_ids=[VIDEO["id"]], viewer_region=REGION))
    return bool(answer.anchors)


async def shown_at(http: httpx.AsyncClient) -> bool:
    body = {"video_ids": [VIDEO["id"]], "viewer_region": REGION}
    answer = await http.post("/v1/anchors:batchGet", json=body)
    answer.raise_for_status()
    return bool(answer.json().get("anchors"))


if __name__ == "__main__":
    main()
