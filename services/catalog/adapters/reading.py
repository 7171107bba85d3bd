"""What every adapter needs of untrusted JSON: texts, numbers, dates and lists, or nothing."""

import re
from collections.abc import Iterator
from typing import Any

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SLUG = re.compile(r"[^a-z0-9]+")
ID_CHARACTERS_MAX = 100


class RowUnreadable(Exception):
    """The row is not a title of this format; the text says what is missing."""


def text(value: Any, characters_max: int = 500) -> str:
    """One line of text; numbers count, anything else is nothing. Line breaks and tabs become spaces."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return _CONTROL.sub(" ", str(value)).strip()[:characters_max]


def long_text(value: Any, characters_max: int = 20_000) -> str:
    """Several lines of text."""
    if not isinstance(value, str):
        return ""
    return "\n".join(_CONTROL.sub(" ", line).strip() for line in value.splitlines()).strip()[:characters_max]


def whole(value: Any, most: int = 2**31 - 1) -> int:
    """A number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return 0
    return int(min(max(value, 0), most))


def real(value: Any, most: float = 1e12) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return 0.0
    return float(min(max(value, 0), most))


def day(value: Any) -> str:
    """The date a text begins with."""
    found = _DATE.match(value) if isinstance(value, str) else None
    return found.group() if found else ""


def texts(values: Any, characters_max: int = 200, count_max: int = 100) -> tuple[str, ...]:
    """The different texts of a list."""
    found = (text(each, characters_max) for each in values) if isinstance(values, list) else ()
    return tuple(dict.fromkeys(each for each in found if each))[:count_max]


def objects(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        yield from (each for each in values if isinstance(each, dict))


def within(value: Any, *path: str) -> Any:
    """What is at the end of a path of objects, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def url(value: Any) -> str:
    """A web address, or nothing."""
    found = text(value, 2000)
    return found if re.fullmatch(r"https?://[^\s]+", found) else ""


def slug(name: str) -> str:
    """A name as part of an id."""
    return _SLUG.sub("-", name.casefold()).strip("-")[:ID_CHARACTERS_MAX] or "unnamed"
