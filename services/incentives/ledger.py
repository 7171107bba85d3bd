"""Ledger rows as they are read: each from the document that moved, so rows and stock cannot part. Pure."""

from collections.abc import Iterable, Iterator

from services.incentives.domain import Campaign
from services.incentives.participation import Enrolment, Grant, LedgerEntry, LedgerKind, Movement


def stock_rows(campaign: Campaign) -> Iterator[LedgerEntry]:
    """Units that revisions brought, as the difference between one and the next."""
    given: dict[str, int] = {}
    for mark in campaign.revisions:
        for stock in mark.stock_counts:
            delta = stock.count - given.get(stock.reward_id, 0)
            given[stock.reward_id] = stock.count
            if delta:
                yield LedgerEntry(
                    id=f"{campaign.id}/{stock.reward_id}#r{mark.revision}",
                    kind=LedgerKind.STOCK,
                    campaign_id=campaign.id,
                    reward_id=stock.reward_id,
                    movement=Movement(
                        number=mark.revision,
                        act="stock_added" if delta > 0 else "stock_removed",
                        stock_delta=delta,
                        reason=f"revision {mark.revision}",
                        actor=mark.actor,
                        create_time=mark.create_time,
                    ),
                )


def grant_rows(grant: Grant) -> Iterator[LedgerEntry]:
    for movement in grant.ledger:
        yield LedgerEntry(
            id=f"{grant.id}#{movement.number}",
            kind=LedgerKind.GRANT,
            campaign_id=grant.campaign_id,
            reward_id=grant.reward_id,
            creator_id=grant.creator_id,
            grant_id=grant.id,
            movement=movement,
        )


def progress_rows(enrolment: Enrolment) -> Iterator[LedgerEntry]:
    for movement in enrolment.ledger:
        yield LedgerEntry(
            id=f"{enrolment.id}#{movement.number}",
            kind=LedgerKind.PROGRESS,
            campaign_id=enrolment.campaign_id,
            creator_id=enrolment.creator_id,
            movement=movement,
        )


def balance(rows: Iterable[LedgerEntry], reward_id: str) -> int:
    """The sum of what moved a reward's available stock."""
    return sum(row.movement.stock_delta for row in rows if row.reward_id == reward_id)
