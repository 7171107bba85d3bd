"""The catalog's documents in MongoDB: the only part of it that knows motor.

`journal` gives revisions and commits writes with their changes, `titles` reads titles, `feed` reads changes,
`imports`, `aliases` and `images` keep what their names say. `windows` pages through a collection by number,
`indexes` bounds the making of indexes.
"""

from services.catalog.store.aliases import Aliases
from services.catalog.store.feed import Feed
from services.catalog.store.images import ReferenceImages
from services.catalog.store.imports import Imports
from services.catalog.store.journal import Journal, Transaction
from services.catalog.store.titles import Titles, title_of

__all__ = ["Aliases", "Feed", "Imports", "Journal", "ReferenceImages", "Titles", "Transaction", "title_of"]
