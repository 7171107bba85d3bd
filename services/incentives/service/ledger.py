"""Reads the ledger: stocks first, then grants, then progress; each page holds whole documents."""

from collections.abc import Iterable

from chassis.paging import decode, encode, query_hash, size
from services.incentives.answers import Balance, LedgerPage
from services.incentives.domain import Campaign, CampaignState
from services.incentives.ledger import grant_rows, progress_rows, stock_rows
from services.incentives.participation import LedgerEntry, LedgerKind, Movement
from services.incentives.service.stocks import StockBoard
from services.incentives.store.stores import Stores

SECTIONS = tuple(LedgerKind)


class Ledger:
    def __init__(self, stores: Stores, board: StockBoard, token_key: bytes) -> None:
        self._stores = stores
        self._board = board
        self._token_key = token_key

    async def page(
        self,
        campaign_id: str,
        *,
        reward_id: str,
        creator_id: str,
        kind: LedgerKind | None,
        page_size: int,
        page_token: str,
    ) -> LedgerPage:
        query = query_hash("list_ledger", campaign_id, reward_id, creator_id, kind)
        position = decode(self._token_key, query, page_token)
        campaign = await self._stores.campaigns.get(campaign_id)
        wanted = [section for section in SECTIONS if kind in {None, section}]
        section, after = (LedgerKind(str(position[0])), str(position[1])) if position else (wanted[0], "")
        limit = size(page_size)
        found, last = await self._section(
            campaign, section, reward_id=reward_id, creator_id=creator_id, after=after, limit=limit
        )
        following = (section, last) if last else self._next(wanted, section)
        token = encode(self._token_key, query, [following[0].value, following[1]]) if following else ""
        balances = () if position else await self.balances(campaign)
        return LedgerPage(entries=tuple(found), balances=balances, next_token=token)

    async def balances(self, campaign: Campaign) -> tuple[Balance, ...]:
        """The sum of each reward's rows beside its stock, counted from the same documents in two ways."""
        if campaign.state is CampaignState.DRAFT:
            # Nothing was given into stock yet.
            return ()
        stocks = await self._board.count(campaign)
        moved = await self._stores.grants.stock_deltas(campaign.id)
        brought = await self._stock_rows(campaign)
        added: dict[str, int] = {}
        for row in brought:
            added[row.reward_id] = added.get(row.reward_id, 0) + row.movement.stock_delta
        return tuple(
            Balance(
                reward_id=reward.id,
                balance=added.get(reward.id, 0) + moved.get(reward.id, 0),
                available_count=stocks[reward.id].available_count,
            )
            for reward in campaign.terms.rewards
            if not reward.is_unlimited
        )

    async def _section(
        self, campaign: Campaign, section: LedgerKind, *, reward_id: str, creator_id: str, after: str, limit: int
    ) -> tuple[list[LedgerEntry], str]:
        """The rows of up to `limit` documents of one kind, and where the next page of it begins, if anywhere."""
        match section:
            case LedgerKind.STOCK:
                rows = [] if creator_id else await self._stock_rows(campaign)
                return [row for row in rows if reward_id in {"", row.reward_id}], ""
            case LedgerKind.GRANT:
                wanted = {"campaign_id": campaign.id, "reward_id": reward_id, "creator_id": creator_id}
                filters = {key: value for key, value in wanted.items() if value}
                found = await self._stores.grants.page(filters, after, limit)
                return _flat(grant_rows(grant) for grant in found), found[-1].id if len(found) == limit else ""
            case LedgerKind.PROGRESS:
                if reward_id:
                    return [], ""
                query = {"creator_id": creator_id} if creator_id else {}
                joined = await self._stores.enrolments.page(campaign.id, query, after, limit)
                last = joined[-1].id if len(joined) == limit else ""
                return _flat(progress_rows(enrolment) for enrolment in joined), last

    async def _stock_rows(self, campaign: Campaign) -> list[LedgerEntry]:
        """What revisions and imports brought."""
        rows = list(stock_rows(campaign))
        keys = {f"{campaign.id}/{each.id}": each.id for each in campaign.terms.rewards if each.kind.has_codes}
        pools = await self._stores.codes.pools(list(keys))
        for key, pool in sorted(pools.items()):
            rows += [
                LedgerEntry(
                    id=f"{key}#i{number}",
                    kind=LedgerKind.STOCK,
                    campaign_id=campaign.id,
                    reward_id=keys[key],
                    movement=Movement(
                        number=number,
                        act="stock_added",
                        stock_delta=each.count,
                        reason="codes imported",
                        actor=each.actor,
                        create_time=each.create_time,
                    ),
                )
                for number, each in enumerate(pool.imports, start=1)
            ]
        return rows

    @staticmethod
    def _next(wanted: list[LedgerKind], section: LedgerKind) -> tuple[LedgerKind, str] | None:
        following = wanted[wanted.index(section) + 1 :]
        return (following[0], "") if following else None


def _flat(groups: Iterable[Iterable[LedgerEntry]]) -> list[LedgerEntry]:
    return [row for group in groups for row in group]
