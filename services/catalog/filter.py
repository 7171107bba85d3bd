"""The filter of ListTitles: terms joined by AND, read into values the store can ask for.

    filter = [ term { "AND" term } ]
    term   = field operator value
    field  = "studio_id" | "media_type" | "state" | "year"
    value  = a word, or any text in double quotes

`year` takes = != < <= > >=, the others = and !=.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from chassis.errors import Violation
from services.catalog.errors import FilterInvalid
from services.catalog.title import MediaType, Title, TitleState

TERMS_MAX = 20
YEAR_MAX = 2200

_TOKEN = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<operator>!=|<=|>=|=|<|>)|(?P<word>[\w:.\-]+))')


class Field(enum.StrEnum):
    STUDIO_ID = "studio_id"
    MEDIA_TYPE = "media_type"
    STATE = "state"
    YEAR = "year"


class Operator(enum.StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True, slots=True)
class Term:
    field: Field
    operator: Operator
    value: str | int


@dataclass(frozen=True, slots=True)
class TitleFilter:
    terms: tuple[Term, ...] = ()

    def matches(self, title: Title) -> bool:
        """The slow, obvious meaning of a filter; the store's queries mean the same."""
        return all(_holds(term, getattr(title, term.field.value)) for term in self.terms)


NOT_DELETED = Term(Field.STATE, Operator.NOT_EQUAL, TitleState.DELETED.value)


_WORDS: dict[Field, list[str]] = {
    Field.MEDIA_TYPE: [word.value for word in MediaType],
    Field.STATE: [word.value for word in TitleState],
}


def parse(text: str) -> TitleFilter:
    """Reads a filter; without a word about state, deleted titles are left out."""
    tokens = list(_tokens(text))
    terms: list[Term] = []
    for start in range(0, len(tokens), 4):
        terms.append(_term(tokens[start : start + 3], text))
        joint = tokens[start + 3 : start + 4]
        if joint and (joint[0] != ("word", "AND") or len(tokens) == start + 4):
            raise _refused("terms are joined by AND")
    if len(terms) > TERMS_MAX:
        raise _refused(f"at most {TERMS_MAX} terms")
    if not any(term.field is Field.STATE for term in terms):
        terms.append(NOT_DELETED)
    return TitleFilter(tuple(terms))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise _refused(f"not understood at character {at + 1}")
        assert found.lastgroup is not None, "one of the three kinds matched"
        yield found.lastgroup, found.group(found.lastgroup)
        at = found.end()


def _term(tokens: list[tuple[str, str]], text: str) -> Term:
    if [kind for kind, _ in tokens] not in (["word", "operator", "word"], ["word", "operator", "quoted"]):
        raise _refused(f"expected `field operator value` in {text[:100]!r}")
    (_, name), (_, sign), (_, value) = tokens
    if name not in list(Field):
        raise _refused(f"no field {name[:40]!r}; there are {', '.join(Field)}")
    field, operator = Field(name), Operator(sign)
    if field is Field.YEAR:
        return Term(field, operator, _year(value))
    if operator not in (Operator.EQUAL, Operator.NOT_EQUAL):
        raise _refused(f"{field} takes = and != only")
    return Term(field, operator, _word_of(field, value))


def _year(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 4 or int(value) > YEAR_MAX:  # noqa: PLR2004
        raise _refused("year is a number")
    return int(value)


def _word_of(field: Field, value: str) -> str:
    words = _WORDS.get(field)
    if words is None:
        return value
    word = value.lower().removeprefix(f"{field}_").removeprefix("title_state_")
    if not word or word not in words:
        raise _refused(f"{field} is one of {', '.join(filter(None, words))}")
    return word


def _holds(term: Term, value: str | int) -> bool:
    wanted = term.value
    match term.operator:
        case Operator.EQUAL:
            return value == wanted
        case Operator.NOT_EQUAL:
            return value != wanted
        case _:
            assert isinstance(value, int), "only year is ordered"
            assert isinstance(wanted, int), "only year is ordered"
            return {
                Operator.LESS: value < wanted,
                Operator.LESS_OR_EQUAL: value <= wanted,
                Operator.GREATER: value > wanted,
                Operator.GREATER_OR_EQUAL: value >= wanted,
            }[term.operator]


def _refused(why: str) -> FilterInvalid:
    return FilterInvalid(violations=[Violation("filter", why)])
