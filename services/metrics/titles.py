"""What metrics knows of titles, from catalog's change feed: names, studios, kinds, release dates, offers. In memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from services.metrics.domain import TitleNotInStudio


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleFacts:
    """A title as far as reports need it."""

    id: str
    name: str = ""
    media_type: str = ""
    studio_id: str = ""
    release_date: str = ""  # YYYY-MM-DD or empty
    release_dates: tuple[date, ...] = ()  # all regions', in order
    # Regions with a watch offer, and from when to when (Unix seconds; 0: open).
    offers: tuple[tuple[str, int, int], ...] = ()
    hashtags: frozenset[str] = frozenset()
    is_active: bool = True

    def has_offer(self, region: str, at_s: int) -> bool:
        return any(r == region and (not s or s <= at_s) and (not e or at_s < e) for r, s, e in self.offers)


@dataclass(slots=True)
class Titles:
    """All titles by id and by studio; rebuilt from catalog at every start."""

    revision: int = 0
    _by_id: dict[str, TitleFacts] = field(default_factory=dict)
    _by_studio: dict[str, set[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, title_id: str) -> bool:
        return title_id in self._by_id

    def put(self, facts: Iterable[TitleFacts]) -> None:
        """Takes up titles as they are now."""
        for title in facts:
            before = self._by_id.get(title.id)
            if before is not None and before.studio_id != title.studio_id:
                self._by_studio[before.studio_id].discard(title.id)
            self._by_id[title.id] = title
            self._by_studio.setdefault(title.studio_id, set()).add(title.id)

    def get(self, title_id: str) -> TitleFacts:
        """The title; one that catalog did not tell has no studio."""
        return self._by_id.get(title_id) or TitleFacts(id=title_id)

    def of_studio(self, studio_id: str) -> frozenset[str]:
        return frozenset(self._by_studio.get(studio_id, ()))

    def require(self, title_id: str, studio_id: str) -> TitleFacts:
        """The title, refused where a studio asks for another's."""
        title = self.get(title_id)
        if studio_id and title.studio_id != studio_id:
            raise TitleNotInStudio
        return title

    def all(self) -> list[TitleFacts]:
        return list(self._by_id.values())
