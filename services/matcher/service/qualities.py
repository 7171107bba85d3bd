"""Reviewers' records, read from their decisions and kept for some seconds."""

from chassis.clock import Clock
from services.matcher.agreement import ReviewerQuality, qualities
from services.matcher.store.tasks import Tasks

KEPT_S = 5.0
DECISIONS_MAX = 20_000


class Qualities:
    """How well each reviewer reads."""

    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self._tasks = tasks
        self._clock = clock
        self._read_at = -KEPT_S
        self._known: tuple[ReviewerQuality, ...] = ()

    async def all(self) -> tuple[ReviewerQuality, ...]:
        """Every reviewer's record, a few seconds old at most."""
        if self._clock.monotonic() - self._read_at >= KEPT_S:
            self._read_at = self._clock.monotonic()
            self._known = qualities(await self._tasks.decisions(count=DECISIONS_MAX))
        return self._known

    async def weights(self) -> dict[str, float]:
        return {each.reviewer_id: each.weight for each in await self.all()}
