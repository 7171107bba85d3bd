"""Every page and its path."""

from gateway.web import account, docs, hub
from gateway.web.site import Page, page


def pages() -> tuple[Page, ...]:
    """All pages, in the order in which paths are tried."""
    return (
        page("/hubs/{title_id}", get=hub.show),
        page("/docs", get=docs.show),
        page("/login", get=account.show_login, post=account.sign_in),
        page("/logout", post=account.sign_out),
    )
