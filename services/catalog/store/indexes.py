"""Making collections and indexes at a start: over titles that are there already it may take minutes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymongo
import pymongo.errors

from chassis import mongo

PREPARE_S = 600.0


@contextmanager
def preparing() -> Iterator[None]:
    """Bounds the work of a start, which no caller waits for."""
    try:
        with pymongo.timeout(PREPARE_S):
            yield
    except pymongo.errors.PyMongoError as error:
        ours = mongo.translate(error)
        if ours is None:
            raise
        raise ours from error
