import asyncio
from datetime import UTC, datetime, timedelta

import pymongo.errors
import pytest

from chassis import context, errors, mongo
from chassis.embedded import free_port
from tests.lost_answers import losing_an_answer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_request_is_carried_out_once(database):
    await mongo.ensure_requests(database)
    runs = []

    async def fn():
        runs.append(1)
        return {"n": len(runs)}

    assert await mongo.run_idempotent(database, "", "h", fn) == {"n": 1}
    assert await mongo.run_idempotent(database, "r1", "h", fn) == {"n": 2}
    assert await mongo.run_idempotent(database, "r1", "h", fn) == {"n": 2}
    with pytest.raises(mongo.RequestIdReused):
        await mongo.run_idempotent(database, "r1", "other", fn)
    assert len(runs) == 2


async def test_of_many_at_once_one_runs_and_the_others_wait_or_share(database):
    runs = []

    async def fn():
        runs.append(1)
        await asyncio.sleep(0.05)
        return {"n": 1}

    results = await asyncio.gather(
        *(mongo.run_idempotent(database, "r1", "h", fn) for _ in range(8)), return_exceptions=True
    )
    assert len(runs) == 1
    assert all(each == {"n": 1} or isinstance(each, mongo.RequestInProgress) for each in results)


async def test_a_refused_request_frees_its_id(database):
    async def refuse():
        raise errors.NotFound

    async def accept():
        return {"ok": True}

    with pytest.raises(errors.NotFound):
        await mongo.run_idempotent(database, "r1", "h", refuse)
    assert await mongo.run_idempotent(database, "r1", "h", accept) == {"ok": True}


@pytest.mark.parametrize("error", [errors.Unavailable(), ValueError("a bug")])
async def test_an_unknown_outcome_keeps_the_id_until_its_lease_is_over(database, error):
    async def unsure():
        raise error

    async def accept():
        return {"ok": True}

    with pytest.raises(type(error)):
        await mongo.run_idempotent(database, "r1", "h", unsure, now=NOW)
    with pytest.raises(mongo.RequestInProgress):
        await mongo.run_idempotent(database, "r1", "h", accept, now=NOW + timedelta(seconds=29))
    later = NOW + timedelta(seconds=31)
    assert await mongo.run_idempotent(database, "r1", "h", accept, now=later) == {"ok": True}


async def test_a_broken_result_is_told(database):
    await database.requests.insert_one({"_id": "r1", "body_hash": "h", "state": "done", "create_time": NOW})

    async def fn():
        raise AssertionError

    with pytest.raises(errors.DataLoss):
        await mongo.run_idempotent(database, "r1", "h", fn)


async def test_a_transaction_happens_whole_or_not_at_all(database):
    await database.things.insert_one({"_id": 0})
    with pytest.raises(ZeroDivisionError):
        async with mongo.transaction(database) as session:
            await database.things.insert_one({"_id": 1}, session=session)
            raise ZeroDivisionError
    async with mongo.transaction(database) as session:
        await database.things.insert_one({"_id": 2}, session=session)
    assert sorted([each["_id"] async for each in database.things.find()]) == [0, 2]


async def test_times_come_back_aware(database):
    await database.things.insert_one({"_id": 1, "at": NOW})
    assert (await database.things.find_one())["at"] == NOW
    await mongo.ping(database)


async def test_a_dead_server_is_unavailable():
    database = mongo.connect(f"mongodb://127.0.0.1:{free_port()}", "x")
    with pytest.raises(mongo.StoreUnavailable):
        await mongo.ping(database)
    with pytest.raises(mongo.StoreUnavailable), mongo.deadline(0.2):
        await database.things.find_one()
    mongo.close(database)


async def test_no_operation_begins_without_time(database):
    with context.scope(remaining_s=0.001), pytest.raises(errors.DeadlineExceeded), mongo.deadline():
        raise AssertionError


async def test_a_duplicate_key_is_the_stores_to_judge(database):
    with pytest.raises(pymongo.errors.DuplicateKeyError), mongo.deadline():
        await database.things.insert_one({"_id": 1})
        await database.things.insert_one({"_id": 1})


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (pymongo.errors.WTimeoutError("x"), mongo.WriteOutcomeUnknown),
        (pymongo.errors.DuplicateKeyError("x"), None),
        (pymongo.errors.BulkWriteError({}), None),
        (pymongo.errors.DocumentTooLarge("x"), mongo.TooLargeToStore),
        (pymongo.errors.ServerSelectionTimeoutError("x"), mongo.StoreUnavailable),
        (pymongo.errors.WaitQueueTimeoutError("x"), mongo.StoreUnavailable),
        (pymongo.errors.NetworkTimeout("x"), errors.DeadlineExceeded),
        (pymongo.errors.AutoReconnect("x"), mongo.StoreUnavailable),
        (pymongo.errors.OperationFailure("x", 50), errors.DeadlineExceeded),
        (pymongo.errors.OperationFailure("x", 112), mongo.StoreConflict),
        (pymongo.errors.OperationFailure("x", 8, {"errorLabels": ["TransientTransactionError"]}), mongo.StoreConflict),
        (pymongo.errors.OperationFailure("x", 8), None),
        (ValueError("x"), None),
    ],
)
def test_the_drivers_errors_become_ours(error, ours):
    found = mongo.translate(error)
    assert found is None if ours is None else type(found) is ours


def test_body_hashes_tell_methods_and_bodies_apart():
    assert len({mongo.body_hash("A", b"x"), mongo.body_hash("B", b"x"), mongo.body_hash("A", b"y")}) == 3


async def test_a_request_whose_beginning_was_sent_twice_is_carried_out(database, mongo_url):
    """The driver repeats an insert whose answer was lost: what it finds then is its own."""

    async def work():
        return {"done": 1}

    async with losing_an_answer(mongo_url, database.name, b"insert", b"requests") as behind:
        assert await mongo.run_idempotent(behind, "twice", "hash", work) == {"done": 1}
    assert (await database["requests"].find_one({"_id": "twice"}))["state"] == "done"


async def test_a_commit_that_was_sent_twice_is_one_commit(database, mongo_url):
    await database["things"].insert_one({"_id": 0})
    async with losing_an_answer(mongo_url, database.name, b"commitTransaction") as behind:
        # As everywhere: without a deadline the driver tries again once only, and looks 0.5 s for the server it lost.
        with mongo.deadline():
            async with mongo.transaction(behind) as session:
                await behind["things"].insert_one({"_id": 1}, session=session)
    assert await database["things"].count_documents({}) == 2
