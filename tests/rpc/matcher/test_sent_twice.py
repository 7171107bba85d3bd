"""Writes whose answer is lost: the driver sends them again, and they still happen once."""

from services.matcher.policy import Policy
from services.matcher.store.state import Versions
from tests.lost_answers import losing_an_answer


async def test_a_policy_version_is_stored_once(database, mongo_url):
    async with losing_an_answer(mongo_url, database.name, b"insert", b"policies") as behind:
        stored = await Versions(behind).add_policy(Policy(version="", description="strict"))
    assert [each.version for each in await Versions(database).policies("", 10)] == [stored.version] == ["p-000001"]


async def test_another_process_adds_the_next_version(database):
    versions = Versions(database)
    first = await versions.add_policy(Policy(version="", description="strict"))
    second = await versions.add_policy(Policy(version="", description="strict"))
    assert [each.version for each in await versions.policies("", 10)] == [second.version, first.version]
