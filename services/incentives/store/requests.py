"""Requests that were carried out: a repeated one gets its first answer, another one under its id is refused."""

from collections.abc import Awaitable, Callable

from chassis.mongo import Database, Document, body_hash, run_idempotent


class Requests:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(self, method: str, request_id: str, body: object, fn: Callable[[], Awaitable[Document]]) -> Document:
        """Carries a request out once. `fn` gives a small document that names what was made."""
        return await run_idempotent(self._database, request_id, body_hash(method, repr(body).encode()), fn)
