"""Which fields differ between two plain values, and how to carry a difference over."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from services.catalog.domain import FieldChange
from services.catalog.plain import Plain

_ABSENT = object()


def diff(old: Plain, new: Plain) -> tuple[FieldChange, ...]:
    """The changed fields by path, sorted. Lists are compared and replaced as a whole."""
    return tuple(_differences(old, new, ""))


def _differences(old: Plain, new: Plain, prefix: str) -> Iterator[FieldChange]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{prefix}{name}.")
        else:
            yield FieldChange(path=prefix + name, old_json=_json(before), new_json=_json(after))


def _json(value: Any) -> str:
    return "" if value is _ABSENT else orjson.dumps(value).decode()


def patch(old: Plain, changes: Iterable[FieldChange]) -> Plain:
    """The value with the changes made: `patch(old, diff(old, new)) == new`."""
    new = _copied(old)
    for change in changes:
        *parents, name = change.path.split(".")
        place = new
        for parent in parents:
            place = place.setdefault(parent, {})
        if change.new_json:
            place[name] = orjson.loads(change.new_json)
        else:
            del place[name]
    return new


def _copied(value: Plain) -> Plain:
    return {name: _copied(part) if isinstance(part, dict) else part for name, part in value.items()}
