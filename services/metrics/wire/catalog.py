"""What catalog tells, as far as metrics keeps it."""

from collections.abc import Iterable
from datetime import date

from protos.catalog.v1 import catalog_pb2 as pb
from services.metrics.titles import TitleFacts

MEDIA_TYPE_PREFIX = "MEDIA_TYPE_"


def titles_of(messages: Iterable[pb.Title]) -> list[TitleFacts]:
    return [title_of(message) for message in messages]


def title_of(message: pb.Title) -> TitleFacts:
    days = {each.release_date for each in message.release_dates} | {message.release_date}
    return TitleFacts(
        id=message.id,
        name=message.title,
        media_type=pb.MediaType.Name(message.media_type).removeprefix(MEDIA_TYPE_PREFIX).lower(),
        studio_id=message.studio_id,
        release_date=message.release_date,
        release_dates=tuple(sorted(date.fromisoformat(day) for day in days if day)),
        offers=tuple(sorted({_offer(offer) for offer in message.watch_offers})),
        hashtags=frozenset(each.name.lstrip("#").lower() for each in message.hashtags),
        is_active=message.state in {pb.TITLE_STATE_ACTIVE, pb.TITLE_STATE_UNSPECIFIED},
    )


def _offer(message: pb.WatchOffer) -> tuple[str, int, int]:
    return (
        message.iso_3166_1,
        message.availability_start_time.seconds,
        message.availability_end_time.seconds,
    )


def changed_titles(page: pb.ListChangesResponse) -> list[TitleFacts]:
    """The titles of a page of changes, each as it is after it."""
    return [title_of(change.title) for change in page.changes if change.HasField("title")]


def last_revision(page: pb.ListChangesResponse, before: int) -> int:
    return page.changes[-1].revision if page.changes else before
