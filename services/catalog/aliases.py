"""The registry's defaults: the names of a title, how ambiguous each is, and how likely it means this title. Pure.

A derived prior is a rule of thumb until decisions teach better: 0.9 for a name nobody shares, split among those who
share it by popularity, and a tenth of that for each order of magnitude (Zipf) by which the words are commoner than
those people use once in a million words.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from services.catalog.domain import Alias, AliasKind, AliasSource
from services.catalog.names import fold, named
from services.catalog.title import AmbiguityClass, Title

PRIOR_MAX = 0.9
COMMON_ZIPF_MIN = 3.5  # about three times in a million words
ONCE_IN_A_MILLION = 3.0

Zipf = Callable[[str], float]
Sharing = Callable[[str], tuple[int, float]]  # folded name -> titles that have it, this title's share of popularity


def derived(title: Title, sharing: Sharing, zipf: Zipf) -> Iterator[Alias]:
    """Every name of the title once, the first kind it appears as."""
    seen: set[str] = set()
    for kind, name in _all_names(title):
        folded = fold(name)
        if folded and folded not in seen:
            seen.add(folded)
            alias = judged(Alias(title_id=title.id, name=name, kind=kind, source=AliasSource.DERIVED), sharing, zipf)
            yield replace(alias, prior=alias.derived_prior, ambiguity_class=alias.derived_class)


def _all_names(title: Title) -> Iterator[tuple[AliasKind, str]]:
    yield from named(title)
    yield AliasKind.FRANCHISE, title.belongs_to_collection.name
    for member in title.credits.cast:
        yield AliasKind.CHARACTER, member.character
    for character in title.characters:
        yield AliasKind.CHARACTER, character


def judged(alias: Alias, sharing: Sharing, zipf: Zipf) -> Alias:
    """The entry with what the rule of thumb says of its name."""
    folded = fold(alias.name)
    shared_count, share = sharing(folded)
    frequency = zipf(folded)
    prior = PRIOR_MAX * (share if shared_count else 1.0)
    if frequency >= COMMON_ZIPF_MIN:
        prior *= 10 ** (ONCE_IN_A_MILLION - frequency)
    return replace(
        alias,
        derived_class=ambiguity_of(shared_count, frequency),
        derived_prior=round(prior, 6),
        shared_count=max(1, shared_count),
    )


def ambiguity_of(shared_count: int, zipf: float) -> AmbiguityClass:
    """A common word stays one however many titles have it: that weighs more."""
    if zipf >= COMMON_ZIPF_MIN:
        return AmbiguityClass.COMMON_WORD
    return AmbiguityClass.HOMONYM if shared_count > 1 else AmbiguityClass.UNIQUE


def overlaid(defaults: list[Alias], stored: list[Alias]) -> list[Alias]:
    """The defaults with what is stored in their place, added names behind them."""
    said = {(each.kind, fold(each.name)): each for each in stored}
    first = [said.pop((each.kind, fold(each.name)), each) for each in defaults]
    return [*first, *said.values()]
