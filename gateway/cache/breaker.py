"""When to stop waiting for something that keeps failing: after five failures in a row, until one success.

While it is open one call in every probe interval still gets the full wait, so that a dependency that is
slow but well is found again.
"""

from chassis.clock import Clock

FAILURES_MAX = 5
PROBE_EVERY_S = 1.0


class Breaker:
    """Counts failures in a row."""

    def __init__(self, *, clock: Clock, failures_max: int = FAILURES_MAX, probe_every_s: float = PROBE_EVERY_S) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._probe_every_s = probe_every_s
        self._failures = 0
        self._probed = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it is open at the moment."""
        return self._failures >= self._failures_max

    def gives_up_early(self) -> bool:
        """Whether this call should hardly wait; False for the one call in an interval that probes."""
        if not self.is_open:
            return False
        now = self._clock.monotonic()
        if now - self._probed >= self._probe_every_s:
            self._probed = now
            return False
        return True

    def failed(self) -> bool:
        """Note a failure; says whether it opened the breaker."""
        self._failures += 1
        if self._failures == self._failures_max:
            self._probed = self._clock.monotonic()
            return True
        return False

    def succeeded(self) -> None:
        """Note a success, which closes it."""
        self._failures = 0
