"""What the matcher follows of the catalog: titles with their names, changes of them, reference images."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.matcher.domain import TitleCard, TitleState
from services.matcher.registry import Entry
from services.matcher.text.titles import TitleNames
from services.matcher.visual.signals import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogTitle:
    """A title as the index takes it."""

    names: TitleNames
    card: TitleCard
    registry: tuple[Entry, ...] = ()  # what people said of its names

    @property
    def id(self) -> str:
        return self.names.title_id

    @property
    def is_matchable(self) -> bool:
        """Withdrawn and deleted titles are not looked for; embargoed ones are, so that they start complete."""
        return self.card.state is TitleState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChange:
    """One entry of the catalog's feed: the whole title after it, and what of it may touch matches."""

    revision: int
    title: CatalogTitle
    touches_names: bool
    touches_state: bool
    touches_aliases: bool = False
    touches_references: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceBank:
    """All reference images of one title, and whether they take part in matching."""

    title_id: str
    references: tuple[Reference, ...]
    is_enabled: bool = True


class CatalogFeed(Protocol):
    """The catalog, as the follower needs it."""

    def export(self) -> AsyncIterator[tuple[Sequence[CatalogTitle], int]]:
        """All titles in pieces, each with the revision the catalog had when the export began."""
        ...

    async def changes(self, after_revision: int, wait_s: float) -> tuple[Sequence[CatalogChange], int]:
        """The next changes, waiting a while for one, and the newest revision."""
        ...

    async def titles(self, title_ids: Sequence[str]) -> Sequence[CatalogTitle]:
        """These titles with what the alias registry says of their names."""
        ...

    async def registry(self) -> Mapping[str, Sequence[Entry]]:
        """What the alias registry says, of all titles."""
        ...

    def references(self, title_id: str = "") -> AsyncIterator[ReferenceBank]:
        """The reference banks of one title, or of all that have any."""
        ...

    async def pictures(self, reference_ids: Sequence[str]) -> Mapping[str, bytes]:
        """The small JPEGs of these reference images; those without one are left out."""
        ...
