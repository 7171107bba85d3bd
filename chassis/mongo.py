"""The door to MongoDB: the only file beside the stores that knows motor and pymongo.

Defaults of the driver hurt (30 s to notice a dead server), so `connect` sets ours, and every operation stands in
`with deadline():`, which gives it what the call has left and turns the driver's errors into ours. Motor is deprecated
in favour of PyMongo's async API: what differs in how it is awaited (sessions, transactions) is wrapped here once.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pymongo
import pymongo.errors
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo.write_concern import WriteConcern

from chassis import context, ids
from chassis.errors import (
    Aborted,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    SpotlightError,
    Unavailable,
)

Document: TypeAlias = dict[str, Any]
Database: TypeAlias = AsyncIOMotorDatabase[Document]
Session: TypeAlias = AsyncIOMotorClientSession

SERVER_SELECTION_MS = 500
# The driver's own watch of the server waits as long for each answer, and then cancels everything under way: at 1 s a
# machine that stood still for a moment had its writes sent twice.
CONNECT_MS = 3_000
POOL_WAIT_MS = 1_000
POOL_MAX = 64
POOL_MIN = 1
# An operation nobody set a deadline for (background work) takes at most this.
OPERATION_S = 10.0
PING_S = 0.5
# What the answer needs on its way back to the caller.
MARGIN_S = 0.01
REQUESTS = "requests"
REQUEST_KEPT_S = 24 * 3600
# A request that began so long ago and left no result lost its process: it may begin again.
REQUEST_LEASE_S = 30
REQUEST_RETRY_S = 0.1

_MAX_TIME_EXPIRED = 50
_WRITE_CONFLICT = 112


class StoreUnavailable(Unavailable):
    """The store does not answer at the moment: try again shortly."""

    reason = "STORE_UNAVAILABLE"


class WriteOutcomeUnknown(Unavailable):
    """The write was sent but not acknowledged: repeat it under the same request_id."""

    reason = "WRITE_OUTCOME_UNKNOWN"


class StoreConflict(Aborted):
    """Another write touched the same thing at the same moment: try again."""

    reason = "STORE_CONFLICT"


class TooLargeToStore(InvalidArgument):
    """The document is larger than the store takes."""

    reason = "TOO_LARGE_TO_STORE"


class RequestIdReused(FailedPrecondition):
    """This request_id was used before, with another request."""

    reason = "REQUEST_ID_REUSED"


class RequestInProgress(Aborted):
    """The same request is being carried out right now: ask again shortly."""

    reason = "REQUEST_IN_PROGRESS"


def connect(mongo_url: str, database: str) -> Database:
    """The database, with acknowledged journaled majority writes and bounded waits."""
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
        mongo_url,
        serverSelectionTimeoutMS=SERVER_SELECTION_MS,
        connectTimeoutMS=CONNECT_MS,
        waitQueueTimeoutMS=POOL_WAIT_MS,
        maxPoolSize=POOL_MAX,
        minPoolSize=POOL_MIN,
        tz_aware=True,
        tzinfo=UTC,
        retryWrites=True,
        retryReads=True,
        appname="spotlight",
    )
    return client.get_database(database, write_concern=WriteConcern(w="majority", j=True))


def close(database: Database) -> None:
    database.client.close()


async def ping(database: Database) -> None:
    """Raises unless the server answers: the health check of everything that stores."""
    with deadline(PING_S):
        await database.command("ping")


@contextmanager
def deadline(operation_s: float = OPERATION_S) -> Iterator[None]:
    """Bounds the operations within by what the call has left, and translates what they raise.

    Under a timeout the driver retries until it is over, so a dead server costs all of `operation_s`: keep it short
    where somebody waits.
    """
    remaining_s = context.remaining_s()
    timeout_s = operation_s if remaining_s is None else min(operation_s, remaining_s - MARGIN_S)
    if timeout_s <= 0:
        raise DeadlineExceeded
    try:
        with pymongo.timeout(timeout_s):
            yield
    except pymongo.errors.PyMongoError as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error


def translate(error: BaseException) -> SpotlightError | None:  # noqa: PLR0911 - a table
    """Our error for the driver's; None for what a store must judge itself (a duplicate key) or for a bug."""
    match error:
        case pymongo.errors.WTimeoutError():
            return WriteOutcomeUnknown()
        case pymongo.errors.DuplicateKeyError() | pymongo.errors.BulkWriteError():
            return None
        case pymongo.errors.DocumentTooLarge():
            return TooLargeToStore()
        case pymongo.errors.ServerSelectionTimeoutError() | pymongo.errors.WaitQueueTimeoutError():
            return StoreUnavailable()
        case pymongo.errors.PyMongoError() if error.timeout:
            return DeadlineExceeded()
        case pymongo.errors.ConnectionFailure():
            return StoreUnavailable()
        case pymongo.errors.OperationFailure() if error.code == _MAX_TIME_EXPIRED:
            return DeadlineExceeded()
        case pymongo.errors.OperationFailure() if error.code == _WRITE_CONFLICT:
            return StoreConflict()
        case pymongo.errors.PyMongoError() if error.has_error_label("TransientTransactionError"):
            return StoreConflict()
        case _:
            return None


