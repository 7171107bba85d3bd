"""What is wrong with a request, gathered with the path of each field that is."""

from typing import Optional

from chassis.errors import InvalidArgument, Violation

VIOLATIONS_MAX = 20

Path = Optional[tuple["Path", str | int]]  # noqa: UP045 - a name that refers to itself
"""A linked pair (parent, name or index): free to extend, spelled only when something is refused."""


class MalformedRequest(InvalidArgument):
    """The request does not have the form this method takes."""


class Refusal(Exception):
    """One value cannot be taken; says why without naming the field."""


class Refusals:
    """The violations found so far; stops taking notes at VIOLATIONS_MAX."""

    __slots__ = ("_violations",)

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def add(self, path: Path, description: str) -> None:
        """Note one violation."""
        if len(self._violations) < VIOLATIONS_MAX:
            self._violations.append(Violation(spell(path), description))

    def raise_if_any(self) -> None:
        """Refuse the request when anything was noted."""
        if self._violations:
            said = "; ".join(f"{each.field or 'request'}: {each.description}" for each in self._violations[:3])
            raise MalformedRequest(f"The request is not valid: {said}", violations=tuple(self._violations))


def spell(path: Path) -> str:
    """The text `events[3].viewer_region` of a linked path."""
    parts: list[str | int] = []
    while path is not None:
        path, part = path
        parts.append(part)
    text = ""
    for part in reversed(parts):
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
