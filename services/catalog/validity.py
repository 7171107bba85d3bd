"""What must be true of a title beyond its single fields, and the form it is kept in."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from chassis.errors import Violation
from chassis.ids import derived_id
from services.catalog.errors import TitleInvalid
from services.catalog.title import MediaType, Title, WatchOffer

_PARENTED = (MediaType.SEASON, MediaType.EPISODE)


def settled(title: Title) -> Title:
    """The title as it is kept, with ids for its offers; raises TitleInvalid that names every fault."""
    offers = tuple(offer if offer.id else replace(offer, id=offer_id(offer)) for offer in title.watch_offers)
    faults = (*_faults(title), *_offer_faults(offers))
    if faults:
        said = "; ".join(f"{fault.field}: {fault.description}" for fault in faults[:3])
        raise TitleInvalid(f"The title is not valid: {said}", violations=faults)
    return replace(title, watch_offers=offers) if offers != title.watch_offers else title


def offer_id(offer: WatchOffer) -> str:
    """Stays the same while provider, type, region, format and start of the window do."""
    start = offer.availability_start_time
    return derived_id(
        offer.provider_id,
        offer.offer_type,
        offer.iso_3166_1,
        offer.format_profile,
        start.isoformat() if start else "",
    ).lower()


def _faults(title: Title) -> Iterator[Violation]:
    if not title.title.strip():
        yield Violation("title.title", "a title needs a name")
    if title.media_type is MediaType.UNSPECIFIED:
        yield Violation("title.media_type", "is needed")
    if title.parent_id and title.media_type not in _PARENTED:
        yield Violation("title.parent_id", "only seasons and episodes have a parent")
    if title.parent_id and title.parent_id == title.id:
        yield Violation("title.parent_id", "a title is not its own parent")
    if title.end_year and title.end_year < title.year:
        yield Violation("title.end_year", "is before year")
    if not _is_date(title.release_date):
        yield Violation("title.release_date", "there is no such day")
    for number, release in enumerate(title.release_dates):
        if not _is_date(release.release_date):
            yield Violation(f"title.release_dates[{number}].release_date", "there is no such day")


def _offer_faults(offers: tuple[WatchOffer, ...]) -> Iterator[Violation]:
    seen: set[str] = set()
    for number, offer in enumerate(offers):
        if offer.id in seen:
            yield Violation(f"title.watch_offers[{number}]", "the same offer is there twice")
        seen.add(offer.id)


def _is_date(text: str) -> bool:
    if not text:
        return True
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