@asynccontextmanager
async def transaction(database: Database) -> AsyncIterator[Session]:
    """A session whose writes within the block happen together or not at all."""
    async with (
        await database.client.start_session() as session,
        session.start_transaction(
            write_concern=WriteConcern(w="majority", j=True), max_commit_time_ms=int(OPERATION_S * 1000)
        ),
    ):
        yield session


async def insert_attempt(collection: AsyncIOMotorCollection[Document], document: Document) -> Document | None:
    """Inserts a document; None when it is stored, else the other one under its `_id`, empty when that is gone again.

    The driver sends an insert again when its answer was lost, and then finds its own document there: the field
    `attempt`, an id of the caller's making, tells it from another's.
    """
    with deadline():
        try:
            await collection.insert_one(document)
        except pymongo.errors.DuplicateKeyError:
            found = await collection.find_one({"_id": document["_id"]}) or {}
        else:
            return None
    return None if found.get("attempt") == document["attempt"] else found


def body_hash(method: str, body: bytes) -> str:
    """What tells two requests under one id apart."""
    return hashlib.sha256(method.encode() + b"\x00" + body).hexdigest()


async def ensure_requests(database: Database) -> None:
    """Makes the index that forgets requests after a day."""
    with deadline():
        await database[REQUESTS].create_index("create_time", expireAfterSeconds=REQUEST_KEPT_S)


async def run_idempotent(
    database: Database,
    request_id: str,
    body_hash: str,
    fn: Callable[[], Awaitable[Document]],
    *,
    now: datetime | None = None,
) -> Document:
    """Runs `fn` once for a request id and gives its stored result to everyone who repeats it.

    `fn` must bear being begun twice: a process can die between its write and the record of its result. Derive the ids
    it makes from the request id (`chassis.ids.derived_id`) and let its writes be conditional. An error of ours means
    that nothing happened, and frees the id; other errors leave it taken until the lease is over.
    """
    if not request_id:
        return await fn()
    begun = now or datetime.now(UTC)
    known = await _claim(database, request_id, body_hash, begun)
    if known is not None:
        return known
    try:
        result = await fn()
    except SpotlightError as error:
        if not isinstance(error, Unavailable | DeadlineExceeded):
            await _release(database, request_id, begun)
        raise
    with deadline():
        await database[REQUESTS].update_one({"_id": request_id}, {"$set": {"state": "done", "result": result}})
    return result


async def _claim(database: Database, request_id: str, body_hash: str, begun: datetime) -> Document | None:
    """The stored result, or None when the request is now ours to carry out."""
    requests, attempt = database[REQUESTS], ids.new_id()
    document = {
        "_id": request_id,
        "body_hash": body_hash,
        "state": "running",
        "create_time": begun,
        "attempt": attempt,
    }
    found = await insert_attempt(requests, document)
    if found is None:
        return None
    if not found:
        raise RequestInProgress(retry_after_s=REQUEST_RETRY_S)
    if found["body_hash"] != body_hash:
        raise RequestIdReused
    if found["state"] == "done":
        result = found.get("result")
        if not isinstance(result, dict):
            raise DataLoss
        return result
    stale = {"_id": request_id, "state": "running", "create_time": found["create_time"]}
    if found["create_time"] > begun - timedelta(seconds=REQUEST_LEASE_S):
        raise RequestInProgress(retry_after_s=REQUEST_RETRY_S)
    with deadline():
        await requests.update_one(stale, {"$set": {"create_time": begun, "attempt": attempt}})
        holder = await requests.find_one({"_id": request_id}, {"attempt": 1})
    if holder is None or holder.get("attempt") != attempt:
        raise RequestInProgress(retry_after_s=REQUEST_RETRY_S)
    return None


async def _release(database: Database, request_id: str, begun: datetime) -> None:
    with deadline():
        await database[REQUESTS].delete_one({"_id": request_id, "state": "running", "create_time": begun})
