"""Puts a catalog together, by hand: stores, use cases, servicer, background work."""

from collections.abc import Sequence
from dataclasses import dataclass

from wordfreq import zipf_frequency

from chassis import ids
from chassis.clock import Clock, SystemClock
from chassis.mongo import Database
from chassis.server import Background
from chassis.telemetry import Telemetry
from services.catalog.search.index import SearchIndex
from services.catalog.service import Catalog
from services.catalog.service.aliases import AliasCases
from services.catalog.service.feed import FeedCases
from services.catalog.service.imports import ImportCases
from services.catalog.service.references import ReferenceCases
from services.catalog.service.search import SearchCases
from services.catalog.service.titles import TitleCases
from services.catalog.store import Aliases, Feed, Imports, Journal, ReferenceImages, Titles


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A catalog and what must run beside it."""

    catalog: Catalog
    journal: Journal
    background: Sequence[Background]


async def wire(
    database: Database,
    *,
    token_key: bytes,
    telemetry: Telemetry,
    clock: Clock | None = None,
    new_id: ids.NewId = ids.new_id,
) -> Wired:
    """Makes what is missing in the database and everything above it."""
    clock = clock or SystemClock()
    titles, imports, feed = Titles(database), Imports(database), Feed(database)
    aliases, images = Aliases(database), ReferenceImages(database)
    journal, index = Journal(database, clock), SearchIndex()
    for store in (titles, imports, aliases, images, journal):
        await store.prepare()
    followers = FeedCases(feed=feed, titles=titles, journal=journal)
    search = SearchCases(
        index=index,
        titles=titles,
        journal=journal,
        feed=followers,
        clock=clock,
        token_key=token_key,
        telemetry=telemetry,
    )
    catalog = Catalog(
        titles=TitleCases(titles=titles, journal=journal, new_id=new_id, token_key=token_key),
        search=search,
        imports=ImportCases(imports=imports, titles=titles, journal=journal, new_id=new_id),
        feed=followers,
        aliases=AliasCases(
            aliases=aliases,
            titles=titles,
            journal=journal,
            index=index,
            zipf=english_zipf,
            token_key=token_key,
        ),
        references=ReferenceCases(images=images, titles=titles, journal=journal, new_id=new_id, token_key=token_key),
    )
    return Wired(catalog=catalog, journal=journal, background=(search.follow, journal.watch))


def english_zipf(folded: str) -> float:
    """How common the words are in English, on the Zipf scale."""
    return float(zipf_frequency(folded, "en"))
