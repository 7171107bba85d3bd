"""Anchors kept near for a moment: one feed page after another asks for the same hot videos.

A second is short against the five within which an anchor must vanish, and long against the rate at which
a hot video is asked for.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from chassis.clock import Clock
from chassis.telemetry import Telemetry
from gateway.cache.flight import Flights

A = TypeVar("A")

ENTRIES_MAX = 100_000

Ask = Callable[[tuple[str, ...], str], Awaitable[Mapping[str, Sequence[A]]]]
"""(videos, region) → the anchors there are, by video"""


class AnchorCache(Generic[A]):
    """Anchors by video and region, also the fact that there is none."""

    def __init__(self, ask: Ask[A], *, kept_s: float, clock: Clock, telemetry: Telemetry) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[float, Sequence[A]]] = OrderedDict()
        self._flights: Flights[tuple[tuple[str, ...], str], Mapping[str, Sequence[A]]] = Flights()
        asked = telemetry.counter("anchor_lookups_total", "Anchors looked up, by where from.", ("source",))
        self._near, self._asked = asked.labels("near"), asked.labels("matcher")

    async def get(self, video_ids: Sequence[str], region: str) -> list[A]:
        """The anchors of these videos, in their order; videos without one are left out."""
        now = self._clock.monotonic()
        unique = dict.fromkeys(video_ids)
        found: dict[str, Sequence[A]] = {}
        for video_id in unique:
            kept = self._kept.get((region, video_id))
            if kept is not None and now < kept[0]:
                found[video_id] = kept[1]
        missing = tuple(video_id for video_id in unique if video_id not in found)
        self._near.inc(len(found))
        if missing:
            self._asked.inc(len(missing))
            found |= await self._fetch(missing, region)
        return [anchor for video_id in unique for anchor in found[video_id]]

    async def _fetch(self, missing: tuple[str, ...], region: str) -> dict[str, Sequence[A]]:
        answer = await self._flights.join((missing, region), lambda: self._ask(missing, region))
        until = self._clock.monotonic() + self._kept_s
        found = {video_id: answer.get(video_id, ()) for video_id in missing}
        for video_id, anchors in found.items():
            self._kept[region, video_id] = (until, anchors)
            self._kept.move_to_end((region, video_id))
        while len(self._kept) > ENTRIES_MAX:
            self._kept.popitem(last=False)
        return found
