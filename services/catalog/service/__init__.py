"""The catalog's use cases, a method for each RPC, grouped by what they are about."""

from dataclasses import dataclass

from services.catalog.service.aliases import AliasCases
from services.catalog.service.feed import FeedCases
from services.catalog.service.imports import ImportCases
from services.catalog.service.references import ReferenceCases
from services.catalog.service.search import SearchCases
from services.catalog.service.titles import TitleCases


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All of them."""

    titles: TitleCases
    search: SearchCases
    imports: ImportCases
    feed: FeedCases
    aliases: AliasCases
    references: ReferenceCases
