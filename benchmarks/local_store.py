"""What the local store reads for each kind of question: `python -m benchmarks.local_store [--documents N] [--json]`.

SecantusDB uses an index for exactly its fields; for a range or an order of `_id`, for "or", for several values beside a
range, and for any field more than the index has, it reads the whole collection, and a hint does not help. Real MongoDB
does well with all of them. Milliseconds, the best of five, and the first stage that reads; figures and what follows
from them are in docs/decisions/questions-both-stores-answer.md.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
from pymongo.collection import Collection

from chassis import embedded

RUNS, CHUNK, BODY_BYTES = 5, 500, 800
Documents = Collection[dict[str, Any]]


def questions(now: datetime, count: int) -> Mapping[str, dict[str, Any]]:
    """Each finds nothing or next to nothing."""
    late, last = {"$lt": now}, f"d{count - 2:06d}"
    return {
        "state, due": {"state": 1, "due": late},
        "two states, due": {"state": {"$in": [1, 2]}, "due": late},
        "state, due, one field more": {"state": 1, "due": late, "gold": None},
        "state, due, one field more, hint": {"state": 1, "due": late, "gold": None},
        "place or place": {"$or": [{"place": {"$gt": now}}, {"place": now, "_id": {"$gt": last}}]},
        "place": {"place": {"$gt": now}},
        "_id from": {"_id": {"$gt": last}},
        "_id in 64": {"_id": {"$in": [f"d{count - 2 + more:06d}" for more in range(64)]}},
        "owner, _id from": {"owner": "o1", "_id": {"$gt": last}},
        "owner and _id indexed, _id from": {"holder": "o1", "_id": {"$gt": last}},
    }


def fill(documents: Documents, now: datetime, count: int) -> None:
    """As many documents, with an index over each pair of fields that is asked for."""
    for index in ([("state", 1), ("due", 1)], [("owner", 1)], [("holder", 1), ("_id", 1)]):
        documents.create_index(index)
    documents.create_index("place", sparse=True)
    for start in range(0, count, CHUNK):
        documents.insert_many(
            {
                "_id": f"d{number:06d}", "state": 1, "due": now + timedelta(hours=1), "gold": None,
                "owner": f"o{number % 5}", "holder": f"o{number % 5}", "body": "x" * BODY_BYTES,
            }
            for number in range(start, min(start + CHUNK, count))
        )  # fmt: skip


def asked(documents: Documents, name: str, question: Mapping[str, Any]) -> tuple[float, str]:
    """Milliseconds, and how the store says it reads."""

    def cursor() -> Any:
        found = documents.find(question)
        return found.hint([("state", 1), ("due", 1)]) if name.endswith("hint") else found

    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        list(cursor())
        best = min(best, time.perf_counter() - start)
    stage = cursor().explain()["queryPlanner"]["winningPlan"]
    while "inputStage" in stage:
        stage = stage["inputStage"]
    return best * 1000, str(stage["stage"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_store", description=__doc__)
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    arguments = parser.parse_args()
    now, found = datetime.now(UTC), dict[str, float]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mongo").mkdir()
        port = embedded.free_port()
        store = embedded.start(embedded.mongo_command(port, folder / "mongo"), port, folder / "store.log")
        try:
            client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/")
            documents = client["bench"]["documents"]
            fill(documents, now, arguments.documents)
            for question, what in questions(now, arguments.documents).items():
                found[question], stage = asked(documents, question, what)
                print(f"{question:34} {found[question]:9.1f} ms  {stage}", flush=True)
            client.close()
        finally:
            store.stop()
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
