"""The templates' environment: escaping always on, and how numbers, times and names are written."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup, escape

from chassis.clock import Clock
from gateway.web.assets import Assets

FOLDER = Path(__file__).parent / "templates"

_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "K"))
_SPANS = ((86_400 * 365, "y"), (86_400 * 30, "mo"), (86_400, "d"), (3600, "h"), (60, "min"))
_JUST_NOW_S = 45
_COMPACT_FROM = 10_000


class Templates:
    """Renders templates by name."""

    def __init__(self, assets: Assets, clock: Clock) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=ChainableUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Callable[..., Any]] = {
            "compact": compact,
            "count": count,
            "percent": percent,
            "signed_percent": signed_percent,
            "ago": lambda text: ago(text, clock.now()),
            "until": lambda text: until(text, clock.now()),
            "day": day,
            "minutes": minutes,
            "words": words,
            "initials": initials,
            "safe_url": safe_url,
            "data": data,
            "pretty_json": pretty_json,
            "clock": clock_time,
        }
        self._environment.filters.update(filters)
        self._environment.globals["asset"] = assets.url

    def render(self, name: str, **values: object) -> bytes:
        """A page's bytes."""
        return self._environment.get_template(name).render(**values).encode()


def compact(number: float) -> str:
    """12.3K of 12345; small numbers in full."""
    for size, unit in _UNITS:
        if abs(number) >= max(size, _COMPACT_FROM if unit == "K" else 0):
            short = f"{number / size:.1f}".removesuffix(".0")
            return f"{short}{unit}"
    return count(number)


def count(number: float) -> str:
    """12,345."""
    return f"{int(number):,}" if float(number).is_integer() else f"{number:,.1f}"


def percent(share: float, digits: int = 1) -> str:
    """12.3 % of 0.123."""
    return f"{share * 100:.{digits}f}\u202f%"


def signed_percent(change: float) -> str:
    """+12 % of 0.12."""
    return f"{change * 100:+.0f}\u202f%".replace("-", "\u2212")


def moment(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text).astimezone(UTC)


def ago(text: str, now: datetime) -> str:
    """How long ago a time was, in one unit."""
    seconds = (now - moment(text)).total_seconds()
    return "just now" if seconds < _JUST_NOW_S else f"{_span(seconds)} ago"


def until(text: str, now: datetime) -> str:
    """How long until a time, in one unit."""
    seconds = (moment(text) - now).total_seconds()
    return "now" if seconds < _JUST_NOW_S else f"in {_span(seconds)}"


def _span(seconds: float) -> str:
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{int(seconds // size)}\u202f{unit}"
    return f"{int(seconds)}\u202fs"


def day(text: str) -> str:
    """25 November 2026 of a date or a time; empty stays empty."""
    if not text:
        return ""
    found = datetime.fromisoformat(text)
    return f"{found.day} {found:%B %Y}"


def minutes(number: int) -> str:
    """2 h 15 min of 135."""
    hours, rest = divmod(number, 60)
    if not hours:
        return f"{rest} min"
    return f"{hours}\u202fh {rest}\u202fmin" if rest else f"{hours}\u202fh"


def words(name: str) -> str:
    """In review of in_review."""
    return name.replace("_", " ").capitalize()


def initials(name: str) -> str:
    """DJ of Dakota Johnson."""
    parts = name.split()
    return "".join(part[0] for part in (parts[:1] + parts[-1:] if len(parts) > 1 else parts)).upper()


def safe_url(url: str) -> str:
    """A link a browser may follow: only the web, never a script or an app scheme."""
    return url if url.startswith(("https://", "http://", "/")) and not url.startswith("//") else ""


def pretty_json(text: str) -> str:
    """JSON as people edit it; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def clock_time(seconds: int) -> str:
    """25 Nov, 21:00 of a moment in seconds."""
    found = datetime.fromtimestamp(seconds, UTC)
    return f"{found.day} {found:%b, %H:%M}"


def data(value: object) -> Markup:
    """A value as JSON for a data attribute."""
    return escape(json.dumps(value, separators=(",", ":")))
