"""The life of a title as a table: in which state which act is allowed, and where it leads."""

import enum
from collections.abc import Mapping

from chassis.errors import SpotlightError
from services.catalog.errors import TitleDeleted, TitleNotDeleted
from services.catalog.title import TitleState


class Act(enum.StrEnum):
    EDIT = "edit"
    WITHDRAW = "withdraw"
    REINSTATE = "reinstate"
    DELETE = "delete"
    UNDELETE = "undelete"


# Undelete leads back to the state before the deletion, which is given to `after`.
TRANSITIONS: Mapping[tuple[TitleState, Act], TitleState] = {
    (TitleState.ACTIVE, Act.EDIT): TitleState.ACTIVE,
    (TitleState.ACTIVE, Act.WITHDRAW): TitleState.WITHDRAWN,
    (TitleState.ACTIVE, Act.REINSTATE): TitleState.ACTIVE,
    (TitleState.ACTIVE, Act.DELETE): TitleState.DELETED,
    (TitleState.WITHDRAWN, Act.EDIT): TitleState.WITHDRAWN,
    (TitleState.WITHDRAWN, Act.WITHDRAW): TitleState.WITHDRAWN,
    (TitleState.WITHDRAWN, Act.REINSTATE): TitleState.ACTIVE,
    (TitleState.WITHDRAWN, Act.DELETE): TitleState.DELETED,
    (TitleState.DELETED, Act.UNDELETE): TitleState.ACTIVE,
}


def after(state: TitleState, act: Act, *, before_deletion: TitleState = TitleState.ACTIVE) -> TitleState:
    """The state an act leads to, or the error that says why it may not be done."""
    following = TRANSITIONS.get((state, act))
    if following is None:
        raise _refusal(state)
    return before_deletion if act is Act.UNDELETE else following


def _refusal(state: TitleState) -> SpotlightError:
    return TitleDeleted() if state is TitleState.DELETED else TitleNotDeleted()
