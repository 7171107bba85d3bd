"""Every page and its path."""

from gateway.web import account, creator, docs, hub, review, studio
from gateway.web.site import Page, page

REVIEWER = frozenset({"reviewer"})
CREATOR = frozenset({"creator"})
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
        page("/review", scopes=REVIEWER, get=review.show_desk),
        page("/review/next", scopes=REVIEWER, post=review.take_next),
        page("/review/counters", scopes=REVIEWER, get=review.show_counters),
        page("/review/queue", scopes=REVIEWER, get=review.show_queue),
        page("/review/titles", scopes=REVIEWER, get=review.search_titles),
        page("/review/appeals", scopes=REVIEWER, get=review.show_appeals),
        page("/review/appeals/{appeal_id}", scopes=REVIEWER, post=review.decide_appeal),
        page("/review/matches/{match_id}", scopes=REVIEWER, get=review.show_match),
        page("/review/tasks/{task_id}", scopes=REVIEWER, get=review.show_task),
        page("/review/tasks/{task_id}/take", scopes=REVIEWER, post=review.take),
        page("/review/tasks/{task_id}/renew", scopes=REVIEWER, post=review.renew),
        page("/review/tasks/{task_id}/release", scopes=REVIEWER, post=review.release),
        page("/review/tasks/{task_id}/decide", scopes=REVIEWER, post=review.decide),
        page("/creator", scopes=CREATOR, get=creator.show_home),
        page("/creator/videos/{video_id}", scopes=CREATOR, get=creator.show_video),
        page("/creator/videos/{video_id}/appeal", scopes=CREATOR, post=creator.file_appeal),
        page("/creator/campaigns/{campaign_id}/rewards/{reward_id}", scopes=CREATOR, post=creator.claim),
        page("/docs", get=docs.show),
        page("/login", get=account.show_login, post=account.sign_in),
        page("/logout", post=account.sign_out),
    )
