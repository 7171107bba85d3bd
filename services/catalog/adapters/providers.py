"""Services one can watch on, as sources name them: our id and name, how one pays, and the hosts of their pages."""

from typing import NamedTuple
from urllib.parse import urlsplit

from services.catalog.title import OfferLinks, OfferType, WatchOffer


class Provider(NamedTuple):
    id: str
    name: str
    offer_type: OfferType
    host: str = ""
    path: str = "/"
    region: str = ""  # where the service exists only in one country


_FLATRATE, _ADS, _FREE = OfferType.FLATRATE, OfferType.ADS, OfferType.FREE
PROVIDERS = (
    Provider("netflix", "Netflix", _FLATRATE, "netflix.com", "/title/"),
    Provider("prime-video", "Prime Video", _FLATRATE, "primevideo.com"),
    Provider("disney-plus", "Disney+", _FLATRATE, "disneyplus.com"),
    Provider("hulu", "Hulu", _FLATRATE, "hulu.com", region="US"),
    Provider("paramount-plus", "Paramount+", _FLATRATE, "paramountplus.com"),
    Provider("apple-tv-plus", "Apple TV+", _FLATRATE, "tv.apple.com"),
    Provider("peacock", "Peacock", _FLATRATE, "peacocktv.com", region="US"),
    Provider("max", "Max", _FLATRATE, "max.com"),
    Provider("crunchyroll", "Crunchyroll", _FLATRATE, "crunchyroll.com"),
    Provider("rakuten-viki", "Rakuten Viki", _FLATRATE, "viki.com"),
    Provider("jiohotstar", "JioHotstar", _FLATRATE, "hotstar.com", region="IN"),
    Provider("zee5", "Zee5", _FLATRATE, "zee5.com"),
    Provider("sonyliv", "SonyLIV", _FLATRATE, "sonyliv.com", region="IN"),
    Provider("lionsgate-play", "Lionsgate Play", _FLATRATE, "lionsgateplay.com"),
    Provider("aha", "Aha", _FLATRATE, "aha.video", region="IN"),
    Provider("mx-player", "MX Player", _ADS, "mxplayer.in", region="IN"),
    Provider("bbc-iplayer", "BBC iPlayer", _FREE, "bbc.co.uk", "/iplayer/", "GB"),
    Provider("channel-4", "Channel 4", _ADS, "channel4.com", "/programmes/", "GB"),
    Provider("itvx", "ITVX", _ADS, "itv.com", "/watch/", "GB"),
)
_BY_NAME = {provider.name: provider for provider in PROVIDERS}


def offer_of(named: str, source: str) -> WatchOffer | None:
    """From "Netflix/US", "Netflix/global" or "Netflix"; None for a service we do not know."""
    name, _, region = named.partition("/")
    provider = _BY_NAME.get(name)
    if provider is None:
        return None
    known = region if len(region) == 2 and region.isupper() else ""  # noqa: PLR2004 - alpha-2
    return _offer(provider, known or provider.region, source, "")


def offer_at(address: str, source: str) -> WatchOffer | None:
    """From the address of a page on which a service offers the title; None for any other page."""
    parts = urlsplit(address)
    host = (parts.hostname or "").removeprefix("www.")
    for provider in PROVIDERS:
        if provider.host == host and parts.path.startswith(provider.path) and len(parts.path) > 1:
            return _offer(provider, provider.region, source, address)
    return None


def _offer(provider: Provider, region: str, source: str, address: str) -> WatchOffer:
    return WatchOffer(
        provider_id=provider.id,
        provider_name=provider.name,
        offer_type=provider.offer_type,
        iso_3166_1=region,
        links=OfferLinks(web_url=address),
        source=source,
    )
