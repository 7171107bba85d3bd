"""Path templates of `google.api.http`: parsed once, matched against request paths.

Ids may hold colons (`movie:603`), so a custom verb (`:undelete`) is a literal suffix of its
template and templates with more literal characters are tried first.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=([^}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One compiled path template."""

    text: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    literal_count: int
    depth: int

    def match(self, path: str) -> dict[str, str] | None:
        """The variables of a path that fits (percent-decoded by the server already), or None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return dict(zip(self.variables, found.groups(), strict=True))


def parse(text: str) -> Template:
    """Compile a template such as `/v1/campaigns/{campaign_id}:pause`."""
    assert text.startswith("/"), f"a path template begins with a slash: {text}"
    pieces: list[str] = []
    variables: list[str] = []
    literals = position = 0
    for found in _VARIABLE.finditer(text):
        literal = text[position : found.start()]
        pieces += [re.escape(literal), f"({_wildcards(found[2] or '*')})"]
        literals += len(literal)
        variables.append(found[1])
        position = found.end()
    pieces.append(re.escape(text[position:]))
    literals += len(text) - position
    assert "{" not in text[position:], f"an unreadable variable in {text}"
    return Template(
        text=text,
        pattern=re.compile("".join(pieces)),
        variables=tuple(variables),
        literal_count=literals,
        depth=_VARIABLE.sub("x", text).count("/"),
    )


def _wildcards(segment: str) -> str:
    parts = (r".+" if part == "**" else r"[^/]+" if part == "*" else re.escape(part) for part in segment.split("/"))
    return "/".join(parts)


def most_literal_first(templates: Iterable[Template]) -> list[Template]:
    """The order in which templates are tried: the one that says more wins."""
    return sorted(templates, key=lambda template: (-template.literal_count, template.text))
