"""What callers who may not see hidden things are not shown: hidden titles, campaigns not yet visible.

Works on the answers of the methods whose rule says so, after the call and before they leave.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from chassis.context import Principal
from chassis.errors import NotFound
from gateway import wire
from gateway.access import sees_hidden
from gateway.domain import TitleNotFound


class CampaignNotFound(NotFound):
    """This campaign does not exist."""

    reason = "CAMPAIGN_NOT_FOUND"


def show_titles(answer: Any, principal: Principal, now: datetime) -> None:
    """Take hidden titles out of an answer; the answer itself may be one."""

    def is_shown(title: Any) -> bool:
        return wire.is_public_title(title, now) or sees_hidden(principal, title.studio_id)

    if "titles" not in answer.DESCRIPTOR.fields_by_name:
        if not is_shown(answer):
            raise TitleNotFound
        return
    hidden = [title.id for title in answer.titles if not is_shown(title)]
    if hidden:
        shown = [title for title in answer.titles if title.id not in set(hidden)]
        del answer.titles[:]
        answer.titles.extend(shown)
        if "missing_ids" in answer.DESCRIPTOR.fields_by_name:
            answer.missing_ids.extend(hidden)


def show_campaign(answer: Any, principal: Principal, now: datetime) -> None:
    """A campaign that creators may not see yet does not exist for them."""
    is_manager = "campaigns.write" in principal.scopes
    if not (wire.is_public_campaign(answer, now) or is_manager or sees_hidden(principal, answer.studio_id)):
        raise CampaignNotFound


SHOW: dict[str, Callable[[Any, Principal, datetime], None]] = {"title": show_titles, "campaign": show_campaign}
"""By the kind of resource that a rule says is hidden."""
