"""Where the use cases read and write: the stores of one database."""

from dataclasses import dataclass

from chassis.mongo import Database, ensure_requests
from services.matcher.store.commit import Committer
from services.matcher.store.pictures import FramePictures
from services.matcher.store.segments import Segments
from services.matcher.store.state import Rematches, State, Versions
from services.matcher.store.tasks import Appeals, Audit, Tasks
from services.matcher.store.videos import Videos


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The stores."""

    database: Database
    videos: Videos
    segments: Segments
    tasks: Tasks
    appeals: Appeals
    audit: Audit
    committer: Committer
    state: State
    versions: Versions
    rematches: Rematches
    pictures: FramePictures

    @classmethod
    def of(cls, database: Database, pictures: FramePictures, writer: str) -> "Shelf":
        return cls(
            database=database,
            videos=Videos(database),
            segments=Segments(database, writer),
            tasks=Tasks(database),
            appeals=Appeals(database),
            audit=Audit(database),
            committer=Committer(database),
            state=State(database),
            versions=Versions(database),
            rematches=Rematches(database),
            pictures=pictures,
        )

    async def ensure_indexes(self) -> None:
        await self.videos.ensure_indexes()
        await self.segments.ensure_indexes()
        await self.tasks.ensure_indexes()
        await self.pictures.ensure_indexes()
        await ensure_requests(self.database)
