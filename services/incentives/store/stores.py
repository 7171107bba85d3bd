"""All stores of this service over one database, and their indexes."""

from dataclasses import dataclass

from chassis.mongo import Database, ensure_requests
from services.incentives.store.campaigns import Campaigns
from services.incentives.store.codes import Codes
from services.incentives.store.enrolments import Creators, Enrolments, Videos
from services.incentives.store.grants import Grants
from services.incentives.store.lines import Cursors, Leases, Lines
from services.incentives.store.requests import Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    campaigns: Campaigns
    enrolments: Enrolments
    videos: Videos
    creators: Creators
    grants: Grants
    lines: Lines
    leases: Leases
    cursors: Cursors
    codes: Codes
    requests: Requests

    @classmethod
    def of(cls, database: Database) -> "Stores":
        return cls(
            campaigns=Campaigns(database),
            enrolments=Enrolments(database),
            videos=Videos(database),
            creators=Creators(database),
            grants=Grants(database),
            lines=Lines(database),
            leases=Leases(database),
            cursors=Cursors(database),
            codes=Codes(database),
            requests=Requests(database),
        )


async def ensure_indexes(database: Database) -> None:
    """Makes the indexes; the unique ones are what the promises rest on, so nothing is served before."""
    stores = Stores.of(database)
    await ensure_requests(database)
    await stores.campaigns.ensure_indexes()
    await stores.enrolments.ensure_indexes()
    await stores.videos.ensure_indexes()
    await stores.grants.ensure_indexes()
    await stores.codes.ensure_indexes()
