"""Every page and its path."""

from gateway.web import account, docs, hub, studio
from gateway.web.site import Page, page

STUDIO = frozenset({"studio", "policy.admin"})


def pages() -> tuple[Page, ...]:
    """All pages, in the order in which paths are tried."""
    return (
        page("/hubs/{title_id}", get=hub.show),
        page("/studio", scopes=STUDIO, get=studio.show_overview),
        page("/studio/titles/{title_id}", scopes=STUDIO, get=studio.show_title),
        page("/studio/titles/{title_id}/live", scopes=STUDIO, get=studio.watch_title),
        page("/studio/titles/{title_id}/report.csv", scopes=STUDIO, get=studio.export_title),
        page("/studio/insights/{insight_id}", scopes=STUDIO, post=studio.decide_insight),
        page("/docs", get=docs.show),
        page("/login", get=account.show_login, post=account.sign_in),
        page("/logout", post=account.sign_out),
    )
