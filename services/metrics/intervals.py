"""Rates with their 95 % intervals: Wilson's for one proportion, Newcombe's for the difference of two."""

import math
from dataclasses import dataclass

Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A proportion and its interval."""

    value: float = 0.0
    lower: float = 0.0
    upper: float = 0.0


def wilson(successes: int, trials: int) -> Rate:
    """Wilson's score interval (1927); where successes pass trials the rate is plain and has no interval."""
    if trials <= 0:
        return Rate()
    rate = successes / trials
    if rate > 1:
        return Rate(value=rate, lower=rate, upper=rate)
    middle = (rate + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
    half = Z * math.sqrt(rate * (1 - rate) / trials + Z * Z / (4 * trials * trials)) / (1 + Z * Z / trials)
    return Rate(value=rate, lower=max(0.0, middle - half), upper=min(1.0, middle + half))


def difference(first: Rate, second: Rate) -> Rate:
    """First - second by Newcombe's hybrid score method (1998, method 10)."""
    value = first.value - second.value
    down = math.hypot(first.value - first.lower, second.upper - second.value)
    up = math.hypot(first.upper - first.value, second.value - second.lower)
    return Rate(value=value, lower=max(-1.0, value - down), upper=min(1.0, value + up))
