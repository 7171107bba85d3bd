"""Builders for metrics tests: each takes only what matters."""

import random

import numpy as np

from services.metrics import digest, intake
from services.metrics.columns import Coded, Events, RawEvents
from services.metrics.domain import EventType
from services.metrics.intake import Arrival
from services.metrics.texts import Texts

KEY = digest.Key.of(bytes(range(32)))
NOW_MS = 1_790_000_000_000


def raw_events(count=1, **columns):
    """Events that are all right, and alike but for their ids."""
    defaults = {
        "ids": [f"e{place}" for place in range(count)],
        "types": [EventType.ANCHOR_CLICK] * count,
        "times_ms": [NOW_MS - 1_000] * count,
        "videos": ["v1"] * count,
        "titles": ["movie:1"] * count,
        "creators": ["c1"] * count,
        "campaigns": ["k1"] * count,
        "offers": ["o1"] * count,
        "regions": ["US"] * count,
        "viewers": [f"u{place}" for place in range(count)],
        "devices": [1] * count,
        "sources": [1] * count,
        "agents": [0] * count,
        "user_agents": [""] * count,
        "arms": [0] * count,
        "hashtags": [""] * count,
    } | columns
    numbers = {"types", "times_ms", "devices", "sources", "agents", "arms"}
    plain = {"ids", "viewers"}
    return RawEvents(
        **{
            name: np.array(values, np.int64)
            if name in numbers
            else Texts.of(values)
            if name in plain
            else Coded.of(values)
            for name, values in defaults.items()
        }
    )


def checked(raw, **arrival):
    return intake.check(raw, Arrival(**({"received_ms": NOW_MS} | arrival)), KEY)


def random_events(seed, count=200, titles=5, viewers=30, hours=30) -> Events:
    """Events over some titles, regions and hours."""
    rng = random.Random(seed)
    raw = raw_events(
        count,
        ids=[f"{seed}.{place}" for place in range(count)],
        types=[rng.randint(1, 13) for _ in range(count)],
        times_ms=[NOW_MS - rng.randrange(hours * 3_600_000) for _ in range(count)],
        videos=[f"v{rng.randint(1, 6)}" for _ in range(count)],
        titles=[f"movie:{rng.randint(1, titles)}" for _ in range(count)],
        creators=[rng.choice(["", "c1", "c2", "c3"]) for _ in range(count)],
        campaigns=[rng.choice(["k1", "k2"]) for _ in range(count)],
        regions=[rng.choice(["US", "DE", "FR", ""]) for _ in range(count)],
        viewers=[rng.choice(["", *(f"u{n}" for n in range(viewers))]) for _ in range(count)],
        sources=[rng.randint(0, 2) for _ in range(count)],
        agents=[rng.choice([0, 0, 0, 1, 2, 3, 4]) for _ in range(count)],
        arms=[rng.randint(0, 2) for _ in range(count)],
        hashtags=[rng.choice(["", "fyp", "fyp,dune"]) for _ in range(count)],
    )
    found = checked(raw)
    assert not found.rejected
    return found.events
