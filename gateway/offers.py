"""Which offers a viewer sees: window, region, and a fallback region that is said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain import Offer

OFFERS_MAX = 60

# Where a viewer without offers of their own is most likely to be served: neighbours that share a
# language or a market first, then the largest catalogues.
_NEIGHBOURS = {
    "AT": ("DE",), "CH": ("DE", "FR", "IT"), "LI": ("CH", "AT", "DE"), "LU": ("FR", "DE", "BE"), "BE": ("FR", "NL"),
    "IE": ("GB",), "NZ": ("AU",), "CA": ("US",), "PR": ("US",), "GU": ("US",), "MX": ("US",), "PT": ("ES",),
    "AD": ("ES", "FR"), "MC": ("FR",), "SM": ("IT",), "VA": ("IT",), "GG": ("GB",), "JE": ("GB",), "IM": ("GB",),
    "AR": ("MX",), "CL": ("MX", "AR"), "CO": ("MX",), "PE": ("MX",), "UY": ("AR",), "PY": ("AR",), "BO": ("AR",),
    "HK": ("SG", "TW"), "TW": ("HK", "SG"), "MO": ("HK",), "MY": ("SG",), "NO": ("SE", "DK"), "DK": ("SE", "NO"),
    "FI": ("SE",), "IS": ("DK", "NO"), "SK": ("CZ",), "BY": ("RU",), "KZ": ("RU",), "PK": ("IN",), "BD": ("IN",),
}  # fmt: skip
_LARGEST = ("US", "GB", "DE", "FR", "JP", "BR", "IN")

# Free ways first, as a viewer would: subscription, free, with ads, then paid; tickets have a place of their own.
_TYPE_ORDER = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOffers:
    """What is shown, of which region, and until when that stays true."""

    offers: tuple[Offer, ...]
    unstated: tuple[Offer, ...]
    fallback_region: str
    valid_until: datetime | None


def is_open(offer: Offer, at: datetime) -> bool:
    """Whether a moment lies in an offer's window, which contains its start and not its end."""
    return (offer.start_time is None or offer.start_time <= at) and (offer.end_time is None or at < offer.end_time)


def shown_offers(offers: Sequence[Offer], *, region: str, at: datetime) -> ShownOffers:
    """The offers of the viewer's region, or of one fallback region when it has none."""
    open_offers = [offer for offer in offers if is_open(offer, at)]
    regions = {offer.region for offer in open_offers if offer.region}
    fallback = "" if region in regions else _fallback(region, regions)
    chosen = fallback or region
    return ShownOffers(
        offers=_ordered(offer for offer in open_offers if offer.region == chosen),
        unstated=_ordered(offer for offer in open_offers if not offer.region),
        fallback_region=fallback,
        valid_until=_next_edge(offers, at),
    )


def _fallback(region: str, regions: set[str]) -> str:
    wanted = (*_NEIGHBOURS.get(region, ()), *_LARGEST, *sorted(regions))
    return next((code for code in wanted if code in regions), "")


def _ordered(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    unique = {
        (offer.provider_id, offer.offer_type, offer.format_profile, offer.web_url): offer
        for offer in sorted(offers, key=_order, reverse=True)
    }
    return tuple(sorted(unique.values(), key=_order)[:OFFERS_MAX])


def _order(offer: Offer) -> tuple[int, int, str, str]:
    order = _TYPE_ORDER.get(offer.offer_type, len(_TYPE_ORDER))
    return (order, offer.display_priority, offer.provider_name, offer.id)


def _next_edge(offers: Iterable[Offer], at: datetime) -> datetime | None:
    """The next moment at which any window, of any region, opens or closes."""
    edges = [edge for offer in offers for edge in (offer.start_time, offer.end_time) if edge and edge > at]
    return min(edges, default=None)
